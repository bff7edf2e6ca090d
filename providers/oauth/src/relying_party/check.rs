//! From the section to an exchange that can be made.

use std::collections::BTreeMap;

use carnet_core::{Mistake, safe_text};
use url::Url;

use super::{Asking, RelyingParty};
use crate::{
    catalogue::{self, AudienceRule, Dialect, Party, Place, Setting},
    endpoint::check_origin,
};

/// Longest value of a setting, in bytes: resource names are the longest.
const MAX_VALUE: usize = 1024;

/// The values of the settings, by their names in the configuration.
type Values = BTreeMap<String, String>;

/// Checks a section, reporting all mistakes.
pub(super) fn check(section: &RelyingParty) -> Result<Asking, Vec<Mistake>> {
    let party = match catalogue::find(&section.name) {
        Some(party) => party.map_err(|wrong| vec![Mistake::new("name", wrong)])?,
        None => return Err(vec![unknown()]),
    };
    let mut mistakes = Vec::new();
    let values = values(&party, &section.settings, &mut mistakes);
    let audience = audience(&party, section.subject_audience.as_deref(), &values);
    let audience = audience.map_err(|mistake| mistakes.push(mistake)).ok();
    let url = url(&party, section.origin.as_deref(), &values).map_err(|mistake| mistakes.push(mistake)).ok();
    match (audience, url) {
        (Some(audience), Some(url)) if mistakes.is_empty() => Ok(Asking {
            url,
            members: members(&party, &values),
            prefix: party.request.prefix.as_deref().map(|prefix| filled(prefix, &values)).unwrap_or_default(),
            audience,
            party,
        }),
        _ => Err(mistakes),
    }
}

fn unknown() -> Mistake {
    let names: Vec<&str> = catalogue::parties().collect();
    Mistake::new("name", "is not in the catalogue")
        .hint(format!("the catalogue knows {}; for others there is the exchange `oauth`", names.join(", ")))
}

/// The values that are given, and those that are not given and have a default.
fn values(party: &Party, given: &Values, mistakes: &mut Vec<Mistake>) -> Values {
    let settings = &party.request.setting;
    for name in given.keys().filter(|name| !settings.iter().any(|setting| setting.name == **name)) {
        let known: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
        let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let field = format!("settings.{}", safe_text(name));
        mistakes.push(Mistake::unknown(field, "is no setting of this service").hint(format!("there are {there}")));
    }
    let mut values = Values::new();
    for setting in settings {
        let field = format!("settings.{}", setting.name);
        match given.get(&setting.name).or(setting.default.as_ref()) {
            Some(value) => match fault(setting, value) {
                Some(wrong) => mistakes.push(Mistake::new(field, wrong).hint(setting.about.clone())),
                None => drop(values.insert(setting.name.clone(), value.clone())),
            },
            None if setting.required => mistakes.push(Mistake::new(field, "is missing").hint(setting.about.clone())),
            None => {}
        }
    }
    values
}

/// What is wrong with a value.
fn fault(setting: &Setting, value: &str) -> Option<String> {
    if value.is_empty() || value.len() > MAX_VALUE || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Some("is empty, too long, or has blanks".to_owned());
    }
    if !setting.one_of.is_empty() && !setting.one_of.iter().any(|known| known == value) {
        return Some(format!("is not one of {}", setting.one_of.join(", ")));
    }
    if !setting.starts_with.is_empty() && !setting.starts_with.iter().any(|start| value.starts_with(start)) {
        return Some(format!("does not begin with {}", setting.starts_with.join(" or ")));
    }
    let segments: Vec<&str> = match setting.place {
        Place::Segment => vec![value],
        Place::Path => value.split('/').collect(),
        Place::Member | Place::Prefix => Vec::new(),
    };
    // A URL drops them without a word (WHATWG URL, 4.4).
    let odd = segments.iter().any(|segment| matches!(*segment, "" | "." | ".."));
    odd.then(|| "cannot be part of an address".to_owned())
}

/// The audience that the token shown must name.
fn audience(party: &Party, given: Option<&str>, values: &Values) -> Result<String, Mistake> {
    let mistake = |what: String| Mistake::new("subject_audience", what);
    let title = &party.title;
    if given.is_some_and(str::is_empty) {
        return Err(mistake("is empty".to_owned()).hint("leave it out"));
    }
    let default = party.audience.default.as_deref().map(|text| filled(text, values));
    match (party.audience.rule, given, default) {
        (AudienceRule::Fixed, Some(given), Some(default)) if given != default => {
            Err(mistake(format!("is another one than {title} takes: {default}")).hint("leave it out"))
        }
        (_, Some(given), _) => Ok(given.to_owned()),
        (_, None, Some(default)) => Ok(default),
        (_, None, None) => Err(mistake(format!("is missing: for {title} it is what its side of the trust says"))
            .hint("set it to the audience that is configured there for this issuer, character by character")),
    }
}

/// Where to ask; `None` if nothing is sent.
fn url(party: &Party, given: Option<&str>, values: &Values) -> Result<Option<Url>, Mistake> {
    if party.request.dialect == Dialect::Presented {
        return match given {
            Some(_) => Err(Mistake::new("origin", "is not used: nothing is sent to this service").hint("leave it out")),
            None => Ok(None),
        };
    }
    let origin = given.or(party.request.origin.as_deref()).ok_or_else(|| {
        Mistake::new("origin", format!("is missing: each customer of {} has one", party.title))
            .hint("write the address that you sign in at, https://host, without anything behind it")
    })?;
    let url = check_origin("origin", origin)?;
    Ok(Some(address(url, party, values)))
}

/// The path with its settings. A setting that is missing has been told of already.
fn address(mut url: Url, party: &Party, values: &Values) -> Url {
    // Only addresses without a host have no segments, and those have been refused.
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear();
        for segment in party.request.path.split('/').skip(1) {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match name.map(|name| (name, values.get(name).map_or("", String::as_str))) {
                None => path.push(segment),
                Some((name, value)) if is_path(party, name) => path.extend(value.split('/')),
                Some((_, value)) => path.push(value),
            };
        }
    }
    url
}

fn is_path(party: &Party, name: &str) -> bool {
    party.request.setting.iter().any(|setting| setting.name == name && setting.place == Place::Path)
}

/// What is sent beside the token, in the order of the catalogue.
fn members(party: &Party, values: &Values) -> Vec<(String, String)> {
    let members = party.request.setting.iter().filter(|setting| setting.place == Place::Member);
    members.filter_map(|setting| Some((setting.wire_name().to_owned(), values.get(&setting.name)?.clone()))).collect()
}

/// A template with its settings.
fn filled(template: &str, values: &Values) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
