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
        let attempt = || Error::configuration(format!("read the system's trusted certificates in {}", path.display()));
        let pem = SystemFiles.read(&path, MAX_BUNDLE).map_err(|error| attempt().because(error))?;
        if let Some(pem) = pem {
            return add_pem(store, pem.expose()).map_err(|error| {
                attempt()
                    .because(error)
                    .hint("install the package ca-certificates again, or name a PEM bundle in SSL_CERT_FILE")
            });
        }
    }
    if optional {
        return Ok(());
    }
    Err(Error::configuration("find the system's trusted certificates")
        .hint("install the package ca-certificates, or name a PEM bundle in SSL_CERT_FILE"))
}

fn add_file(store: &mut RootCertStore, path: &Path, variable: &str) -> Result<(), Error> {
    let what = format!("read the trusted certificates in {}, which {variable} names", path.display());
    let hint = format!("correct the file or {variable}; unset, the system's certificates are trusted");
    let pem = match SystemFiles.read(path, MAX_BUNDLE) {
        Ok(Some(pem)) => pem,
        Ok(None) => return Err(Error::configuration(format!("{what}: it does not exist")).hint(hint)),
        Err(error) => return Err(Error::configuration(what).because(error).hint(hint)),
    };
    add_pem(store, pem.expose()).map_err(|error| Error::configuration(what).because(error).hint(hint))
}

fn add_pem(store: &mut RootCertStore, pem: &[u8]) -> Result<(), Error> {
    let before = store.len();
    let mut seen = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        // The parser quotes what it looked for as numbers, and knows no lines.
        let certificate = certificate.map_err(|_quoting| broken(pem))?;
        seen = seen.saturating_add(1);
        // Bundles hold an old certificate or two that is no usable root; that must not cost the others.
        drop(store.add(certificate));
    }
    if store.len() > before {
        return Ok(());
    }
    // A cut block whose base64 goes on in the next one is nothing to the parser.
    if first_broken(pem).is_some() {
        return Err(broken(pem));
    }
    Err(if seen == 0 {
        Error::configuration("find a certificate: it holds none")
            .hint("PEM is meant: blocks of text, each below a line that says BEGIN CERTIFICATE")
    } else {
        Error::configuration(format!(
            "find a certificate that can be trusted: none of the {seen} in it can be read as X.509"
        ))
    })
}

/// The first block that cannot be read.
fn broken(pem: &[u8]) -> Error {
    let (line, why) = first_broken(pem).unwrap_or((1, "the text is no PEM"));
    Error::configuration(format!("read it as PEM: line {line}: {why}")).hint("write that block again, or remove it")
}

/// Line of the block, counted from 1, and what is wrong with it.
fn first_broken(pem: &[u8]) -> Option<(usize, &'static str)> {
    let mut open: Option<(usize, usize)> = None;
    let mut end = 0_usize;
    for (line, text) in (1..).zip(pem.split_inclusive(|byte| *byte == b'\n')) {
        let start = end;
        end = end.saturating_add(text.len());
        if text.starts_with(b"-----BEGIN ") {
            if let Some((cut, _)) = open {
                return Some((cut, "the block is cut: another one begins before its end"));
            }
            open = Some((line, start));
        } else if text.starts_with(b"-----END ")
            && let Some((begun, start)) = open.take()
        {
            let block = pem.get(start..end).unwrap_or_default();
            if CertificateDer::pem_slice_iter(block).any(|one| one.is_err()) {
                return Some((begun, "the block is damaged: its first line, its last line or its base64"));
            }
        }
    }
    open.map(|(cut, _)| (cut, "the block is cut: its end is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_missing_file_and_its_variable() {
        let settings = Settings { ca_file: Some(PathBuf::from("/nowhere/ca.pem")), ..Settings::default() };
        let error = load(&settings).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("/nowhere/ca.pem") && said.ends_with("it does not exist"), "{said}");
        assert!(error.hints().iter().any(|hint| hint.contains("SSL_CERT_FILE")));
    }

    /// A block with this body.
    fn block(body: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn names_the_line_of_the_block_that_is_broken() {
        let whole = block("AAAA");
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for (pem, line, why) in [
            (format!("# roots\n{whole}{cut}"), 5, "its end is missing"),
            (format!("# roots\n{cut}{whole}"), 2, "another one begins"),
            (format!("{whole}{}", block("AA*A")), 4, "damaged"),
            (format!("{whole}-----BEGIN CERTIFICATE--\nAAAA\n-----END CERTIFICATE-----\n"), 4, "damaged"),
            (format!("{whole}-----BEGIN CERTIFICATE-----\nAAAA\n-----END X-----\n"), 4, "damaged"),
        ] {
            let (at, said) = first_broken(pem.as_bytes()).unwrap();
            assert!(at == line && said.contains(why), "{at} {said}: {pem}");
            let error = parse_roots(pem.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(&format!("line {line}: ")) && !error.hints().is_empty(), "{error:?}");
        }
        assert_eq!(first_broken(whole.as_bytes()), None);
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
