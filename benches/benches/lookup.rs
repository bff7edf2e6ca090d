//! What it costs an emulator to find one federated trust among ten and among ten thousand: a request that ends once its
//! trust was found, so that no signature and no key of an issuer is in it. Flat is 1.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark that cannot be set up must stop")]

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body};
use carnet_benches::{median, microseconds};
use carnet_core::{AwsKeys, FixedClock, NoHttp, Secret, SystemRandom};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_oauth::trust::Trust;
use carnet_sandbox_kit::{Emulator, World};
use carnet_sigv4::{Scope, sign};
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use url::form_urlencoded::Serializer;

/// 2026-11-21 12:00:00 UTC.
const NOW: i64 = 1_795_262_400;
const FEW: usize = 10;
const MANY: usize = 10_000;
/// Requests of one sample.
const EACH: usize = 100;
const ROUNDS: usize = 60;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let set_ups: [(&str, SetUp); 4] = [("aws", aws), ("azure", azure), ("oauth", oauth), ("vault", vault)];
    for (name, set_up) in set_ups {
        let places = [FEW, MANY].map(|trusts| set_up(&runtime, trusts));
        let rows: Vec<[f64; 2]> = (0..ROUNDS)
            .map(|_| places.each_ref().map(|place| microseconds(EACH, || (0..EACH).for_each(|_| place.ask(&runtime)))))
            .collect();
        let [few, many] = [0, 1].map(|at| median(rows.iter().filter_map(|row| row.get(at)).copied().collect()));
        let ratio = median(rows.iter().map(|[few, many]| many / few).collect());
        println!("{name}: {few:.1} µs among {FEW} trusts, {many:.1} µs among {MANY}: {ratio:.2} times");
    }
}

/// Makes an emulator with so many trusts.
type SetUp = fn(&Runtime, usize) -> Place;

/// A service, and a request that is refused once its trust was found.
struct Place {
    router: Router,
    path: String,
    content_type: &'static str,
    body: String,
    /// What the refusal says, and with which status.
    refused: (u16, &'static str),
}

impl Place {
    fn ask(&self, runtime: &Runtime) {
        let (status, _) = self.refused;
        assert_eq!(self.answer(runtime).0, status);
    }

    fn answer(&self, runtime: &Runtime) -> (u16, String) {
        let headers = [("content-type", self.content_type)];
        let (status, body) = send(runtime, &self.router, "POST", &self.path, &headers, self.body.clone());
        (status.as_u16(), body)
    }

    /// Looks whether it is the refusal that is meant.
    fn checked(self, runtime: &Runtime) -> Self {
        let (status, body) = self.answer(runtime);
        assert!((status, body.contains(self.refused.1)) == (self.refused.0, true), "{status}: {body}");
        self
    }
}

fn send(
    runtime: &Runtime,
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).expect("a request");
    runtime.block_on(async {
        let (parts, body) = router.clone().oneshot(request).await.expect("an answer").into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status, String::from_utf8_lossy(&body).into_owned())
    })
}

fn world() -> World {
    let now = Timestamp::from_second(NOW).expect("a time");
    World::new(Arc::new(FixedClock::at(now)), Arc::new(SystemRandom), Arc::new(NoHttp))
}

fn routers(emulator: &impl Emulator) -> BTreeMap<&'static str, Router> {
    emulator.services().into_iter().map(|service| (service.name, service.router)).collect()
}

fn router(routers: &BTreeMap<&'static str, Router>, service: &str) -> Router {
    routers.get(service).cloned().expect("it is there")
}

fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A token whose signature nobody gets to.
fn token(claims: &Value) -> Secret {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key").with_kid("k");
    encode_jwt(&key, &Map::new(), claims.as_object().expect("an object")).expect("a token")
}

/// A provider and a role for each trust. The token is over, which is seen once role and provider were found.
fn aws(runtime: &Runtime, trusts: usize) -> Place {
    use carnet_aws_sandbox::seed;
    let routers = routers(&carnet_aws_sandbox::emulator(world()));
    let iam = router(&routers, "aws-iam");
    for at in 0..trusts {
        let (url, role) = (format!("https://issuer-{at}.example"), format!("role-{at}"));
        let provider = [
            ("Action", "CreateOpenIDConnectProvider"),
            ("Version", "2010-05-08"),
            ("Url", url.as_str()),
            ("ClientIDList.member.1", "client"),
        ];
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": { "Federated": format!("arn:aws:iam::{}:oidc-provider/issuer-{at}.example", seed::ACCOUNT) },
            "Condition": { "StringEquals": { format!("issuer-{at}.example:sub"): "job" } } }] })
        .to_string();
        let role = [
            ("Action", "CreateRole"),
            ("Version", "2010-05-08"),
            ("RoleName", role.as_str()),
            ("AssumeRolePolicyDocument", trust.as_str()),
        ];
        for fields in [provider, role] {
            let (status, body) = signed(runtime, &iam, &fields);
            assert!(status.is_success(), "{body}");
        }
    }
    let last = trusts.saturating_sub(1);
    let token = token(&json!({ "iss": format!("https://issuer-{last}.example"), "sub": "job", "aud": "client",
        "iat": NOW - 600, "exp": NOW - 300 }));
    let arn = format!("arn:aws:iam::{}:role/role-{last}", seed::ACCOUNT);
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", arn.as_str()),
        ("RoleSessionName", "job"),
        ("WebIdentityToken", token.expose()),
    ];
    let place = Place {
        router: router(&routers, "aws-sts"),
        path: "/".to_owned(),
        content_type: FORM.1,
        body: form(&fields),
        refused: (400, "ExpiredTokenException"),
    };
    place.checked(runtime)
}

/// A call of IAM, signed by the user who sets things up.
fn signed(runtime: &Runtime, iam: &Router, fields: &[(&str, &str)]) -> (StatusCode, String) {
    use carnet_aws_sandbox::seed;
    let keys = AwsKeys {
        access_key_id: seed::ACCESS_KEY_ID.to_owned(),
        secret_access_key: Secret::new(seed::SECRET_ACCESS_KEY),
        session_token: None,
    };
    let time = Timestamp::from_second(NOW).expect("a time");
    let url = "http://127.0.0.1:7000/".parse().expect("a URL");
    let request = carnet_core::Request::post_form(url, fields);
    let request = sign(request, &keys, &Scope { time, region: seed::REGION, service: "iam" }).expect("it signs");
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("visible ASCII"))).collect();
    let body = String::from_utf8_lossy(&request.body).into_owned();
    send(runtime, iam, "POST", "/", &headers, body)
}

/// An application with a federated credential for each trust. The token is not signed with RSA, which is seen once the
/// credential was found.
fn azure(runtime: &Runtime, trusts: usize) -> Place {
    use carnet_azure_sandbox::seed;
    const ISSUER: &str = "https://issuer.example";
    let routers = routers(&carnet_azure_sandbox::emulator(world()));
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";
    let (_, body) = send(runtime, &router(&routers, "azure-imds"), "GET", path, &[("metadata", "true")], String::new());
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let authorization = format!("Bearer {}", body.get("access_token").and_then(Value::as_str).expect("a token"));
    let graph = router(&routers, "azure-graph");
    let post = |path: &str, body: Value| -> Value {
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let (status, answer) = send(runtime, &graph, "POST", path, &headers, body.to_string());
        assert_eq!(status, StatusCode::CREATED, "{path}: {answer}");
        serde_json::from_str(&answer).expect("JSON")
    };
    let mut client = String::new();
    for at in 0..trusts {
        let made = post("/v1.0/applications", json!({ "displayName": format!("app-{at}") }));
        made.get("appId").and_then(Value::as_str).expect("an id").clone_into(&mut client);
        post("/v1.0/servicePrincipals", json!({ "appId": client }));
        let credential = json!({ "name": "main", "issuer": ISSUER, "subject": format!("job-{at}"),
            "audiences": ["api://AzureADTokenExchange"] });
        post(&format!("/v1.0/applications(appId='{client}')/federatedIdentityCredentials"), credential);
    }
    let token = token(&json!({ "iss": ISSUER, "sub": format!("job-{}", trusts.saturating_sub(1)),
        "aud": "api://AzureADTokenExchange", "iat": NOW, "exp": NOW + 300 }));
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client.as_str()),
        ("scope", "https://storage.azure.com/.default"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", token.expose()),
    ];
    let place = Place {
        router: router(&routers, "azure-entra"),
        path: format!("/{}/oauth2/v2.0/token", seed::TENANT),
        content_type: FORM.1,
        body: form(&fields),
        refused: (400, "AADSTS5002738"),
    };
    place.checked(runtime)
}

/// A federated identity of Tailscale for each trust. The token is none, which is seen once the identity was found.
fn oauth(runtime: &Runtime, trusts: usize) -> Place {
    let emulator = carnet_oauth_sandbox::emulator(world());
    for number in 0..trusts {
        let members = BTreeMap::from([("client_id".to_owned(), vec![format!("k{number}")])]);
        let issuer = carnet_oauth_sandbox::seed::GITHUB_ISSUER.to_owned();
        emulator.add_trust("tailscale", Trust { issuer, members, ..Trust::default() }).expect("there is room");
    }
    let last = format!("k{}", trusts.saturating_sub(1));
    let place = Place {
        router: router(&routers(&emulator), "oauth-tailscale"),
        path: "/api/v2/oauth/token-exchange".to_owned(),
        content_type: FORM.1,
        body: form(&[("client_id", last.as_str()), ("jwt", "none")]),
        refused: (403, "Unauthorized"),
    };
    place.checked(runtime)
}

/// A JWT role for each trust. The token is none, which is seen once the role was found.
fn vault(runtime: &Runtime, trusts: usize) -> Place {
    use carnet_vault_sandbox::seed;
    let vault = router(&routers(&carnet_vault_sandbox::emulator(world())), "vault");
    let headers = [("x-vault-token", seed::ROOT_TOKEN), ("content-type", "application/json")];
    for at in 0..trusts {
        let role = json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
            "bound_claims": { "team": format!("team-{at}") }, "token_policies": ["app"] });
        let path = format!("/v1/auth/jwt/role/role-{at}");
        let (status, body) = send(runtime, &vault, "POST", &path, &headers, role.to_string());
        assert!(status.is_success(), "{body}");
    }
    let place = Place {
        router: vault,
        path: "/v1/auth/jwt/login".to_owned(),
        content_type: "application/json",
        body: json!({ "role": format!("role-{}", trusts.saturating_sub(1)), "jwt": "none" }).to_string(),
        refused: (400, "malformed token"),
    };
    place.checked(runtime)
}
