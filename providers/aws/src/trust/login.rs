//! Who logs in to somebody else with a signed `GetCallerIdentity`.
//!
//! The caller signs the request and shows its headers in place of sending it; the relying party rebuilds it, sends it to STS,
//! and believes the answer. Nobody but AWS can verify the signature: its key is a secret that both sides have. Vault ("AWS auth
//! method", type `iam`) and Google ("Workload identity federation with AWS") do the same.
//!
//! "GetCallerIdentity" (STS API reference), "Signing AWS API requests" (IAM user guide), "IAM identifiers: unique identifiers".

use std::fmt;

use carnet_trust::Refusal;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use super::refuse;

mod admit;
mod read;

pub use admit::{CallerIdentity, parse_caller_identity};

/// The body of the request, which is ours and not the caller's.
pub const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
/// The header in which a caller says whom the request is for: the URL of the relying party, or that and `#RULE`.
pub const AUDIENCE_HEADER: &str = "x-carnet-audience";
/// How far the date may lie from the clock at most. AWS takes a quarter of an hour; so long would a request that leaked be good.
pub const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// What is told beside every refusal; AWS's own code for a signature that is not good.
const CODE: &str = "SignatureDoesNotMatch";
/// Largest login that is read, in bytes: a session token has up to some 4 KB.
const MAX_LOGIN: usize = 64 * 1024;

type Checked<T> = Result<T, Box<Refusal>>;

/// A login as the caller shows it. Members that are not known, or are there twice, are refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The account that the caller says it is of: a signature names none.
    pub account: String,
    /// What was signed.
    pub headers: SignedHeaders,
}

/// The headers of the signed request, by their names in lower case.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignedHeaders {
    /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    pub authorization: String,
    /// `sts.REGION.amazonaws.com`.
    pub host: String,
    /// When it was signed.
    pub x_amz_date: String,
    /// The session token of temporary keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_amz_security_token: Option<String>,
    /// Digest of the body; some signers send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_amz_content_sha256: Option<String>,
    /// Length of the body; some signers send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<String>,
    /// `application/x-www-form-urlencoded`, with or without `charset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// [`AUDIENCE_HEADER`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_carnet_audience: Option<String>,
}

/// What a relying party takes.
#[derive(Clone, Copy, Debug)]
pub struct LoginTrust<'a> {
    /// The account.
    pub account: &'a str,
    /// Regions whose STS may have been meant; all when empty.
    pub regions: &'a [String],
    /// How far the date may lie from the clock, either way; [`MAX_SKEW`] at most.
    pub window: SignedDuration,
    /// The URL of the relying party, as [`AUDIENCE_HEADER`] has it.
    pub audience: &'a str,
}

/// A login whose form is right: the request rebuilt.
#[derive(Clone)]
pub struct Read {
    /// Where it goes; it is a POST of [`BODY`].
    pub url: Url,
    /// The headers that were signed, `authorization`, and `accept`.
    pub headers: HeaderMap,
    /// The date that was signed.
    pub date: Timestamp,
    /// Whom it was made for: the URL of the relying party, or `https://HOST` when it does not say.
    pub audience: String,
    /// The one rule that it was made for.
    pub rule: Option<String>,
    /// The signature, as text.
    pub signature: String,
}

impl Login {
    /// Reads a login.
    ///
    /// # Errors
    /// Clause `request`; nothing of the text is in it.
    pub fn parse(json: &[u8]) -> Checked<Self> {
        let fix = "send {\"account\": …, \"headers\": {\"authorization\": …, \"host\": …, \"x-amz-date\": …}}, each once and no others";
        if json.len() > MAX_LOGIN {
            return Err(no("request", format!("{} bytes", json.len()), format!("at most {MAX_LOGIN}"), fix));
        }
        // serde_json's message can quote a value, so only the place is kept.
        serde_json::from_slice(json).map_err(|error| {
            let place = format!("something else at line {} column {}", error.line(), error.column());
            no("request", place, "a login", fix)
        })
    }
}

/// Twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn no(clause: &'static str, seen: impl Into<String>, wanted: impl Into<String>, fix: &str) -> Box<Refusal> {
    refuse(clause, carnet_core::safe_text(&seen.into()), wanted, CODE, fix)
}

impl fmt::Debug for SignedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedHeaders").field("host", &self.host).finish_non_exhaustive()
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
