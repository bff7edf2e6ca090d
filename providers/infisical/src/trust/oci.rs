//! OCI: a signed "get user", which the server sends on to Oracle (`identity-oci-auth-service.ts`).

use carnet_core::Mistake;
use carnet_trust::Warning;
use serde::{Deserialize, Serialize};

use super::{Checked, Proven, Refused, TokenSettings, listed, refused::Why, shown, warning};

/// Whether the signer must be the user that is claimed (pull request 8215, open on 2026-09-18). UNCONFIRMED for any given
/// server: where it is not so, whoever may read a colleague's user object can log in as the colleague. The safe side is to
/// refuse.
pub const BIND_SIGNER: bool = true;
/// Longest list of user names, in characters (the schema of the route).
const MAX_NAMES: usize = 500;

/// `oci-auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OciAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// The tenancy.
    pub tenancy_ocid: String,
    /// Names of users, separated by commas. Empty: every user of the tenancy.
    pub allowed_usernames: Option<String>,
}

/// The headers that a login conveys. Others never get through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedHeaders<'a> {
    /// `authorization`. Holds a signature.
    pub authorization: &'a str,
    /// `host`.
    pub host: &'a str,
}

/// What Oracle says of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// The tenancy.
    pub compartment_id: String,
    /// The name.
    pub name: String,
    /// The OCID.
    pub id: String,
    /// `ACTIVE`, or not.
    pub lifecycle_state: String,
}

impl OciAuth {
    /// What a write checks.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), Mistake> {
        let tenancy = self.tenancy_ocid.strip_prefix("ocid1.tenancy.oc1.");
        if tenancy.is_none_or(str::is_empty) {
            return Err(Mistake::new("tenancyOcid", "Invalid Tenancy OCID format. Must start with ocid1.tenancy.oc1."));
        }
        let names = self.allowed_usernames.as_deref().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
        let wrong = names.len() > MAX_NAMES
            || (!names.is_empty() && listed(names).any(|name| name.is_empty() || !name.chars().all(plain)));
        if wrong {
            return Err(Mistake::new("allowedUsernames", "Invalid usernames format"));
        }
        Ok(())
    }

    /// Where the request goes: the URL for this user at the host that was signed.
    ///
    /// # Errors
    /// 400 for another host, 401 and 400 for a signer who is not the user ([`BIND_SIGNER`]).
    pub fn destination(headers: &SignedHeaders<'_>, user_ocid: &str) -> Checked<String> {
        if !is_identity_host(headers.host) {
            let fix = "sign for identity.REGION.oraclecloud.com: other realms, other domains and ports are not taken";
            let seen = shown(Some(headers.host));
            let why = Why { clause: "host", seen: &seen, wanted: "identity.REGION.oraclecloud.com", fix };
            let text = "Invalid OCI host format. Expected format: identity.<region>.oraclecloud.com";
            return Err(Refused::bad(&why, text));
        }
        if BIND_SIGNER {
            check_signer(headers.authorization, user_ocid)?;
        }
        Ok(format!("https://{}/20160918/users/{user_ocid}", headers.host))
    }

    /// Oracle did not tell the user: nobody catches that.
    pub fn unanswered(why: &str) -> Box<Refused> {
        let fix =
            "sign anew with a key that the user has, and set the clock: Oracle takes a signature for five minutes";
        Refused::broken(&Why { clause: "signature", seen: why, wanted: "an answer of Oracle", fix })
    }

    /// Whether this user logs in.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, user: &User, user_ocid: &str) -> Checked<Proven> {
        let mut held = vec!["host", "signature"];
        if user.compartment_id != self.tenancy_ocid {
            let fix = "use a key of a user of the tenancy of the method, or correct `tenancyOcid`";
            let seen = shown(Some(&user.compartment_id));
            let why = Why { clause: "tenancy", seen: &seen, wanted: &self.tenancy_ocid, fix };
            return Err(Refused::unauthorized(&why, "Access denied: OCI account isn't part of tenancy."));
        }
        held.push("tenancy");
        let names = self.allowed_usernames.as_deref().unwrap_or_default();
        if !names.is_empty() && !listed(names).any(|name| name == user.name) {
            let fix =
                "add the name to `allowedUsernames`; case counts, and federated users (`idp/user`) cannot be listed";
            let why = Why { clause: "user-name", seen: &shown(Some(&user.name)), wanted: names, fix };
            return Err(Refused::unauthorized(&why, "Access denied: OCI account username not allowed."));
        }
        held.push("user-name");
        Ok(Proven {
            principal: shown(Some(&user.id)),
            attributes: [("name".to_owned(), shown(Some(&user.name)))].into(),
            held,
            warnings: holes(user, user_ocid),
        })
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        if self.allowed_usernames.as_deref().unwrap_or_default().is_empty() {
            let message = "every user of the tenancy logs in";
            warnings.push(warning("user-name", message, "set `allowedUsernames`"));
        } else {
            warnings.push(warning(
                "user-name",
                "names can be changed and given to others: a user who is made anew with one of them gets in",
                "take a name off the list when its user goes",
            ));
        }
        warnings.push(warning(
            "audience",
            "the signed request says nothing of Infisical: whoever is shown one, or finds it in a log, can log in as the \
             user for five minutes, as often as they like and at every identity that takes the user",
            "show it to nobody else; of carnet's authority the login is bound to server and rule",
        ));
        warnings
    }
}

/// What the answer of Oracle shows and nobody there looks at.
fn holes(user: &User, user_ocid: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !is_user_ocid(user_ocid) {
        warnings.push(warning(
            "user",
            "what was claimed is no OCID of a user; it becomes part of a path, so another object may have answered",
            "send the OCID of the user",
        ));
    }
    if user.id != user_ocid {
        warnings.push(warning("user", "Oracle answered for another user than the one claimed", "do not believe it"));
    }
    if user.lifecycle_state != "ACTIVE" {
        warnings.push(warning(
            "user",
            "the user is not active, and logs in all the same",
            "delete the user's API keys",
        ));
    }
    warnings
}

/// `identity.REGION.oraclecloud.com` with a region as the commercial realm names them: two letters, a word, a digit.
fn is_identity_host(host: &str) -> bool {
    let region = host.strip_prefix("identity.").and_then(|rest| rest.strip_suffix(".oraclecloud.com"));
    let parts: Vec<&str> = region.unwrap_or_default().split('-').collect();
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [area, place, number] => {
            area.len() == 2 && lower(area) && lower(place) && matches!(number.as_bytes(), [b'1'..=b'9'])
        }
        _ => false,
    }
}

/// `ocid1.user.REALM.[REGION].UNIQUE`, letters and digits between the dots.
fn is_user_ocid(text: &str) -> bool {
    let mut parts = text.split('.');
    let begins = parts.next() == Some("ocid1") && parts.next() == Some("user");
    let rest: Vec<&str> = parts.collect();
    let plain =
        |part: &&str| part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    begins
        && (3..=4).contains(&rest.len())
        && rest.iter().all(plain)
        && rest.last().is_some_and(|last| !last.is_empty())
}

/// The signer in `keyId` is the user that is claimed. The words are ours.
fn check_signer(authorization: &str, user_ocid: &str) -> Checked<()> {
    let fix = "sign with an API key of the user that is claimed, as `Signature version=\"1\",keyId=\"TENANCY/USER/FINGERPRINT\",…`";
    let Some(key_id) = key_id(authorization) else {
        let why = Why { clause: "signature", seen: "no key id", wanted: "one `keyId`", fix };
        return Err(Refused::bad(&why, "Invalid OCI authorization header"));
    };
    let parts: Vec<&str> = key_id.split('/').collect();
    let [_tenancy, user, _fingerprint] = parts.as_slice() else {
        let why = Why { clause: "signer", seen: "no key of a user", wanted: "the key of a user", fix };
        return Err(Refused::bad(&why, "OCI key id is not that of a user API key"));
    };
    if *user != user_ocid {
        let why = Why { clause: "signer", seen: &shown(Some(*user)), wanted: &shown(Some(user_ocid)), fix };
        return Err(Refused::unauthorized(&why, "Access denied: OCI signer does not match the user."));
    }
    Ok(())
}

/// `keyId` of `Signature NAME="VALUE",…`: each name once, each value in quotes.
fn key_id(authorization: &str) -> Option<&str> {
    let (scheme, parameters) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("signature") {
        return None;
    }
    let mut names = Vec::new();
    let mut found = None;
    for parameter in parameters.split(',') {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"').filter(|value| !value.contains('"'))?;
        if names.contains(&name) {
            return None;
        }
        names.push(name);
        if name == "keyId" {
            found = Some(value);
        }
    }
    found
}

#[cfg(test)]
mod tests;
