//! `SignedData` (RFC 5652, 5).

use carnet_jose::{Algorithm, sha256};
use carnet_x509::Certificate;

use super::ber::{Element, parse};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;

/// pkcs-7 2, signedData.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// pkcs-7 1, data.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// pkcs-9 3 and 4.
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// nistAlgorithm hashAlgs 1: SHA-256.
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// pkcs-1 1 (rsaEncryption, the digest is that of the signer) and 11 (sha256WithRSAEncryption).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_SHA_256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];

/// A signed document that cannot be read or believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CmsError(pub &'static str);

/// A signed document. Nothing in it is believed before [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedData {
    content: Vec<u8>,
    certificates: Vec<Vec<u8>>,
    /// What the signature covers: the content, or the attributes with its digest.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl SignedData {
    /// Largest document, in bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// Reads a document with exactly one signer and its content inside, in BER.
    ///
    /// # Errors
    /// When it is something else, or the digest among the signed attributes is not the content's.
    pub fn parse(bytes: &[u8]) -> Result<Self, CmsError> {
        const FORM: CmsError = CmsError("it is not a signed document (CMS SignedData) with its content inside");
        if bytes.len() > Self::MAX_LENGTH {
            return Err(CmsError("the signed document is too large"));
        }
        let root = parse(bytes).ok_or(FORM)?;
        let [kind, wrapped] = root.elements(SEQUENCE).ok_or(FORM)? else { return Err(FORM) };
        if kind.bytes(OID) != Some(SIGNED_DATA) {
            return Err(FORM);
        }
        let [signed_data] = wrapped.elements(CONTEXT_0).ok_or(FORM)? else { return Err(FORM) };
        let [_version, _digests, encapsulated, rest @ ..] = signed_data.elements(SEQUENCE).ok_or(FORM)? else {
            return Err(FORM);
        };
        let content = content_of(encapsulated).ok_or(FORM)?;
        let certificates = rest.iter().find_map(|element| element.elements(CONTEXT_0)).unwrap_or_default();
        let signers = rest.last().and_then(|last| last.elements(SET)).ok_or(FORM)?;
        let [info] = signers else { return Err(CmsError("it does not have exactly one signer")) };
        let info = info.elements(SEQUENCE).ok_or(FORM)?;
        let (signed, signature) = signature_of(info, &content)?;
        let certificates = certificates.iter().filter(|element| element.tag == SEQUENCE).map(Element::der).collect();
        Ok(Self { content, certificates, signed, signature })
    }

    /// Whether it was signed with this certificate's key; the content, if so.
    ///
    /// # Errors
    /// When the key is not RSA from 2048 bits, or the signature does not verify.
    pub fn verify(&self, signer: &Certificate) -> Result<&[u8], CmsError> {
        let key = signer.public_key().map_err(|_weak| CmsError("the signer's key cannot be used"))?;
        if key.verify(Algorithm::Rs256, &self.signed, &self.signature) {
            return Ok(&self.content);
        }
        Err(CmsError("the signature does not verify"))
    }

    /// The certificates that came with it, DER. They are no reason to believe anything.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }
}

fn content_of(encapsulated: &Element) -> Option<Vec<u8>> {
    let [kind, wrapped] = encapsulated.elements(SEQUENCE)? else { return None };
    let [content] = wrapped.elements(CONTEXT_0)? else { return None };
    (kind.bytes(OID)? == DATA).then_some(())?;
    Some(content.bytes(OCTET_STRING)?.to_vec())
}

/// What is signed, and the signature (RFC 5652, 5.3 and 5.4).
fn signature_of(signer: &[Element], content: &[u8]) -> Result<(Vec<u8>, Vec<u8>), CmsError> {
    const FORM: CmsError = CmsError("the signer's part is not in the form of RFC 5652");
    let [_version, _id, digest, rest @ ..] = signer else { return Err(FORM) };
    if algorithm(digest) != Some(SHA_256) {
        return Err(CmsError("the digest is not SHA-256"));
    }
    let (attributes, rest) = match rest {
        [attributes, rest @ ..] if attributes.tag == CONTEXT_0 => (Some(attributes), rest),
        rest => (None, rest),
    };
    let [kind, signature, unsigned @ ..] = rest else { return Err(FORM) };
    if unsigned.iter().any(|element| element.tag != CONTEXT_1) || unsigned.len() > 1 {
        return Err(FORM);
    }
    if !matches!(algorithm(kind), Some(RSA | RSA_SHA_256)) {
        return Err(CmsError("the signature is not RSA PKCS#1 v1.5 with SHA-256"));
    }
    let signature = signature.bytes(OCTET_STRING).ok_or(FORM)?.to_vec();
    let Some(attributes) = attributes else { return Ok((content.to_vec(), signature)) };
    let kind = attribute(attributes, CONTENT_TYPE).ok_or(FORM)?;
    let digest = attribute(attributes, MESSAGE_DIGEST).ok_or(FORM)?;
    if kind.bytes(OID) != Some(DATA) {
        return Err(CmsError("the signed type of content is not data"));
    }
    if digest.bytes(OCTET_STRING) != Some(&sha256(content)) {
        return Err(CmsError("the signed digest is not that of the content"));
    }
    Ok((attributes.der_as(SET), signature))
}

fn algorithm(identifier: &Element) -> Option<&[u8]> {
    identifier.elements(SEQUENCE)?.first()?.bytes(OID)
}

/// The one value of the one attribute of this type.
fn attribute<'a>(attributes: &'a Element, kind: &[u8]) -> Option<&'a Element> {
    let mut found = attributes.elements(CONTEXT_0)?.iter().filter_map(|attribute| {
        let [name, values] = attribute.elements(SEQUENCE)? else { return None };
        (name.bytes(OID)? == kind).then_some(values)
    });
    let (Some(values), None) = (found.next(), found.next()) else { return None };
    let [value] = values.elements(SET)? else { return None };
    Some(value)
}
