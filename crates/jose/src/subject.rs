//! A token that was made for somebody else and is carried there.

use carnet_core::{Credential, Error, Material, Secret};
use jiff::Timestamp;

use crate::{Claims, JwtError, UnverifiedJwt};

/// A JWT that this workload holds in order to show it to another party. The carrier cannot verify it and need not:
/// it reads the claims to tell the user early, and in clear words, what the other party would refuse.
#[derive(Clone)]
pub struct SubjectToken {
    token: Secret,
    jwt: UnverifiedJwt,
}

impl SubjectToken {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not a JWT at all (RFC 7519, 7.2).
    pub fn parse(token: Secret) -> Result<Self, JwtError> {
        let jwt = UnverifiedJwt::parse(token.expose())?;
        Ok(Self { token, jwt })
    }

    /// Its claims, unverified.
    pub fn unverified_claims(&self) -> &Claims {
        self.jwt.unverified_claims()
    }

    /// Refuses a token whose end has passed by this machine's clock.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Expired`], clause `expired`. `what` names the token, for instance `the token in /run/token`.
    pub fn refuse_expired(&self, what: &str, now: Timestamp) -> Result<(), Error> {
        match self.jwt.unverified_expiry() {
            Some(end) if end <= now => {
                Err(Error::expired(format!("use {what}: it expired at {end}, and now is {now}"))
                    .clause("expired")
                    .hint("let whatever writes it write a new one; carnet reads it again at each use")
                    .hint("if it is new, compare this machine's clock with the issuer's"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it names this audience, compared character by character.
    pub fn names_audience(&self, wanted: &str) -> bool {
        self.unverified_claims().audiences().contains(&wanted)
    }

    /// Refuses a token that does not name the audience that the next step needs.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`], clause `audience`. `what` as in [`Self::refuse_expired`]. The caller adds the
    /// hint that says how this kind of token gets its audience.
    pub fn refuse_other_audience(&self, what: &str, wanted: Option<&str>) -> Result<(), Error> {
        match wanted {
            Some(wanted) if !self.names_audience(wanted) => {
                let seen = self.audience_text().unwrap_or_else(|| "none".to_owned());
                Err(Error::configuration(format!("use {what}: its audience is {seen}, the next step needs {wanted}"))
                    .clause("audience"))
            }
            _ => Ok(()),
        }
    }

    /// The audiences for people, joined by blanks; cut and free of control characters.
    pub fn audience_text(&self) -> Option<String> {
        let audiences = self.unverified_claims().audiences();
        (!audiences.is_empty()).then(|| carnet_core::safe_text(&audiences.join(" ")))
    }

    /// The credential: [`carnet_core::Kind::Jwt`] with its times and the facts `issuer`, `subject` and `audience`.
    pub fn into_credential(self) -> Credential {
        let claims = self.jwt.unverified_claims();
        let facts = [
            ("issuer", claims.str("iss").map(carnet_core::safe_text)),
            ("subject", claims.str("sub").map(carnet_core::safe_text)),
            ("audience", self.audience_text()),
        ];
        let times = (claims.time("iat"), self.jwt.unverified_expiry());
        let mut credential = Credential::new(Material::Jwt(self.token));
        (credential.issued_at, credential.expires_at) = times;
        for (name, value) in facts {
            if let Some(value) = value {
                credential.facts.insert(name, value);
            }
        }
        credential
    }
}

impl std::fmt::Debug for SubjectToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectToken")
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, Kind};

    use super::*;

    /// `{"alg":"RS256","kid":"k"}` and `{"iss":"https://issuer.example","sub":"s","aud":["a","b"],"iat":100,"exp":200}`.
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoicyIsImF1ZCI6WyJhIiwiYiJdLCJpYXQiOjEwMCwiZXhwIjoyMDB9.c2ln";

    fn token() -> SubjectToken {
        SubjectToken::parse(Secret::new(TOKEN)).unwrap()
    }

    #[test]
    fn facts_and_times_come_from_the_claims() {
        let credential = token().into_credential();
        assert_eq!(credential.kind(), Kind::Jwt);
        assert_eq!(credential.facts["issuer"], "https://issuer.example");
        assert_eq!(credential.facts["audience"], "a b");
        assert_eq!(credential.expires_at, Some(Timestamp::from_second(200).unwrap()));
    }

    #[test]
    fn rejects_expired_token() {
        let end = Timestamp::from_second(200).unwrap();
        let error = token().refuse_expired("the token", end).unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")));
        token().refuse_expired("the token", Timestamp::from_second(199).unwrap()).unwrap();
    }

    #[test]
    fn rejects_other_audience() {
        let error = token().refuse_other_audience("the token", Some("c")).unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
        assert_eq!(error.to_string(), "use the token: its audience is a b, the next step needs c");
        token().refuse_other_audience("the token", Some("b")).unwrap();
        token().refuse_other_audience("the token", None).unwrap();
    }
}
