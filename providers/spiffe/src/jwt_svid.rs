//! Verifying JWT-SVIDs.

use carnet_jose::{
    Algorithm, Claims, JwtClause, JwtError, KeySet, PublicKey, Rules, UnverifiedJwt, VerifiedJwt, verify_jwt,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{Bundle, BundleMap, SpiffeId, SvidClause, SvidError};

/// JWT-SVID, 2.1. Neither `EdDSA` nor anything symmetric.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];
/// JWT-SVID, 2.3, with case.
const TYPES: [&str; 2] = ["JWT", "JOSE"];
/// JWT-SVID, 2: no other member of the header may be set.
const HEADER_MEMBERS: [&str; 3] = ["alg", "kid", "typ"];
/// Most key ids that an error lists: enough to see a rotation, few enough for one line.
const SHOWN_KEYS: usize = 5;

/// What a JWT-SVID must be for this verifier.
#[derive(Clone, Copy, Debug)]
pub struct JwtSvidRules<'a> {
    /// The names of this verifier; `aud` must hold one of them. Without a name every token is refused.
    pub audiences: &'a [&'a str],
    /// Tolerance for clocks that disagree, applied to `exp`, `nbf` and `iat`.
    pub leeway: SignedDuration,
    /// Whether a header member besides `alg`, `kid` and `typ` is refused, as the specification has it. `crit`, `jku`, `x5u`,
    /// `jwk` and `b64` are refused in any case.
    pub strict_header: bool,
    /// Longest `exp - iat`, if bounded; a token without `iat` is then refused.
    pub max_lifetime: Option<SignedDuration>,
}

/// A JWT-SVID that may be believed.
#[derive(Clone, Debug)]
pub struct VerifiedJwtSvid {
    /// Who holds it: `sub`.
    pub spiffe_id: SpiffeId,
    /// The token, verified, with all its claims.
    pub jwt: VerifiedJwt,
}

impl VerifiedJwtSvid {
    /// All claims.
    pub fn claims(&self) -> &Claims {
        self.jwt.claims()
    }

    /// `aud`.
    pub fn audiences(&self) -> Vec<&str> {
        self.jwt.claims().audiences()
    }

    /// `exp`.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.jwt.claims().time("exp")
    }
}

/// Verifies a JWT-SVID for one of these audiences, as the specification has it (JWT-SVID, 4): see
/// [`verify_jwt_svid_with`]. Further header members are refused.
///
/// # Errors
/// The first check that failed.
pub fn verify_jwt_svid(
    token: &str,
    audience: &[&str],
    bundles: &BundleMap,
    now: Timestamp,
    leeway: SignedDuration,
) -> Result<VerifiedJwtSvid, SvidError> {
    let rules = JwtSvidRules { audiences: audience, leeway, strict_header: true, max_lifetime: None };
    verify_jwt_svid_with(token, &rules, bundles, now)
}

/// Verifies a JWT-SVID: form, `alg`, `typ` and other header members, `kid`, `sub`; then the signature with the key of that
/// `kid` in the bundle of the trust domain of `sub` and in no other; then `exp`, `nbf`, `iat`; then `aud`.
///
/// # Errors
/// The first check that failed.
pub fn verify_jwt_svid_with(
    token: &str,
    rules: &JwtSvidRules<'_>,
    bundles: &BundleMap,
    now: Timestamp,
) -> Result<VerifiedJwtSvid, SvidError> {
    let token = UnverifiedJwt::parse(token)?;
    check_header(&token, rules.strict_header)?;
    let kid = token.unverified_kid().filter(|kid| !kid.is_empty());
    let kid = kid.ok_or_else(|| SvidError::new(SvidClause::KeyId, "the header has no \"kid\""))?;
    let spiffe_id = subject(token.unverified_claims())?;
    let keys = KeySet::of(authority(&spiffe_id, kid, bundles)?.clone());
    let rest = Rules {
        issuer: None,
        audiences: None,
        algorithms: &ALGORITHMS,
        leeway: rules.leeway,
        require_expiry: true,
        max_lifetime: rules.max_lifetime,
        types: &TYPES,
    };
    let jwt = verify_jwt(&token, &keys, &rest, now)?;
    check_audience(jwt.claims(), rules.audiences)?;
    Ok(VerifiedJwtSvid { spiffe_id, jwt })
}

fn check_header(token: &UnverifiedJwt, strict: bool) -> Result<(), SvidError> {
    let algorithm = token.unverified_alg();
    if !ALGORITHMS.iter().any(|known| known.name() == algorithm) {
        let names: Vec<&str> = ALGORITHMS.into_iter().map(Algorithm::name).collect();
        let error = SvidError::new(SvidClause::Algorithm, "the algorithm is not one of a JWT-SVID");
        return Err(error.seen(algorithm).wanted(names.join(", ")));
    }
    let header = token.unverified_header();
    match header.get("typ") {
        None => {}
        Some(Value::String(seen)) if TYPES.contains(&seen.as_str()) => {}
        Some(seen) => {
            let error = SvidError::new(SvidClause::Header, "the type (\"typ\") is not one of a JWT-SVID");
            return Err(error.seen(seen.as_str().unwrap_or("no string")).wanted(TYPES.join(", ")));
        }
    }
    let other = header.keys().find(|member| strict && !HEADER_MEMBERS.contains(&member.as_str()));
    match other {
        Some(member) => {
            let error = SvidError::new(SvidClause::Header, "the header has a member that a JWT-SVID may not have");
            Err(error.seen(member).wanted(HEADER_MEMBERS.join(", ")))
        }
        None => Ok(()),
    }
}

fn subject(claims: &Claims) -> Result<SpiffeId, SvidError> {
    let wanted = "spiffe://DOMAIN/PATH";
    let fail = |message: String| SvidError::new(SvidClause::Subject, message).wanted(wanted);
    let seen = match claims.get("sub") {
        Some(Value::String(seen)) => seen,
        Some(_) => return Err(fail("claim \"sub\" is not a string".to_owned())),
        None => return Err(fail("claim \"sub\" is missing".to_owned())),
    };
    let id: SpiffeId =
        seen.parse().map_err(|error| fail(format!("claim \"sub\" is no SPIFFE ID: {error}")).seen(seen))?;
    if id.is_root() {
        return Err(fail("claim \"sub\" names a trust domain and no workload".to_owned()).seen(seen));
    }
    Ok(id)
}

fn authority<'b>(id: &SpiffeId, kid: &str, bundles: &'b BundleMap) -> Result<&'b PublicKey, SvidError> {
    let bundle = bundle_of(id, bundles)?;
    bundle.jwt_authority(kid).ok_or_else(|| {
        let known: Vec<&str> = bundle.jwt_authorities.keys().map(String::as_str).take(SHOWN_KEYS).collect();
        let message = format!("the bundle of {} has no key with the id of the token", bundle.trust_domain);
        let error = SvidError::new(SvidClause::Key, message).seen(kid);
        if known.is_empty() { error } else { error.wanted(carnet_core::safe_text(&known.join(", "))) }
    })
}

/// The bundle of the trust domain of this ID; there is no other that it may be verified with.
pub(crate) fn bundle_of<'b>(id: &SpiffeId, bundles: &'b BundleMap) -> Result<&'b Bundle, SvidError> {
    let domain = id.trust_domain();
    bundles.get(&domain).map(AsRef::as_ref).ok_or_else(|| {
        let known: Vec<&str> = bundles.0.keys().map(crate::TrustDomain::as_str).take(SHOWN_KEYS).collect();
        let error = SvidError::new(SvidClause::TrustDomain, format!("there is no bundle of the trust domain {domain}"));
        error.seen(domain.as_str()).wanted(known.join(", "))
    })
}

fn check_audience(claims: &Claims, accepted: &[&str]) -> Result<(), SvidError> {
    let seen = claims.audiences();
    if seen.iter().any(|seen| accepted.contains(seen)) {
        return Ok(());
    }
    let message = if seen.is_empty() { "the token has no audience" } else { "the audience is not this verifier" };
    Err(SvidError::new(SvidClause::Audience, message).seen(&seen.join(", ")).wanted(accepted.join(", ")))
}

impl From<JwtError> for SvidError {
    fn from(error: JwtError) -> Self {
        let clause = match error.clause {
            JwtClause::Form => SvidClause::Form,
            JwtClause::Header => SvidClause::Header,
            JwtClause::Key => SvidClause::Key,
            JwtClause::Signature => SvidClause::Signature,
            JwtClause::Audience => SvidClause::Audience,
            JwtClause::Expired => SvidClause::Expired,
            JwtClause::NotYet => SvidClause::NotYet,
            JwtClause::Lifetime => SvidClause::Lifetime,
            JwtClause::Issuer | JwtClause::Claim => SvidClause::Claim,
        };
        let seen = error.seen.as_deref().map(carnet_core::safe_text);
        Self { clause, message: error.message, seen, wanted: error.wanted }
    }
}
