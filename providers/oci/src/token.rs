//! Session tokens: what a client reads in a token that was made for Oracle's services.

use std::sync::Arc;

use carnet_core::{Credential, Error, Material, OciSession, Secret, SecretBytes, safe_text};
use carnet_jose::{Claims, Jwk, SigningKey, UnverifiedJwt};
use jiff::Timestamp;
use serde_json::Value;

/// Largest token file that is read, in bytes.
pub(crate) const MAX_TOKEN: usize = UnverifiedJwt::MAX_LENGTH;
/// Largest private key file that is read, in bytes. An RSA-8192 key in PEM has 6 kB.
pub(crate) const MAX_KEY: usize = 64 * 1024;

/// A session token with what stands in it. Only Oracle verifies its signature.
pub(crate) struct SessionToken {
    token: Secret,
    jwt: UnverifiedJwt,
    expires_at: Timestamp,
}

impl SessionToken {
    /// Reads a token: white space around it and the prefix `ST$` are dropped. `what` names it for errors, for
    /// instance `the token in /run/token`.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Unreachable`] when it is no JWT or has no `exp`; whoever read it from the user's own
    /// file turns that into a mistake of the file.
    pub(crate) fn parse(text: &str, what: &str) -> Result<Self, Error> {
        let text = text.trim();
        let text = text.strip_prefix("ST$").unwrap_or(text);
        let jwt = UnverifiedJwt::parse(text).map_err(|error| {
            Error::unreachable(format!("read {what}"))
                .because(error)
                .hint("a session token of OCI is a whole JWT: look at what gave it")
        })?;
        let expires_at = jwt.unverified_expiry().ok_or_else(|| {
            Error::unreachable(format!("read {what}: it carries no exp, so nobody knows when it ends"))
                .hint("session tokens of OCI have one: look at what gave it")
        })?;
        Ok(Self { token: Secret::new(text), jwt, expires_at })
    }

    /// Refuses a token that has ended by this machine's clock.
    pub(crate) fn refuse_expired(&self, what: &str, now: Timestamp) -> Result<(), Error> {
        if self.expires_at > now {
            return Ok(());
        }
        Err(Error::expired(format!("use {what}: it expired at {}, and now is {now}", self.expires_at))
            .clause("expired"))
    }

    /// Refuses a key that is not the one the token is bound to. A token without `jwk` tells nothing; one whose `jwk`
    /// cannot be read, or is not an RSA key, is bound to nothing that is at hand.
    pub(crate) fn refuse_other_key(&self, what: &str, key: &SigningKey) -> Result<(), Error> {
        let Some(claim) = self.claims().get("jwk") else { return Ok(()) };
        // Oracle writes it as a string of JSON.
        let jwk: Option<Jwk> = match claim {
            Value::String(text) => serde_json::from_str(text).ok(),
            object => serde_json::from_value(object.clone()).ok(),
        };
        let own = key.public_jwk();
        let fault = match jwk {
            Some(jwk) if jwk.kty == own.kty && jwk.n.is_some() && jwk.n == own.n && jwk.e == own.e => return Ok(()),
            Some(jwk) if jwk.kty == own.kty && jwk.n.is_some() => "it is bound to another key than the one at hand",
            _ => "its claim jwk is not an RSA key, so nobody knows which key it is bound to",
        };
        Err(Error::unreachable(format!("use {what}: {fault}")).clause("key"))
    }

    pub(crate) fn claims(&self) -> &Claims {
        self.jwt.unverified_claims()
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    pub(crate) fn issued_at(&self) -> Option<Timestamp> {
        self.claims().time("iat")
    }

    /// The tenancy, under the names that the different issuers give it.
    pub(crate) fn tenancy(&self) -> Option<String> {
        ["tenant", "res_tenant", "opc-tenant"]
            .into_iter()
            .find_map(|name| self.claims().str(name))
            .filter(|tenancy| tenancy.starts_with("ocid1."))
            .map(safe_text)
    }

    /// The credential. `tenancy` is used when the token does not name one.
    pub(crate) fn into_credential(
        self,
        private_key: SecretBytes,
        region: Option<String>,
        tenancy: Option<String>,
    ) -> Credential {
        let tenancy = self.tenancy().or(tenancy);
        let facts = [
            ("principal", self.claims().str("sub").map(safe_text)),
            ("principal-type", self.claims().str("ptype").map(safe_text)),
            ("issuer", self.jwt.unverified_issuer().map(safe_text)),
            ("tenancy", tenancy.clone()),
            ("region", region.clone()),
        ];
        let issued_at = self.issued_at();
        let session = OciSession { token: self.token, private_key, region, tenancy };
        let mut credential = Credential::new(Material::OciSession(session)).expires_at(self.expires_at);
        credential.issued_at = issued_at;
        for (name, value) in facts {
            if let Some(value) = value {
                credential.facts.insert(name, value);
            }
        }
        credential
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken")
    }
}

/// The credential of a token that has just been issued for `key`.
///
/// # Errors
/// When the token is no JWT, has no or a past `exp`, or is bound to another key.
pub(crate) fn issued(token: &Secret, key: &Arc<SigningKey>, what: &str, now: Timestamp) -> Result<SessionToken, Error> {
    let token = SessionToken::parse(token.expose(), what)?;
    token.refuse_expired(what, now).map_err(|error| error.hint("it has just been issued: compare the clocks"))?;
    token.refuse_other_key(what, key)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, chain};
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn a_token_tells_its_end_its_principal_and_its_tenancy() {
        let token = testing::session_token(json!({}));
        let read = SessionToken::parse(&format!(" ST${}\n", token.expose()), "the token").unwrap();
        let credential = read.into_credential(SecretBytes::new(vec![1]), Some("us-ashburn-1".to_owned()), None);
        assert_eq!(credential.expires_at, Some(testing::now() + SignedDuration::from_mins(20)));
        assert_eq!(credential.facts["principal"], testing::USER);
        assert_eq!(credential.facts["tenancy"], testing::TENANCY);
        let Material::OciSession(session) = credential.material else { panic!("another kind") };
        assert_eq!(session.token.expose(), token.expose());
    }

    #[test]
    fn refuses_a_token_without_exp() {
        let token = testing::session_token(json!({"exp": null}));
        let error = SessionToken::parse(token.expose(), "the token").unwrap_err();
        assert!(error.to_string().contains("no exp"), "{error}");
    }

    #[test]
    fn refuses_what_is_no_jwt_without_quoting_it() {
        let error = SessionToken::parse("MARK-no-token", "the token").unwrap_err();
        assert!(!chain(&error).join(" ").contains("MARK"), "{error:?}");
    }

    #[test]
    fn refuses_an_expired_token() {
        let token = testing::session_token(json!({"exp": testing::now().as_second()}));
        let error = issued(&token, &testing::key(), "the token", testing::now()).unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")));
    }

    #[test]
    fn refuses_a_token_that_is_bound_to_another_key() {
        for jwk in
            [json!("{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}"), json!({"kty": "RSA", "n": "AAAA", "e": "AQAB"})]
        {
            let token = testing::session_token(json!({"jwk": jwk}));
            let error = issued(&token, &testing::key(), "the token", testing::now()).unwrap_err();
            assert_eq!(error.failed_clause(), Some("key"));
        }
    }

    #[test]
    fn rejects_a_binding_that_cannot_be_read() {
        let modulus = testing::key().public_jwk().n;
        for jwk in [
            json!("MARK no JSON"),
            json!(7),
            json!([]),
            json!({"kty": "RSA", "e": "AQAB"}),
            json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
            json!({"kty": "EC", "n": modulus, "e": "AQAB"}),
            json!({"kty": "RSA", "n": modulus, "e": "Aw"}),
        ] {
            let token = testing::session_token(json!({"jwk": jwk}));
            let error = issued(&token, &testing::key(), "the token", testing::now()).unwrap_err();
            assert_eq!(error.failed_clause(), Some("key"), "{jwk}");
            assert!(!format!("{error:?}").contains("MARK"));
        }
    }
}
