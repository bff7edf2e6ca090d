//! For when, where and what a signature counts.

use carnet_jose::sha256;
use jiff::Timestamp;

/// The last part of every scope.
const TERMINATOR: &str = "aws4_request";

/// For when, where and what a signature counts. AWS refuses one whose time is more than 15 minutes from its own
/// ("Troubleshoot Signature Version 4 requests").
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The time of signing; becomes `X-Amz-Date`.
    pub time: Timestamp,
    /// For instance `eu-central-1`.
    pub region: &'a str,
    /// The service's signing name, for instance `sts`.
    pub service: &'a str,
}

impl Scope<'_> {
    /// `YYYYMMDD`, in UTC.
    pub fn date(&self) -> String {
        self.time.strftime("%Y%m%d").to_string()
    }

    /// `YYYYMMDD'T'HHMMSS'Z'`, in UTC: the form of `X-Amz-Date`.
    pub fn date_time(&self) -> String {
        self.time.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// `DATE/REGION/SERVICE/aws4_request`.
    pub fn credential_scope(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date(), self.region, self.service)
    }

    /// The text that is signed: algorithm, time, scope and the digest of the canonical request, a line each.
    pub fn string_to_sign(&self, algorithm: &str, canonical_request: &str) -> String {
        let digest = carnet_core::hex(&sha256(canonical_request.as_bytes()));
        format!("{algorithm}\n{}\n{}\n{digest}", self.date_time(), self.credential_scope())
    }

    /// What the key is derived from, in order.
    pub(crate) fn parts(&self) -> [String; 4] {
        [self.date(), self.region.to_owned(), self.service.to_owned(), TERMINATOR.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_of_utc() {
        let scope = Scope { time: "2015-08-30T12:36:00.9Z".parse().unwrap(), region: "us-east-1", service: "iam" };
        assert_eq!(scope.date_time(), "20150830T123600Z");
        assert_eq!(scope.credential_scope(), "20150830/us-east-1/iam/aws4_request");
    }
}
