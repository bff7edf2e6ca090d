//! AWS: a signed `GetCallerIdentity`, which the server sends on (`identity-aws-auth-service.ts`).

use std::collections::BTreeMap;

use carnet_trust::{Glob, Warning};
use serde::{Deserialize, Serialize};

use super::{Checked, Proven, Refused, TokenSettings, listed, refused::Why, shown, warning};

/// Longest name of a region.
const MAX_REGION: usize = 20;

/// `aws-auth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// Never used by the versions read: the region of the signature decides.
    pub sts_endpoint: String,
    /// ARNs with `*` for any text, separated by commas. Empty: not looked at.
    pub allowed_principal_arns: String,
    /// Account ids, separated by commas. Empty: not looked at.
    pub allowed_account_ids: String,
}

impl Default for AwsAuth {
    fn default() -> Self {
        Self {
            token: TokenSettings::default(),
            sts_endpoint: "https://sts.amazonaws.com/".to_owned(),
            allowed_principal_arns: String::new(),
            allowed_account_ids: String::new(),
        }
    }
}

/// What STS says of the signer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Caller {
    /// The account's id.
    pub account: String,
    /// Of the user or the session.
    pub arn: String,
    /// The immutable id.
    pub user_id: String,
}

/// The region that an `Authorization` of Signature Version 4 is for: the server asks STS there.
///
/// # Errors
/// 400, clause `region`.
pub fn signed_region(authorization: Option<&str>) -> Checked<String> {
    let scope = authorization.and_then(|text| text.split(' ').find_map(|field| field.strip_prefix("Credential=")));
    let region = scope.and_then(|scope| scope.split('/').nth(2));
    let fits = |region: &&str| {
        let plain = region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (1..=MAX_REGION).contains(&region.len()) && plain
    };
    region.filter(fits).map(ToOwned::to_owned).ok_or_else(|| {
        let fix = "sign with Signature Version 4 for the service `sts` of a region, in the header `Authorization`";
        let why = Why { clause: "region", seen: &shown(region), wanted: "the name of a region", fix };
        Refused::bad(&why, "Invalid AWS region")
    })
}

impl AwsAuth {
    /// STS did not tell the caller: nobody catches that.
    pub fn unanswered(why: &str) -> Box<Refused> {
        let fix = "sign anew, with keys that are valid and a clock that is right; AWS takes a signature for 15 minutes";
        Refused::broken(&Why { clause: "signature", seen: why, wanted: "an answer of AWS STS", fix })
    }

    /// Whether this caller logs in.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, caller: &Caller) -> Checked<Proven> {
        let mut held = vec!["signature"];
        let accounts = &self.allowed_account_ids;
        if !accounts.is_empty() && !listed(accounts).any(|account| account == caller.account) {
            let fix = "add the account to `allowedAccountIds`, or use keys of another";
            let why = Why { clause: "account", seen: &shown(Some(&caller.account)), wanted: accounts, fix };
            return Err(Refused::unauthorized(&why, "Access denied: AWS account ID not allowed."));
        }
        held.push("account");
        let wanted = &self.allowed_principal_arns;
        let arns = Arns::of(&caller.arn).ok_or_else(|| {
            let fix = "use keys of a user or a role; the root user and federated users cannot log in";
            let seen = shown(Some(&caller.arn));
            Refused::broken(&Why { clause: "principal", seen: &seen, wanted: "a user or a role", fix })
        })?;
        if !wanted.is_empty() && !listed(wanted).map(Glob::new).any(|glob| arns.matches(&glob)) {
            let seen = shown(Some(&arns.plain));
            let fix =
                "add the ARN to `allowedPrincipalArns`: that of the role, without its path, and not of the session";
            let why = Why { clause: "principal", seen: &seen, wanted, fix };
            let text = format!("Access denied: AWS principal ARN not allowed. [principal-arn={seen}]");
            return Err(Refused::unauthorized(&why, text));
        }
        held.push("principal");
        let attributes = [("accountId", &caller.account), ("arn", &caller.arn), ("userId", &caller.user_id)];
        let attributes: BTreeMap<String, String> =
            attributes.map(|(name, value)| (name.to_owned(), carnet_core::safe_text(value))).into();
        Ok(Proven { principal: shown(Some(&caller.arn)), attributes, held, warnings: vec![replay()] })
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        if self.allowed_account_ids.is_empty() && self.allowed_principal_arns.is_empty() {
            let message = "every principal of every AWS account logs in";
            warnings.push(warning("account", message, "set `allowedAccountIds` and `allowedPrincipalArns`"));
        } else if self.allowed_principal_arns.is_empty() {
            let message = "every principal of the account logs in";
            warnings.push(warning("principal", message, "set `allowedPrincipalArns`"));
        } else if self.allowed_account_ids.is_empty() {
            let loose =
                listed(&self.allowed_principal_arns).any(|arn| arn.split(':').nth(4).is_none_or(|a| a.contains('*')));
            let message = "an ARN with `*` for the account lets a role of that name in any account in";
            warnings.extend(loose.then(|| warning("account", message, "set `allowedAccountIds`")));
        }
        warnings
    }
}

fn replay() -> Warning {
    warning(
        "replay",
        "the signature says nothing of Infisical: whoever sees the request can log in for 15 minutes, and one that was \
         made for another relying party logs in here",
        "show it to nobody else, and keep it out of logs",
    )
}

/// An ARN as it is compared: without path and session; and as that of the role.
struct Arns {
    plain: String,
    role: String,
}

impl Arns {
    fn of(arn: &str) -> Option<Self> {
        let [prefix, _partition, service, _region, account, resource] = split::<6>(arn, ':')?;
        if prefix != "arn" || !matches!(service, "iam" | "sts") {
            return None;
        }
        let (kind, rest) = resource.split_once('/')?;
        let (name, role_kind) = match kind {
            "assumed-role" => (rest.split_once('/')?.0, "role"),
            "user" | "role" | "instance-profile" => (rest.rsplit('/').next()?, kind),
            _ => return None,
        };
        // The partition is `aws` whatever it was.
        let arn = |service: &str, kind: &str| format!("arn:aws:{service}::{account}:{kind}/{name}");
        Some(Self { plain: arn(service, kind), role: arn("iam", role_kind) })
    }

    fn matches(&self, glob: &Glob) -> bool {
        glob.matches(&self.plain) || glob.matches(&self.role)
    }
}

/// The text in exactly `N` parts.
fn split<const N: usize>(text: &str, by: char) -> Option<[&str; N]> {
    text.split(by).collect::<Vec<_>>().try_into().ok()
}
