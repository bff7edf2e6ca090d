//! The certificate that proves a name to an ACME authority in a TLS handshake (`tls-alpn-01`).

use std::sync::Arc;

use carnet_jose::SigningKey;
use jiff::Timestamp;
use x509_cert::{
    der::{Encode as _, asn1::ObjectIdentifier, asn1::OctetStringRef},
    ext::{Extension, pkix::SubjectAltName},
};

use crate::{
    X509Error,
    authority::{Contents, encode, validity},
    key::IssuerKey,
    name::name_of,
    profile::{extension, general_names, octets},
};

/// `id-pe-acmeIdentifier` (RFC 8737, 6.1).
const ACME_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.31");

/// A self-signed certificate, DER, with exactly this DNS name, ASCII, and the SHA-256 of the key authorization in a critical
/// `acmeIdentifier` (RFC 8737, 3). It is good for nothing else: nobody believes a certificate with a critical extension that
/// he does not know, and it leads to no authority.
///
/// # Errors
/// When the name cannot stand in a certificate, the validity ends before it begins, or the key is none that signs certificates.
pub fn acme_certificate(
    name: &str,
    key_authorization_sha256: &[u8; 32],
    key: Arc<SigningKey>,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<Vec<u8>, X509Error> {
    // An issuer has a name (RFC 5280, 4.1.2.4).
    let subject = name_of(&[("CN", "ACME tls-alpn-01 challenge".to_owned())])?;
    let digest = OctetStringRef::new(key_authorization_sha256).and_then(|digest| digest.to_der());
    let identifier = Extension {
        extn_id: ACME_IDENTIFIER,
        critical: true,
        extn_value: octets(&digest.map_err(X509Error::encoding)?)?,
    };
    let names = SubjectAltName(general_names(&[name.to_owned()], &[], &[])?);
    let key = IssuerKey::new(key)?;
    encode(&Contents {
        issuer: &subject,
        issuer_key: &key,
        subject: &subject,
        spki: key.spki(),
        validity: validity(not_before, not_after)?,
        extensions: vec![identifier, extension(false, &names)?],
    })
}

#[cfg(test)]
mod tests {
    use carnet_jose::Algorithm;
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    use super::*;
    use crate::Certificate;

    fn make(name: &str) -> Result<Vec<u8>, X509Error> {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        acme_certificate(name, &[7; 32], key, now, later)
    }

    #[test]
    fn it_has_one_name_and_the_digest_in_a_critical_extension() {
        let der = make("oidc.example.org").unwrap();
        let read = Certificate::from_der(&der).unwrap();
        assert_eq!((read.dns_names(), read.uris().len()), (&["oidc.example.org".to_owned()][..], 0));
        assert!(!read.is_authority());
        let (rest, parsed) = X509Certificate::from_der(&der).unwrap();
        assert!(rest.is_empty());
        assert_eq!(parsed.subject(), parsed.issuer());
        let identifier = parsed.extensions().iter().find(|one| one.oid.to_id_string() == "1.3.6.1.5.5.7.1.31").unwrap();
        assert!(identifier.critical);
        // An OCTET STRING of 32 bytes (X.690, 8.7).
        assert_eq!(identifier.value, [&[0x04, 0x20][..], &[7; 32]].concat());
    }

    #[test]
    fn rejects_what_is_no_name() {
        for name in ["", "a b", "b\u{fc}cher.example"] {
            assert!(make(name).unwrap_err().to_string().contains("DNS name"), "{name}");
        }
    }
}
