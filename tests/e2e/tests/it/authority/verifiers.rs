//! Tokens and certificates of the authority, believed by those who know nothing but its name.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    authority::scene::{AUDIENCE, Authority},
    harness::{both, json, node, python},
    matrix::proven,
};

/// Those who verify tokens, as the matrix calls them.
pub(crate) const VERIFIERS: [&str; 3] = ["PyJWT", "Authlib", "jose"];

/// Runs a verifier with the token on its standard input.
pub(crate) fn verify(command: &mut Command, token: &str) -> Value {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start a verifier");
    child.stdin.take().expect("piped").write_all(token.as_bytes()).expect("hand the token over");
    let output = child.wait_with_output().expect("wait for the verifier");
    assert!(output.status.success(), "{command:?}\n{}", both(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", both(&output)))
}

/// PyJWT and Authlib.
pub(crate) fn in_python(issuer: &str, audience: &str) -> Command {
    let mut command = python("authority_verify.py");
    command.args([issuer, audience]).env("AUTHLIB_INSECURE_TRANSPORT", "true");
    command
}

/// jose.
pub(crate) fn in_node(issuer: &str, audience: &str) -> Command {
    let mut command = node("jose_verify.mjs");
    command.args([issuer, audience]);
    command
}

/// All of them must believe it; the subject.
pub(crate) fn believed(issuer: &str, token: &str) -> String {
    let python = verify(&mut in_python(issuer, AUDIENCE), token);
    let node = verify(&mut in_node(issuer, AUDIENCE), token);
    assert_eq!(python["pyjwt"], python["authlib"]);
    assert_eq!(python["pyjwt"], node["claims"]);
    node["claims"]["sub"].as_str().expect("a subject").to_owned()
}

fn jwt_svid(authority: &Authority) -> String {
    let answer = json(authority.workload("spiffe_calls.py").arg("good"));
    answer["jwt"]["token"].as_str().expect("a token").to_owned()
}

#[test]
fn pyjwt_authlib_and_jose_believe_a_jwt_svid_by_the_discovery_documents() {
    let authority = Authority::shared();
    assert_eq!(believed(authority.issuer(), &jwt_svid(authority)), authority.user());
    for verifier in VERIFIERS {
        proven("spiffe", "authority", verifier);
    }
}

#[test]
fn pyjwt_authlib_and_jose_refuse_a_bent_token_and_another_audience() {
    let authority = Authority::shared();
    let token = jwt_svid(authority);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let bent = format!("{signed}.{other}{}", &signature[1..]);
    for (token, audience) in [(&bent, AUDIENCE), (&token, "https://other.test")] {
        for mut verifier in [in_python(authority.issuer(), audience), in_node(authority.issuer(), audience)] {
            verifier.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = verifier.spawn().unwrap();
            child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            let text = both(&output).to_ascii_lowercase();
            let refusal = if audience == AUDIENCE { "signature" } else { "aud" };
            assert!(!output.status.success() && text.contains(refusal), "{verifier:?}\n{text}");
        }
    }
}

/// OpenSSL, with what py-spiffe has put into this folder.
fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().expect("run openssl");
    assert!(output.status.success(), "openssl {arguments:?}\n{}", both(&output));
    both(&output)
}

#[test]
fn openssl_believes_the_chain_by_its_strict_rules_and_reads_the_identity() {
    let authority = Authority::shared();
    let folder = tempfile::tempdir().unwrap();
    json(authority.workload("spiffe_py.py").env("PUT_INTO", folder.path()));
    let verify = ["verify", "-x509_strict", "-check_ss_sig", "-purpose"];
    for purpose in ["sslclient", "sslserver"] {
        let verify = [&verify[..], &[purpose, "-CAfile", "bundle.pem", "-untrusted", "svid.pem", "svid.pem"]].concat();
        assert!(openssl(folder.path(), &verify).contains("svid.pem: OK"));
    }
    let shown =
        ["x509", "-in", "svid.pem", "-noout", "-ext", "subjectAltName,basicConstraints,keyUsage,extendedKeyUsage"];
    let text = openssl(folder.path(), &shown);
    let names: Vec<&str> = text.lines().filter(|line| line.contains("URI:")).collect();
    assert_eq!(names.len(), 1, "{text}");
    assert_eq!(names[0].trim(), format!("URI:{}", authority.user()), "{text}");
    for part in ["CA:FALSE", "Digital Signature", "TLS Web Server Authentication, TLS Web Client Authentication"] {
        assert!(text.contains(part), "wanted {part:?} in:\n{text}");
    }
    assert!(!text.contains("Certificate Sign") && !text.contains("CRL Sign"), "{text}");
    let of_key = openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout"]);
    assert_eq!(openssl(folder.path(), &["x509", "-in", "svid.pem", "-noout", "-pubkey"]), of_key);
    let root = openssl(
        folder.path(),
        &["x509", "-in", "bundle.pem", "-noout", "-ext", "subjectAltName,basicConstraints,keyUsage"],
    );
    for part in [&format!("URI:{}", authority.domain()), "CA:TRUE", "Certificate Sign"] {
        assert!(root.contains(part), "wanted {part:?} in:\n{root}");
    }
    proven("spiffe", "authority", "OpenSSL");
}

#[test]
fn the_discovery_document_is_what_relying_parties_need() {
    let authority = Authority::shared();
    let found = verify(&mut in_python(authority.issuer(), AUDIENCE), &jwt_svid(authority));
    let metadata = &found["metadata"];
    assert_eq!(metadata["issuer"], authority.issuer());
    assert_eq!(metadata["subject_types_supported"], json!(["public"]));
    assert_eq!(metadata["response_types_supported"], json!(["id_token"]));
    let keys = crate::authority::scene::get(&format!("{}/keys", authority.issuer())).json();
    for key in keys["keys"].as_array().unwrap() {
        assert_eq!((&key["use"], key["kid"].is_string(), key["alg"].is_string()), (&json!("sig"), true, true), "{key}");
        assert!(key["x5c"].is_null() && key["d"].is_null(), "{key}");
    }
}
