//! The proof for the auth method `oci`: a GET for the login path, signed and not sent.
//!
//! "Signing Version 1" of Oracle over `date`, `(request-target)` and `host`; `vault-plugin-auth-oci` hands the headers to
//! Oracle, which verifies them. The signature is bound to host, mount and role by the path.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Credential, Error, Material};
use carnet_jose::{Algorithm, SigningKey};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};
use url::Url;

/// The headers as the login takes them: each name with a list of values.
pub(super) fn signed_headers(url: &Url, subject: &Credential, now: Timestamp) -> Result<Value, Error> {
    let (key_id, private_key) = match &subject.material {
        Material::OciSession(session) => (format!("ST${}", session.token.expose()), &session.private_key),
        Material::OciApiKey(key) => (format!("{}/{}/{}", key.tenancy, key.user, key.fingerprint), &key.private_key),
        _ => return Err(Error::internal(format!("sign as OCI with a credential of kind {}", subject.kind()))),
    };
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, private_key)?;
    let date = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .map_err(|error| Error::internal("write the time as an HTTP date").because(error))?;
    let host = url.host_str().ok_or_else(|| Error::configuration("sign a login: the address names no host"))?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let target = format!("get {}", url.path());
    let text = format!("date: {date}\n(request-target): {target}\nhost: {host}");
    let signature = STANDARD.encode(key.sign(text.as_bytes())?);
    let authorization = format!(
        r#"Signature version="1",headers="date (request-target) host",keyId="{key_id}",algorithm="rsa-sha256",signature="{signature}""#
    );
    Ok(json!({ "date": [date], "(request-target)": [target], "host": [host], "authorization": [authorization] }))
}

#[cfg(test)]
mod tests {
    use carnet_core::{AccessToken, ErrorKind, OciSession, Secret};
    use carnet_jose::PublicKey;

    use super::*;

    #[test]
    fn the_signature_covers_date_login_path_and_host() {
        let key = SigningKey::generate(Algorithm::Rs256).unwrap();
        let session =
            OciSession { token: Secret::new("t"), private_key: key.to_pkcs8().unwrap(), region: None, tenancy: None };
        let url = Url::parse("https://vault.example:8200/v1/auth/oci/login/app").unwrap();
        let now: Timestamp = "2026-07-21T10:00:00Z".parse().unwrap();
        let headers = signed_headers(&url, &Credential::new(Material::OciSession(session)), now).unwrap();
        assert_eq!(headers["(request-target)"], json!(["get /v1/auth/oci/login/app"]));
        assert_eq!(headers["host"], json!(["vault.example:8200"]));
        let authorization = headers["authorization"][0].as_str().unwrap();
        assert!(
            authorization.starts_with(r#"Signature version="1",headers="date (request-target) host",keyId="ST$t""#)
        );
        let signature = authorization.split("signature=\"").nth(1).unwrap().trim_end_matches('"');
        let text = "date: Tue, 21 Jul 2026 10:00:00 GMT\n(request-target): get /v1/auth/oci/login/app\nhost: vault.example:8200";
        let public = PublicKey::from_spki(&key.public_spki()).unwrap();
        assert!(public.verify(Algorithm::Rs256, text.as_bytes(), &STANDARD.decode(signature).unwrap()));
    }

    #[test]
    fn rejects_credential_of_another_kind() {
        let access = AccessToken { token: Secret::new("t"), token_type: "Bearer".to_owned() };
        let url = Url::parse("https://vault.example/v1/auth/oci/login/app").unwrap();
        let error = signed_headers(&url, &Credential::new(Material::AccessToken(access)), Timestamp::UNIX_EPOCH);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Internal);
    }
}
