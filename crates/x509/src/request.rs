//! Requests for certificates (PKCS#10, RFC 2986).

use std::{net::IpAddr, sync::Arc};

use carnet_jose::SigningKey;
use x509_cert::{
    der::{Encode, asn1::BitString},
    ext::pkix::SubjectAltName,
    request::{CertReq, CertReqInfo, ExtensionReq, Version},
};
use x509_parser::{certification_request::X509CertificationRequest, extensions::ParsedExtension, prelude::FromDer};

use crate::{
    Certificate, X509Error,
    certificate::Names,
    key::{IssuerKey, spki_of, verifies},
    name::{attributes_of, name_of},
    profile::{extension, general_names},
};

/// What a request asks for. Who signs decides; most authorities take only the key from it.
#[derive(Clone, Debug, Default)]
pub struct RequestProfile {
    /// Subject attributes, as in [`crate::LeafProfile::subject`]. May be empty.
    pub subject: Vec<(&'static str, String)>,
    /// DNS names.
    pub dns: Vec<String>,
    /// URIs.
    pub uri: Vec<String>,
}

impl RequestProfile {
    /// The request in DER, signed by the key that the certificate is wanted for: `Es256`, `Es384` or `Rs256` (RFC 2986, 4).
    pub fn sign(&self, key: &Arc<SigningKey>) -> Result<Vec<u8>, X509Error> {
        let key = IssuerKey::new(Arc::clone(key))?;
        let names = general_names(&self.dns, &self.uri, &[])?;
        let mut attributes = x509_cert::attr::Attributes::new();
        if !names.is_empty() {
            let wanted = ExtensionReq::from(vec![extension(false, &SubjectAltName(names))?]);
            let wanted = wanted.try_into().map_err(X509Error::encoding)?;
            attributes.insert(wanted).map_err(X509Error::encoding)?;
        }
        let info = CertReqInfo {
            version: Version::V1,
            subject: name_of(&self.subject)?,
            public_key: spki_of(key.spki())?,
            attributes,
        };
        let message = info.to_der().map_err(X509Error::encoding)?;
        let signature = BitString::from_bytes(&key.sign(&message)?).map_err(X509Error::encoding)?;
        CertReq { info, algorithm: key.identifier()?, signature }.to_der().map_err(X509Error::encoding)
    }
}

/// A request whose signature was checked: whoever made it holds the private key. What it asks for is only a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    subject: Vec<(String, String)>,
    spki: Vec<u8>,
    names: Names,
}

impl CertificateRequest {
    /// Parses DER and checks the signature.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > Certificate::MAX_LENGTH {
            let most = Certificate::MAX_LENGTH;
            return Err(X509Error(format!("the certificate request has {} bytes, more than {most}", der.len())));
        }
        let (rest, request) = X509CertificationRequest::from_der(der)
            .map_err(|_opaque| X509Error("it is not a certificate request in DER".to_owned()))?;
        if !rest.is_empty() {
            return Err(X509Error(format!("{} bytes follow the certificate request", rest.len())));
        }
        let info = &request.certification_request_info;
        let algorithm = request.signature_algorithm.algorithm.to_id_string();
        if !verifies(&algorithm, info.subject_pki.raw, info.raw, &request.signature_value.data) {
            return Err(X509Error("the signature of the certificate request does not verify".to_owned()));
        }
        let mut names = Names::default();
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(wanted) = extension {
                names.read(&wanted.general_names);
            }
        }
        Ok(Self { subject: attributes_of(&info.subject), spki: info.subject_pki.raw.to_vec(), names })
    }

    /// The subject asked for, as [`Certificate::subject`].
    pub fn subject(&self) -> &[(String, String)] {
        &self.subject
    }

    /// DER SubjectPublicKeyInfo of the key that signed it.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// DNS names asked for.
    pub fn dns_names(&self) -> &[String] {
        &self.names.dns
    }

    /// IP addresses asked for.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.names.ip
    }

    /// URIs asked for.
    pub fn uris(&self) -> &[String] {
        &self.names.uri
    }
}
