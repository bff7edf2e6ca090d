//! An X509-SVID as files, for programs that read PEM.

use std::{path::Path, process::Command};

use crate::{
    authority::scene::{Authority, command, eventually},
    harness::json,
    scene::{mode, nowhere, works},
};

/// Delivers this user's SVID into this folder.
fn deliver(authority: &Authority, folder: &Path, names: &[&str]) {
    let directory = format!("directory={}", folder.display());
    let mut get = nowhere(&authority.path(""), ["get", "--quiet", "--from", "spiffe", "svid=x509"]);
    get.args(["--deliver", "x509-files", directory.as_str()]).args(names);
    assert_eq!(works(get.env("SPIFFE_ENDPOINT_SOCKET", authority.service.says("socket"))), "");
}

fn openssl(folder: &Path, arguments: &str) -> String {
    works(Command::new("openssl").args(arguments.split(' ')).current_dir(folder))
}

#[test]
fn openssl_verifies_the_certificate_by_the_bundle_and_the_key_is_its_own() {
    let authority = Authority::shared();
    let folder = authority.path("svid");
    deliver(authority, &folder, &[]);
    let current = folder.join("current");
    let verified = openssl(&current, "verify -CAfile svid_bundle.pem -untrusted svid.pem -purpose sslserver svid.pem");
    assert_eq!(verified, "svid.pem: OK\n");
    let shown = openssl(&current, "x509 -in svid.pem -noout -ext subjectAltName");
    assert!(shown.contains(&format!("URI:{}", authority.user())), "{shown}");
    assert_eq!(
        openssl(&current, "pkey -in svid_key.pem -pubout"),
        openssl(&current, "x509 -in svid.pem -noout -pubkey")
    );
    for name in ["svid.pem", "svid_key.pem", "svid_bundle.pem"] {
        assert_eq!(mode(&current.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_new_svid_replaces_all_files_at_once() {
    let authority = Authority::trial("", "");
    let folder = authority.path("svid");
    let names = ["certificate=tls.crt", "key=tls.key", "bundle=ca.crt"];
    deliver(&authority, &folder, &names);
    let generation = std::fs::read_link(folder.join("current")).unwrap();
    let before = folder.join(&generation);
    // An SVID with another name is another SVID.
    let socket = authority.path("authority/authority.sock");
    json(&mut command(&socket, ["entry", "update", "dev-user", "--dns-name", "web.e2e.test"]));
    let current = folder.join("current");
    eventually(|| {
        deliver(&authority, &folder, &names);
        openssl(&current, "x509 -in tls.crt -noout -ext subjectAltName").contains("DNS:web.e2e.test")
    });
    assert_eq!(openssl(&current, "verify -CAfile ca.crt -untrusted tls.crt tls.crt"), "tls.crt: OK\n");
    assert_eq!(openssl(&current, "pkey -in tls.key -pubout"), openssl(&current, "x509 -in tls.crt -noout -pubkey"));
    assert_ne!(std::fs::read_link(&current).unwrap(), generation);
    // Who has opened the folder before the change still finds what belongs together, unless it changed twice since.
    if before.exists() {
        assert_eq!(openssl(&before, "pkey -in tls.key -pubout"), openssl(&before, "x509 -in tls.crt -noout -pubkey"));
    }
}
