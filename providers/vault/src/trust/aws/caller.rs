//! Who has signed, by the word of AWS.

use carnet_trust::Refusal;

use super::refuse;

/// The answer of AWS STS to `GetCallerIdentity`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsCaller {
    /// For instance `arn:aws:sts::123456789012:assumed-role/app/session`.
    pub arn: String,
    /// The unique id, with a session behind a colon.
    pub user_id: String,
    /// The account.
    pub account: String,
}

/// A principal of IAM, as an ARN names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsPrincipal {
    /// Without path and session: `arn:aws:iam::123456789012:role/app`.
    pub canonical_arn: String,
    /// The name of user or role, which stands in for the role of a login that names none.
    pub name: String,
    /// The account.
    pub account: String,
}

impl AwsCaller {
    /// The unique id without the session.
    pub fn unique_id(&self) -> &str {
        self.user_id.split(':').next().unwrap_or_default()
    }

    /// Reads the ARN.
    ///
    /// # Errors
    /// The clause `principal`: something that is neither user nor role.
    pub fn principal(&self) -> Result<AwsPrincipal, Box<Refusal>> {
        let wrong = |why: &str| {
            let text = format!("error parsing arn {:?}: {why}", carnet_core::safe_text(&self.arn));
            let fix = "log in as an IAM user, a role or an instance profile";
            refuse("principal", carnet_core::safe_text(&self.arn), "a user or a role", text, fix)
        };
        let parts: Vec<&str> = self.arn.split(':').collect();
        let &[prefix, partition, service, _region, account, resource] = parts.as_slice() else {
            return Err(wrong("unrecognized arn: it does not have 6 parts"));
        };
        if prefix != "arn" {
            return Err(wrong("unrecognized arn: does not begin with \"arn:\""));
        }
        if !matches!(service, "iam" | "sts") {
            return Err(wrong("unrecognized service, not one of iam or sts"));
        }
        let segments: Vec<&str> = resource.split('/').collect();
        let (kind, name) = match segments.as_slice() {
            ["assumed-role", role, _session] => ("role", *role),
            [kind @ ("user" | "role" | "instance-profile"), .., name] => (*kind, *name),
            _ => return Err(wrong("unrecognized principal type")),
        };
        let canonical_arn = format!("arn:{partition}:iam::{account}:{kind}/{name}");
        Ok(AwsPrincipal { canonical_arn, name: name.to_owned(), account: account.to_owned() })
    }
}
