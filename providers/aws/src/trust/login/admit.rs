//! From the answer of STS to who it is.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Checked, LoginTrust, Read, no};

/// What STS says of the signer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CallerIdentity {
    /// The account.
    pub account: String,
    /// Of the user, or of the session of a role.
    pub arn: String,
    /// The unique id; of a session with `:SESSION` behind it.
    pub user_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    get_caller_identity_response: Inner,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inner {
    get_caller_identity_result: CallerIdentity,
}

/// Reads the answer of STS in JSON. `None` when it is none.
pub fn parse_caller_identity(body: &[u8]) -> Option<CallerIdentity> {
    Some(serde_json::from_slice::<Answer>(body).ok()?.get_caller_identity_response.get_caller_identity_result)
}

/// Who it is, taken apart.
struct Principal<'a> {
    /// `AIDA…` or `AROA…`.
    id: &'a str,
    kind: &'static str,
    name: &'a str,
    role: Option<String>,
    session: Option<&'a str>,
}

impl LoginTrust<'_> {
    /// Who logs in, as claims. `iss` is for the relying party to write.
    ///
    /// # Errors
    /// Clause `account` or `principal`.
    pub fn admit(&self, read: &Read, caller: &CallerIdentity) -> Checked<Map<String, Value>> {
        if caller.account != self.account {
            let fix = "log in with a principal of this account, or let the authority trust the other";
            return Err(no("account", caller.account.as_str(), self.account, fix));
        }
        let principal = principal(caller).ok_or_else(|| {
            let wanted = "a user or a session of a role, of the account";
            no("principal", caller.arn.as_str(), wanted, "the root user and federated users cannot log in")
        })?;
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("sub", json!(principal.id));
        set("aud", json!(read.audience));
        set("iat", json!(read.date.as_second()));
        set("exp", json!(self.until(read).as_second()));
        set("account", json!(caller.account));
        set("arn", json!(caller.arn));
        set("kind", json!(principal.kind));
        set("name", json!(principal.name));
        if let Some(role) = principal.role {
            set("role", json!(role));
        }
        if let Some(session) = principal.session {
            set("session", json!(session));
        }
        Ok(claims)
    }

    /// When the date is too old for us.
    pub fn until(&self, read: &Read) -> Timestamp {
        read.date.saturating_add(self.window).unwrap_or(Timestamp::MAX)
    }
}

/// `arn:PARTITION:iam::ACCOUNT:user/[PATH/]NAME` or `arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
fn principal(caller: &CallerIdentity) -> Option<Principal<'_>> {
    let parts: Vec<&str> = caller.arn.splitn(6, ':').collect();
    let ["arn", partition, service, "", account, resource] = parts.as_slice() else { return None };
    if *account != caller.account || !partition.starts_with("aws") {
        return None;
    }
    let is_id = |id: &str, prefix: &str| {
        id.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
    };
    match (*service, resource.split_once('/')?) {
        ("iam", ("user", path)) if is_id(caller.user_id.as_str(), "AIDA") => {
            let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
            Some(Principal { id: &caller.user_id, kind: "user", name, role: None, session: None })
        }
        ("sts", ("assumed-role", rest)) => {
            let (role, session) =
                rest.split_once('/').filter(|(role, session)| !role.is_empty() && !session.is_empty())?;
            let (id, of_session) = caller.user_id.split_once(':')?;
            let name = (is_id(id, "AROA") && of_session == session && !session.contains('/')).then_some(role)?;
            // STS does not tell the path of a role.
            let arn = format!("arn:{partition}:iam::{account}:role/{role}");
            Some(Principal { id, kind: "assumed-role", name, role: Some(arn), session: Some(session) })
        }
        _ => None,
    }
}
