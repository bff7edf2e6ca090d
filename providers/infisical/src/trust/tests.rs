//! One valid proof for each method, bent in one place.

use std::sync::LazyLock;

use carnet_core::Secret;
use carnet_jose::{Algorithm, KeySet, SigningKey, encode_jwt};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;

const NOW: i64 = 1_795_262_400;
const IDENTITY: &str = "6f3c2c3e-0000-4000-8000-000000000001";
const ISSUER: &str = "https://issuer.example";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k1"));

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn keys() -> KeySet {
    KeySet::of(KEY.public_key().unwrap())
}

/// A token with these claims in place of the usual ones; `null` takes one away.
fn token(changes: Value) -> Secret {
    let mut claims = json!({
        "iss": ISSUER, "sub": "repo:org/app:ref:refs/heads/main", "aud": "infisical", "iat": NOW, "exp": NOW + 300,
        "repository": "org/app",
    });
    let Value::Object(changes) = changes else { panic!("no claims") };
    let claims = claims.as_object_mut().unwrap();
    claims.extend(changes);
    claims.retain(|_, value| !value.is_null());
    encode_jwt(&KEY, &Map::new(), claims).unwrap()
}

fn method<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

type Expected<'a> = (Value, u16, &'a str, &'a str);

/// Each bent token is refused with this status, clause and text.
fn refused_each(decide: impl Fn(&Secret) -> Checked<Proven>, cases: &[Expected<'_>]) {
    for (changes, status, clause, text) in cases {
        let refused = decide(&token(changes.clone())).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (*status, *clause), "{changes}: {refused:?}");
        assert!(refused.refusal.code.contains(text), "{changes}: {}", refused.refusal.code);
    }
}

fn oidc() -> OidcAuth {
    method(json!({ "oidcDiscoveryUrl": ISSUER, "boundIssuer": ISSUER, "boundAudiences": "other, infisical",
        "boundSubject": "repo:org/app:ref:refs/heads/*", "boundClaims": { "repository": "org/app" },
        "claimMetadataMapping": { "repo": "repository" } }))
}

#[test]
fn a_token_logs_in_by_oidc_and_its_claims_become_metadata() {
    let proven = oidc().decide(&token(json!({})), &keys(), now()).unwrap();
    assert_eq!(proven.attributes["repo"], "org/app");
    assert_eq!(proven.held.last(), Some(&"bound-claims"));
}

#[test]
fn rejects_each_token_that_is_bent_in_one_place_by_oidc() {
    let auth = oidc();
    refused_each(
        |token| auth.decide(token, &keys(), now()),
        &[
            (
                json!({ "iss": "https://other.example" }),
                401,
                "issuer",
                "Access denied: jwt issuer invalid. expected: https",
            ),
            (json!({ "exp": NOW }), 401, "expired", "Access denied: jwt expired"),
            (json!({ "nbf": NOW + 1 }), 401, "not-yet", "Access denied: jwt not active"),
            (json!({ "exp": "soon" }), 401, "form", "Access denied: invalid exp value"),
            (json!({ "nbf": 1e30 }), 401, "form", "Access denied: invalid nbf value"),
            (
                json!({ "sub": "repo:org/app:ref:refs/heads/a/b" }),
                403,
                "subject",
                "Access denied: OIDC subject not allowed.",
            ),
            (json!({ "sub": null }), 403, "subject", "Access denied: OIDC subject not allowed."),
            (json!({ "aud": ["a", "b"] }), 401, "audience", "Access denied: OIDC audience not allowed."),
            (json!({ "repository": "org/other" }), 401, "bound-claims", "Access denied: OIDC claim not allowed."),
            (json!({ "repository": null }), 401, "claim-missing", "Access denied: token has no repository field"),
        ],
    );
}

#[test]
fn rejects_other_key_unknown_key_and_what_is_no_token_by_oidc() {
    let other = KeySet::of(SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k1").public_key().unwrap());
    let unknown = KeySet::of(SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k2").public_key().unwrap());
    for (keys, clause, text) in [
        (other, "signature", "Access denied: invalid signature"),
        (unknown, "key", "The signing key 'k1' was not found"),
    ] {
        let refused = oidc().decide(&token(json!({})), &keys, now()).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (401, clause));
        assert!(refused.refusal.code.contains(text), "{}", refused.refusal.code);
    }
    let refused = oidc().decide(&Secret::new("none"), &keys(), now()).unwrap_err();
    assert_eq!((refused.status, refused.refusal.code.as_str()), (401, "Invalid JWT"));
}

#[test]
fn no_tolerance_is_given_to_clocks() {
    oidc().decide(&token(json!({ "exp": NOW + 1, "nbf": NOW })), &keys(), now()).unwrap();
}

#[test]
fn rejects_each_token_that_is_bent_in_one_place_by_jwt() {
    let pem = KEY.public_pem().unwrap();
    let auth: JwtAuth = method(json!({ "configurationType": "static", "publicKeys": [pem], "boundIssuer": ISSUER,
        "boundAudiences": "infisical", "boundSubject": "repo:org/**", "boundClaims": { "repository": "org/*" } }));
    auth.check().unwrap();
    let decide = |token: &Secret| auth.decide(token, &KeySet::default(), now());
    decide(&token(json!({}))).unwrap();
    refused_each(
        decide,
        &[
            (json!({ "exp": NOW }), 401, "expired", "verification failed with all keys. Errors - jwt expired"),
            (json!({ "iss": "https://other.example" }), 403, "issuer", "Access denied: issuer mismatch"),
            (json!({ "sub": null }), 401, "subject", "Access denied: token has no subject field"),
            (json!({ "sub": "repo:other/app" }), 403, "subject", "Access denied: subject not allowed"),
            (json!({ "aud": null }), 401, "audience", "Access denied: token has no audience field"),
            (json!({ "aud": "other" }), 401, "audience", "Access denied: token audience not allowed"),
            (json!({ "repository": "x/y" }), 401, "bound-claims", "Access denied: claim mismatch for field repository"),
            (json!({ "repository": 7 }), 401, "bound-claims", "Access denied: claim mismatch for field repository"),
            (json!({ "repository": null }), 401, "claim-missing", "Access denied: token has no repository field"),
        ],
    );
}

#[test]
fn rejects_key_that_the_set_does_not_have_as_a_failure_by_jwt() {
    let auth: JwtAuth = method(json!({ "jwksUrl": "https://issuer.example/keys" }));
    let refused = auth.decide(&token(json!({})), &KeySet::default(), now()).unwrap_err();
    assert_eq!((refused.status, refused.refusal.clause), (500, "key"));
    auth.decide(&token(json!({})), &keys(), now()).unwrap();
}

#[test]
fn rejects_each_review_that_is_bent_in_one_place() {
    let auth: KubernetesAuth = method(json!({ "kubernetesHost": "https://10.0.0.1", "allowedNamespaces": "team-*",
        "allowedNames": "app", "allowedAudience": "infisical" }));
    let review = |changes: Value| -> Review {
        let mut review = json!({ "authenticated": true, "audiences": ["infisical"],
            "user": { "username": "system:serviceaccount:team-a:app" } });
        review.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        method(review)
    };
    assert_eq!(auth.decide(&review(json!({}))).unwrap().attributes["namespace"], "team-a");
    let user = |name: &str| json!({ "user": { "username": name } });
    for (changes, status, clause, text) in [
        (json!({ "authenticated": false }), 401, "review", "Kubernetes token not authenticated"),
        (json!({ "error": "pod is gone" }), 401, "review", "pod is gone"),
        (user("system:node:a"), 500, "subject", "Something went wrong"),
        (user("system:serviceaccount:other:app"), 401, "namespace", "Access denied: K8s namespace not allowed."),
        (user("system:serviceaccount:team-a:other"), 401, "name", "Access denied: K8s name not allowed."),
        (json!({ "audiences": ["api"] }), 401, "audience", "Access denied: K8s audience not allowed."),
    ] {
        let refused = auth.decide(&review(changes.clone())).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (status, clause), "{changes}");
        assert_eq!(refused.refusal.code, text);
    }
}

#[test]
fn rejects_each_caller_of_aws_that_is_bent_in_one_place() {
    let caller = |account: &str, arn: &str| Caller {
        account: account.to_owned(),
        arn: arn.to_owned(),
        user_id: "AROA:s".to_owned(),
    };
    let session = "arn:aws:sts::123456789012:assumed-role/reader/session";
    let auth: AwsAuth = method(json!({ "allowedAccountIds": "1, 123456789012",
        "allowedPrincipalArns": "arn:aws:iam::123456789012:role/read*" }));
    auth.decide(&caller("123456789012", session)).unwrap();
    auth.decide(&caller("123456789012", "arn:aws:iam::123456789012:role/path/reader")).unwrap();
    for (caller, status, clause) in [
        (caller("2", session), 401, "account"),
        (caller("123456789012", "arn:aws:sts::123456789012:assumed-role/writer/session"), 401, "principal"),
        (caller("123456789012", "arn:aws:iam::123456789012:root"), 500, "principal"),
    ] {
        let refused = auth.decide(&caller).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (status, clause), "{caller:?}");
    }
}

#[test]
fn rejects_signatures_for_no_region() {
    let of =
        |scope: &str| signed_region(Some(&format!("AWS4-HMAC-SHA256 Credential=AK/20261121/{scope}, SignedHeaders=h")));
    assert_eq!(of("eu-central-1/sts/aws4_request").unwrap(), "eu-central-1");
    for scope in ["", "EU/sts", "evil.example#/sts", "a-region-that-is-longer-than-any/sts"] {
        assert_eq!(of(scope).unwrap_err().refusal.code, "Invalid AWS region", "{scope}");
    }
    assert_eq!(signed_region(None).unwrap_err().status, 400);
}

#[test]
fn rejects_each_id_token_of_google_that_is_bent_in_one_place() {
    let auth: GcpAuth = method(json!({ "type": "gce", "allowedServiceAccounts": "app@p.iam.gserviceaccount.com",
        "allowedProjects": "p", "allowedZones": "z" }));
    let good = json!({ "iss": "https://accounts.google.com", "aud": IDENTITY, "email": "app@p.iam.gserviceaccount.com",
        "google": { "compute_engine": { "project_id": "p", "zone": "z" } } });
    let decide = |token: &Secret| auth.decide(IDENTITY, token, &keys(), now());
    decide(&token(good.clone())).unwrap();
    let bent = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let machine = |project: &str, zone: &str| json!({ "compute_engine": { "project_id": project, "zone": zone } });
    refused_each(
        decide,
        &[
            (bent("iss", json!("https://other.example")), 500, "issuer", "Something went wrong"),
            (bent("aud", json!("other")), 500, "audience", "Something went wrong"),
            (bent("exp", json!(NOW - 300)), 500, "expired", "Something went wrong"),
            (bent("email", Value::Null), 401, "service-account", "You are not allowed to access this resource"),
            (bent("email", json!("x@p")), 401, "service-account", "Access denied: GCP service account not allowed."),
            (bent("google", machine("q", "z")), 401, "project", "Access denied: GCP project not allowed."),
            (bent("google", machine("p", "y")), 401, "zone", "Access denied: GCP zone not allowed."),
        ],
    );
    let hole = decide(&token(bent("google", Value::Null))).unwrap();
    assert!(hole.warnings.iter().any(|warning| warning.clause == "project"), "a token without a machine passes");
}

#[test]
fn rejects_each_token_of_a_service_account_that_is_bent_in_one_place() {
    let auth: GcpAuth = method(json!({ "type": "iam" }));
    let good = json!({ "sub": "app@p.iam.gserviceaccount.com", "aud": IDENTITY });
    let decide = |token: &Secret| auth.decide(IDENTITY, token, &keys(), now());
    decide(&token(good.clone())).unwrap();
    refused_each(
        decide,
        &[
            (json!({ "sub": "a@b.example", "aud": IDENTITY }), 401, "subject", "Invalid service account identifier"),
            (json!({ "sub": good["sub"], "aud": "other" }), 401, "audience", "Invalid audience in GCP IAM Token"),
            (json!({ "sub": good["sub"], "aud": [IDENTITY] }), 401, "audience", "Invalid audience in GCP IAM Token"),
            (
                json!({ "sub": good["sub"], "exp": NOW }),
                403,
                "expired",
                "Your token has expired. Please re-authenticate.",
            ),
        ],
    );
}

#[test]
fn rejects_each_token_of_azure_that_is_bent_in_one_place() {
    let auth: AzureAuth = method(json!({ "tenantId": "t", "resource": "https://management.azure.com/",
        "allowedServicePrincipalIds": "o" }));
    let good =
        json!({ "iss": "https://sts.windows.net/t/", "aud": "https://management.azure.com", "tid": "t", "oid": "o" });
    let decide = |token: &Secret| auth.decide(token, &keys(), now());
    decide(&token(good.clone())).unwrap();
    let bent = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    refused_each(
        decide,
        &[
            (bent("iss", json!("https://sts.windows.net/u/")), 403, "issuer", "jwt issuer invalid. expected: https"),
            (bent("aud", json!("https://vault.azure.net")), 403, "audience", "jwt audience invalid. expected: https"),
            (bent("aud", json!(["x"])), 500, "form", "Something went wrong"),
            (bent("exp", json!(NOW)), 403, "expired", "Your token has expired. Please re-authenticate."),
            (bent("tid", json!("u")), 401, "tenant", "Tenant ID mismatch"),
            (bent("oid", json!("p")), 401, "principal", "Service principal 'p' not allowed"),
        ],
    );
    let refused = auth.decide(&token(good), &KeySet::default(), now()).unwrap_err();
    assert_eq!((refused.status, refused.refusal.code.as_str()), (401, "Invalid signing key"));
}

fn spiffe() -> SpiffeAuth {
    let bundle = json!({ "keys": [KEY.public_jwk()] }).to_string();
    method(json!({ "trustDomain": "td", "allowedSpiffeIds": "spiffe://td/ns/*/sa/app", "allowedAudiences": "infisical",
        "trustBundleDistribution": { "profile": "static", "bundle": bundle } }))
}

#[test]
fn rejects_each_svid_that_is_bent_in_one_place() {
    let auth = spiffe();
    auth.check().unwrap();
    let with = |sub: &str| json!({ "sub": sub });
    let bent = |name: &str, value: Value| {
        let mut claims = with("spiffe://td/ns/a/sa/app");
        claims[name] = value;
        claims
    };
    let decide = |token: &Secret| auth.decide(token, &KeySet::default(), now());
    decide(&token(with("spiffe://td/ns/a/sa/app"))).unwrap();
    refused_each(
        decide,
        &[
            (with("spiffe://td.evil/ns/a/sa/app"), 401, "trust-domain", "Access denied"),
            (with("spiffe://td/ns/a/b/sa/app"), 401, "subject", "Access denied"),
            (with("app"), 401, "trust-domain", "Access denied"),
            (bent("aud", json!("other")), 401, "audience", "JWT-SVID audience validation failed"),
            (bent("exp", json!(NOW)), 401, "expired", "JWT-SVID has expired"),
        ],
    );
}

#[test]
fn rejects_svid_of_another_key() {
    let mut auth = spiffe();
    for (kid, text) in [("k1", "JWT-SVID signature verification failed"), ("k2", "JWT-SVID verification failed")] {
        let other = SigningKey::generate(Algorithm::Es256).unwrap().with_kid(kid);
        let bundle = json!({ "keys": [other.public_jwk()] }).to_string();
        auth.trust_bundle_distribution = TrustBundle::Static { bundle };
        let refused = auth.decide(&token(json!({ "sub": "spiffe://td/x" })), &KeySet::default(), now()).unwrap_err();
        assert_eq!((refused.status, refused.refusal.code.as_str()), (401, text));
    }
}

#[test]
fn rejects_client_secrets_from_elsewhere_that_are_over_or_used_up() {
    let auth = UniversalAuth {
        client_secret_trusted_ips: vec![TrustedIp { ip_address: "10.0.0.0/8".to_owned() }],
        ..UniversalAuth::default()
    };
    let (inside, outside) = ("10.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
    let good = ClientSecret { created: now(), ttl: 0, uses: 0, uses_limit: 0 };
    auth.admit(inside, None, now()).unwrap();
    assert_eq!(auth.admit(outside, None, now()).unwrap_err().status, 403);
    UniversalAuth::decide(Some(&good), now()).unwrap();
    let old = Timestamp::from_second(NOW - 61).unwrap();
    for (found, clause, text) in [
        (None, "secret", "Invalid credentials"),
        (
            Some(ClientSecret { created: old, ttl: 60, ..good.clone() }),
            "expired",
            "Access denied due to expired client secret",
        ),
        (
            Some(ClientSecret { uses: 2, uses_limit: 2, ..good.clone() }),
            "uses",
            "Access denied due to client secret usage limit reached",
        ),
    ] {
        let refused = UniversalAuth::decide(found.as_ref(), now()).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (401, clause));
        assert_eq!(refused.refusal.code, text);
    }
}

#[test]
fn three_failures_lock_for_five_minutes() {
    let auth = UniversalAuth::default();
    let at = |seconds: i64| Timestamp::from_second(NOW + seconds).unwrap();
    let peer = "192.0.2.1".parse().unwrap();
    let mut lockout = None;
    for second in 0..3 {
        auth.admit(peer, lockout, at(second)).unwrap();
        lockout = Some(auth.failed(lockout, at(second)));
    }
    let refused = auth.admit(peer, lockout, at(301)).unwrap_err();
    assert_eq!((refused.status, refused.refusal.clause), (401, "locked"));
    auth.admit(peer, lockout, at(302)).unwrap();
    assert_eq!(auth.failed(lockout, at(302)).failed, 1);
}

#[test]
fn the_decision_names_the_identity_and_the_holes() {
    let method = Method::Oidc(OidcAuth { bound_subject: String::new(), bound_claims: BTreeMap::new(), ..oidc() });
    let (token, keys) = (token(json!({ "exp": null })), keys());
    let decision = evaluate(IDENTITY, &method, &Proof::Token { token: &token, keys: &keys }, now());
    let grant = decision.grant().unwrap();
    assert_eq!((grant.principal.as_str(), grant.lifetime.unwrap().as_secs()), (IDENTITY, 2_592_000));
    let clauses: Vec<_> = grant.warnings.iter().map(|warning| warning.clause).collect();
    assert_eq!(clauses, ["lifetime", "address", "subject", "times", "replay"]);
    let wrong = evaluate(IDENTITY, &method, &Proof::Caller(&Caller::default()), now());
    assert_eq!(wrong.refusal().map(|refusal| refusal.clause), Some("proof"));
}

#[test]
fn rejects_absent_methods_in_their_own_words() {
    let text = |name: &str| Method::absent(name, IDENTITY).unwrap().refusal.code;
    assert_eq!(text("oci-auth"), "OCI auth method not found for identity, did you configure OCI auth?");
    assert_eq!(text("azure-auth"), "Azure auth method not found for identity, did you configure Azure Auth?");
    assert!(Method::absent("other-auth", IDENTITY).is_none());
}
