//! Initialising, unsealing, health: what answers without a token, and while sealed.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    behaviour::{self, Node},
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Reply},
    state::State,
    tokens::Token,
};

/// What the server says it is; the Terraform provider looks at it.
const VERSION: &str = "1.20.0";
const CLUSTER: &str = "carnet-sandbox";
/// Most key shares (`secret_shares`).
const MAX_SHARES: u64 = 255;

/// The parameters of `sys/health` that name a status, and what it is without them (`http/sys_health.go` of hashicorp/vault).
const HEALTH: [(&str, u16); 6] = [
    ("uninitcode", 501),
    ("sealedcode", 503),
    ("drsecondarycode", 472),
    ("performancestandbycode", 473),
    ("standbycode", 429),
    ("activecode", 200),
];

/// The seal of a server.
#[derive(Debug, Default)]
pub(crate) struct Seal {
    /// Hexadecimal; empty until the server is initialised.
    shares: BTreeSet<String>,
    threshold: usize,
    given: BTreeSet<String>,
    nonce: String,
    open: bool,
}

impl Seal {
    /// Initialised with one share, and open: a development server.
    pub(crate) fn development(share: String) -> Self {
        Self { shares: [share].into(), threshold: 1, open: true, ..Self::default() }
    }

    fn initialized(&self) -> bool {
        !self.shares.is_empty()
    }

    /// Seals it.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.given.clear();
    }

    fn status(&self) -> Value {
        json!({
            "type": "shamir",
            "initialized": self.initialized(),
            "sealed": !self.open,
            "t": self.threshold,
            "n": self.shares.len(),
            "progress": self.given.len(),
            "nonce": if self.given.is_empty() { "" } else { self.nonce.as_str() },
            "version": VERSION,
            "build_date": "2026-01-01T00:00:00Z",
            "migration": false,
            "cluster_name": CLUSTER,
            "cluster_id": "c0ffee00-0000-4000-8000-000000000000",
            "recovery_seal": false,
            "storage_type": "inmem",
        })
    }
}

/// Paths of the server as a whole, which no namespace has ("Namespaces", restricted paths), so far as they are here.
const ROOT_ONLY: [&str; 6] = ["sys/health", "sys/init", "sys/leader", "sys/seal", "sys/seal-status", "sys/unseal"];

/// Answers what works while sealed and on every server of a cluster; refuses the rest while it is sealed or is not the one
/// that answers, and what only the root has. `None` means go on.
pub(crate) fn sealed(state: &State, call: &Call) -> Option<Answer> {
    let writes = call.operation == Operation::Update;
    let reads = call.operation == Operation::Read;
    let ok = |body| Some(Ok(Reply::Raw(StatusCode::OK, body)));
    // A namespace may be in the header, in the path, or in both; of one that is not there nothing is answered here.
    let resolved = state.lock().resolve(&call.namespace, &call.path);
    let path = match &resolved {
        Some((namespace, path)) if !namespace.is_empty() && ROOT_ONLY.contains(&path.trim_end_matches('/')) => {
            return Some(Err(ApiError::bad("operation unavailable in namespaces")));
        }
        Some((namespace, path)) if namespace.is_empty() => path.as_str(),
        _ => "",
    };
    match path {
        "sys/health" if reads => Some(health(state, call)),
        "sys/init" if reads => ok(json!({ "initialized": state.lock().seal.initialized() })),
        "sys/init" if writes => Some(init(state, call)),
        "sys/seal-status" if reads => ok(state.lock().seal.status()),
        "sys/unseal" if writes => Some(unseal(state, call)),
        "sys/leader" if reads => {
            let behaviour = state.lock().behaviour.clone();
            let stands_by = behaviour.node.stands_by();
            let active = if stands_by { behaviour.active_address.as_str() } else { "" };
            ok(
                json!({ "ha_enabled": stands_by, "is_self": false, "leader_address": active, "leader_cluster_address": "" }),
            )
        }
        "sys/health" | "sys/init" | "sys/seal-status" | "sys/unseal" | "sys/leader" => {
            Some(Err(ApiError::unsupported()))
        }
        _ if !state.lock().seal.open => Some(Err(ApiError::sealed())),
        _ => behaviour::answer(state, call),
    }
}

fn health(state: &State, call: &Call) -> Answer {
    let inner = state.lock();
    let (seal, node) = (&inner.seal, inner.behaviour.node);
    let name = match node {
        _ if !seal.initialized() => "uninitcode",
        _ if !seal.open => "sealedcode",
        Node::DrSecondary => "drsecondarycode",
        Node::PerformanceStandby if !is_set(call, "perfstandbyok")? => "performancestandbycode",
        Node::Standby if !is_set(call, "standbyok")? => "standbycode",
        Node::Active | Node::Standby | Node::PerformanceStandby => "activecode",
    };
    // Each is read, whichever counts: one that is no number is an error.
    let mut status = StatusCode::OK;
    for (code, usual) in HEALTH {
        let asked = call.query.get(code).map_or(Ok(usual), |asked| asked.parse()).map_err(|_no_number| no_text())?;
        if code == name {
            status = StatusCode::from_u16(asked).map_err(|_no_status| no_text())?;
        }
    }
    let replicated = if node == Node::DrSecondary { "secondary" } else { "disabled" };
    Ok(Reply::Raw(
        status,
        json!({
            "initialized": seal.initialized(),
            "sealed": !seal.open,
            "standby": node.stands_by(),
            "performance_standby": node == Node::PerformanceStandby,
            "replication_performance_mode": "disabled",
            "replication_dr_mode": replicated,
            "server_time_utc": state.now().as_second(),
            "version": VERSION,
            "cluster_name": CLUSTER,
            "cluster_id": "c0ffee00-0000-4000-8000-000000000000",
        }),
    ))
}

/// Whether a parameter says yes, as Go reads truth values; an empty one does not.
fn is_set(call: &Call, name: &str) -> Result<bool, ApiError> {
    match call.query.get(name).map(String::as_str) {
        Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
        None | Some("" | "0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
        Some(_) => Err(no_text()),
    }
}

/// 400 without a text.
fn no_text() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, Vec::<String>::new())
}

fn init(state: &State, call: &Call) -> Answer {
    let number = |name: &str| call.body.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (shares, threshold) = (number("secret_shares"), number("secret_threshold"));
    // hvac sends `null` where it was told no key.
    if ["pgp_keys", "root_token_pgp_key"].iter().any(|name| call.body.get(*name).is_some_and(|key| !key.is_null())) {
        return Err(ApiError::bad("the sandbox does not encrypt keys with PGP"));
    }
    let mut inner = state.lock();
    if inner.seal.initialized() {
        return Err(ApiError::bad("Vault is already initialized"));
    }
    if !(1..=MAX_SHARES).contains(&shares) || threshold == 0 || threshold > shares || (threshold == 1 && shares > 1) {
        return Err(ApiError::bad("invalid seal configuration: shares and threshold do not fit"));
    }
    let keys: Vec<String> = (0..shares).map(|_| state.world.random_hex::<33>()).collect();
    let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
    inner.seal = Seal { shares: keys.iter().cloned().collect(), threshold, nonce: state.uuid(), ..Seal::default() };
    let (token, _) = inner.tokens.issue(&state.world, Token::root(state.now()));
    let base64: Vec<String> = keys.iter().filter_map(|key| Some(STANDARD.encode(from_hex(key)?))).collect();
    let body = json!({ "keys": keys, "keys_base64": base64, "root_token": token.expose() });
    Ok(Reply::Raw(StatusCode::OK, body))
}

fn unseal(state: &State, call: &Call) -> Answer {
    let mut inner = state.lock();
    let seal = &mut inner.seal;
    if !seal.initialized() {
        return Err(ApiError::bad("server is not yet initialized"));
    }
    if call.body.get("reset").and_then(Value::as_bool) == Some(true) {
        seal.given.clear();
        return Ok(Reply::Raw(StatusCode::OK, seal.status()));
    }
    let key = call.text("key").trim();
    if key.is_empty() {
        return Err(ApiError::bad("'key' must be specified in request body as JSON, or 'reset' set to true"));
    }
    let bytes = from_hex(key).or_else(|| STANDARD.decode(key).ok());
    let bytes = bytes.ok_or_else(|| ApiError::bad("'key' must be a valid hex or base64 string"))?;
    if !seal.open {
        seal.given.insert(carnet_core::hex(&bytes));
        if seal.given.len() >= seal.threshold {
            let good = seal.given.is_subset(&seal.shares);
            seal.given.clear();
            if !good {
                // UNCONFIRMED wording: the real one speaks of the root key that does not decrypt.
                return Err(ApiError::bad("unseal failed, invalid key"));
            }
            seal.open = true;
        }
    }
    Ok(Reply::Raw(StatusCode::OK, seal.status()))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair.iter().fold(0_u32, |sum, digit| sum * 16 + digit)).ok()).collect()
}
