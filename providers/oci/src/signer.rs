//! Signing requests with an OCI credential whose key is parsed once.

use std::{fmt, sync::Arc};

use carnet_core::{Credential, Error, Material, OciApiKey, OciSession, Request, Secret, SecretBytes};
use carnet_jose::{Algorithm, SigningKey};
use http::header;
use jiff::Timestamp;

use crate::wire::{self, Scope};

/// How the `keyId` of a session begins; its token follows.
const SESSION: &str = "ST$";

/// Signs requests. Token and key are one value, taken once, so that a renewal in between cannot mix them up.
pub struct OciSigner {
    key: Arc<SigningKey>,
    key_id: Secret,
    /// The fingerprint that an API key's profile claims; compared with the key only when a request was refused.
    claimed_fingerprint: Option<String>,
}

impl OciSigner {
    /// The signer of an [`OciSession`] or an [`OciApiKey`]. Parses the key.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the key is not an RSA key, [`carnet_core::ErrorKind::Internal`]
    /// for a credential of another kind.
    pub fn new(credential: &Credential) -> Result<Self, Error> {
        match &credential.material {
            Material::OciSession(session) => Ok(Self::session(session, parse_key(&session.private_key)?)),
            Material::OciApiKey(key) => Ok(Self::api_key(key, parse_key(&key.private_key)?)),
            _ => Err(Error::internal(format!("sign an OCI request with a credential of kind {}", credential.kind()))),
        }
    }

    /// The signer of a session whose key is parsed already. `keyId` is `ST$` and the token.
    pub fn session(session: &OciSession, key: Arc<SigningKey>) -> Self {
        Self::with_key_id(Secret::new(format!("{SESSION}{}", session.token.expose())), key)
    }

    /// A signer with this `keyId`.
    pub(crate) fn with_key_id(key_id: Secret, key: Arc<SigningKey>) -> Self {
        Self { key, key_id, claimed_fingerprint: None }
    }

    fn api_key(api_key: &OciApiKey, key: Arc<SigningKey>) -> Self {
        let key_id = format!("{}/{}/{}", api_key.tenancy, api_key.user, api_key.fingerprint);
        Self { key, key_id: Secret::new(key_id), claimed_fingerprint: Some(api_key.fingerprint.clone()) }
    }

    /// Sets the headers that have to be signed and `Authorization`. What is already there is kept: `date`, `x-date`,
    /// `content-type` and everything else that is not derived from the request.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the URL has no host or a header is not visible ASCII.
    pub fn sign(&self, request: &mut Request, scope: Scope, now: Timestamp) -> Result<(), Error> {
        wire::complete(request, scope, now)?;
        let (names, text) = wire::signing_string(request, scope)?;
        let signature = self.key.sign(text.as_bytes())?;
        let value = wire::authorization(&names, self.key_id.expose(), &signature)?;
        request.headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }

    /// What a signed request carries and no answer may be quoted with: a session's token. The id of an API key is no secret.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        Some(&self.key_id).filter(|id| id.expose().starts_with(SESSION)).into_iter().collect()
    }

    /// Whether the profile's fingerprint is another key's: the most common reason why an API key is refused.
    pub(crate) fn fingerprint_differs(&self) -> Option<(&str, String)> {
        let claimed = self.claimed_fingerprint.as_deref()?;
        let actual = self.key.oci_fingerprint();
        (claimed != actual).then_some((claimed, actual))
    }
}

impl fmt::Debug for OciSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OciSigner")
    }
}

/// OCI takes RSA keys only, signed with PKCS#1 v1.5 and SHA-256.
pub(crate) fn parse_key(der: &SecretBytes) -> Result<Arc<SigningKey>, Error> {
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, der)
        .map_err(|error| Error::from(error).hint("OCI takes RSA keys of at least 2048 bits"))?;
    Ok(Arc::new(key))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use carnet_core::{AccessToken, ErrorKind};
    use carnet_jose::PublicKey;
    use url::Url;

    use super::*;
    use crate::testing;

    fn now() -> Timestamp {
        "2026-07-21T10:00:00Z".parse().unwrap()
    }

    fn part<'a>(authorization: &'a str, name: &str) -> &'a str {
        authorization.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap()
    }

    #[test]
    fn a_session_signs_with_its_token_as_key_id_and_the_signature_verifies() {
        let mut request =
            Request::get(Url::parse("https://objectstorage.us-ashburn-1.oraclecloud.com/n/?x=1").unwrap());
        OciSigner::new(&testing::session()).unwrap().sign(&mut request, Scope::Full, now()).unwrap();
        let header = request.headers["authorization"].clone();
        assert!(header.is_sensitive());
        let header = header.to_str().unwrap();
        assert!(header.starts_with(r#"Signature version="1",headers="date (request-target) host",keyId="ST$eyJ"#));
        assert_eq!(part(header, "algorithm"), "rsa-sha256");
        let text = "date: Tue, 21 Jul 2026 10:00:00 GMT\n(request-target): get /n/?x=1\n\
                    host: objectstorage.us-ashburn-1.oraclecloud.com";
        let public = PublicKey::from_spki(&testing::key().public_spki()).unwrap();
        let signature = STANDARD.decode(part(header, "signature")).unwrap();
        assert!(public.verify(Algorithm::Rs256, text.as_bytes(), &signature));
    }

    #[test]
    fn an_api_key_signs_with_tenancy_user_and_fingerprint() {
        let mut request = Request::get(Url::parse("https://identity.example/").unwrap());
        OciSigner::new(&testing::api_key()).unwrap().sign(&mut request, Scope::Full, now()).unwrap();
        let fingerprint = testing::key().oci_fingerprint();
        let wanted = format!("{}/{}/{fingerprint}", testing::TENANCY, testing::USER);
        assert_eq!(part(request.headers["authorization"].to_str().unwrap(), "keyId"), wanted);
    }

    #[test]
    fn refuses_a_credential_of_another_kind() {
        let token = AccessToken { token: Secret::new("x"), token_type: "Bearer".to_owned() };
        let error = OciSigner::new(&Credential::new(Material::AccessToken(token))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }

    #[test]
    fn refuses_a_key_that_is_no_rsa_key() {
        let mut credential = testing::session();
        if let Material::OciSession(session) = &mut credential.material {
            session.private_key = SecretBytes::new(b"not a key".to_vec());
        }
        assert_eq!(OciSigner::new(&credential).unwrap_err().kind(), ErrorKind::Configuration);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", OciSigner::new(&testing::session()).unwrap()), "OciSigner");
    }
}
