mod header;
mod session;

use std::{collections::BTreeMap, sync::LazyLock};

use carnet_jose::{Algorithm, Jwk, KeySet, SigningKey, encode_jwt};
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());
static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());

const API_KEY: &str = "ocid1.tenancy.oc1..t/ocid1.user.oc1..u/20:3b:97:13:55:1c:01:85:02:bd:b1:35:c1:9d:e3:2f";
const GENERAL: &str = "date (request-target) host";
const BODY: &str = "date (request-target) host content-length content-type x-content-sha256";

/// A request with what is needed to sign it. Written apart from the client's signer.
struct Signing {
    method: Method,
    target: &'static str,
    headers: HeaderMap,
    body: &'static [u8],
    signed: String,
    key_id: String,
}

impl Signing {
    /// The first vector of the two that Oracle's Python SDK was run against.
    fn get() -> Self {
        let mut signing = Self {
            method: Method::GET,
            target: "/n/ns1/b?compartmentId=ocid1.compartment.oc1..aaaa&limit=10",
            headers: HeaderMap::new(),
            body: b"",
            signed: GENERAL.to_owned(),
            key_id: API_KEY.to_owned(),
        };
        signing.set("date", "Tue, 21 Jul 2026 10:00:00 GMT");
        signing.set("host", "objectstorage.us-ashburn-1.oraclecloud.com");
        signing
    }

    /// The second.
    fn post() -> Self {
        let mut signing = Self {
            method: Method::POST,
            target: "/n/ns1/b",
            body: br#"{"name":"b1","compartmentId":"ocid1.compartment.oc1..aaaa"}"#,
            signed: BODY.to_owned(),
            ..Self::get()
        };
        signing.set("content-type", "application/json");
        signing.set("content-length", "59");
        signing.set("x-content-sha256", "FgDQ4tPtGYPR0wvj0q6LZfSKDCnzWJ1WReqolatEph0=");
        signing
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }

    fn signed(mut self, signed: &str) -> Self {
        signed.clone_into(&mut self.signed);
        self
    }

    /// The text that is signed.
    fn text(&self) -> String {
        let line = |name: &str| {
            let name = name.to_lowercase();
            if name == "(request-target)" {
                return format!("{name}: {} {}", self.method.as_str().to_lowercase(), self.target);
            }
            format!("{name}: {}", self.headers.get(&name).map_or("", |value| value.to_str().unwrap()))
        };
        self.signed.split(' ').map(line).collect::<Vec<_>>().join("\n")
    }

    fn sign(&mut self) {
        let text = self.text();
        self.sign_text(&text, &KEY);
    }

    fn sign_text(&mut self, text: &str, key: &SigningKey) {
        let signature = STANDARD.encode(key.sign(text.as_bytes()).unwrap());
        let header = format!(
            r#"Signature algorithm="rsa-sha256",headers="{}",keyId="{}",signature="{signature}",version="1""#,
            self.signed, self.key_id
        );
        self.set("authorization", &header);
    }

    fn check(&self, options: &Options<'_>, now: Timestamp) -> Decision {
        let request =
            SignedRequest { method: &self.method, target: self.target, headers: &self.headers, body: Some(self.body) };
        evaluate(&request, options, now, resolve)
    }

    /// Signs it and checks it at the time of its date.
    fn outcome(mut self, options: &Options<'_>) -> Decision {
        self.sign();
        self.check(options, at_date(0))
    }
}

fn at_date(seconds: i64) -> Timestamp {
    let date: Timestamp = "2026-07-21T10:00:00Z".parse().unwrap();
    date + SignedDuration::from_secs(seconds)
}

fn resolve(key_id: &KeyId<'_>) -> Checked<Signer> {
    match key_id {
        KeyId::ApiKey { tenancy, user, .. } => Ok(Signer {
            principal: Arc::new(Principal::user(*user, *tenancy, "somebody")),
            key: Arc::new(KEY.public_key().unwrap()),
        }),
        KeyId::Session(token) => SessionVerifier::new(KeySet::of(KEY.public_key().unwrap())).verify(token, at_date(0)),
        _ => Err(refuse("key", format!("{key_id:?}"), "an API key or a session token", "")),
    }
}

fn clause(decision: &Decision) -> &'static str {
    decision.refusal().map_or("allowed", |refusal| refusal.clause)
}

#[test]
fn signs_over_the_text_that_oracles_python_sdk_signs_over() {
    let request = Signing::get();
    assert_eq!(request.text().len(), 166);
    assert_eq!(
        carnet_core::hex(&sha256(request.text().as_bytes())),
        "42024329841c2fb84946e866907211ab11883a76c0161eaca3c153a112bdd49b"
    );
    let request = Signing::post();
    assert_eq!(request.text().len(), 229);
    assert_eq!(
        carnet_core::hex(&sha256(request.text().as_bytes())),
        "5bb9bc096d8681060a238f79b03de2a75b02114de218f36d887c12539d39620a"
    );
}

#[test]
fn accepts_both_vectors() {
    let decision = Signing::get().outcome(&Options::API);
    assert_eq!(decision.grant().unwrap().principal, "ocid1.user.oc1..u");
    let decision = Signing::post().outcome(&Options::API);
    let held = ["authorization", "algorithm", "signed-headers", "date", "key", "signature", "body-hash"];
    assert_eq!(decision.grant().unwrap().held, held);
}

#[test]
fn accepts_any_order_of_the_signed_headers() {
    let samples = Signing::post().signed("(request-target) date host x-content-sha256 content-type content-length");
    assert_eq!(clause(&samples.outcome(&Options::API)), "allowed");
}

#[test]
fn accepts_extra_signed_headers_and_upper_case_names() {
    let mut request = Signing::get().signed("Date (request-target) HOST opc-request-id accept");
    request.set("opc-request-id", "abc");
    request.set("accept", "application/json");
    assert_eq!(clause(&request.outcome(&Options::API)), "allowed");
}

#[test]
fn accepts_x_date_in_place_of_date() {
    let mut request = Signing::get().signed("x-date (request-target) host");
    request.set("x-date", "Tue, 21 Jul 2026 10:00:00 GMT");
    // Clients that cannot set the date send one of their own besides.
    request.set("date", "Tue, 21 Jul 2026 09:00:00 GMT");
    assert_eq!(clause(&request.outcome(&Options::API)), "allowed");
}

#[test]
fn accepts_an_explicit_port_and_an_escaped_query() {
    let mut request = Signing::get();
    request.target = "/n/ns/b/b1/o/dir%2Fo.txt?prefix=a%20b+c&x=%E2%82%AC";
    request.set("host", "127.0.0.1:7101");
    assert_eq!(clause(&request.outcome(&Options::API)), "allowed");
}

#[test]
fn rejects_a_query_that_was_decoded_on_the_way() {
    let mut request = Signing::get();
    request.target = "/n/ns/b?prefix=a%2Fb";
    request.sign();
    request.target = "/n/ns/b?prefix=a/b";
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "signature");
}

#[test]
fn rejects_lines_in_another_order_than_the_header_says() {
    let mut request = Signing::get();
    let text = request.text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(0, 2);
    request.sign_text(&lines.join("\n"), &KEY);
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "signature");
}

#[test]
fn rejects_a_newline_at_the_end_of_the_text() {
    let mut request = Signing::get();
    let text = format!("{}\n", request.text());
    request.sign_text(&text, &KEY);
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "signature");
}

#[test]
fn rejects_another_key() {
    let mut request = Signing::get();
    let text = request.text();
    request.sign_text(&text, &OTHER_KEY);
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "signature");
}

#[test]
fn rejects_a_header_that_was_changed() {
    let mut request = Signing::get();
    request.sign();
    request.set("host", "objectstorage.us-phoenix-1.oraclecloud.com");
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "signature");
}

#[test]
fn rejects_a_body_that_was_changed() {
    let mut request = Signing::post();
    request.sign();
    request.body = br#"{"name":"b2","compartmentId":"ocid1.compartment.oc1..aaaa"}"#;
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "body-hash");
}

#[test]
fn rejects_a_length_that_is_not_the_bodys() {
    let mut request = Signing::post();
    request.set("content-length", "58");
    assert_eq!(clause(&request.outcome(&Options::API)), "content-length");
}

#[test]
fn accepts_the_hash_of_an_empty_body() {
    let mut request = Signing::post();
    request.body = b"";
    request.set("content-length", "0");
    request.set("x-content-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(clause(&request.outcome(&Options::API)), "allowed");
}

#[test]
fn dates_count_for_five_minutes_either_way() {
    let mut request = Signing::get();
    request.sign();
    for (seconds, expected) in [(299, "allowed"), (-299, "allowed"), (301, "date"), (-301, "date")] {
        assert_eq!(clause(&request.check(&Options::API, at_date(seconds))), expected, "{seconds} s later");
    }
}

#[test]
fn rejects_a_request_that_is_replayed_after_five_minutes() {
    let mut request = Signing::get();
    request.sign();
    let decision = request.check(&Options::API, at_date(600));
    let refusal = decision.refusal().unwrap();
    assert_eq!((refusal.clause, refusal.kind().exit_code()), ("date", 6));
    assert!(refusal.seen.contains("600 s behind"), "{}", refusal.seen);
}

#[test]
fn rejects_a_missing_mandatory_header() {
    for (signed, missing) in
        [("(request-target) host", "date"), ("date host", "(request-target)"), ("date (request-target)", "host")]
    {
        let decision = Signing::get().signed(signed).outcome(&Options::API);
        let refusal = decision.refusal().unwrap();
        assert_eq!(refusal.clause, "signed-headers");
        assert!(refusal.wanted.contains(missing), "{}", refusal.wanted);
    }
    for missing in ["content-length", "content-type", "x-content-sha256"] {
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            let mut request = Signing::post().signed(&BODY.replace(&format!(" {missing}"), ""));
            request.method = method;
            assert_eq!(clause(&request.outcome(&Options::API)), "signed-headers", "without {missing}");
        }
    }
}

#[test]
fn rejects_a_signed_header_that_was_not_sent() {
    let request = Signing::get().signed("date (request-target) host opc-obo-token");
    assert_eq!(clause(&request.outcome(&Options::API)), "signed-headers");
}

#[test]
fn rejects_a_signed_header_that_was_sent_twice() {
    let mut request = Signing::get();
    request.sign();
    request.headers.append("host", HeaderValue::from_static("evil.example"));
    // The two are joined for the signature, which therefore no longer verifies; the host is looked at first.
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "signed-headers");
}

#[test]
fn uploads_may_leave_the_body_out_of_the_signature() {
    let mut request = Signing::get();
    request.method = Method::PUT;
    request.body = b"content";
    request.sign();
    assert_eq!(clause(&request.check(&Options::UPLOAD, at_date(0))), "allowed");
    assert_eq!(clause(&request.check(&Options::API, at_date(0))), "signed-headers");
}

#[test]
fn uploads_that_sign_the_body_are_still_held_to_it() {
    let mut request = Signing::post();
    request.sign();
    request.body = b"other";
    assert_eq!(clause(&request.check(&Options::UPLOAD, at_date(0))), "body-hash");
}

#[test]
fn the_auth_service_does_not_need_the_host() {
    let request = Signing::post().signed("date (request-target) content-length content-type x-content-sha256");
    assert_eq!(clause(&request.outcome(&Options::AUTH_SERVICE)), "allowed");
}

#[test]
fn rejects_a_request_that_was_signed_for_another_relying_party() {
    let options = Options { host: HostRule::OneOf(&["authority.example"]), ..Options::TOKEN_ENDPOINT };
    let mut request = Signing::get();
    request.set("host", "Authority.example");
    assert_eq!(clause(&request.outcome(&options)), "allowed");
    assert_eq!(clause(&Signing::get().outcome(&options)), "host");
}

#[test]
fn principals_are_not_shared_between_keys() {
    let names: BTreeMap<&str, &str> = BTreeMap::from([("a/u1/f", "u1"), ("a/u2/f", "u2")]);
    for (key_id, user) in names {
        let mut request = Signing::get();
        key_id.clone_into(&mut request.key_id);
        assert_eq!(request.outcome(&Options::API).grant().unwrap().principal, user);
    }
}
