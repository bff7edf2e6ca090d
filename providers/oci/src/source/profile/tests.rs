use carnet_core::{ErrorKind, MemoryFiles, test_context};
use serde_json::json;

use super::*;
use crate::testing::{self, TENANCY, USER, with};

const PATH: &str = "/home/user/.oci/config";

fn api_profile() -> String {
    format!(
        "[DEFAULT]\nuser={USER}\nfingerprint={}\nkey_file=~/.oci/key.pem\ntenancy={TENANCY}\nregion=iad\n",
        testing::key().oci_fingerprint()
    )
}

const SESSION: &str = "[CI]\ntenancy=ocid1.tenancy.oc1..fromprofile\nregion=eu-frankfurt-1\nfingerprint=00\nkey_file=/s/key.pem\nsecurity_token_file=/s/token\n";

fn context(config: &str, variables: &[(&str, &str)]) -> Context {
    let pem = testing::pem(&testing::key());
    let token = testing::session_token(json!({"tenant": null}));
    let files = [
        (PATH, config),
        ("/home/user/.oci/key.pem", pem.as_str()),
        ("/s/key.pem", pem.as_str()),
        ("/s/token", token.expose()),
        ("/s/expired", "to be replaced"),
    ];
    with(test_context(), variables, &files)
}

fn find(config: ProfileConfig, context: &Context) -> Result<Found, Error> {
    ProfileSource { config }.read(context)
}

fn profile(name: &str) -> ProfileConfig {
    ProfileConfig { profile: Some(name.to_owned()), file: None }
}

fn credential(config: ProfileConfig, context: &Context) -> Credential {
    match find(config, context).unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(reason) => panic!("not here: {reason}"),
    }
}

/// The error for a profile bent in one place.
fn bent(from: &str, to: &str) -> Error {
    let config = api_profile();
    assert!(config.contains(from), "{from}");
    find(ProfileConfig::default(), &context(&config.replace(from, to), &[])).unwrap_err()
}

fn bent_session(from: &str, to: &str) -> Error {
    assert!(SESSION.contains(from), "{from}");
    find(profile("CI"), &context(&SESSION.replace(from, to), &[])).unwrap_err()
}

#[test]
fn rejects_a_fingerprint_of_another_key_and_tells_the_keys_own() {
    let (own, other) = (testing::key().oci_fingerprint(), testing::other_key().oci_fingerprint());
    let error = bent(&own, &other);
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("key")));
    assert!(error.to_string().ends_with(&format!("fingerprint is {other}, but that of the key in key_file is {own}")));
    assert!(error.hints()[0].starts_with(&format!("write fingerprint={own}")), "{:?}", error.hints());
}

#[test]
fn files_that_are_not_text_are_refused_with_their_line_and_a_hint() {
    for (bent, place) in [(PATH, "byte 10 (line 2, column 7)"), ("/s/token", "byte 10 (line 2, column 7)")] {
        let pem = testing::pem(&testing::key());
        let files = MemoryFiles::default();
        for (path, content) in [(PATH, SESSION), ("/s/key.pem", &pem), ("/s/token", "ST$")] {
            files.put(path, if path == bent { b"[A]\n# Schl\xfcssel\n".to_vec() } else { content.as_bytes().to_vec() });
        }
        let error = find(profile("CI"), &Context { files: Arc::new(files), ..test_context() }).unwrap_err();
        let said = carnet_core::chain(&error).join(": ");
        assert!(said.contains(&format!("read {bent}: {place} is not UTF-8")), "{said}");
        assert!(error.hints().contains(&"save the file as UTF-8"), "{:?}", error.hints());
    }
}

#[test]
fn rejects_a_region_of_the_variable_by_its_name() {
    let config = api_profile().replace("region=iad\n", "");
    let error = find(ProfileConfig::default(), &context(&config, &[("OCI_REGION", "a b")])).unwrap_err();
    assert_eq!(error.to_string(), "use the environment variable OCI_REGION");
}

#[test]
fn an_api_key_profile_gives_an_api_key() {
    let credential = credential(ProfileConfig::default(), &context(&api_profile(), &[]));
    assert_eq!(credential.facts["principal"], USER);
    let Material::OciApiKey(key) = credential.material else { panic!("another kind") };
    assert_eq!((key.tenancy.as_str(), key.user.as_str()), (TENANCY, USER));
    assert_eq!(key.fingerprint, testing::key().oci_fingerprint());
    assert_eq!(key.region.as_deref(), Some("us-ashburn-1"));
    assert_eq!(key.private_key, testing::key().to_pkcs8().unwrap());
}

#[test]
fn a_session_profile_gives_a_session_that_ends_with_its_token() {
    let credential = credential(profile("CI"), &context(SESSION, &[]));
    assert_eq!(credential.expires_at, Some(testing::now() + jiff::SignedDuration::from_mins(20)));
    let Material::OciSession(session) = credential.material else { panic!("another kind") };
    assert_eq!(session.tenancy.as_deref(), Some("ocid1.tenancy.oc1..fromprofile"));
    assert_eq!(session.region.as_deref(), Some("eu-frankfurt-1"));
}

#[test]
fn file_and_profile_come_from_configuration_or_the_variables_of_cli_and_sdks() {
    let mut variables = vec![("OCI_CLI_PROFILE", "CI"), ("OCI_CONFIG_PROFILE", "NONE")];
    assert_eq!(credential(ProfileConfig::default(), &context(SESSION, &variables)).kind(), Kind::OciSession);
    variables.remove(0);
    assert!(find(ProfileConfig::default(), &context(SESSION, &variables)).is_err());
    let pem = testing::pem(&testing::key());
    let config = api_profile();
    let files = [("/a", config.as_str()), ("/home/user/b", SESSION), ("/home/user/.oci/key.pem", pem.as_str())];
    for (variables, kind) in [
        (vec![("OCI_CLI_CONFIG_FILE", "/a"), ("OCI_CONFIG_FILE", "/b")], Some(Kind::OciApiKey)),
        (vec![("OCI_CONFIG_FILE", "/a")], Some(Kind::OciApiKey)),
        (vec![], None),
    ] {
        let found = find(ProfileConfig::default(), &with(test_context(), &variables, &files)).unwrap();
        let found = match found {
            Found::Credential(credential) => Some(credential.kind()),
            Found::NotHere(_) => None,
        };
        assert_eq!(found, kind);
    }
    let named = ProfileConfig { file: Some("~/b".to_owned()), profile: Some("NONE".to_owned()) };
    let error = find(named, &with(test_context(), &[], &files)).unwrap_err();
    assert!(error.to_string().contains("/home/user/b has no profile [NONE]"), "{error}");
    assert_eq!(error.hints(), ["the profiles in it are: CI"]);
}

#[test]
fn without_a_file_or_a_default_profile_it_is_not_here() {
    let Found::NotHere(reason) = find(ProfileConfig::default(), &test_context()).unwrap() else { panic!("found") };
    assert_eq!(reason, "/home/user/.oci/config does not exist");
    let Found::NotHere(reason) = find(ProfileConfig::default(), &context(SESSION, &[])).unwrap() else {
        panic!("found")
    };
    assert_eq!(reason, "/home/user/.oci/config has no profile [DEFAULT]");
}

#[test]
fn refuses_a_file_that_was_named_and_is_not_there() {
    let named = ProfileConfig { file: Some("/none".to_owned()), profile: None };
    assert_eq!(find(named, &test_context()).unwrap_err().to_string(), "read /none: it does not exist");
    let context = with(test_context(), &[("OCI_CONFIG_FILE", "/none")], &[]);
    assert!(find(ProfileConfig::default(), &context).unwrap_err().to_string().contains("OCI_CONFIG_FILE names it"));
}

#[test]
fn the_region_may_come_from_default_or_the_environment_but_an_identity_is_never_mixed() {
    let config =
        format!("{}[B]\ntenancy=ocid1.tenancy.oc1..b\n{SESSION}", api_profile().replace("region=iad", "region=phx"));
    let found = credential(profile("B"), &context(&config, &[]));
    let Material::OciApiKey(key) = found.material else { panic!("another kind") };
    assert_eq!((key.tenancy.as_str(), key.region.as_deref()), ("ocid1.tenancy.oc1..b", Some("us-phoenix-1")));
    // The user of [DEFAULT] does not slip into a session profile.
    assert_eq!(credential(profile("CI"), &context(&config, &[])).kind(), Kind::OciSession);
    let error = find(profile("C"), &context(&format!("{}[C]\nkey_file=/s/key.pem\n", api_profile()), &[])).unwrap_err();
    assert!(error.to_string().contains("user is missing"), "{error}");
    let context = context(&api_profile().replace("region=iad\n", ""), &[("OCI_REGION", "lhr")]);
    assert_eq!(credential(ProfileConfig::default(), &context).facts["region"], "uk-london-1");
}

#[test]
fn refuses_a_user_beside_a_token() {
    let error = bent_session("fingerprint=00", &format!("user={USER}"));
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.hints()[0].contains("remove user"), "{:?}", error.hints());
}

#[test]
fn refuses_comments_behind_values_by_their_line() {
    let error = bent("region=iad", "region=iad ; home");
    assert!(error.to_string().contains("line 6"), "{error}");
    assert!(error.hints()[0].contains("a line of its own"));
}

#[test]
fn refuses_lines_that_cannot_be_read_by_their_number() {
    assert!(bent("region=iad", "region iad").to_string().contains("line 6"));
    assert!(bent("[DEFAULT]", "[DEFAULT").to_string().contains("line 1"));
    assert!(bent("region=iad", "tenancy=x").to_string().contains("line 6"));
}

#[test]
fn refuses_each_missing_or_malformed_value_by_its_name() {
    for (from, to, words) in [
        ("key_file=~/.oci/key.pem\n", "", "key_file is missing"),
        ("user=ocid1.user.oc1..aaaauser\n", "", "user is missing"),
        ("tenancy=ocid1.tenancy.oc1..aaaatenancy\n", "", "tenancy is missing"),
        ("user=ocid1.", "user=", "user is not an OCID"),
        ("fingerprint=", "fingerprint=0", "fingerprint is not"),
        ("region=iad", "region=a/b", "region"),
        ("key.pem", "none.pem", "key_file"),
    ] {
        let error = bent(from, to);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{to}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn refuses_ways_to_sign_that_are_not_this_sources() {
    for (line, words) in [
        ("key_content=MARK", "key_content"),
        ("delegation_token_file=/t", "delegation"),
        ("authentication_type=instance_principal", "authentication_type"),
        ("authentication_type=resource_principal", "authentication_type"),
        ("authentication_type=MAGIC", "is not known"),
    ] {
        let error = bent("region=iad", line);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}{:?}", error.hints()).contains("MARK"));
    }
}

#[test]
fn refuses_a_missing_malformed_or_expired_token() {
    assert!(bent_session("/s/token", "/s/none").to_string().contains("security_token_file"));
    assert!(bent_session("/s/token", "/s/key.pem").to_string().contains("/s/key.pem"));
    let old = testing::session_token(json!({"exp": testing::now().as_second()}));
    let pem = testing::pem(&testing::key());
    let context =
        with(test_context(), &[], &[(PATH, SESSION), ("/s/key.pem", pem.as_str()), ("/s/token", old.expose())]);
    let error = find(profile("CI"), &context).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")));
}

#[test]
fn refuses_a_key_file_that_is_no_key_without_quoting_it() {
    let context = with(test_context(), &[], &[(PATH, &api_profile()), ("/home/user/.oci/key.pem", "MARK")]);
    let error = find(ProfileConfig::default(), &context).unwrap_err();
    assert!(error.to_string().contains("/home/user/.oci/key.pem"), "{error}");
    assert!(!format!("{error:?}").contains("MARK"));
}

#[test]
fn refuses_empty_names() {
    let config = ProfileConfig { file: Some(String::new()), profile: Some(" ".to_owned()) };
    let fields: Vec<_> = config.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(fields, ["file", "profile"]);
}

proptest::proptest! {
    #[test]
    fn any_file_gives_a_credential_a_reason_or_an_error(text in "(\\[DEFAULT\\]\n)?((user|key_file|region|tenancy|[a-z]{1,8})=\\PC{0,20}\n|\\PC{0,20}\n){0,8}") {
        if let Err(error) = find(ProfileConfig::default(), &context(&text, &[])) {
            proptest::prop_assert_eq!(error.kind(), ErrorKind::Configuration);
        }
    }
}
