//! The same verification as a decision, for whoever explains.
//!
//! What a verifier has configured is its names, its tolerance and the bundles that it believes: [`SpiffeTrust`]. The
//! emulators, the doctor and the authority ask the same pure functions.

use std::collections::BTreeMap;

use carnet_core::safe_text;
use carnet_trust::{Decision, Grant, Warning};
use jiff::{SignedDuration, Timestamp};

use crate::{BundleMap, JwtSvidRules, SpiffeId, SvidClause, SvidError, verify_jwt_svid_with, verify_x509_svid};

/// What the Workload API answers to an SVID that fails for any reason (`ValidateJWTSVID`).
pub const REFUSED_CODE: &str = "InvalidArgument";

/// The clauses of a JWT-SVID in the order in which they are checked.
const JWT_ORDER: [SvidClause; 12] = [
    SvidClause::Form,
    SvidClause::Algorithm,
    SvidClause::Header,
    SvidClause::KeyId,
    SvidClause::Subject,
    SvidClause::TrustDomain,
    SvidClause::Key,
    SvidClause::Signature,
    SvidClause::Expired,
    SvidClause::NotYet,
    SvidClause::Claim,
    SvidClause::Audience,
];
/// The clauses of an X509-SVID in the order in which they are checked.
const X509_ORDER: [SvidClause; 9] = [
    SvidClause::Form,
    SvidClause::UriSan,
    SvidClause::Subject,
    SvidClause::TrustDomain,
    SvidClause::Authority,
    SvidClause::Key,
    SvidClause::Chain,
    SvidClause::KeyUsage,
    SvidClause::ExtendedKeyUsage,
];

/// What a verifier of SVIDs has configured.
#[derive(Clone, Debug)]
pub struct SpiffeTrust {
    /// The names of this verifier; a JWT-SVID must be for one of them.
    pub audiences: Vec<String>,
    /// Tolerance for clocks that disagree.
    pub leeway: SignedDuration,
    /// See [`JwtSvidRules::strict_header`].
    pub strict_header: bool,
    /// The bundles that it believes.
    pub bundles: BundleMap,
}

/// What somebody shows.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    /// A JWT-SVID in compact form.
    Jwt(&'a str),
    /// An X509-SVID, DER, leaf first. That its holder has the key is the transport's business.
    X509(&'a [Vec<u8>]),
}

/// Whether it may be believed, who it is, and what to change when not. The principal of a grant is the SPIFFE ID; its
/// lifetime is what is left of the SVID.
pub fn evaluate(shown: Shown<'_>, trust: &SpiffeTrust, now: Timestamp) -> Decision {
    match shown {
        Shown::Jwt(token) => evaluate_jwt(token, trust, now),
        Shown::X509(chain) => match verify_x509_svid(chain, &trust.bundles, now) {
            Ok(id) => Decision::Allow(Grant {
                lifetime: leaf_end(chain).map(|end| end.duration_since(now)),
                ..grant(&id, &X509_ORDER)
            }),
            Err(error) => refuse(error, &X509_ORDER),
        },
    }
}

fn evaluate_jwt(token: &str, trust: &SpiffeTrust, now: Timestamp) -> Decision {
    let audiences: Vec<&str> = trust.audiences.iter().map(String::as_str).collect();
    let rules = JwtSvidRules {
        audiences: &audiences,
        leeway: trust.leeway,
        strict_header: trust.strict_header,
        max_lifetime: None,
    };
    match verify_jwt_svid_with(token, &rules, &trust.bundles, now) {
        Ok(svid) => {
            let mut granted = grant(&svid.spiffe_id, &JWT_ORDER);
            granted.lifetime = svid.expires_at().map(|end| end.duration_since(now).max(SignedDuration::ZERO));
            if let Some(kid) = svid.jwt.kid() {
                granted.attributes.insert("kid".to_owned(), safe_text(kid));
            }
            let seen = svid.audiences();
            if seen.len() > 1 {
                granted.warnings.push(Warning {
                    clause: SvidClause::Audience.name(),
                    message: format!(
                        "the token is for {} verifiers, and each of them could use it at the others",
                        seen.len()
                    ),
                    fix: "ask for a token with one audience for each verifier (JWT-SVID, 3.2)".to_owned(),
                });
            }
            Decision::Allow(granted)
        }
        Err(error) => refuse(error, &JWT_ORDER),
    }
}

fn grant(id: &SpiffeId, order: &[SvidClause]) -> Grant {
    let attributes = BTreeMap::from([("trust_domain".to_owned(), id.trust_domain().to_string())]);
    let held = order.iter().map(|clause| clause.name()).collect();
    Grant { principal: id.to_string(), attributes, held, ..Grant::default() }
}

fn refuse(error: SvidError, order: &[SvidClause]) -> Decision {
    // Several checks are made in one step, which has one place in the order.
    let step = match error.clause {
        SvidClause::Signature | SvidClause::Expired | SvidClause::NotYet if order.contains(&SvidClause::Chain) => {
            SvidClause::Chain
        }
        SvidClause::Lifetime => SvidClause::Claim,
        clause => clause,
    };
    let held = order.iter().take_while(|clause| **clause != step).map(|clause| clause.name()).collect();
    let mut refusal = carnet_trust::Refusal::from(error);
    refusal.held = held;
    Decision::Refuse(refusal)
}

fn leaf_end(chain: &[Vec<u8>]) -> Option<Timestamp> {
    let leaf = carnet_x509::Certificate::from_der(chain.first()?).ok()?;
    Some(leaf.not_after())
}
