//! What a leaf should say, and how that becomes extensions.

use std::net::IpAddr;

use carnet_jose::Algorithm;
use jiff::Timestamp;
use x509_cert::{
    der::{
        Encode,
        asn1::{Ia5String, ObjectIdentifier, OctetString},
        oid::{
            AssociatedOid,
            db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH},
        },
    },
    ext::{
        Extension, Extensions,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
};

use crate::X509Error;

/// What a leaf should say.
#[derive(Clone, Debug)]
pub struct LeafProfile {
    /// Subject attributes in order: `("CN", …)`, `("OU", …)` and so on; names may repeat.
    pub subject: Vec<(&'static str, String)>,
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ip: Vec<IpAddr>,
    /// URIs.
    pub uri: Vec<String>,
    /// Whether it is for TLS servers.
    pub server: bool,
    /// Whether it is for TLS clients. Neither: no extended key usage is written, as in OCI's instance certificates.
    pub client: bool,
    /// Validity.
    pub not_before: Timestamp,
    /// Validity.
    pub not_after: Timestamp,
    /// Key of the leaf: `Rs256` (RSA 2048), `Es256` or `Es384`. Looked at only where the key is made here.
    pub key: Algorithm,
}

impl LeafProfile {
    /// The extensions of a leaf with a key of this identifier under an authority with that one (RFC 5280, 4.2).
    pub(crate) fn extensions(&self, key_id: &[u8], authority_key_id: &[u8]) -> Result<Extensions, X509Error> {
        let mut extensions = vec![
            extension(true, &BasicConstraints { ca: false, path_len_constraint: None })?,
            extension(true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
            key_identifier(key_id)?,
            authority_key_identifier(authority_key_id)?,
        ];
        let usages: Vec<ObjectIdentifier> = [(self.server, ID_KP_SERVER_AUTH), (self.client, ID_KP_CLIENT_AUTH)]
            .into_iter()
            .filter_map(|(wanted, usage)| wanted.then_some(usage))
            .collect();
        if !usages.is_empty() {
            extensions.push(extension(false, &ExtendedKeyUsage(usages))?);
        }
        let names = self.names()?;
        if !names.is_empty() {
            // A certificate whose only names are here has them critical (RFC 5280, 4.2.1.6).
            extensions.push(extension(self.subject.is_empty(), &SubjectAltName(names))?);
        }
        Ok(extensions)
    }

    fn names(&self) -> Result<Vec<GeneralName>, X509Error> {
        let ascii = |what: &str, text: &str| {
            Ia5String::new(text)
                .ok()
                .filter(|_| !text.is_empty() && !text.contains(|c: char| c.is_ascii_control() || c == ' '))
                .ok_or_else(|| X509Error(format!("{text:?} cannot stand in a certificate as a {what}")))
        };
        let mut names = Vec::new();
        for name in &self.dns {
            names.push(GeneralName::DnsName(ascii("DNS name", name)?));
        }
        for uri in &self.uri {
            names.push(GeneralName::UniformResourceIdentifier(ascii("URI", uri)?));
        }
        names.extend(self.ip.iter().copied().map(GeneralName::from));
        Ok(names)
    }
}

/// The extensions of an authority (RFC 5280, 4.2.1.3 and 4.2.1.9).
pub(crate) fn authority_extensions(
    key_id: &[u8],
    authority_key_id: Option<&[u8]>,
    path_len_constraint: Option<u8>,
) -> Result<Extensions, X509Error> {
    let mut extensions = vec![
        extension(true, &BasicConstraints { ca: true, path_len_constraint })?,
        extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
        key_identifier(key_id)?,
    ];
    if let Some(id) = authority_key_id {
        extensions.push(authority_key_identifier(id)?);
    }
    Ok(extensions)
}

fn key_identifier(id: &[u8]) -> Result<Extension, X509Error> {
    extension(false, &SubjectKeyIdentifier(octets(id)?))
}

fn authority_key_identifier(id: &[u8]) -> Result<Extension, X509Error> {
    extension(false, &AuthorityKeyIdentifier { key_identifier: Some(octets(id)?), ..AuthorityKeyIdentifier::default() })
}

fn extension<E: AssociatedOid + Encode>(critical: bool, content: &E) -> Result<Extension, X509Error> {
    let content = content.to_der().map_err(X509Error::encoding)?;
    Ok(Extension { extn_id: E::OID, critical, extn_value: octets(&content)? })
}

fn octets(bytes: &[u8]) -> Result<OctetString, X509Error> {
    OctetString::new(bytes).map_err(X509Error::encoding)
}
