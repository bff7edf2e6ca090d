//! All trusts of all parties, found without looking through them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use carnet_jose::Claims;
use carnet_oauth::trust::Trust;

use crate::{
    face::{Face, Key},
    request::Members,
};

/// Most trusts. A sandbox that somebody fills by mistake says so and goes on.
const MAX_TRUSTS: usize = 100_000;

/// A party and one of its words.
type Place = (&'static str, String);

/// Trusts by party and key.
#[derive(Default)]
pub(crate) struct Trusts {
    by_key: HashMap<Place, Vec<Arc<Trust>>>,
    /// The first part of each key: what is known, wherever it leads.
    beginnings: HashSet<Place>,
    issuers: HashSet<Place>,
    count: usize,
}

impl Trusts {
    /// Adds one; `false` when there is no room.
    pub(crate) fn add(&mut self, face: &Face, trust: Trust) -> bool {
        if self.count >= MAX_TRUSTS {
            return false;
        }
        self.count = self.count.saturating_add(1);
        let key = of_trust(face.key, &trust);
        self.beginnings.insert((face.name, beginning(&key).to_owned()));
        self.issuers.insert((face.name, trust.issuer.clone()));
        self.by_key.entry((face.name, key)).or_default().push(Arc::new(trust));
        true
    }

    /// The trusts of a key, and whether its beginning is known.
    pub(crate) fn find(&self, face: &Face, key: String) -> (Vec<Arc<Trust>>, bool) {
        let known = self.beginnings.contains(&(face.name, beginning(&key).to_owned()));
        (self.by_key.get(&(face.name, key)).cloned().unwrap_or_default(), known)
    }

    /// Whether some trust of this party names the issuer.
    pub(crate) fn names_issuer(&self, face: &Face, issuer: &str) -> bool {
        self.issuers.contains(&(face.name, issuer.to_owned()))
    }
}

/// The key of a request; what is missing in it is empty.
pub(crate) fn of_request(key: Key, asked: &Members, claims: Option<&Claims>) -> String {
    let claim = |name: &&str| claims.and_then(|claims| claims.str(name));
    match key {
        Key::Members(names) => joined(names.iter().map(|name| asked.get(*name).map(String::as_str))),
        Key::Claim(names) => names.iter().find_map(claim).unwrap_or_default().to_owned(),
        Key::Subject => claim(&"sub").unwrap_or_default().to_owned(),
    }
}

fn of_trust(key: Key, trust: &Trust) -> String {
    let first = |values: &Vec<String>| values.first().cloned();
    match key {
        Key::Members(names) => joined(names.iter().map(|name| trust.members.get(*name)?.first().map(String::as_str))),
        Key::Claim(names) => names.iter().find_map(|name| trust.claims.get(*name).and_then(first)).unwrap_or_default(),
        Key::Subject => trust.subject.clone().unwrap_or_default(),
    }
}

/// A line end is in no member that leads anywhere, so two keys are equal only if their parts are.
fn joined<'a>(parts: impl Iterator<Item = Option<&'a str>>) -> String {
    parts.map(Option::unwrap_or_default).collect::<Vec<_>>().join("\n")
}

fn beginning(key: &str) -> &str {
    key.split('\n').next().unwrap_or_default()
}
