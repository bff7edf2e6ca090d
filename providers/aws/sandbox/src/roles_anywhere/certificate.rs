//! The certificate of a request, and whether it signed it ("Signing process", Roles Anywhere user guide).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_jose::Algorithm;
use carnet_trust::Refusal;
use carnet_x509::{Certificate, ChainUsage, KeyUsage, verify_path};
use jiff::{SignedDuration, Timestamp};

use super::{TrustAnchor, invalid};
use crate::{
    call::Call,
    reply::ApiError,
    sigv4::{Authorization, canonical_request, digest, is_region},
};

const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// Most intermediates (quota of the chain's length).
const MAX_CHAIN: usize = 5;
const RSA: &str = "AWS4-X509-RSA-SHA256";
const ECDSA: &str = "AWS4-X509-ECDSA-SHA256";

/// A certificate that signed the request.
pub(super) struct Signer {
    pub(super) leaf: Certificate,
    pub(super) intermediates: Vec<Vec<u8>>,
    /// The serial number in decimal.
    pub(super) serial: String,
    pub(super) region: String,
}

/// Reads the certificates and verifies the signature of the request.
pub(super) fn read(call: &Call, region: Option<&str>, now: Timestamp) -> Result<Signer, ApiError> {
    let authorization = call.header("authorization").ok_or_else(|| denied("signature", "none", "a signed request"))?;
    let authorization = Authorization::parse(authorization, call.header("x-amz-date").unwrap_or_default())
        .map_err(|text| denied("form", &text, "a signature with the key of a certificate"))?;
    let leaf = call.header("x-amz-x509").ok_or_else(|| invalid("Header X-Amz-X509 is missing"))?;
    let leaf = certificate("X-Amz-X509", leaf)?;
    let chain = call.header("x-amz-x509-chain").unwrap_or_default();
    let mut intermediates = Vec::new();
    for text in chain.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        intermediates.push(certificate("X-Amz-X509-Chain", text)?.der().to_vec());
    }
    if intermediates.len() > MAX_CHAIN {
        return Err(invalid(format!("X-Amz-X509-Chain holds more than {MAX_CHAIN} certificates")));
    }
    let serial = decimal(leaf.serial());
    check_scope(call, &authorization, region, &serial, now)?;
    let canonical = canonical_request(call, "rolesanywhere", &authorization.signed_headers, &digest(&call.body), false)
        .map_err(|name| denied("signed-headers", &name, "headers that the request has"))?;
    verify(&leaf, &authorization, &canonical)?;
    Ok(Signer { leaf, intermediates, serial, region: authorization.region })
}

impl Signer {
    /// Whether the certificate leads to the anchor and is one that may ask ("Signature verification", trust model).
    pub(super) fn check(&self, anchor: &TrustAnchor, now: Timestamp) -> Result<(), ApiError> {
        if self.leaf.is_authority() {
            return Err(denied("chain", "the certificate of an authority", "an end-entity certificate"));
        }
        if !self.leaf.key_usage().is_some_and(|usage| usage.contains(KeyUsage::DIGITAL_SIGNATURE)) {
            return Err(denied("usage", "no key usage digitalSignature", "digitalSignature"));
        }
        verify_path(ChainUsage::Any, self.leaf.der(), &self.intermediates, &anchor.roots, now)
            .map_err(|error| denied("chain", &error.message, "a certificate that leads to the trust anchor"))
    }
}

fn check_scope(
    call: &Call,
    authorization: &Authorization,
    region: Option<&str>,
    serial: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let signed = |name: &str| authorization.signed_headers.iter().any(|own| own == name);
    let needed = ["host", "x-amz-date", "x-amz-x509", "x-amz-x509-chain", "content-type"];
    if let Some(name) = needed.iter().find(|name| call.headers.contains_key(**name) && !signed(name)) {
        return Err(denied("signed-headers", &format!("{name} is not signed"), "every header of the protocol"));
    }
    let away = authorization.time.duration_since(now);
    if away > WINDOW || -away > WINDOW {
        return Err(denied("date", &authorization.time.to_string(), "within 15 minutes of now"));
    }
    let day = authorization.date_time.get(..8).unwrap_or_default();
    let right = authorization.service == "rolesanywhere"
        && authorization.date == day
        && is_region(&authorization.region)
        && region.is_none_or(|region| region == authorization.region);
    if !right {
        let wanted = format!("{day}/{}/rolesanywhere/aws4_request", region.unwrap_or("REGION"));
        return Err(denied("scope", &authorization.scope(), &wanted));
    }
    if authorization.key_id != serial {
        return Err(denied("serial", &authorization.key_id, serial));
    }
    Ok(())
}

fn verify(leaf: &Certificate, authorization: &Authorization, canonical: &str) -> Result<(), ApiError> {
    let wrong = |seen: &str| denied("signature", seen, "a signature with the key of the certificate");
    let signature = unhex(&authorization.signature).ok_or_else(|| wrong("no hexadecimal"))?;
    let key = leaf.public_key().map_err(|error| wrong(&error.to_string()))?;
    let (algorithm, signature) = match authorization.algorithm.as_str() {
        RSA => (Algorithm::Rs256, signature),
        // The library binds curve and digest, so this is ECDSA on P-256 alone.
        ECDSA => (Algorithm::Es256, fixed(&signature).ok_or_else(|| wrong("no ECDSA signature in ASN.1"))?),
        "AWS4-X509-MLDSA" => return Err(ApiError::not_emulated("AWS4-X509-MLDSA")),
        other => return Err(denied("algorithm", other, &format!("{RSA} or {ECDSA}"))),
    };
    if key.verify(algorithm, authorization.string_to_sign(canonical).as_bytes(), &signature) {
        return Ok(());
    }
    Err(wrong("another signature"))
}

fn certificate(header: &str, text: &str) -> Result<Certificate, ApiError> {
    let bad = || invalid(format!("{header} must be base64 of DER"));
    let der = STANDARD.decode(text).map_err(|_position| bad())?;
    Certificate::from_der(&der).map_err(|_form| bad())
}

/// Everything about certificates and signatures is one error. UNCONFIRMED texts; the clause is for the operator.
pub(super) fn denied(clause: &'static str, seen: &str, wanted: &str) -> ApiError {
    let text = match clause {
        "chain" | "usage" => "Untrusted certificate. Insufficient certificate",
        "policy" => "Unable to assume role, verify that the role's trust policy allows this certificate",
        "anchor" => "The trust anchor is disabled",
        "profile" => "The profile is disabled, or does not name the role",
        "session-name" => "The profile does not accept role session names",
        _ => "Untrusted signature",
    };
    let fix = match clause {
        "chain" | "usage" => {
            "take a certificate of an authority that the trust anchor names, for end entities and signatures"
        }
        "policy" => {
            "allow rolesanywhere.amazonaws.com sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity in the role's trust \
                     policy"
        }
        _ => "sign the request as it is sent, with the key of the certificate",
    };
    let refusal = Refusal::new(clause, carnet_core::safe_text(seen), wanted, "AccessDeniedException", fix);
    ApiError::new(403, "AccessDeniedException", text).because(refusal)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digits = text.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279, 2.2.3) as 32 bytes each.
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let [0x30, length, rest @ ..] = der else { return None };
    if usize::from(*length) != rest.len() {
        return None;
    }
    let (r, rest) = integer(rest)?;
    let (s, rest) = integer(rest)?;
    rest.is_empty().then(|| [r, s].concat())
}

fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, length, rest @ ..] = der else { return None };
    let (content, rest) = rest.split_at_checked(usize::from(*length))?;
    // A zero before a first bit that is set; nothing else may begin with zero, and nothing is negative (X.690, 8.3).
    let digits = match content {
        [0, second, ..] if second & 0x80 != 0 => content.get(1..)?,
        [0] => content,
        [0, ..] | [] => return None,
        [first, ..] if first & 0x80 != 0 => return None,
        _ => content,
    };
    let mut number = [0_u8; 32];
    let start = number.len().checked_sub(digits.len())?;
    number.get_mut(start..)?.copy_from_slice(digits);
    Some((number, rest))
}

/// A number of any length in decimal: how serial numbers stand in the scope.
fn decimal(big_endian: &[u8]) -> String {
    // Groups of nine digits, lowest first.
    let mut groups: Vec<u64> = vec![0];
    for byte in big_endian {
        let mut carry = u64::from(*byte);
        for group in &mut groups {
            let value = *group * 256 + carry;
            *group = value % 1_000_000_000;
            carry = value / 1_000_000_000;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let mut groups = groups.into_iter().rev();
    let first = groups.next().unwrap_or_default().to_string();
    groups.fold(first, |text, group| format!("{text}{group:09}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_integers_bent_in_one_place() {
        let good = [0x30, 6, 2, 1, 1, 2, 1, 2];
        let both = fixed(&good).unwrap();
        assert_eq!((both.len(), both[31], both[63]), (64, 1, 2));
        for at in [0, 1, 2, 3, 6] {
            let mut bent = good;
            bent[at] ^= 0x80;
            assert!(fixed(&bent).is_none(), "byte {at}");
        }
        assert!(fixed(&[0x30, 7, 2, 2, 0, 1, 2, 1, 2]).is_none(), "a zero that is not needed");
        assert!(fixed(&[]).is_none());
    }

    /// `SEQUENCE { r INTEGER, s INTEGER }` of two numbers below 2^127 or so: each in as few bytes as it takes.
    fn der(numbers: [u128; 2]) -> Vec<u8> {
        let integer = |number: u128| {
            let bytes = number.to_be_bytes();
            let used = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
            let mut content = bytes[used..].to_vec();
            if content[0] & 0x80 != 0 {
                content.insert(0, 0);
            }
            [vec![2, u8::try_from(content.len()).unwrap()], content].concat()
        };
        let content = numbers.map(integer).concat();
        [vec![0x30, u8::try_from(content.len()).unwrap()], content].concat()
    }

    proptest::proptest! {
        #[test]
        fn serial_numbers_are_decimal(number: u128) {
            proptest::prop_assert_eq!(decimal(&number.to_be_bytes()), number.to_string());
        }

        #[test]
        fn signatures_have_one_spelling(r: u128, s: u128, at: proptest::sample::Index, bits in 1_u8..) {
            let good = der([r, s]);
            let wanted = [[0; 16], r.to_be_bytes(), [0; 16], s.to_be_bytes()].concat();
            proptest::prop_assert_eq!(fixed(&good), Some(wanted.clone()));
            let mut bent = good.clone();
            bent[at.index(good.len())] ^= bits;
            proptest::prop_assert_ne!(fixed(&bent), Some(wanted));
            proptest::prop_assert!(fixed(&good[1..]).is_none() && unhex(&carnet_core::hex(&good)) == Some(good.clone()));
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>, text: String) {
            drop((fixed(&bytes), unhex(&text), certificate("X-Amz-X509", &text).is_ok()));
        }
    }
}
