use std::collections::BTreeMap;

use carnet_core::{AccessToken, AwsKeys, MemoryFiles, OciSession, X509Identity, test_context};
use carnet_jose::{Algorithm, SigningKey, SubjectToken};
use serde_json::{Value, json};

use super::*;
use crate::testing::{deliver, good, try_deliver};

fn access_token() -> Credential {
    let material = AccessToken { token: Secret::new("opaque'1"), token_type: "Bearer".to_owned() };
    Credential::new(Material::AccessToken(material))
        .expires_at("2026-11-21T13:00:00Z".parse().unwrap())
        .fact("principal", "reader")
}

fn id_token() -> Credential {
    SubjectToken::parse(Secret::new(good())).unwrap().into_credential()
}

fn aws_keys() -> Credential {
    Credential::new(Material::AwsKeys(AwsKeys {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: Secret::new("s"),
        session_token: Some(Secret::new("t")),
    }))
}

fn x509_identity(key: &SigningKey) -> Credential {
    let private_key = key.to_pkcs8().unwrap();
    let chain = vec![vec![7; 100], vec![8; 3]];
    Credential::new(Material::X509(X509Identity { chain, private_key, bundle: vec![vec![9; 2]] }))
}

fn output(delivered: Delivered) -> String {
    String::from_utf8(delivered.output.unwrap().expose().to_vec()).unwrap()
}

fn as_json(credential: &Credential) -> Value {
    serde_json::from_str(&output(deliver::<Json>(json!({}), credential, &test_context()))).unwrap()
}

#[test]
fn a_token_is_given_as_it_is() {
    assert_eq!(output(deliver::<TokenOutput>(json!({}), &access_token(), &test_context())), "opaque'1");
    assert_eq!(output(deliver::<TokenOutput>(json!({}), &id_token(), &test_context())), good());
}

#[test]
fn a_token_file_has_no_newline() {
    let files = Arc::new(MemoryFiles::default());
    let context = Context { files: Arc::clone(&files) as _, ..test_context() };
    let section = json!({ "path": "/run/token", "variable": "TOKEN_FILE" });
    let done = deliver::<TokenFile>(section, &access_token(), &context);
    assert_eq!(files.get("/run/token").unwrap(), b"opaque'1");
    assert_eq!(done.files, [PathBuf::from("/run/token")]);
    assert_eq!((done.environment[0].0.as_str(), done.environment[0].1.expose()), ("TOKEN_FILE", "/run/token"));
}

#[test]
fn a_header_carries_the_type_of_the_token() {
    assert_eq!(
        output(deliver::<Header>(json!({}), &access_token(), &test_context())),
        "Authorization: Bearer opaque'1"
    );
}

#[test]
fn variables_have_names_by_kind_and_are_quoted_for_a_shell() {
    let env = |section: Value, credential: &Credential| output(deliver::<Env>(section, credential, &test_context()));
    assert_eq!(env(json!({}), &access_token()), "export CARNET_ACCESS_TOKEN='opaque'\\''1'\n");
    assert_eq!(env(json!({}), &id_token()), format!("export CARNET_ID_TOKEN='{}'\n", good()));
    assert_eq!(env(json!({ "variable": "VAULT_TOKEN" }), &access_token()), "export VAULT_TOKEN='opaque'\\''1'\n");
    assert_eq!(
        env(json!({}), &aws_keys()),
        "export AWS_ACCESS_KEY_ID='ASIAEXAMPLE'\nexport AWS_SECRET_ACCESS_KEY='s'\nexport AWS_SESSION_TOKEN='t'\n"
    );
}

#[test]
fn rejects_what_would_be_more_than_one_word() {
    let token = |token: &str, token_type: &str| {
        let material = AccessToken { token: Secret::new(token), token_type: token_type.to_owned() };
        Credential::new(Material::AccessToken(material))
    };
    let context = test_context();
    for (credential, says) in [
        (token("abc\r\nX-Evil: 1", "Bearer"), "deliver the token: it is not one word of visible ASCII"),
        (token("abc def", "Bearer"), "deliver the token: it is not one word of visible ASCII"),
        (token("abc\u{202e}def", "Bearer"), "deliver the token: it is not one word of visible ASCII"),
        (token("", "Bearer"), "deliver the token: there is nothing in it"),
        (token("abc", "Bearer x\r\nX-Evil:"), "deliver the token: its type is not one word of letters and digits"),
    ] {
        assert_eq!(try_deliver::<Header>(json!({}), &credential, &context).unwrap_err().to_string(), says);
        assert_eq!(try_deliver::<TokenOutput>(json!({}), &credential, &context).unwrap_err().to_string(), says);
        assert_eq!(try_deliver::<Env>(json!({}), &credential, &context).unwrap_err().to_string(), says);
        let file = json!({ "path": "/run/token" });
        assert_eq!(try_deliver::<TokenFile>(file, &credential, &context).unwrap_err().to_string(), says);
    }
    let mut keys = aws_keys();
    if let Material::AwsKeys(keys) = &mut keys.material {
        keys.session_token = Some(Secret::new("t\nexport X=1"));
    }
    let error = try_deliver::<Env>(json!({}), &keys, &context).unwrap_err();
    assert_eq!(error.to_string(), "deliver AWS_SESSION_TOKEN: it is not one word of visible ASCII");
}

#[test]
fn json_of_an_access_token() {
    assert_eq!(
        as_json(&access_token()),
        json!({ "version": 1, "kind": "access-token", "token": "opaque'1", "token_type": "Bearer",
            "expires_at": "2026-11-21T13:00:00Z", "facts": { "principal": "reader" } })
    );
}

#[test]
fn json_of_a_jwt() {
    assert_eq!(
        as_json(&id_token()),
        json!({ "version": 1, "kind": "jwt", "token": good(), "issued_at": "2026-11-21T12:00:00Z",
            "expires_at": "2026-11-21T12:10:00Z",
            "facts": { "audience": "https://a", "issuer": "https://issuer.example", "subject": "s" } })
    );
}

#[test]
fn json_of_aws_keys() {
    assert_eq!(
        as_json(&aws_keys()),
        json!({ "version": 1, "kind": "aws-keys", "access_key_id": "ASIAEXAMPLE", "secret_access_key": "s",
            "session_token": "t", "facts": {} })
    );
}

#[test]
fn json_of_an_oci_session_has_the_key_and_its_fingerprint() {
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    let credential = Credential::new(Material::OciSession(OciSession {
        token: Secret::new("st"),
        private_key: key.to_pkcs8().unwrap(),
        region: Some("us-ashburn-1".to_owned()),
        tenancy: Some("ocid1.tenancy.oc1..a".to_owned()),
    }));
    let json = as_json(&credential);
    assert_eq!(json["private_key"].as_str().unwrap(), key.to_pkcs8_pem().unwrap().expose());
    assert_eq!(json["fingerprint"], key.oci_fingerprint());
    let members: BTreeMap<&str, &Value> =
        json.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(
        members.keys().copied().collect::<Vec<_>>(),
        ["facts", "fingerprint", "kind", "private_key", "region", "tenancy", "token", "version"]
    );
}

#[test]
fn json_of_an_x509_identity_has_its_chain_as_pem() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let json = as_json(&x509_identity(&key));
    assert_eq!(json["bundle"], "-----BEGIN CERTIFICATE-----\nCQk=\n-----END CERTIFICATE-----\n");
    let chain = json["certificate_chain"].as_str().unwrap();
    assert_eq!(chain.matches("-----BEGIN CERTIFICATE-----\n").count(), 2);
    assert!(chain.lines().all(|line| line.len() <= 64), "{chain}");
    assert_eq!(json["private_key"].as_str().unwrap(), key.to_pkcs8_pem().unwrap().expose());
}

#[test]
fn rejects_names_that_are_no_variables() {
    for name in ["A=B", "", "1A", "a-b", "$(x)"] {
        let mistakes = Env { variable: Some(name.to_owned()) }.build().unwrap_err();
        assert_eq!(mistakes[0].field, "variable", "{name}");
    }
}

#[test]
fn rejects_token_file_without_name() {
    let mistakes = TokenFile { path: "/".into(), variable: Some("a b".to_owned()) }.build().unwrap_err();
    let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, ["path", "variable"]);
}

#[test]
fn an_x509_identity_becomes_pem_files_that_belong_together() {
    let files = Arc::new(MemoryFiles::default());
    let context = Context { files: Arc::clone(&files) as _, ..test_context() };
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let done = deliver::<X509Files>(json!({ "directory": "/run/svid" }), &x509_identity(&key), &context);
    let text = |name: &str| String::from_utf8(files.get(format!("/run/svid/current/{name}")).unwrap()).unwrap();
    assert_eq!(text("svid.pem").matches("-----BEGIN CERTIFICATE-----\n").count(), 2);
    assert_eq!(text("svid_key.pem"), key.to_pkcs8_pem().unwrap().expose());
    assert_eq!(text("svid_bundle.pem"), "-----BEGIN CERTIFICATE-----\nCQk=\n-----END CERTIFICATE-----\n");
    let names = ["svid.pem", "svid_key.pem", "svid_bundle.pem"];
    assert_eq!(done.files, names.map(|name| PathBuf::from("/run/svid/current").join(name)));
}

#[test]
fn the_pem_files_have_the_names_that_are_wanted() {
    let files = Arc::new(MemoryFiles::default());
    let context = Context { files: Arc::clone(&files) as _, ..test_context() };
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let names = json!({ "directory": "/run/svid", "certificate": "tls.crt", "key": "tls.key", "bundle": "ca.crt" });
    let done = deliver::<X509Files>(names, &x509_identity(&key), &context);
    let wanted = ["tls.crt", "tls.key", "ca.crt"];
    assert_eq!(done.files, wanted.map(|name| PathBuf::from("/run/svid/current").join(name)));
    assert!(files.get("/run/svid/current/svid.pem").is_none());
}

#[test]
fn no_bundle_is_written_where_nobody_knows_it() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut credential = x509_identity(&key);
    if let Material::X509(identity) = &mut credential.material {
        identity.bundle.clear();
    }
    let done = deliver::<X509Files>(json!({ "directory": "/run/svid" }), &credential, &test_context());
    assert_eq!(done.files.len(), 2);
}

#[test]
fn rejects_pem_files_that_leave_their_folder_or_are_one() {
    let fields = |section: Value| -> Vec<String> {
        let mistakes = serde_json::from_value::<X509Files>(section).unwrap().build().unwrap_err();
        mistakes.into_iter().map(|mistake| mistake.field).collect()
    };
    assert_eq!(fields(json!({ "directory": "/" })), ["directory"]);
    for name in ["", "..", "a/b", "/etc/passwd", "a\nb"] {
        assert_eq!(fields(json!({ "directory": "/run/svid", "key": name })), ["key"], "{name:?}");
    }
    assert_eq!(fields(json!({ "directory": "/run/svid", "key": "a", "certificate": "a" })), ["key"]);
    assert_eq!(fields(json!({ "directory": "/run/svid", "bundle": "svid_key.pem" })), ["bundle"]);
}
