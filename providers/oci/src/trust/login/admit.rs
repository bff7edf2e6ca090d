//! From what was proved to who it is.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{EXTERNAL_PREFIX, LoginTrust, Ocid, Read};
use crate::trust::{
    Checked,
    principal::{PTYPE_FEDERATED, PTYPE_USER, Proof},
    show,
    signature::refuse,
};

/// What has proved the signature.
#[derive(Clone, Copy, Debug)]
pub enum Proved<'a> {
    /// The session token, by the keys of the auth service or because Oracle has answered; or Oracle, for an API key, without
    /// telling anything of the user.
    Signer,
    /// Oracle, by its answer to "get user".
    User(&'a User),
}

/// The answer to "get user" ("User Reference", Identity API), as far as it is looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// OCID.
    pub id: String,
    /// OCID of the tenancy.
    pub compartment_id: String,
    /// The name, which can be changed and given to others.
    pub name: String,
    /// `ACTIVE` and others.
    pub lifecycle_state: String,
    /// What it may do.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Sign with API keys.
    #[serde(default)]
    pub can_use_api_keys: Option<bool>,
}

impl LoginTrust<'_> {
    /// Who logs in, as claims. `iss` is for the relying party to write.
    ///
    /// # Errors
    /// Clause `user`, `tenancy`, `state` or `subject`.
    pub fn admit(&self, read: &Read, proved: &Proved<'_>) -> Checked<Map<String, Value>> {
        let principal = &read.principal;
        let mut name = principal.name.clone();
        if let Proved::User(user) = proved {
            self.check_user(read, user)?;
            name = Some(user.name.clone());
        }
        let mut claims = Map::new();
        // What a token says further is never one of the names below: those that carry meaning here are written last.
        for (attribute, value) in &principal.attributes {
            claims.insert(attribute.clone(), json!(value));
        }
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("sub", json!(subject(read)?));
        set("aud", json!(read.audience));
        set("iat", json!(read.date.as_second()));
        set("exp", json!(self.until(read).as_second()));
        set("tenancy", json!(principal.tenancy));
        set("ptype", json!(principal.kind));
        set("proof", json!(principal.proof));
        for (name, value) in
            [("name", &name), ("compartment", &principal.compartment), ("fingerprint", &read.fingerprint)]
        {
            if let Some(value) = value {
                set(name, json!(value));
            }
        }
        Ok(claims)
    }

    /// When the date is too old anyway.
    pub fn until(&self, read: &Read) -> Timestamp {
        read.date.saturating_add(self.window).unwrap_or(Timestamp::MAX)
    }

    fn check_user(&self, read: &Read, user: &User) -> Checked<()> {
        if user.id != read.principal.id {
            let fix = "do not believe whoever answers there";
            return Err(refuse("user", show(&user.id), show(&read.principal.id), fix));
        }
        if user.compartment_id != self.tenancy {
            let fix = "log in with a user of this tenancy, or let the authority trust the other";
            return Err(refuse("tenancy", show(&user.compartment_id), self.tenancy, fix));
        }
        if user.lifecycle_state != "ACTIVE" {
            return Err(refuse("state", show(&user.lifecycle_state), "ACTIVE", "activate the user, or use another"));
        }
        let with_key = read.principal.proof == Proof::ApiKey;
        let may = user.capabilities.and_then(|capabilities| capabilities.can_use_api_keys).unwrap_or(true);
        if with_key && !may {
            let fix = "let the user use API keys (capabilities), or use another";
            return Err(refuse("state", "a user who may not use API keys", "one who may", fix));
        }
        Ok(())
    }
}

/// The immutable id.
fn subject(read: &Read) -> Checked<String> {
    let principal = &read.principal;
    if principal.kind == PTYPE_FEDERATED {
        return Ok(format!("{EXTERNAL_PREFIX}{}", principal.id));
    }
    let ocid = Ocid::parse(&principal.id);
    if ocid.is_some_and(|ocid| (ocid.kind == PTYPE_USER) == (principal.kind == PTYPE_USER)) {
        return Ok(principal.id.clone());
    }
    let wanted = format!("an OCID that names a {}", principal.kind);
    Err(refuse("subject", show(&principal.id), wanted, "get a new session token from the auth service"))
}
