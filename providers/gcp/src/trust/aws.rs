//! Signed requests to AWS: whoever signs `GetCallerIdentity` says who he is, without showing his secret key.
//!
//! The token service sends the request on, so what it says is looked at before: it goes to AWS STS and asks for nothing else
//! ("Configure Workload Identity Federation with AWS or Azure VMs").

mod parse;

use carnet_core::{Request, Secret};
use carnet_trust::Refusal;
use http::{HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::{CheckedProvider, Fetched, refuse};

/// How far `x-amz-date` may be from now: what AWS itself tolerates ("Troubleshoot Signature Version 4 requests").
pub const AWS_DATE_LEEWAY: SignedDuration = SignedDuration::from_mins(15);

/// How long AWS STS may take to answer. UNCONFIRMED.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Largest answer that is read, in bytes. A good one has some hundred.
const MAX_ANSWER: usize = 64 << 10;

/// A request that may be sent on, once its headers are known to be for this provider and for now.
#[derive(Debug)]
pub struct SignedRequest {
    /// AWS STS, `GetCallerIdentity`, and nothing else.
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// `x-goog-cloud-target-resource`, signed or not.
    target: String,
    /// `x-amz-date`.
    date: Timestamp,
}

impl SignedRequest {
    /// Reads a subject token of the type `aws4_request`: JSON, percent-encoded or not.
    ///
    /// # Errors
    /// What is wrong with it, without a value of it.
    pub fn parse(token: &str) -> Result<Self, &'static str> {
        parse::parse(token)
    }

    /// The URL that it goes to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn admit(
        token: &Secret,
        audience: &str,
        now: Timestamp,
        held: &mut Vec<&'static str>,
    ) -> Result<Self, Box<Refusal>> {
        let request = Self::parse(token.expose()).map_err(|wrong| {
            let fix = "sign `POST https://sts.REGION.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15` with an empty body, \
                       and send URL, method and headers as JSON";
            refuse("aws-request", wrong, "a signed GetCallerIdentity request", "invalid_grant", fix)
        })?;
        held.push("aws-request");
        if request.target != audience {
            let fix = "put the audience of the exchange into the header `x-goog-cloud-target-resource`";
            return Err(refuse("aws-target", &request.target, audience, "invalid_grant", fix));
        }
        held.push("aws-target");
        if request.date.duration_since(now).abs() > AWS_DATE_LEEWAY {
            let seen = format!("`x-amz-date` {}", request.date);
            let wanted = format!("at most {} minutes from {now}", AWS_DATE_LEEWAY.as_mins());
            let fix = "sign anew for each exchange, and set the clocks of both sides";
            return Err(refuse("date", seen, wanted, "invalid_grant", fix));
        }
        held.push("date");
        Ok(request)
    }

    /// What is sent to AWS.
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(Method::POST, self.url.clone()).timeout(TIMEOUT);
        request.max_response = MAX_ANSWER;
        for (name, value) in &self.headers {
            request = request.header(name.clone(), value.clone());
        }
        request
    }
}

/// What AWS says of who has signed; the account must be the provider's.
pub(super) fn assertion(
    provider: &CheckedProvider,
    fetched: Fetched<'_>,
    held: &mut Vec<&'static str>,
) -> Result<Value, Box<Refusal>> {
    let caller = match fetched {
        Fetched::CallerIdentity(caller) => caller,
        Fetched::Failed(reason) => return Err(no_caller(reason)),
        Fetched::Nothing | Fetched::Keys(_) => return Err(no_caller("nobody was asked")),
    };
    held.push("caller-identity");
    let account = provider.provider().aws.as_ref().map(|aws| aws.account_id.as_str()).unwrap_or_default();
    if caller.account != account {
        let fix = "take keys of the wanted account, or change `aws.accountId` of the provider";
        return Err(refuse("account", &caller.account, account, "invalid_grant", fix));
    }
    held.push("account");
    Ok(json!({ "arn": caller.arn, "userid": caller.user_id, "account": caller.account }))
}

fn no_caller(reason: &str) -> Box<Refusal> {
    let fix =
        "try the same keys with `aws sts get-caller-identity`; they may have expired, or the region may be disabled";
    refuse("caller-identity", reason, "an answer of AWS STS to GetCallerIdentity", "invalid_grant", fix)
}
