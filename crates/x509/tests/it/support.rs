//! What the tests share.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use carnet_jose::Algorithm;
use carnet_x509::{Authority, AuthorityProfile, LeafProfile, X509Error, der_to_pem};
use jiff::{SignedDuration, Timestamp};

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_262_400).unwrap()
}

pub(crate) fn hours(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

pub(crate) fn root(key: Algorithm) -> Authority {
    Authority::root("Root", key, hours(-24), hours(24)).unwrap()
}

pub(crate) fn intermediate(root: &Authority) -> Authority {
    root.intermediate("Intermediate", Algorithm::Es256, hours(-24), hours(24)).unwrap()
}

pub(crate) fn authority_profile() -> AuthorityProfile {
    AuthorityProfile {
        subject: vec![("C", "US".to_owned()), ("O", "SPIFFE".to_owned()), ("SERIALNUMBER", "42".to_owned())],
        uri: vec!["spiffe://example.org".to_owned()],
        path_length: None,
        not_before: hours(-24),
        not_after: hours(24),
    }
}

pub(crate) fn profile() -> LeafProfile {
    LeafProfile {
        subject: vec![
            ("CN", "instance".to_owned()),
            ("OU", "opc-certtype:instance".to_owned()),
            ("OU", "opc-compartment:ocid1.compartment.oc1..a".to_owned()),
            ("OU", "opc-instance:ocid1.instance.oc1..b".to_owned()),
            ("OU", "opc-tenant:ocid1.tenancy.oc1..c".to_owned()),
        ],
        dns: vec!["leaf.example".to_owned()],
        ip: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        uri: vec!["spiffe://example.org/workload".to_owned()],
        server: false,
        client: true,
        not_before: hours(-1),
        not_after: hours(1),
        key: Algorithm::Es256,
    }
}

/// Runs openssl(1).
pub(crate) fn openssl(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl(1) must be installed to run the tests: apt-get install openssl");
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs openssl(1), which must succeed, and returns what it printed.
pub(crate) fn openssl_prints(folder: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = openssl(folder, arguments, input);
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub(crate) fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::File::create(&path).unwrap().write_all(content.as_ref()).unwrap();
    path
}

pub(crate) fn message<T: std::fmt::Debug>(refused: Result<T, X509Error>) -> String {
    refused.expect_err("it must be refused").0
}

/// `openssl verify -x509_strict`, which is what Python 3.13 asks for, at our time.
pub(crate) fn strictly(root: &Authority, intermediate: &Authority, leaf: &[u8], purpose: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "root.pem", root.certificate_pem());
    put(folder.path(), "intermediate.pem", intermediate.certificate_pem());
    put(folder.path(), "leaf.pem", der_to_pem(leaf));
    let time = now().as_second().to_string();
    let arguments =
        ["verify", "-x509_strict", "-attime", &time, "-purpose", purpose, "-CAfile", "root.pem", "-untrusted"];
    let output = openssl(folder.path(), &[&arguments[..], &["intermediate.pem", "leaf.pem"]].concat(), b"");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(text.into_owned()) }
}
