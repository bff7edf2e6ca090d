//! Many who exchange tokens at once, and what became of each.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{Scope, ScopedJoinHandle},
};

use serde_json::Value;

use super::{
    scene::{JWT, admin, exchange, token},
    witness::Witness,
};

/// A token that somebody got.
pub(crate) struct Given {
    /// `sub` of the subject token.
    pub(crate) subject: String,
    pub(crate) token: String,
}

/// Callers, each with a job of its own.
pub(crate) struct Load<'scope> {
    pub(crate) given: Receiver<Given>,
    stop: &'scope AtomicBool,
    callers: Vec<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Load<'scope> {
    /// So many at each of these authorities, until they are stopped, or theirs is gone.
    pub(crate) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        witness: &'scope Witness,
        stop: &'scope AtomicBool,
        addresses: &[&str],
        at_each: usize,
    ) -> Self {
        let (sender, given) = channel();
        let mut callers = Vec::new();
        for address in addresses {
            for number in 0..at_each {
                let (sender, address) = (sender.clone(), (*address).to_owned());
                callers.push(scope.spawn(move || call(&address, number, witness, stop, &sender)));
            }
        }
        Self { given, stop, callers }
    }

    /// Stops them; what they got since.
    pub(crate) fn end(self) -> Vec<Given> {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.join().expect("a caller was refused");
        }
        self.given.try_iter().collect()
    }
}

fn call(address: &str, number: usize, witness: &Witness, stop: &AtomicBool, sender: &Sender<Given>) {
    let port = address.rsplit(':').next().expect("an address with a port");
    for turn in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("{port}-{number}-{turn}");
        // Whoever is cut off does not know what became of it.
        let Ok(answer) = token(address, &exchange(&witness.token(&name), JWT)) else { return };
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
        let given = Given { subject: format!("job:{name}"), token };
        if sender.send(given).is_err() {
            return;
        }
    }
}

/// The subjects of all exchanges that the audit log says were allowed. The log must be whole.
pub(crate) fn audited(socket: &std::path::Path) -> std::collections::BTreeSet<String> {
    let verdict = admin(socket, 200, "GET", "/v1/audit/verify", &Value::Null);
    assert_eq!(verdict["intact"], true, "{verdict}");
    let (mut subjects, mut after) = (std::collections::BTreeSet::new(), 0);
    loop {
        let path = format!("/v1/audit?action=token.exchange&outcome=allowed&limit=1000&after={after}");
        let page = admin(socket, 200, "GET", &path, &Value::Null);
        let items = page["items"].as_array().expect("rows");
        let Some(last) = items.last() else { return subjects };
        after = last["seq"].as_u64().expect("a place");
        subjects.extend(items.iter().filter_map(|row| Some(row["record"]["subject"].as_str()?.to_owned())));
    }
}
