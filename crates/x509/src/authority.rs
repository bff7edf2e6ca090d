//! Issuing.

use std::sync::Arc;

use aws_lc_rs::rand;
use carnet_core::SecretBytes;
use carnet_jose::{Algorithm, PublicKey, SigningKey};
use jiff::Timestamp;
use x509_cert::{
    Certificate as EncodedCertificate, TbsCertificate, Version,
    der::{
        Decode, Encode,
        asn1::{BitString, GeneralizedTime, UtcTime},
    },
    ext::Extensions,
    name::Name,
    serial_number::SerialNumber,
    time::{Time, Validity},
};

use crate::{
    AuthorityProfile, Certificate, CertificateRequest, LeafProfile, X509Error,
    key::{IssuerKey, generate, key_id, spki_of},
    name::name_of,
    pem::der_to_pem,
};

/// Authorities below this one may not have authorities below them.
const INTERMEDIATE_PATH_LENGTH: u8 = 0;

/// A certificate authority: a certificate and the key that signs with it, wherever that is.
#[derive(Clone)]
pub struct Authority {
    certificate: Vec<u8>,
    subject: Name,
    key: IssuerKey,
    key_id: Vec<u8>,
    /// How many authorities may stand between it and a leaf.
    path_length: Option<u32>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

/// A leaf with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// DER certificate.
    pub certificate: Vec<u8>,
    /// Private key, PKCS#8 DER.
    pub private_key: SecretBytes,
}

impl Issued {
    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        der_to_pem(&self.certificate)
    }
}

impl Authority {
    /// A self-signed root with a new key: `Es256`, `Es384` or `Rs256`.
    pub fn root(
        common_name: &str,
        key: Algorithm,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Self, X509Error> {
        let profile = AuthorityProfile::named(common_name, None, not_before, not_after);
        Self::self_signed(&profile, Arc::new(generate(key)?))
    }

    /// A self-signed root with this key, whose algorithm is `Es256`, `Es384` or `Rs256`.
    pub fn self_signed(profile: &AuthorityProfile, key: Arc<SigningKey>) -> Result<Self, X509Error> {
        let subject = profile.name()?;
        let key = IssuerKey::new(key)?;
        let key_id = key_id(key.spki())?;
        let certificate = encode(&Contents {
            issuer: &subject,
            issuer_key: &key,
            subject: &subject,
            spki: key.spki(),
            validity: validity(profile.not_before, profile.not_after)?,
            extensions: profile.extensions(&key_id, None)?,
        })?;
        Ok(Self { certificate, subject, key, key_id, path_length: profile.path_length.map(u32::from) })
    }

    /// An intermediate with a new key below this authority. It may issue leaves, but no further authorities.
    pub fn intermediate(
        &self,
        common_name: &str,
        key: Algorithm,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Self, X509Error> {
        let profile = AuthorityProfile::named(common_name, Some(INTERMEDIATE_PATH_LENGTH), not_before, not_after);
        self.subordinate(&profile, Arc::new(generate(key)?))
    }

    /// An authority with this key below this one.
    pub fn subordinate(&self, profile: &AuthorityProfile, key: Arc<SigningKey>) -> Result<Self, X509Error> {
        let certificate = self.certify_authority(profile, &key.public_spki())?;
        Self::from_key(&certificate, key)
    }

    /// The certificate of an authority below this one, for a key that somebody else holds (DER SubjectPublicKeyInfo). The
    /// caller has made sure that whoever asks holds the private key.
    pub fn certify_authority(&self, profile: &AuthorityProfile, spki: &[u8]) -> Result<Vec<u8>, X509Error> {
        let wanted = profile.path_length.map(u32::from);
        match self.path_length {
            Some(0) => {
                return Err(X509Error("this authority may issue leaves only, no further authority".to_owned()));
            }
            Some(own) if wanted.is_none_or(|wanted| wanted >= own) => {
                return Err(X509Error(format!(
                    "below this authority a path length of at most {} is allowed",
                    own.saturating_sub(1)
                )));
            }
            _ => {}
        }
        PublicKey::from_spki(spki)?;
        let extensions = profile.extensions(&key_id(spki)?, Some(&self.key_id))?;
        self.encode(&profile.name()?, spki, validity(profile.not_before, profile.not_after)?, extensions)
    }

    /// The authority of this certificate and its key, for one that was kept or that another authority has certified.
    pub fn from_key(certificate: &[u8], key: Arc<SigningKey>) -> Result<Self, X509Error> {
        let key = IssuerKey::new(key)?;
        let read = Certificate::from_der(certificate)?;
        if read.spki() != key.spki() {
            return Err(X509Error("the private key is not the one of the certificate".to_owned()));
        }
        if !read.is_authority() {
            return Err(X509Error("the certificate is not one of an authority".to_owned()));
        }
        let subject = EncodedCertificate::from_der(certificate).map_err(X509Error::encoding)?.tbs_certificate.subject;
        let key_id = read.key_id().map_or_else(|| key_id(key.spki()), |id| Ok(id.to_vec()))?;
        Ok(Self { certificate: certificate.to_vec(), subject, key, key_id, path_length: read.path_length() })
    }

    /// A leaf with a new key.
    pub fn issue(&self, profile: &LeafProfile) -> Result<Issued, X509Error> {
        let key = generate(profile.key)?;
        Ok(Issued { certificate: self.issue_for_key(profile, &key.public_spki())?, private_key: key.to_pkcs8()? })
    }

    /// A leaf for a key that somebody else holds, DER SubjectPublicKeyInfo. `profile.key` is not looked at. The caller has
    /// made sure that whoever asks holds the private key; [`Self::sign_csr`] does so itself.
    pub fn issue_for_key(&self, profile: &LeafProfile, spki: &[u8]) -> Result<Vec<u8>, X509Error> {
        PublicKey::from_spki(spki)?;
        let subject = name_of(&profile.subject)?;
        if profile.subject.is_empty() && profile.dns.is_empty() && profile.ip.is_empty() && profile.uri.is_empty() {
            return Err(X509Error("a leaf needs a subject or an alternative name".to_owned()));
        }
        let extensions = profile.extensions(&key_id(spki)?, &self.key_id)?;
        self.encode(&subject, spki, validity(profile.not_before, profile.not_after)?, extensions)
    }

    /// A leaf for the key of a PKCS#10 request in DER, whose signature must verify (RFC 2986). Only the key is taken from
    /// the request: who asks does not decide what the certificate says.
    pub fn sign_csr(&self, der: &[u8], profile: &LeafProfile) -> Result<Vec<u8>, X509Error> {
        let request = CertificateRequest::from_der(der)?;
        self.issue_for_key(profile, request.spki())
    }

    /// Its own certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Its own certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        der_to_pem(&self.certificate)
    }

    /// The key that it signs with.
    pub fn signing_key(&self) -> &Arc<SigningKey> {
        self.key.signing_key()
    }

    fn encode(
        &self,
        subject: &Name,
        spki: &[u8],
        validity: Validity,
        extensions: Extensions,
    ) -> Result<Vec<u8>, X509Error> {
        encode(&Contents { issuer: &self.subject, issuer_key: &self.key, subject, spki, validity, extensions })
    }
}

pub(crate) struct Contents<'a> {
    pub(crate) issuer: &'a Name,
    pub(crate) issuer_key: &'a IssuerKey,
    pub(crate) subject: &'a Name,
    pub(crate) spki: &'a [u8],
    pub(crate) validity: Validity,
    pub(crate) extensions: Extensions,
}

pub(crate) fn encode(contents: &Contents<'_>) -> Result<Vec<u8>, X509Error> {
    let signature_algorithm = contents.issuer_key.identifier()?;
    let tbs_certificate = TbsCertificate {
        version: Version::V3,
        serial_number: serial()?,
        signature: signature_algorithm.clone(),
        issuer: contents.issuer.clone(),
        validity: contents.validity,
        subject: contents.subject.clone(),
        subject_public_key_info: spki_of(contents.spki)?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(contents.extensions.clone()),
    };
    let message = tbs_certificate.to_der().map_err(X509Error::encoding)?;
    let signature = contents.issuer_key.sign(&message)?;
    let signature = BitString::from_bytes(&signature).map_err(X509Error::encoding)?;
    EncodedCertificate { tbs_certificate, signature_algorithm, signature }.to_der().map_err(X509Error::encoding)
}

/// 127 random bits: positive, never zero, at most 20 octets (RFC 5280, 4.1.2.2), and more than the 64 bits that public
/// authorities must have so that nobody can prepare a colliding certificate.
fn serial() -> Result<SerialNumber, X509Error> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_opaque| X509Error("there is no randomness for a serial number".to_owned()))?;
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    SerialNumber::new(&bytes).map_err(X509Error::encoding)
}

pub(crate) fn validity(not_before: Timestamp, not_after: Timestamp) -> Result<Validity, X509Error> {
    if not_after < not_before {
        return Err(X509Error(format!("a validity from {not_before} to {not_after} ends before it begins")));
    }
    Ok(Validity { not_before: time(not_before)?, not_after: time(not_after)? })
}

/// Years up to 2049 are written with two digits, later ones with four (RFC 5280, 4.1.2.5).
fn time(time: Timestamp) -> Result<Time, X509Error> {
    let out_of_range = || X509Error(format!("{time} cannot stand in a certificate"));
    let seconds = u64::try_from(time.as_second()).map_err(|_negative| out_of_range())?;
    let seconds = std::time::Duration::from_secs(seconds);
    UtcTime::from_unix_duration(seconds)
        .map(Time::UtcTime)
        .or_else(|_later| GeneralizedTime::from_unix_duration(seconds).map(Time::GeneralTime))
        .map_err(|_later| out_of_range())
}
