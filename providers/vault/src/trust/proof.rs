//! What is checked of a token before anybody asks what it may become: signature, names, algorithm, issuer, subject, audience,
//! times.

use carnet_core::Secret;
use carnet_jose::{Algorithm, Claims, JwtClause, KeySet, Rules, UnverifiedJwt, VerifiedJwt, verify_jwt};
use carnet_trust::Refusal;
use jiff::{SignedDuration, Timestamp};

use super::{
    config::{CheckedConfig, KeyOrigin},
    refuse,
    times::{self, Leeways},
};

/// Claims whose names mean something (RFC 7519, 4.1). Another spelling of one is refused (`cap/jwt`, 2026-07).
const REGISTERED: [&str; 7] = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"];

/// A token whose form is good.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    config: &'a CheckedConfig,
    token: UnverifiedJwt,
    now: Timestamp,
}

/// What a role wants of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// What `sub` must be; empty: anything. `None` where roles know no such bound.
    pub(super) subject: Option<&'a str>,
    /// `aud` must hold one of these; none: anything.
    pub(super) audiences: &'a [String],
    /// How far times are stretched.
    pub(super) leeways: Leeways,
}

/// The configuration, if the mount has one.
///
/// # Errors
/// The clause `method`.
pub(super) fn configured(config: Option<&CheckedConfig>) -> Result<&CheckedConfig, Box<Refusal>> {
    config.ok_or_else(|| {
        let fix = "write the configuration of the mount: where the issuer's keys are";
        refuse("method", "no configuration", "a configuration", "could not load configuration", fix)
    })
}

/// A login that names a role that is not there.
pub(super) fn unknown_role(name: &str) -> Box<Refusal> {
    let text = format!("role {name:?} could not be found");
    let fix = "create the role, or name another; roles belong to a mount and a namespace";
    refuse("role", carnet_core::safe_text(name), "a role of this mount", text, fix)
}

/// A login needs a token.
///
/// # Errors
/// The clause `form`.
pub(super) fn present(token: &Secret) -> Result<(), Box<Refusal>> {
    if token.is_empty() { Err(refuse("form", "no token", "a signed JWT", "missing token", FORM_FIX)) } else { Ok(()) }
}

impl<'a> Proof<'a> {
    /// Reads the form of a token.
    ///
    /// # Errors
    /// The clause `form`.
    pub(super) fn parse(config: &'a CheckedConfig, token: &Secret, now: Timestamp) -> Result<Self, Box<Refusal>> {
        let token = UnverifiedJwt::parse(token.expose()).map_err(|error| {
            let text = "error validating token: error verifying token signature: malformed token";
            refuse("form", error.to_string(), "a signed JWT", text, FORM_FIX)
        })?;
        Ok(Self { config, token, now })
    }

    /// The configuration whose keys are needed.
    pub(super) fn config(&self) -> &'a CheckedConfig {
        self.config
    }

    /// The key that the token names, unverified.
    pub(super) fn unverified_kid(&self) -> Option<&str> {
        self.token.unverified_kid()
    }

    /// The token with its claims, once all that is asked of it itself holds. Notes the clauses that hold.
    ///
    /// # Errors
    /// The first clause that fails.
    pub(super) fn check(
        &self,
        keys: Option<&KeySet>,
        expected: &Expected<'_>,
        held: &mut Vec<&'static str>,
    ) -> Result<VerifiedJwt, Box<Refusal>> {
        let verified = self.verify(keys)?;
        let claims = verified.claims();
        held.push("signature");
        check_names(claims)?;
        self.check_algorithm()?;
        held.push("algorithm");
        self.check_issuer(claims)?;
        held.push("issuer");
        if let Some(subject) = expected.subject {
            Self::check_subject(claims, subject)?;
            held.push("subject");
        }
        Self::check_audience(&claims.audiences(), expected.audiences)?;
        held.push("audience");
        times::check(claims, expected.leeways, self.now)?;
        held.push("times");
        Ok(verified)
    }

    /// Only the signature: issuer, audience and times follow in the product's own order and with its own tolerance.
    fn verify(&self, keys: Option<&KeySet>) -> Result<VerifiedJwt, Box<Refusal>> {
        let own = match self.config.keys() {
            KeyOrigin::Static(keys) => Some(keys),
            KeyOrigin::Discovery(_) | KeyOrigin::Sets(_) | KeyOrigin::Kubernetes => None,
        };
        let Some(keys) = own.or(keys) else {
            let fix = "make the issuer's key set reachable from the server, with a certificate that it trusts \
                       (`oidc_discovery_ca_pem`, `jwks_ca_pem`)";
            return Err(refuse("keys", "no keys of the issuer", "its key set", SIGNATURE_TEXT, fix));
        };
        if !self.config.config().jwks_pairs.is_empty() {
            self.check_key_id(keys)?;
        }
        let rules = Rules {
            issuer: None,
            audiences: None,
            algorithms: &Algorithm::ALL,
            leeway: SignedDuration::MAX,
            require_expiry: false,
            max_lifetime: None,
            types: &[],
        };
        match verify_jwt(&self.token, keys, &rules, self.now) {
            Ok(verified) => Ok(verified),
            Err(error) => {
                let (clause, fix) = match error.clause {
                    JwtClause::Key => {
                        ("key", "let the server read the issuer's current keys: write the configuration again")
                    }
                    JwtClause::Signature => {
                        ("signature", "take a token of the issuer whose keys this mount has, unchanged")
                    }
                    JwtClause::Header => (
                        "header",
                        "let the issuer sign with RS, PS, ES or EdDSA, and leave `crit`, `jku`, `x5u`, `jwk` out",
                    ),
                    _ => ("form", FORM_FIX),
                };
                let text = if own.is_some() { STATIC_SIGNATURE_TEXT } else { SIGNATURE_TEXT };
                let wanted = error.wanted.clone().unwrap_or_else(|| "a signature by the issuer".to_owned());
                Err(refuse(clause, carnet_core::safe_text(&error.to_string()), wanted, text, fix))
            }
        }
    }

    /// The sets of `jwks_pairs` are told apart by the id of the key, also where there is one only (Vault).
    fn check_key_id(&self, keys: &KeySet) -> Result<(), Box<Refusal>> {
        let fix = "let the issuer put the `kid` of a published key into the header";
        let Some(kid) = self.token.unverified_kid() else {
            let text = "error validating token: token missing kid header parameter";
            return Err(refuse("key", "no `kid`", "a `kid` in the header", text, fix));
        };
        if keys.iter().any(|key| key.kid() == Some(kid)) {
            return Ok(());
        }
        let kid = carnet_core::safe_text(kid);
        let text = format!("error validating token: no key found with kid {kid} in any JWKS endpoint");
        Err(refuse("key", kid, "the id of a published key", text, fix))
    }

    fn check_algorithm(&self) -> Result<(), Box<Refusal>> {
        let seen = self.token.unverified_alg();
        let accepted = self.config.algorithms();
        if accepted.iter().any(|algorithm| algorithm.name() == seen) {
            return Ok(());
        }
        let wanted: Vec<&str> = accepted.iter().map(|algorithm| algorithm.name()).collect();
        let text =
            "error validating token: invalid algorithm (alg) header parameter: token signed with unexpected algorithm";
        let fix = "add the algorithm to `jwt_supported_algs` of the mount, or let the issuer sign with another";
        Err(refuse("algorithm", carnet_core::safe_text(seen), wanted.join(", "), text, fix))
    }

    fn check_issuer(&self, claims: &Claims) -> Result<(), Box<Refusal>> {
        let Some(wanted) = self.config.issuer() else { return Ok(()) };
        let seen = claims.str("iss");
        if seen == Some(wanted) {
            return Ok(());
        }
        let seen = carnet_core::safe_text(seen.unwrap_or("none"));
        let fix =
            "set `bound_issuer` of the mount to the claim `iss`, character by character; a slash at the end counts";
        Err(refuse("issuer", seen, wanted, "error validating token: invalid issuer (iss) claim", fix))
    }

    fn check_subject(claims: &Claims, wanted: &str) -> Result<(), Box<Refusal>> {
        let seen = claims.str("sub");
        if wanted.is_empty() || seen == Some(wanted) {
            return Ok(());
        }
        let seen = carnet_core::safe_text(seen.unwrap_or("none"));
        let fix = "set `bound_subject` of the role to the claim `sub`; it knows no `*`: for a pattern use `bound_claims` \
                   {\"sub\": …} with `bound_claims_type` `glob`";
        Err(refuse("subject", seen, wanted, "error validating token: invalid subject (sub) claim", fix))
    }

    fn check_audience(seen: &[&str], bound: &[String]) -> Result<(), Box<Refusal>> {
        if bound.is_empty() || seen.iter().any(|seen| bound.iter().any(|bound| bound == seen)) {
            return Ok(());
        }
        let text =
            "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience";
        let fix =
            "ask the issuer for a token with a wanted audience, or add the one seen to `bound_audiences` of the role";
        Err(refuse("audience", carnet_core::safe_text(&seen.join(", ")), bound.join(", "), text, fix))
    }
}

const FORM_FIX: &str = "send the token as the issuer gave it, one line without a line end";
const SIGNATURE_TEXT: &str =
    "error validating token: error verifying token signature: failed to verify id token signature";
const STATIC_SIGNATURE_TEXT: &str =
    "error validating token: error verifying token signature: no known key successfully validated the token signature";

/// A claim that is a registered one but for its spelling would be read by one library and not by the next.
fn check_names(claims: &Claims) -> Result<(), Box<Refusal>> {
    let odd = claims.0.keys().find_map(|name| variant_of(name).map(|wanted| (name, wanted)));
    let Some((odd, wanted)) = odd else { return Ok(()) };
    let text = format!("error validating token: claim {odd:?} is a case variant of registered claim {wanted:?}");
    let fix = "let the issuer write registered claims in lower case, once each";
    Err(refuse("claim-name", carnet_core::safe_text(odd), wanted, text, fix))
}

/// The registered claim that this name is another spelling of. Asked of every claim of every token.
fn variant_of(name: &str) -> Option<&'static str> {
    // All have three letters. The long s, of two bytes, is the only other one that folds to one of them (Unicode,
    // CaseFolding.txt).
    if !(3..=6).contains(&name.len()) {
        return None;
    }
    let folded = |c: char| if c == 'ſ' { 's' } else { c.to_ascii_lowercase() };
    let same = |registered: &str| name.chars().map(folded).eq(registered.chars());
    REGISTERED.into_iter().find(|registered| same(registered)).filter(|registered| *registered != name)
}
