//! Logins that are good but for one place.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::trust::signature::SessionVerifier;

mod header;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());
static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());

const NOW: i64 = 1_795_262_400;
const DATE: &str = "Sat, 21 Nov 2026 12:00:00 GMT";
const TENANCY: &str = "ocid1.tenancy.oc1..aaaa";
const USER: &str = "ocid1.user.oc1..uuuu";
const INSTANCE: &str = "ocid1.instance.oc1.iad.iiii";
const FINGERPRINT: &str = "20:3b:97:13:55:1c:01:85:02:bd:b1:35:c1:9d:e3:2f";
const IDENTITY: &str = "identity.us-ashburn-1.oraclecloud.com";
const STORAGE: &str = "objectstorage.us-ashburn-1.oraclecloud.com";
const AUTHORITY: &str = "https://authority.example";
const OWN_PATH: &str = "/v1/auth/oci/login";

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// Who signs what. Written apart from the client's signer.
#[derive(Clone)]
struct Caller {
    key_id: String,
    target: String,
    user: Option<String>,
    /// What is sent and signed, in this order.
    headers: Vec<(&'static str, String)>,
    /// Names that are sent and not signed.
    unsigned: Vec<&'static str>,
}

impl Caller {
    /// A user with an API key, about itself.
    fn user() -> Self {
        Self {
            key_id: format!("{TENANCY}/{USER}/{FINGERPRINT}"),
            target: format!("{USERS_PATH}{USER}"),
            user: Some(USER.to_owned()),
            headers: vec![
                ("date", DATE.to_owned()),
                ("host", IDENTITY.to_owned()),
                (AUDIENCE_HEADER, AUTHORITY.to_owned()),
            ],
            unsigned: Vec::new(),
        }
    }

    /// Somebody with a session token, about the namespace.
    fn session(claims: &Value) -> Self {
        let mut caller = Self { target: NAMESPACE_PATH.to_owned(), user: None, ..Self::user() }.with("host", STORAGE);
        caller.key_id = format!("ST${}", token(claims));
        caller
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self
    }

    fn authorization(&self, key: &SigningKey) -> String {
        let mut lines = vec![("(request-target)", format!("get {}", self.target))];
        lines.extend(self.headers.iter().filter(|(name, _)| !self.unsigned.contains(name)).cloned());
        let text: Vec<String> = lines.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
        let signature = STANDARD.encode(key.sign(text.join("\n").as_bytes()).unwrap());
        format!(
            r#"Signature version="1",keyId="{}",algorithm="rsa-sha256",headers="{}",signature="{signature}""#,
            self.key_id,
            names.join(" ")
        )
    }

    fn json(&self, authorization: &str) -> Value {
        let mut headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        headers.insert("authorization".to_owned(), json!(authorization));
        let mut login = json!({ "headers": headers });
        if let Some(user) = &self.user {
            login["user"] = json!(user);
        }
        login
    }

    fn login(&self) -> Login {
        Login::parse(self.json(&self.authorization(&KEY)).to_string().as_bytes()).unwrap()
    }

    fn read(&self) -> Checked<Read> {
        trust().read(&self.login(), &SeenTokens::default(), now())
    }

    #[track_caller]
    fn refused(&self) -> &'static str {
        self.read().unwrap_err().clause
    }
}

fn token(changes: &Value) -> String {
    let jwk = serde_json::to_string(&KEY.public_jwk()).unwrap();
    let mut claims = json!({
        "iss": SessionVerifier::ISSUER, "aud": SessionVerifier::AUDIENCE, "sub": INSTANCE, "ptype": "instance",
        "tenant": TENANCY, "opc-compartment": "ocid1.compartment.oc1..cccc", "jwk": jwk, "iat": NOW - 60, "exp": NOW + 600,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    encode_jwt(&KEY, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
}

fn own_hosts() -> &'static [String] {
    static HOSTS: LazyLock<Vec<String>> = LazyLock::new(|| vec!["authority.example".to_owned()]);
    &HOSTS
}

fn trust() -> LoginTrust<'static> {
    LoginTrust {
        tenancy: TENANCY,
        regions: &[],
        window: SignedDuration::from_mins(5),
        audience: AUTHORITY,
        own_hosts: own_hosts(),
        own_path: OWN_PATH,
    }
}

fn oracle(changes: &Value) -> User {
    let mut user = json!({
        "id": USER, "compartmentId": TENANCY, "name": "reader", "lifecycleState": "ACTIVE",
        "capabilities": { "canUseApiKeys": true },
    });
    user.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(user).unwrap()
}

#[test]
fn accepts_a_user_of_whom_oracle_tells() {
    let read = Caller::user().read().unwrap();
    assert_eq!((read.form, read.url.as_str()), (Form::User, &*format!("https://{IDENTITY}{USERS_PATH}{USER}")));
    let claims = trust().admit(&read, &Proved::User(&oracle(&json!({})))).unwrap();
    let expected = json!({
        "sub": USER, "aud": AUTHORITY, "iat": NOW, "exp": NOW + 300, "tenancy": TENANCY, "ptype": "user", "proof": "api-key",
        "name": "reader", "fingerprint": FINGERPRINT,
    });
    assert_eq!(Value::Object(claims), expected);
}

#[test]
fn what_was_read_of_a_token_is_for_that_token_until_it_ends() {
    let tokens = SeenTokens::default();
    let read =
        |caller: &Caller, after: i64| trust().read(&caller.login(), &tokens, now() + SignedDuration::from_secs(after));
    let caller = Caller::session(&json!({ "exp": NOW + 60 }));
    for after in [0, 0, 59] {
        assert_eq!(read(&caller, after).unwrap().principal.id, INSTANCE);
    }
    assert_eq!(read(&caller, 60).unwrap_err().clause, "expired");
    // The same end on other claims.
    let (_, signature) = caller.key_id.rsplit_once('.').unwrap();
    let mut other = Caller::session(&json!({ "exp": NOW + 60, "sub": "ocid1.instance.oc1.iad.other" }));
    let (signed, _) = other.key_id.rsplit_once('.').unwrap();
    other.key_id = format!("{signed}.{signature}");
    assert_eq!(read(&other, 0).unwrap().principal.id, "ocid1.instance.oc1.iad.other");
    assert_eq!(read(&caller, 0).unwrap().principal.id, INSTANCE);
}

#[test]
fn accepts_an_instance_by_a_read_that_needs_no_permission() {
    let read = Caller::session(&json!({})).read().unwrap();
    assert_eq!((read.form, read.url.as_str()), (Form::Namespace, &*format!("https://{STORAGE}/n/")));
    let claims = trust().admit(&read, &Proved::Signer).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["ptype"], &claims["proof"]),
        (&json!(INSTANCE), &json!("instance"), &json!("session-token"))
    );
    assert_eq!(claims["compartment"], "ocid1.compartment.oc1..cccc");
}

#[test]
fn accepts_a_request_to_our_own_login() {
    let own = Caller { target: OWN_PATH.to_owned(), ..Caller::session(&json!({})) };
    let read = own.with("host", "authority.example").without(AUDIENCE_HEADER).read().unwrap();
    assert_eq!((read.form, read.audience.as_str()), (Form::Own, AUTHORITY));
}

#[test]
fn a_request_that_does_not_name_us_is_for_its_host() {
    let read = Caller::user().without(AUDIENCE_HEADER).read().unwrap();
    assert_eq!((read.audience.as_str(), read.rule), (&*format!("https://{IDENTITY}"), None));
}

#[test]
fn a_request_may_be_for_one_rule() {
    let read = Caller::user().with(AUDIENCE_HEADER, &format!("{AUTHORITY}#deploy")).read().unwrap();
    assert_eq!((read.audience.as_str(), read.rule.as_deref()), (AUTHORITY, Some("deploy")));
}

#[test]
fn rejects_a_request_for_somebody_else() {
    for audience in
        ["https://authority.example.evil.test", "https://AUTHORITY.example", "https://authority.example/", "#rule"]
    {
        assert_eq!(Caller::user().with(AUDIENCE_HEADER, audience).refused(), "audience", "{audience}");
    }
    let empty = format!("{AUTHORITY}#");
    assert_eq!(Caller::user().with(AUDIENCE_HEADER, &empty).refused(), "audience");
}

#[test]
fn rejects_a_request_to_another_host() {
    for host in
        ["identity.us-ashburn-1.oraclecloud.com.evil.example", "identity.eu-madrid-2.oraclecloud.eu", "127.0.0.1"]
    {
        assert_eq!(Caller::user().with("host", host).refused(), "host", "{host}");
    }
}

#[test]
fn rejects_a_request_that_was_signed_for_another_path() {
    // The path is ours and not the caller's: what was signed for another does not verify.
    let other = Caller { target: "/n/namespace/b".to_owned(), ..Caller::session(&json!({})) };
    assert_eq!(other.refused(), "signature");
}

#[test]
fn a_clock_may_be_off_by_four_minutes_and_not_by_six() {
    for (date, refused) in [
        ("Sat, 21 Nov 2026 12:04:00 GMT", false),
        ("Sat, 21 Nov 2026 11:56:00 GMT", false),
        ("Sat, 21 Nov 2026 12:06:00 GMT", true),
        ("Sat, 21 Nov 2026 11:54:00 GMT", true),
    ] {
        let clause = Caller::user().with("date", date).read().err().map(|refusal| refusal.clause);
        assert_eq!(clause, refused.then_some("date"), "{date}");
    }
}

#[test]
fn rejects_a_date_beyond_a_window_that_is_narrower() {
    let narrow = LoginTrust { window: SignedDuration::from_secs(60), ..trust() };
    let login = Caller::user().with("date", "Sat, 21 Nov 2026 12:01:01 GMT").login();
    assert_eq!(narrow.read(&login, &SeenTokens::default(), now()).unwrap_err().clause, "date");
}

#[test]
fn rejects_no_date_and_two_dates() {
    assert_eq!(Caller::user().without("date").refused(), "date");
    assert_eq!(Caller::user().with("x-date", DATE).refused(), "date");
    assert!(Caller::user().without("date").with("x-date", DATE).read().is_ok());
}

#[test]
fn rejects_users_that_are_no_names_of_users() {
    for user in [
        "ocid1.user.oc1..u/../../groups/ocid1.group.oc1..g",
        "ocid1.user.oc1..u?x=",
        "ocid1.user.oc1..u#x",
        "ocid1.user.oc1..u%2e",
        "ocid1.user.oc1..u u",
        "ocid1.group.oc1..g",
        "",
    ] {
        let caller = Caller { user: Some(user.to_owned()), ..Caller::user() };
        assert_eq!(caller.refused(), "user", "{user}");
    }
    assert_eq!(Caller { user: None, ..Caller::user() }.refused(), "user");
}

#[test]
fn rejects_a_signer_who_is_not_the_user() {
    let other = "ocid1.user.oc1..oooo";
    let colleague = Caller { user: Some(other.to_owned()), target: format!("{USERS_PATH}{other}"), ..Caller::user() };
    assert_eq!(colleague.refused(), "signer");
    let instance = Caller { user: Some(USER.to_owned()), ..Caller::session(&json!({})) };
    assert_eq!(instance.refused(), "signer");
}

#[test]
fn rejects_principals_of_another_tenancy() {
    let key_id = format!("ocid1.tenancy.oc1..bbbb/{USER}/{FINGERPRINT}");
    assert_eq!(Caller { key_id, ..Caller::user() }.refused(), "tenancy");
    assert_eq!(Caller::session(&json!({ "tenant": "ocid1.tenancy.oc1..bbbb" })).refused(), "tenancy");
}

#[test]
fn rejects_session_tokens_that_could_be_none() {
    for (changes, clause) in [
        (json!({ "exp": NOW }), "expired"),
        (json!({ "exp": null }), "token"),
        (json!({ "iss": "https://issuer.example" }), "token"),
        (json!({ "aud": "urn:oracle:db:x" }), "token"),
        (json!({ "ptype": null }), "token"),
        (json!({ "jwk": "{}" }), "token"),
        (json!({ "jwk": serde_json::to_string(&OTHER_KEY.public_jwk()).unwrap() }), "signature"),
    ] {
        assert_eq!(Caller::session(&changes).refused(), clause, "{changes}");
    }
}

#[test]
fn rejects_subjects_that_pretend_to_be_users() {
    let read = Caller::session(&json!({ "sub": USER })).read().unwrap();
    assert_eq!(trust().admit(&read, &Proved::Signer).unwrap_err().clause, "subject");
    let read = Caller::session(&json!({ "sub": "somebody" })).read().unwrap();
    assert_eq!(trust().admit(&read, &Proved::Signer).unwrap_err().clause, "subject");
    let read = Caller::session(&json!({ "sub": USER, "ptype": "identityfederateddomainapp" })).read().unwrap();
    assert_eq!(trust().admit(&read, &Proved::Signer).unwrap()["sub"], format!("external:{USER}"));
}

#[test]
fn claims_of_a_token_do_not_stand_for_ours() {
    let claims =
        json!({ "ptype": "identityfederateddomainapp", "sub": "x", "var_ext_name": "admin", "domain_id": "d" });
    let read = Caller::session(&claims).read().unwrap();
    let claims = trust().admit(&read, &Proved::Signer).unwrap();
    assert_eq!((&claims["ext_name"], &claims["tenancy"]), (&json!("admin"), &json!(TENANCY)));
    assert_eq!(claims["name"], "x");
}

#[test]
fn rejects_each_answer_of_oracle_that_is_not_the_signers() {
    let read = Caller::user().read().unwrap();
    for (changes, clause) in [
        (json!({ "id": "ocid1.user.oc1..oooo" }), "user"),
        (json!({ "compartmentId": "ocid1.tenancy.oc1..bbbb" }), "tenancy"),
        (json!({ "lifecycleState": "INACTIVE" }), "state"),
        (json!({ "capabilities": { "canUseApiKeys": false } }), "state"),
    ] {
        let user = oracle(&changes);
        assert_eq!(trust().admit(&read, &Proved::User(&user)).unwrap_err().clause, clause, "{changes}");
        let decision = evaluate(&trust(), &Caller::user().login(), &Proved::User(&user), now());
        assert_eq!(decision.refusal().unwrap().clause, clause);
    }
}

#[test]
fn nothing_that_was_shown_is_printed() {
    let caller = Caller::session(&json!({}));
    let (login, read) = (caller.login(), caller.read().unwrap());
    let printed = format!("{login:?} {read:?}");
    assert!(!printed.contains("eyJ") && !printed.contains("Signature"), "{printed}");
}
