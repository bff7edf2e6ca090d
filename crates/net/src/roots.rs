//! Trusted certificates, read when the first TLS connection is made and not before.

use std::path::{Path, PathBuf};

use carnet_core::{Error, Files, SystemFiles};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::Settings;

/// Where systems keep the bundle of trusted certificates: Debian and Alpine, Fedora and RHEL, SUSE, the older RHEL,
/// FreeBSD and macOS.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/ssl/cert.pem",
];

/// Largest bundle that is read, in bytes. The common ones have a quarter of a megabyte.
const MAX_BUNDLE: usize = 8 << 20;

/// The roots of the settings.
///
/// # Errors
/// When a file that was named is missing or holds no certificate, or when the system has no bundle at all.
pub(crate) fn load(settings: &Settings) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    match &settings.ca_file {
        Some(path) => add_file(&mut store, path, "SSL_CERT_FILE")?,
        None => add_system(&mut store, settings.extra_ca_file.is_some())?,
    }
    if let Some(path) = &settings.extra_ca_file {
        add_file(&mut store, path, "CARNET_CA_FILE")?;
    }
    Ok(store)
}

/// The roots of one PEM text, for a request that brings its own.
///
/// # Errors
/// When the text is not PEM or holds no usable certificate.
pub(crate) fn from_pem(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    add_pem(&mut store, pem)?;
    Ok(store)
}

/// How many certificates of a PEM text can be trusted as roots. What [`carnet_core::Request::ca_pem`] must hold at
/// least one of, so configuration can be checked before anything is sent.
///
/// # Errors
/// When the text is not PEM or holds no usable certificate.
pub fn parse_roots(pem: &[u8]) -> Result<usize, Error> {
    from_pem(pem).map(|store| store.len())
}

fn add_system(store: &mut RootCertStore, optional: bool) -> Result<(), Error> {
    for path in BUNDLES.map(PathBuf::from) {
        if let Some(pem) = SystemFiles.read(&path, MAX_BUNDLE)? {
            return add_pem(store, pem.expose())
                .map_err(|error| Error::configuration(format!("read roots from {}", path.display())).because(error));
        }
    }
    if optional {
        return Ok(());
    }
    Err(Error::configuration("find the system's trusted certificates")
        .hint("install the package ca-certificates, or name a PEM bundle in SSL_CERT_FILE"))
}

fn add_file(store: &mut RootCertStore, path: &Path, variable: &str) -> Result<(), Error> {
    let attempt = || Error::configuration(format!("read trusted certificates from {}", path.display()));
    let pem = SystemFiles.read(path, MAX_BUNDLE).map_err(|error| attempt().because(error))?;
    let pem = pem.ok_or_else(|| attempt().hint(format!("{variable} names this file, and it does not exist")))?;
    add_pem(store, pem.expose()).map_err(|error| attempt().because(error))
}

fn add_pem(store: &mut RootCertStore, pem: &[u8]) -> Result<(), Error> {
    let before = store.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| Error::configuration("read PEM certificates").because(error))?;
        // Bundles hold an old certificate or two that is no usable root; that must not cost the others.
        drop(store.add(certificate));
    }
    if store.len() == before {
        return Err(Error::configuration("find a usable certificate in the PEM text"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_missing_file_and_its_variable() {
        let settings = Settings { ca_file: Some(PathBuf::from("/nowhere/ca.pem")), ..Settings::default() };
        let error = load(&settings).unwrap_err();
        assert!(error.to_string().contains("/nowhere/ca.pem"));
        assert!(error.hints().iter().any(|hint| hint.contains("SSL_CERT_FILE")));
    }

    #[test]
    fn rejects_a_text_without_certificates() {
        assert!(parse_roots(b"").is_err());
        assert!(parse_roots(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics_on_any_input(pem: Vec<u8>) {
            drop(parse_roots(&pem));
        }
    }
}
