//! Chains of certificates whose leaf the client has shown in TLS ("Configure Workload Identity Federation with X.509
//! certificates").

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Secret, hex};
use carnet_trust::Refusal;
use carnet_x509::{Certificate, ChainFault, ChainUsage, verify_path};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    check::{Authorities, check_key},
    refuse,
};

/// Most certificates from the leaf to the trust anchor, both counted.
const MAX_DEPTH: usize = 5;
/// For how long a leaf may be valid.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(390 * 24);
/// Longest token, in bytes: five certificates of 32 KB in base64.
const MAX_TOKEN: usize = 256 << 10;

/// A chain that is believed.
#[derive(Debug)]
pub(super) struct Chain {
    leaf: Certificate,
}

/// Reads a subject token of the type `mtls`: a JSON array of certificates, DER in base64, leaf first. Nothing is believed.
///
/// # Errors
/// What is wrong with it.
pub fn parse_chain(token: &str) -> Result<Vec<Certificate>, String> {
    if token.len() > MAX_TOKEN {
        return Err(format!("it is longer than {MAX_TOKEN} bytes"));
    }
    let list: Vec<String> =
        serde_json::from_str(token).map_err(|_quotes_it| "it is not a JSON array of texts".to_owned())?;
    if list.is_empty() || list.len() > MAX_DEPTH {
        return Err(format!("it has {} certificates, not 1 to {MAX_DEPTH}", list.len()));
    }
    list.iter()
        .enumerate()
        .map(|(position, text)| {
            let der = STANDARD.decode(text).map_err(|_quotes_it| format!("certificate {position} is not base64"))?;
            Certificate::from_der(&der).map_err(|error| format!("certificate {position}: {error}"))
        })
        .collect()
}

impl Chain {
    pub(super) fn admit(
        token: &Secret,
        shown: Option<&[u8]>,
        authorities: &Authorities,
        now: Timestamp,
        held: &mut Vec<&'static str>,
    ) -> Result<Self, Box<Refusal>> {
        let chain = parse_chain(token.expose()).map_err(|wrong| {
            let fix = "send a JSON array of DER certificates in base64, leaf first";
            refuse("certificate", wrong, "a chain of certificates", "invalid_grant", fix)
        })?;
        held.push("certificate");
        let mut chain = chain.into_iter();
        let Some(leaf) = chain.next() else { return Err(not_shown("no certificate")) };
        let others: Vec<Certificate> = chain.collect();
        match shown {
            None => return Err(not_shown("no certificate in TLS")),
            Some(shown) if shown != leaf.der() => return Err(not_shown("another certificate in TLS")),
            Some(_) => held.push("certificate-shown"),
        }
        for certificate in std::iter::once(&leaf).chain(&others) {
            check_key(certificate).map_err(|seen| {
                let fix = "let the authority issue certificates for RSA-2048 or P-256";
                refuse("certificate-key", seen, "RSA with 2048 to 4096 bits, P-256 or P-384", "invalid_grant", fix)
            })?;
        }
        held.push("certificate-key");
        check_path(&leaf, &others, authorities, now)?;
        held.push("certificate-chain");
        let lifetime = leaf.not_after().duration_since(leaf.not_before());
        if lifetime > MAX_LIFETIME {
            let seen = format!("a leaf for {} days", lifetime.as_hours() / 24);
            let fix = "let the authority issue certificates for a shorter time";
            return Err(refuse("certificate-lifetime", seen, "at most 390 days", "invalid_grant", fix));
        }
        held.push("certificate-lifetime");
        Ok(Self { leaf })
    }

    /// What mapping and condition see. Values that are not there are left out; so is, UNCONFIRMED, a common name or an
    /// organisation that is there twice, since two readers would take two of them.
    pub(super) fn assertion(&self) -> Value {
        let leaf = &self.leaf;
        let mut assertion = Map::new();
        // UNCONFIRMED: lower case, without zeros in front.
        let zeros = leaf.serial().iter().take_while(|byte| **byte == 0).count();
        assertion.insert("serialNumberHex".to_owned(), hex(leaf.serial().get(zeros..).unwrap_or_default()).into());
        assertion.insert("sha256Fingerprint".to_owned(), STANDARD.encode(leaf.sha256()).into());
        assertion.insert("subject".to_owned(), json!({ "dn": names(leaf.subject()) }));
        assertion.insert("issuer".to_owned(), json!({ "dn": names(leaf.issuer()) }));
        let mut san = Map::new();
        for (name, first) in [("dns", leaf.dns_names().first()), ("uri", leaf.uris().first())] {
            if let Some(first) = first {
                san.insert(name.to_owned(), first.clone().into());
            }
        }
        assertion.insert("san".to_owned(), san.into());
        Value::Object(assertion)
    }
}

/// `cn`, `o`, and the last `ou` of a distinguished name.
fn names(attributes: &[(String, String)]) -> Map<String, Value> {
    let all =
        |name: &str| attributes.iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect::<Vec<_>>();
    let mut names = Map::new();
    for (name, values, only) in [("cn", all("CN"), true), ("o", all("O"), true), ("ou", all("OU"), false)] {
        match values.as_slice() {
            [value] => drop(names.insert(name.to_owned(), (*value).clone().into())),
            [.., last] if !only => drop(names.insert(name.to_owned(), (*last).clone().into())),
            _ => {}
        }
    }
    names
}

/// Whether the leaf leads to a trust anchor, in few enough steps.
fn check_path(
    leaf: &Certificate,
    others: &[Certificate],
    authorities: &Authorities,
    now: Timestamp,
) -> Result<(), Box<Refusal>> {
    let between: Vec<&Certificate> = others.iter().chain(&authorities.intermediates).collect();
    let der = |certificates: &[&Certificate]| certificates.iter().map(|one| one.der().to_vec()).collect::<Vec<_>>();
    let anchors: Vec<&Certificate> = authorities.anchors.iter().collect();
    verify_path(ChainUsage::Client, leaf.der(), &der(&between), &der(&anchors), now).map_err(|error| {
        let (clause, fix) = match error.fault {
            ChainFault::Expired | ChainFault::NotYet => {
                ("certificate-dates", "take a certificate that is valid now, and set the clocks of both sides")
            }
            _ => (
                "certificate-chain",
                "send the intermediate authorities along, or put them and the root into the provider's trust store",
            ),
        };
        refuse(clause, error.message, "a path to a trust anchor", "invalid_grant", fix)
    })?;
    match depth(leaf, &between, &anchors) {
        Some(depth) if depth <= MAX_DEPTH => Ok(()),
        _ => {
            let fix = "shorten the chain, or make an authority further down a trust anchor";
            let wanted = format!("at most {MAX_DEPTH} certificates with leaf and trust anchor");
            Err(refuse("certificate-depth", "a longer chain", wanted, "invalid_grant", fix))
        }
    }
}

/// How many certificates the shortest way to a trust anchor has, by names and key identifiers; that there is a good way is
/// known. Nobody walks further than there are certificates.
fn depth(leaf: &Certificate, between: &[&Certificate], anchors: &[&Certificate]) -> Option<usize> {
    let mut level = vec![leaf];
    let mut left = between.to_vec();
    for depth in 2..=MAX_DEPTH.saturating_add(1) {
        if anchors.iter().any(|anchor| level.iter().any(|child| issued(anchor, child))) {
            return Some(depth);
        }
        let (next, rest): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|parent| level.iter().any(|child| issued(parent, child)));
        (level, left) = (next, rest);
    }
    None
}

fn issued(parent: &Certificate, child: &Certificate) -> bool {
    let same_key = match (parent.key_id(), child.authority_key_id()) {
        (Some(parent), Some(child)) => parent == child,
        _ => true,
    };
    parent.subject() == child.issuer() && same_key
}

fn not_shown(seen: &str) -> Box<Refusal> {
    let fix = "show the certificate that comes first in the chain in TLS, at `sts.mtls.googleapis.com`";
    refuse("certificate-shown", seen, "the leaf of the chain in TLS", "invalid_grant", fix)
}
