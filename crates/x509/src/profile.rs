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
    name::Name,
};

use crate::{X509Error, name::name_of};

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
        general_names(&self.dns, &self.uri, &self.ip)
    }
}

/// What the certificate of an authority should say.
#[derive(Clone, Debug)]
pub struct AuthorityProfile {
    /// Subject attributes as in [`LeafProfile::subject`]. Not empty (RFC 5280, 4.1.2.6).
    pub subject: Vec<(&'static str, String)>,
    /// URIs. A SPIFFE authority has one, the ID of its trust domain.
    pub uri: Vec<String>,
    /// How many authorities may stand between this one and a leaf; `None` means any number.
    pub path_length: Option<u8>,
    /// Validity.
    pub not_before: Timestamp,
    /// Validity.
    pub not_after: Timestamp,
}

impl AuthorityProfile {
    pub(crate) fn named(
        common_name: &str,
        path_length: Option<u8>,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Self {
        let subject = vec![("CN", common_name.to_owned())];
        Self { subject, uri: Vec::new(), path_length, not_before, not_after }
    }

    pub(crate) fn name(&self) -> Result<Name, X509Error> {
        if self.subject.is_empty() {
            return Err(X509Error("an authority needs a subject".to_owned()));
        }
        name_of(&self.subject)
    }

    /// The extensions of an authority (RFC 5280, 4.2.1.3 and 4.2.1.9).
    pub(crate) fn extensions(&self, key_id: &[u8], authority_key_id: Option<&[u8]>) -> Result<Extensions, X509Error> {
        let mut extensions = vec![
            extension(true, &BasicConstraints { ca: true, path_len_constraint: self.path_length })?,
            extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
            key_identifier(key_id)?,
        ];
        if let Some(id) = authority_key_id {
            extensions.push(authority_key_identifier(id)?);
        }
        let names = general_names(&[], &self.uri, &[])?;
        if !names.is_empty() {
            extensions.push(extension(false, &SubjectAltName(names))?);
        }
        Ok(extensions)
    }
}

/// A subject alternative name (RFC 5280, 4.2.1.6).
pub(crate) fn general_names(dns: &[String], uri: &[String], ip: &[IpAddr]) -> Result<Vec<GeneralName>, X509Error> {
    let ascii = |what: &str, text: &str| {
        Ia5String::new(text)
            .ok()
            .filter(|_| !text.is_empty() && !text.contains(|c: char| c.is_ascii_control() || c == ' '))
            .ok_or_else(|| X509Error(format!("{text:?} cannot stand in a certificate as a {what}")))
    };
    let mut names = Vec::new();
    for name in dns {
        names.push(GeneralName::DnsName(ascii("DNS name", name)?));
    }
    for uri in uri {
        names.push(GeneralName::UniformResourceIdentifier(ascii("URI", uri)?));
    }
    names.extend(ip.iter().copied().map(GeneralName::from));
    Ok(names)
}

fn key_identifier(id: &[u8]) -> Result<Extension, X509Error> {
    extension(false, &SubjectKeyIdentifier(octets(id)?))
}

fn authority_key_identifier(id: &[u8]) -> Result<Extension, X509Error> {
    extension(false, &AuthorityKeyIdentifier { key_identifier: Some(octets(id)?), ..AuthorityKeyIdentifier::default() })
}

pub(crate) fn extension<E: AssociatedOid + Encode>(critical: bool, content: &E) -> Result<Extension, X509Error> {
    let content = content.to_der().map_err(X509Error::encoding)?;
    Ok(Extension { extn_id: E::OID, critical, extn_value: octets(&content)? })
}

pub(crate) fn octets(bytes: &[u8]) -> Result<OctetString, X509Error> {
    OctetString::new(bytes).map_err(X509Error::encoding)
}
