//! What is set once for the whole issuer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use carnet_core::{Mistake, Source};
use carnet_jose::Algorithm;
use jiff::SignedDuration;

/// What Entra ID and AWS STS want to see in `aud`. Both verify RSA only (Entra refuses EC with AADSTS5002738).
const RSA_AUDIENCES: [&str; 2] = ["api://AzureADTokenExchange", "sts.amazonaws.com"];

/// What is set once for the whole issuer. Rules may say otherwise, within the bounds that stand here.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Where the endpoints are, for the metadata: a URL without slash at the end. The issuer's URL when absent.
    pub endpoint_base: Option<String>,
    /// Where the keys are published, for the metadata. `keys` below the issuer's URL when absent.
    pub jwks_uri: Option<String>,
    /// Algorithm of what is signed for an audience. Others get [`Self::default_algorithm`].
    pub algorithms: BTreeMap<String, Algorithm>,
    /// Algorithm unless the audience or the rule says otherwise. JWT-SVIDs never get `EdDSA` (JWT-SVID, 2.1).
    pub default_algorithm: Algorithm,
    /// Life of access tokens unless the rule says otherwise.
    pub access_token_lifetime: SignedDuration,
    /// Life of JWT-SVIDs unless the rule or the entry says otherwise. SPIRE's default.
    pub jwt_svid_lifetime: SignedDuration,
    /// Life of X509-SVIDs unless the rule or the entry says otherwise. SPIRE's default.
    pub x509_svid_lifetime: SignedDuration,
    /// Nothing lives longer, whatever a rule or an entry says.
    pub max_lifetime: SignedDuration,
    /// Certificates begin this much earlier, for clocks that are late.
    pub backdate: SignedDuration,
    /// Tolerance for clocks that disagree with SVIDs and with our own tokens. Of other issuers' tokens see [`crate::TrustedIssuer::leeway`].
    pub leeway: SignedDuration,
    /// Longest time that one fetch of an issuer's documents may take.
    pub fetch_timeout: Duration,
    /// Most actors in one another (`act`), ours included.
    pub max_actors: usize,
    /// Refusals of one peer that are written down one by one: this many in a second, and ten times as many at once. Beyond that they are counted, and the
    /// count is written.
    pub refusals_per_second: u32,
    /// Most signatures of logins that this node remembers, of one principal a hundredth of them, to refuse them before anybody is asked. That one counts once
    /// for all nodes does not rest on it: the store says that, with what is issued.
    pub remembered_signatures: usize,
    /// Who the authority is to Oracle, to ask it who has signed a login and in which groups that is. Without it rules cannot name groups of OCI.
    pub oci_principal: Option<Arc<dyn Source>>,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            endpoint_base: None,
            jwks_uri: None,
            algorithms: RSA_AUDIENCES.into_iter().map(|name| (name.to_owned(), Algorithm::Rs256)).collect(),
            default_algorithm: Algorithm::Es256,
            access_token_lifetime: SignedDuration::from_mins(15),
            jwt_svid_lifetime: SignedDuration::from_mins(5),
            x509_svid_lifetime: SignedDuration::from_hours(1),
            max_lifetime: SignedDuration::from_hours(24 * 7),
            backdate: SignedDuration::from_secs(10),
            leeway: SignedDuration::from_secs(30),
            fetch_timeout: Duration::from_secs(5),
            max_actors: 4,
            refusals_per_second: 5,
            remembered_signatures: 100_000,
            oci_principal: None,
        }
    }
}

impl IssuerSettings {
    /// Looks at everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let lifetimes = [
            ("access_token_lifetime", self.access_token_lifetime),
            ("jwt_svid_lifetime", self.jwt_svid_lifetime),
            ("x509_svid_lifetime", self.x509_svid_lifetime),
        ];
        for (field, lifetime) in lifetimes {
            if lifetime < SignedDuration::from_secs(1) || lifetime > self.max_lifetime {
                let most = self.max_lifetime.as_secs();
                mistakes
                    .push(Mistake::new(field, format!("it is not between 1 second and max_lifetime, {most} seconds")));
            }
        }
        for (field, tolerance) in [("leeway", self.leeway), ("backdate", self.backdate)] {
            if tolerance.is_negative() || tolerance > SignedDuration::from_mins(5) {
                mistakes.push(Mistake::new(field, "it is not between 0 and 5 minutes"));
            }
        }
        if self.default_algorithm == Algorithm::EdDsa {
            let mistake = Mistake::new("default_algorithm", "EdDSA makes no JWT-SVID");
            mistakes.push(mistake.hint("name the audiences that take it in algorithms"));
        }
        for (field, url) in [("endpoint_base", &self.endpoint_base), ("jwks_uri", &self.jwks_uri)] {
            let Some(url) = url else { continue };
            if url::Url::parse(url).is_err() || url.ends_with('/') {
                mistakes.push(Mistake::new(field, "it is not a URL without a slash at the end"));
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// The algorithm that these audiences take.
    ///
    /// # Errors
    /// The two audiences that want different ones: one token cannot serve both.
    pub(crate) fn algorithm_for<'a>(&self, audiences: &'a [String]) -> Result<Algorithm, (&'a str, &'a str)> {
        let mut found: Option<(Algorithm, &str)> = None;
        for audience in audiences {
            let wanted = self.algorithms.get(audience).copied().unwrap_or(self.default_algorithm);
            match found {
                Some((algorithm, other)) if algorithm != wanted => return Err((other, audience)),
                _ => found = Some((wanted, audience)),
            }
        }
        Ok(found.map_or(self.default_algorithm, |(algorithm, _)| algorithm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_mistakes() {
        IssuerSettings::default().check().unwrap();
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let settings = IssuerSettings {
            access_token_lifetime: SignedDuration::ZERO,
            jwt_svid_lifetime: SignedDuration::from_hours(24 * 8),
            leeway: SignedDuration::from_mins(6),
            default_algorithm: Algorithm::EdDsa,
            jwks_uri: Some("keys".to_owned()),
            endpoint_base: Some("https://issuer.example/".to_owned()),
            ..IssuerSettings::default()
        };
        let fields: Vec<String> = settings.check().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
        let expected =
            ["access_token_lifetime", "jwt_svid_lifetime", "leeway", "default_algorithm", "endpoint_base", "jwks_uri"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn the_audience_chooses_the_algorithm() {
        let settings = IssuerSettings::default();
        let algorithm = |audiences: &[&str]| {
            let audiences: Vec<String> = audiences.iter().map(|&audience| audience.to_owned()).collect();
            settings.algorithm_for(&audiences).map_err(|_audiences| ())
        };
        assert_eq!(algorithm(&["api://AzureADTokenExchange"]), Ok(Algorithm::Rs256));
        assert_eq!(algorithm(&["sts.amazonaws.com", "api://AzureADTokenExchange"]), Ok(Algorithm::Rs256));
        assert_eq!(algorithm(&["https://audience.example"]), Ok(Algorithm::Es256));
        assert_eq!(algorithm(&["https://audience.example", "sts.amazonaws.com"]), Err(()));
    }
}
