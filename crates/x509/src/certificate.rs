//! Reading.

use std::net::IpAddr;

use carnet_jose::{PublicKey, sha256};
use jiff::Timestamp;
use sha1::{Digest, Sha1};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    oid_registry::{
        OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_SUBJECT_ALT_NAME, Oid,
    },
    prelude::FromDer,
};

use crate::{
    ExtendedKeyUsage, KeyUsage,
    name::attributes_of,
    pem::{der_to_pem, pem_to_der},
};

/// A certificate that cannot be made, read or believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct X509Error(pub String);

impl X509Error {
    pub(crate) fn encoding(error: x509_cert::der::Error) -> Self {
        Self(format!("the DER encoding failed: {}", error.kind()))
    }
}

impl From<X509Error> for carnet_core::Error {
    fn from(error: X509Error) -> Self {
        Self::configuration("use the certificate").because(error)
    }
}

/// What stands in a certificate. Reading is not believing: see [`crate::verify_chain`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: Vec<(String, String)>,
    issuer: Vec<(String, String)>,
    spki: Vec<u8>,
    serial: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
    names: Names,
    key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    is_authority: bool,
    path_length: Option<u32>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<ExtendedKeyUsage>,
}

/// Subject alternative names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) dns: Vec<String>,
    pub(crate) ip: Vec<IpAddr>,
    pub(crate) uri: Vec<String>,
}

impl Names {
    pub(crate) fn read(&mut self, names: &[GeneralName<'_>]) {
        for name in names {
            match name {
                GeneralName::DNSName(dns) => self.dns.push((*dns).to_owned()),
                GeneralName::URI(uri) => self.uri.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    self.ip.extend(v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)));
                }
                _ => {}
            }
        }
    }
}

impl Certificate {
    /// Largest certificate that is looked at, in bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// Parses DER.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > Self::MAX_LENGTH {
            return Err(X509Error(format!("the certificate has {} bytes, more than {}", der.len(), Self::MAX_LENGTH)));
        }
        let malformed = || X509Error("it is not an X.509 certificate in DER".to_owned());
        let (rest, read) = X509Certificate::from_der(der).map_err(|_opaque| malformed())?;
        if !rest.is_empty() {
            return Err(X509Error(format!("{} bytes follow the certificate", rest.len())));
        }
        let time = |time: i64| Timestamp::from_second(time).map_err(|_range| malformed());
        let mut certificate = Self {
            der: der.to_vec(),
            subject: attributes_of(read.subject()),
            issuer: attributes_of(read.issuer()),
            spki: read.public_key().raw.to_vec(),
            serial: read.raw_serial().to_vec(),
            not_before: time(read.validity().not_before.timestamp())?,
            not_after: time(read.validity().not_after.timestamp())?,
            names: Names::default(),
            key_id: None,
            authority_key_id: None,
            is_authority: false,
            path_length: None,
            key_usage: None,
            extended_key_usage: None,
        };
        // No extension twice (RFC 5280, 4.2): two readers would believe two different certificates.
        let extensions = read.extensions_map().map_err(|_opaque| malformed())?;
        for extension in extensions.into_values() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) => {
                    certificate.is_authority = constraints.ca;
                    certificate.path_length = constraints.path_len_constraint;
                }
                ParsedExtension::SubjectAlternativeName(names) => certificate.names.read(&names.general_names),
                ParsedExtension::SubjectKeyIdentifier(id) => certificate.key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    certificate.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::KeyUsage(usage) => certificate.key_usage = Some(KeyUsage::of_bits(usage.flags)),
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    certificate.extended_key_usage = Some(ExtendedKeyUsage::from(usage));
                }
                // What says what the certificate may be used for must not be lost.
                ParsedExtension::ParseError { .. } if is_looked_at(&extension.oid) => return Err(malformed()),
                _ => {}
            }
        }
        Ok(certificate)
    }

    /// Parses the first certificate of a PEM text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, X509Error> {
        let all = pem_to_der(pem)?;
        all.first().map_or_else(
            || Err(X509Error("there is no certificate in the PEM text".to_owned())),
            |der| Self::from_der(der),
        )
    }

    /// DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM.
    pub fn to_pem(&self) -> String {
        der_to_pem(&self.der)
    }

    /// All subject attributes in order, as short name (`CN`, `OU`, …; a dotted object identifier where there is no short
    /// name) and value. Names may repeat.
    pub fn subject(&self) -> &[(String, String)] {
        &self.subject
    }

    /// All issuer attributes, as [`Self::subject`].
    pub fn issuer(&self) -> &[(String, String)] {
        &self.issuer
    }

    /// Values of all subject attributes in order, whatever their type.
    pub fn subject_values(&self) -> Vec<String> {
        self.subject.iter().map(|(_, value)| value.clone()).collect()
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The public key, ready to verify.
    pub fn public_key(&self) -> Result<PublicKey, X509Error> {
        Ok(PublicKey::from_spki(&self.spki)?)
    }

    /// The serial number, big endian, as it stands in the certificate.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// SHA-1 of the DER, raw. Only for the key ids of OCI's older clients; nothing is trusted because of it.
    pub fn sha1(&self) -> [u8; 20] {
        Sha1::digest(&self.der).into()
    }

    /// SHA-256 of the DER, raw.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.der)
    }

    /// URIs of the subject alternative name.
    pub fn uris(&self) -> Vec<String> {
        self.names.uri.clone()
    }

    /// DNS names of the subject alternative name.
    pub fn dns_names(&self) -> &[String] {
        &self.names.dns
    }

    /// IP addresses of the subject alternative name.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.names.ip
    }

    /// The subject key identifier, if there is one.
    pub fn key_id(&self) -> Option<&[u8]> {
        self.key_id.as_deref()
    }

    /// The subject key identifier of the authority that signed it, if it names one (RFC 5280, 4.2.1.1).
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// Whether it says that it is an authority's.
    pub fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// How many authorities may stand between this one and a leaf, if that is limited.
    pub fn path_length(&self) -> Option<u32> {
        self.path_length
    }

    /// What its key may be used for, if it says so (RFC 5280, 4.2.1.3).
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// The purposes of its key, if it says so (RFC 5280, 4.2.1.12).
    pub fn extended_key_usage(&self) -> Option<ExtendedKeyUsage> {
        self.extended_key_usage
    }
}

fn is_looked_at(oid: &Oid<'_>) -> bool {
    [
        OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_EXTENDED_KEY_USAGE,
        OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_SUBJECT_ALT_NAME,
    ]
    .contains(oid)
}

/// The certificates of a row of them in DER, one after the other without anything between: the form of the SPIFFE
/// Workload API. An empty row has none.
///
/// # Errors
/// When something else than certificates stands in it; the message names the position.
pub fn split_der(mut der: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    let mut certificates = Vec::new();
    while !der.is_empty() {
        let position = certificates.len();
        let (rest, _) = X509Certificate::from_der(der)
            .map_err(|_opaque| X509Error(format!("certificate {position} is not X.509 in DER")))?;
        let length = der.len().saturating_sub(rest.len());
        certificates.push(der.get(..length).unwrap_or_default().to_vec());
        der = rest;
    }
    Ok(certificates)
}
