//! Signing with a secret access key.

use carnet_core::{AwsKeys, Error, Request, hex};
use carnet_jose::hmac_sha256;
use http::{HeaderName, header};

use crate::{
    Scope,
    canonical::{canonicalize, prepare, value},
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Signs a request: sets `Host`, `X-Amz-Date`, `X-Amz-Security-Token` (with temporary keys), for storage
/// `X-Amz-Content-Sha256`, and `Authorization`.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when a header or a key is not visible ASCII.
pub fn sign(request: Request, keys: &AwsKeys, scope: &Scope<'_>) -> Result<Request, Error> {
    let mut request = prepare(request, &scope.date_time(), scope.service)?;
    if let Some(token) = &keys.session_token {
        let name = HeaderName::from_static("x-amz-security-token");
        request = request.header(name, value("the session token", token.expose())?);
    }
    let canonical = canonicalize(&request, scope.service)?;
    let text = scope.string_to_sign(ALGORITHM, &canonical.text);
    let signature = hex(&hmac_sha256(&signing_key(keys.secret_access_key.expose(), scope), text.as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        keys.access_key_id,
        scope.credential_scope(),
        canonical.signed_headers
    );
    Ok(request.header(header::AUTHORIZATION, value("the access key id", &authorization)?))
}

/// The key for one day, region and service.
fn signing_key(secret: &str, scope: &Scope<'_>) -> [u8; 32] {
    let [date, rest @ ..] = scope.parts();
    let first = hmac_sha256(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    rest.iter().fold(first, |key, part| hmac_sha256(&key, part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use carnet_core::Secret;
    use http::HeaderValue;
    use jiff::Timestamp;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn keys() -> AwsKeys {
        AwsKeys { access_key_id: "AKIDEXAMPLE".to_owned(), secret_access_key: Secret::new(SECRET), session_token: None }
    }

    fn scope(service: &str) -> Scope<'_> {
        let time: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        Scope { time, region: "us-east-1", service }
    }

    fn authorization(request: &Request) -> String {
        request.headers["authorization"].to_str().unwrap().to_owned()
    }

    /// "Deriving the signing key", AWS General Reference.
    #[test]
    fn the_key_is_that_of_the_documentation() {
        let key = hex(&signing_key(SECRET, &scope("iam")));
        assert_eq!(key, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }

    /// `get-vanilla` of the Signature Version 4 test suite.
    #[test]
    fn agrees_with_get_vanilla() {
        let request = Request::get("https://example.amazonaws.com/".parse().unwrap());
        assert_eq!(
            authorization(&sign(request, &keys(), &scope("service")).unwrap()),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    /// The worked example `ListUsers` of the AWS General Reference.
    #[test]
    fn agrees_with_the_worked_example() {
        let request = Request::get("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08".parse().unwrap())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
        let signed = authorization(&sign(request, &keys(), &scope("iam")).unwrap());
        assert!(signed.contains("SignedHeaders=content-type;host;x-amz-date"), "{signed}");
        assert!(signed.ends_with("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"), "{signed}");
    }

    #[test]
    fn temporary_keys_send_and_sign_their_token() {
        let keys = AwsKeys { session_token: Some(Secret::new("token")), ..keys() };
        let request = Request::get("https://sts.us-east-1.amazonaws.com/".parse().unwrap());
        let signed = sign(request, &keys, &scope("sts")).unwrap();
        assert_eq!(signed.headers["x-amz-security-token"], "token");
        assert!(signed.headers["x-amz-security-token"].is_sensitive());
        assert!(authorization(&signed).contains("host;x-amz-date;x-amz-security-token"));
    }

    #[test]
    fn rejects_token_of_two_lines_without_showing_it() {
        let keys = AwsKeys { session_token: Some(Secret::new("tok\nen")), ..keys() };
        let request = Request::get("https://sts.us-east-1.amazonaws.com/".parse().unwrap());
        let error = sign(request, &keys, &scope("sts")).unwrap_err();
        assert!(error.to_string().contains("session token") && !error.to_string().contains("tok\nen"), "{error}");
    }
}
