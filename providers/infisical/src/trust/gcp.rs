//! GCP: an ID token of Google (`gce`), or a JWT that a service account has signed itself (`iam`)
//! (`identity-gcp-auth-service.ts`).

use std::collections::BTreeMap;

use carnet_core::Secret;
use carnet_jose::{Claims, KeySet};
use carnet_trust::Warning;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Checked, Proven, Refused, TokenSettings, listed,
    refused::Why,
    shown,
    token::{self, Expected, FORM_FIX, Thrown},
    warning,
};

/// The issuer of ID tokens.
const ISSUER: &str = "https://accounts.google.com";
/// What Google's library tolerates of clocks (`google-auth-library`, `CLOCK_SKEW_SECS_`).
const TOLERANCE: SignedDuration = SignedDuration::from_secs(300);

/// Which proof is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GcpType {
    /// An ID token.
    #[default]
    Gce,
    /// A JWT of `signJwt`.
    Iam,
}

/// `gcp-auth`. The audience is always the id of the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GcpAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// Which proof is taken.
    #[serde(rename = "type")]
    pub kind: GcpType,
    /// E-mail addresses, separated by commas. Empty: not looked at.
    pub allowed_service_accounts: String,
    /// Projects of the machine, for tokens that tell one. Empty: not looked at.
    pub allowed_projects: String,
    /// Zones of the machine, for tokens that tell one. Empty: not looked at.
    pub allowed_zones: String,
}

impl GcpAuth {
    /// The service account whose keys are wanted, for `iam`: `sub` of the token, which nobody has verified.
    ///
    /// # Errors
    /// 401 for what is no service account of a project, 500 for what is no JWT.
    pub fn unverified_account(token: &Secret) -> Checked<String> {
        let token = token::decode(token).ok_or_else(malformed)?;
        let subject = token.unverified_claims().str("sub");
        subject.filter(|subject| is_account(subject)).map(ToOwned::to_owned).ok_or_else(|| {
            let fix =
                "let the service account sign for itself: `sub` is its address NAME@PROJECT.iam.gserviceaccount.com";
            let why = Why { clause: "subject", seen: &shown(subject), wanted: "the address of a service account", fix };
            Refused::unauthorized(&why, "Invalid service account identifier")
        })
    }

    /// Google's keys could not be had: nobody catches that.
    pub fn unfetched(why: &str) -> Box<Refused> {
        let fix = "make www.googleapis.com reachable from the server; the service account must exist";
        Refused::broken(&Why { clause: "keys", seen: why, wanted: "the keys of Google", fix })
    }

    /// Whether this token logs in at this identity. `keys` are Google's own, or for `iam` those of the service account.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, identity_id: &str, token: &Secret, keys: &KeySet, now: Timestamp) -> Checked<Proven> {
        let (claims, email) = match self.kind {
            GcpType::Gce => id_token(identity_id, token, keys, now)?,
            GcpType::Iam => signed(identity_id, token, keys, now)?,
        };
        let mut held = vec!["signature", "expired", "audience"];
        let why = Listed { clause: "service-account", text: "Access denied: GCP service account not allowed." };
        why.check(&self.allowed_service_accounts, &email)?;
        held.push("service-account");
        let mut attributes = BTreeMap::new();
        let machine = claims.get("google").and_then(|google| google.get("compute_engine"));
        if let Some(machine) = machine.filter(|_| self.kind == GcpType::Gce) {
            let tell = |name: &str| machine.get(name).and_then(Value::as_str).unwrap_or_default();
            let why = Listed { clause: "project", text: "Access denied: GCP project not allowed." };
            why.check(&self.allowed_projects, tell("project_id"))?;
            let why = Listed { clause: "zone", text: "Access denied: GCP zone not allowed." };
            why.check(&self.allowed_zones, tell("zone"))?;
            held.extend(["project", "zone"]);
            for name in ["project_id", "zone", "instance_id"] {
                attributes.insert(name.to_owned(), carnet_core::safe_text(tell(name)));
            }
        }
        let mut warnings = token::lint(&claims);
        if machine.is_none() && !(self.allowed_projects.is_empty() && self.allowed_zones.is_empty()) {
            warnings.push(warning(
                "project",
                "the token tells no machine, and then projects and zones are not looked at",
                "set `allowedServiceAccounts`, and let machines ask for tokens with `format=full`",
            ));
        }
        Ok(Proven { principal: shown(Some(&email)), attributes, held, warnings })
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        if self.allowed_service_accounts.is_empty() {
            warnings.push(warning(
                "service-account",
                "a token of anybody's service account logs in: the audience is the identity's id, which is no secret",
                "set `allowedServiceAccounts`",
            ));
        } else {
            warnings.push(warning(
                "service-account",
                "addresses are names: a service account that is made anew with the same one gets in",
                "delete the entry when the service account goes",
            ));
        }
        warnings
    }
}

/// A list that a value must be in, if it is not empty.
struct Listed {
    clause: &'static str,
    text: &'static str,
}

impl Listed {
    fn check(&self, list: &str, seen: &str) -> Checked<()> {
        if list.is_empty() || listed(list).any(|one| one == seen) {
            return Ok(());
        }
        let fix = "add it to the list of the method; whole values are compared";
        let why = Why { clause: self.clause, seen: &shown(Some(seen)), wanted: list, fix };
        Err(Refused::unauthorized(&why, self.text))
    }
}

/// What Google's library throws nobody catches.
fn id_token(identity_id: &str, token: &Secret, keys: &KeySet, now: Timestamp) -> Checked<(Claims, String)> {
    let token = token::decode(token).ok_or_else(malformed)?;
    let expected = Expected { audience: Some(identity_id), issuer: Some(ISSUER), tolerance: TOLERANCE };
    let broken = |thrown: Box<Thrown>| Refused::broken(&thrown.why());
    let claims = token::verify(&token, keys, expected, now).map_err(broken)?;
    if claims.time("exp").is_none() || claims.time("iat").is_none() {
        let fix = "take an ID token of Google";
        return Err(Refused::broken(&Why { clause: "times", seen: "no `exp` or `iat`", wanted: "both", fix }));
    }
    let email = claims.str("email").unwrap_or_default().to_owned();
    if email.is_empty() {
        let fix = "ask for the token with `format=full`, so that it tells the address";
        return Err(Refused::unworded(&Why { clause: "service-account", seen: "no `email`", wanted: "one", fix }));
    }
    Ok((claims, email))
}

/// A JWT of the service account itself: the signature, then the audience.
fn signed(identity_id: &str, token: &Secret, keys: &KeySet, now: Timestamp) -> Checked<(Claims, String)> {
    let account = GcpAuth::unverified_account(token)?;
    let token = token::decode(token).ok_or_else(malformed)?;
    let keys = token.unverified_kid().map(|kid| token::by_kid(keys, kid)).unwrap_or_default();
    let claims = token::verify(&token, &keys, Expected::default(), now)
        .map_err(|thrown| Refused::token(&thrown.why(), &thrown.text))?;
    // A list is never the same as a text.
    let seen = claims.str("aud");
    if seen != Some(identity_id) {
        let fix = "sign with `aud` set to the id of the identity, as one text";
        let why = Why { clause: "audience", seen: &shown(seen), wanted: identity_id, fix };
        return Err(Refused::unauthorized(&why, "Invalid audience in GCP IAM Token"));
    }
    Ok((claims, account))
}

fn malformed() -> Box<Refused> {
    Refused::broken(&Why { clause: "form", seen: "no JWT", wanted: "a signed JWT", fix: FORM_FIX })
}

/// `NAME@PROJECT.iam.gserviceaccount.com`, in lower case: accounts that Google makes itself are none.
fn is_account(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.strip_suffix(".iam.gserviceaccount.com")
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(name, project)| plain(name) && plain(project))
}
