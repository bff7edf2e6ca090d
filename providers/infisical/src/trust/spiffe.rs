//! SPIFFE: a JWT-SVID of a trust domain (`identity-spiffe-auth-service.ts`).

use carnet_core::{Mistake, Secret};
use carnet_jose::{Claims, KeySet};
use carnet_trust::Warning;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Checked, Pattern, Proven, Refused, TokenSettings,
    claims::lint_pattern,
    listed,
    refused::Why,
    shown,
    token::{self, Expected},
};

/// Seconds after which a bundle is fetched again, unless it is configured.
const REFRESH_HINT: i64 = 3600;

/// Where the keys of the trust domain come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "profile", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum TrustBundle {
    /// A key set that is written down.
    Static {
        /// The JWKS as JSON.
        bundle: String,
    },
    /// A bundle endpoint with a certificate of the web.
    HttpsWebBundle {
        /// Where it is.
        endpoint_url: String,
        /// Roots for it (PEM).
        #[serde(default)]
        ca_cert: String,
        /// Seconds after which it is fetched again.
        #[serde(default = "refresh_hint")]
        refresh_hint_seconds: i64,
    },
}

fn refresh_hint() -> i64 {
    REFRESH_HINT
}

/// `spiffe-auth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpiffeAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// The trust domain.
    pub trust_domain: String,
    /// Patterns for SPIFFE IDs, separated by commas. `*` does not stand for `/`.
    pub allowed_spiffe_ids: String,
    /// Audiences, separated by commas, of which the token must have one.
    pub allowed_audiences: String,
    /// Where the keys come from.
    pub trust_bundle_distribution: TrustBundle,
}

impl SpiffeAuth {
    /// What a write checks without looking at the network.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), Mistake> {
        match &self.trust_bundle_distribution {
            TrustBundle::Static { .. } => self.own_keys().map(drop),
            TrustBundle::HttpsWebBundle { endpoint_url, .. } if !endpoint_url.starts_with("https://") => {
                Err(Mistake::new("trustBundleDistribution.endpointUrl", "Bundle endpoint URL must use HTTPS"))
            }
            TrustBundle::HttpsWebBundle { .. } => Ok(()),
        }
    }

    /// The keys that are written down; none where they are fetched.
    ///
    /// # Errors
    /// When they are no key set.
    pub fn own_keys(&self) -> Result<KeySet, Mistake> {
        match &self.trust_bundle_distribution {
            TrustBundle::Static { bundle } => KeySet::from_json(bundle.as_bytes()).map_err(|_reason| {
                Mistake::new("trustBundleDistribution.bundle", "The provided CA Bundle JWKS is not valid JWKS")
            }),
            TrustBundle::HttpsWebBundle { .. } => Ok(KeySet::default()),
        }
    }

    /// The bundle could not be had.
    pub fn unfetched(why: &str) -> Box<Refused> {
        let fix = "make the bundle endpoint reachable from the server, with a certificate that it trusts";
        let text = format!("Failed to fetch SPIFFE trust bundle from remote endpoint: {why}");
        Refused::bad(&Why { clause: "keys", seen: why, wanted: "the bundle of the trust domain", fix }, text)
    }

    /// Whether this JWT-SVID logs in.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, token: &Secret, fetched: &KeySet, now: Timestamp) -> Checked<Proven> {
        let claims = self.verify(token, fetched, now)?;
        let subject = claims.str("sub").unwrap_or_default();
        let domain = subject.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
        let denied = |clause, wanted: &str, fix: &str| {
            let why = Why { clause, seen: &shown(Some(subject)), wanted, fix };
            Refused::unauthorized(&why, "Access denied")
        };
        if domain.is_none_or(|domain| domain.is_empty() || domain != self.trust_domain) {
            let fix = "take an SVID of the trust domain of the method";
            return Err(denied("trust-domain", &format!("spiffe://{}/…", self.trust_domain), fix));
        }
        let mut patterns = listed(&self.allowed_spiffe_ids).filter(|one| !one.is_empty());
        if !patterns.any(|one| Pattern::new(one).is_match(subject)) {
            let fix = "compare the SPIFFE ID with `allowedSpiffeIds`: `*` does not stand for `/`, `**` as a whole segment does";
            return Err(denied("subject", &self.allowed_spiffe_ids, fix));
        }
        let held = vec!["signature", "audience", "expired", "trust-domain", "subject"];
        Ok(Proven { principal: shown(Some(subject)), held, warnings: token::lint(&claims), ..Proven::default() })
    }

    /// `jwtVerify` of the library `jose`: signature, audience, then times, nothing tolerated.
    fn verify(&self, token: &Secret, fetched: &KeySet, now: Timestamp) -> Checked<Claims> {
        let fix = "take a fresh JWT-SVID of a workload in the trust domain, for an audience that the method takes";
        let refused = |clause, seen: &str, wanted: &str, text: &str| {
            Refused::unauthorized(&Why { clause, seen, wanted, fix }, text)
        };
        let unverified = || refused("form", "no JWT-SVID", "a signed JWT", "JWT-SVID verification failed");
        let token = token::decode(token).ok_or_else(unverified)?;
        let own = match &self.trust_bundle_distribution {
            TrustBundle::Static { .. } => self.own_keys().unwrap_or_default(),
            TrustBundle::HttpsWebBundle { .. } => fetched.clone(),
        };
        let named = match token.unverified_kid() {
            Some(kid) => token::by_kid(&own, kid),
            None if own.len() == 1 => own,
            None => KeySet::default(),
        };
        if named.is_empty() {
            let seen = shown(token.unverified_kid());
            return Err(refused("key", &seen, "the id of a key of the bundle", "JWT-SVID verification failed"));
        }
        let listed: Vec<&str> = listed(&self.allowed_audiences).filter(|one| !one.is_empty()).collect();
        let audiences = token.unverified_claims().audiences();
        let fits = audiences.iter().any(|seen| listed.contains(seen));
        // Times come last there, so a token with both flaws is refused for its audience.
        let verified = token::verify(&token, &named, Expected::default(), now);
        match verified {
            Err(thrown) if thrown.clause == "signature" => {
                Err(Refused::unauthorized(&thrown.why(), "JWT-SVID signature verification failed"))
            }
            Err(thrown) if matches!(thrown.clause, "algorithm" | "form") => {
                Err(Refused::unauthorized(&thrown.why(), "JWT-SVID verification failed"))
            }
            _ if !fits => {
                let seen = shown(Some(&audiences.join(", ")));
                Err(refused("audience", &seen, &self.allowed_audiences, "JWT-SVID audience validation failed"))
            }
            Err(thrown) if thrown.clause == "expired" => {
                Err(Refused::unauthorized(&thrown.why(), "JWT-SVID has expired"))
            }
            Err(thrown) => Err(Refused::unauthorized(&thrown.why(), "JWT-SVID audience validation failed")),
            Ok(claims) => Ok(claims),
        }
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        let patterns = listed(&self.allowed_spiffe_ids).filter(|one| !one.is_empty());
        warnings.extend(patterns.filter_map(|one| lint_pattern("sub", one)));
        let whole = format!("spiffe://{}/**", self.trust_domain);
        if listed(&self.allowed_spiffe_ids).any(|one| one == whole) {
            let message = "every workload of the trust domain logs in";
            warnings.push(super::warning("subject", message, "name the SPIFFE IDs of the workloads"));
        }
        warnings
    }
}
