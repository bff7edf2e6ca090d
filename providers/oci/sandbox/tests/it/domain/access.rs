//! Access tokens of the domain: who gets one, for what, and how. For its keys see `issuer`.

use carnet_jose::{Algorithm, KeySet, Rules, SigningKey, UnverifiedJwt, verify_jwt};
use carnet_oci_sandbox::seed;
use carnet_x509::{Authority, LeafProfile, der_to_pem};
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::support::{EXCHANGE, SESSION_KEY, Sandbox, claims, form, github_token, public_key, sign};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ADMIN: (&str, &str) = (seed::domain::ADMIN_CLIENT_ID, seed::domain::ADMIN_CLIENT_SECRET);
pub(super) const JWKS: &str = "/admin/v1/SigningCert/jwk";

/// The signed exchange with this scope.
fn exchange(scope: &str) -> [(&'static str, &str); 3] {
    [("grant_type", EXCHANGE), ("requested_token_type", ACCESS_TOKEN), ("scope", scope)]
}

pub(super) async fn anonymous(sandbox: &Sandbox, path: &str) -> super::support::Answer {
    sandbox.send(Request::get(path).body(axum::body::Body::empty()).unwrap()).await
}

pub(super) fn verifies(token: &str, jwks: &Value, now: i64) -> bool {
    let keys = KeySet::from_json(jwks.to_string().as_bytes()).unwrap();
    let rules = Rules {
        issuer: Some(seed::DOMAIN_URL),
        audiences: Some(&[seed::DOMAIN_URL]),
        algorithms: &[Algorithm::Rs256],
        leeway: SignedDuration::ZERO,
        require_expiry: true,
        max_lifetime: None,
        types: &["JWT"],
    };
    verify_jwt(&UnverifiedJwt::parse(token).unwrap(), &keys, &rules, Timestamp::from_second(now).unwrap()).is_ok()
}

#[tokio::test]
async fn a_signed_user_gets_a_token_that_others_can_verify() {
    let sandbox = Sandbox::new();
    let answer = sandbox.signed_token(&exchange("urn:opc:idm:__myscopes__")).await.ok(200);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let token = answer["access_token"].as_str().unwrap();
    let discovery = anonymous(&sandbox, "/.well-known/openid-configuration").await.ok(200);
    assert_eq!(discovery["issuer"], json!(seed::DOMAIN_URL));
    assert_eq!(discovery["jwks_uri"], json!(format!("{}{JWKS}", seed::DOMAIN_URL)));
    let jwks = anonymous(&sandbox, JWKS).await.ok(200);
    assert!(verifies(token, &jwks, sandbox.now()));

    let header = UnverifiedJwt::parse(token).unwrap().unverified_header().clone();
    assert_eq!((&header["kid"], &header["typ"]), (&json!("SIGNING_KEY"), &json!("JWT")));
    assert_eq!(header["x5t#S256"], jwks["keys"][0]["x5t#S256"]);
    let claims = claims(token);
    assert_eq!((&claims["tok_type"], &claims["sub_type"]), (&json!("AT"), &json!("user")));
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!(seed::ADMIN_USER_NAME), &json!(seed::DOMAIN_URL)));
    assert_eq!(claims["scope"], json!("urn:opc:idm:role.Identity%20Domain%20Administrator"));
}

#[tokio::test]
async fn a_federated_session_can_be_traded_for_an_access_token() {
    let sandbox = Sandbox::new();
    let subject = github_token(&super::support::GITHUB_KEY, &json!({}));
    let key = public_key();
    let fields = [
        ("grant_type", EXCHANGE),
        ("requested_token_type", "urn:oci:token-type:oci-upst"),
        ("subject_token_type", "jwt"),
        ("subject_token", &subject),
        ("public_key", &key),
    ];
    let client = (seed::domain::EXCHANGE_CLIENT_ID, seed::domain::EXCHANGE_CLIENT_SECRET);
    let upst = sandbox.token(client, &fields).await.ok(200)["token"].as_str().unwrap().to_owned();
    let body = form(&exchange("urn:opc:idm:__myscopes__"));
    let media_type = "application/x-www-form-urlencoded";
    let request = |key: &SigningKey| {
        sandbox.signed(&Method::POST, super::support::TOKEN_PATH, media_type, &body, &format!("ST${upst}"), key)
    };
    let answer = sandbox.send(request(&SESSION_KEY)).await.ok(200);
    let claims = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!(seed::SERVICE_USER_NAME), &json!("")));

    let stolen = sandbox.send(request(&super::support::OTHER_KEY)).await;
    assert_eq!(stolen.oauth_error(401), "invalid_client", "the session token without its key");
}

#[tokio::test]
async fn a_resource_gets_a_token_under_its_own_name_and_no_rights() {
    let sandbox = Sandbox::new();
    let key_id = format!("ST${}", super::exchange::resource_token(&sandbox).await);
    let body = form(&exchange("urn:opc:idm:__myscopes__"));
    let media_type = "application/x-www-form-urlencoded";
    let request = sandbox.signed(&Method::POST, super::support::TOKEN_PATH, media_type, &body, &key_id, &SESSION_KEY);
    let answer = sandbox.send(request).await.ok(200);
    let token = answer["access_token"].as_str().unwrap();
    let claims = claims(token);
    assert_eq!(claims["sub"], json!("project_path:carnet-sandbox/app:ref_type:branch:ref:main"));
    assert_eq!((&claims["sub_type"], &claims["aud"]), (&json!("client"), &json!(seed::DOMAIN_URL)));
    sandbox.bearer(token, Method::GET, "/admin/v1/Users", None).await.scim_error(403);
    let request = sandbox.signed(&Method::GET, "/admin/v1/Users", "application/json", "", &key_id, &SESSION_KEY);
    sandbox.send(request).await.scim_error(403);
}

#[tokio::test]
async fn rejects_exchange_for_access_token_by_a_client() {
    let sandbox = Sandbox::new();
    let answer = sandbox.token(ADMIN, &exchange("urn:opc:idm:__myscopes__")).await;
    assert_eq!(answer.oauth_error(400), "invalid_request");
}

#[tokio::test]
async fn rejects_signed_request_whose_body_was_changed() {
    let sandbox = Sandbox::new();
    let media_type = "application/x-www-form-urlencoded";
    let body = form(&exchange("urn:opc:idm:__myscopes__"));
    let (parts, _) = sandbox.signed_by_admin(&Method::POST, super::support::TOKEN_PATH, media_type, &body).into_parts();
    let changed = body.replace("__myscopes__", "__yrscopes__");
    let answer = sandbox.send(Request::from_parts(parts, axum::body::Body::from(changed))).await;
    assert_eq!(answer.oauth_error(401), "invalid_client");
}

#[tokio::test]
async fn scopes_set_the_life_and_narrow_the_roles() {
    let sandbox = Sandbox::new();
    let ask = async |scope: &str| {
        sandbox.world.clock.advance(SignedDuration::from_secs(1));
        sandbox.signed_token(&exchange(scope)).await
    };
    let short = ask("urn:opc:idm:__myscopes__ urn:opc:resource:expiry=60").await.ok(200);
    let claims_of = claims(short["access_token"].as_str().unwrap());
    assert_eq!(short["expires_in"], json!(60));
    assert_eq!(claims_of["exp"].as_i64().unwrap() - claims_of["iat"].as_i64().unwrap(), 60);
    assert_eq!(ask("urn:opc:idm:__myscopes__ urn:opc:resource:expiry=59").await.oauth_error(400), "invalid_scope");
    assert_eq!(ask("").await.oauth_error(400), "invalid_scope");
    assert_eq!(ask("http://nobody.example/scope").await.oauth_error(400), "invalid_scope");

    // A role that the client has, its name encoded twice; and one that it has not.
    let fields = |scope| [("grant_type", "client_credentials"), ("scope", scope)];
    let narrowed = sandbox.token(ADMIN, &fields("urn:opc:idm:role.Identity%20Domain%20Administrator")).await.ok(200);
    let token = narrowed["access_token"].as_str().unwrap();
    assert_eq!(sandbox.bearer(token, Method::GET, "/admin/v1/Users", None).await.status, 200);
    let other = sandbox.token(ADMIN, &fields("urn:opc:idm:role.User%20Manager")).await;
    assert_eq!(other.oauth_error(400), "invalid_scope");
    assert_eq!(sandbox.last_clause(), "scope");
}

#[tokio::test]
async fn an_application_administrator_cannot_grant_itself_more() {
    let sandbox = Sandbox::new();
    let app = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "apps", "active": true,
        "basedOnTemplate": {"value": "CustomWebAppTemplateId"}, "isOAuthClient": true, "clientType": "confidential",
        "allowedGrants": ["client_credentials"],
    });
    let app = sandbox.admin(Method::POST, "/admin/v1/Apps", Some(app)).await.ok(201);
    let grant = |role: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:Grant"], "grantMechanism": "ADMINISTRATOR_TO_APP",
            "grantee": {"value": app["id"], "type": "App"}, "app": {"value": "IDCSAppId"},
            "entitlement": {"attributeName": "appRoles", "attributeValue": role},
        })
    };
    let role_id = async |name: &str| {
        let path = format!("/admin/v1/AppRoles?filter=displayName+eq+%22{}%22", name.replace(' ', "+"));
        let roles = sandbox.admin(Method::GET, &path, None).await.ok(200);
        roles["Resources"][0]["id"].as_str().unwrap().to_owned()
    };
    let (less, more) = (role_id("Application Administrator").await, role_id("Identity Domain Administrator").await);
    sandbox.admin(Method::POST, "/admin/v1/Grants", Some(grant(&less))).await.ok(201);

    let client = (app["name"].as_str().unwrap(), app["clientSecret"].as_str().unwrap());
    let fields = [("grant_type", "client_credentials"), ("scope", "urn:opc:idm:__myscopes__")];
    let answer = sandbox.token(client, &fields).await.ok(200);
    let token = answer["access_token"].as_str().unwrap();
    sandbox.bearer(token, Method::GET, "/admin/v1/Grants", None).await.ok(200);
    sandbox.bearer(token, Method::POST, "/admin/v1/Grants", Some(grant(&more))).await.scim_error(403);
}

#[tokio::test]
async fn a_scope_of_a_resource_server_sets_the_audience() {
    let sandbox = Sandbox::new();
    let server = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "aws", "active": true,
        "basedOnTemplate": {"value": "CustomWebAppTemplateId"}, "isOAuthResource": true, "audience": "sts.amazon.com",
        "isOAuthClient": true, "allowedGrants": ["client_credentials"], "scopes": [{"value": "/"}],
        "accessTokenExpiry": 600,
    });
    let app = sandbox.admin(Method::POST, "/admin/v1/Apps", Some(server)).await.ok(201);
    let signed = sandbox.signed_token(&exchange("sts.amazon.com/")).await.ok(200);
    let token = claims(signed["access_token"].as_str().unwrap());
    assert_eq!((&token["aud"], &token["scope"]), (&json!("sts.amazon.com"), &json!("/")));
    assert_eq!(signed["expires_in"], json!(600));

    let client = (app["name"].as_str().unwrap(), app["clientSecret"].as_str().unwrap());
    let fields = [("grant_type", "client_credentials"), ("scope", "sts.amazon.com/")];
    assert_eq!(sandbox.token(client, &fields).await.oauth_error(400), "invalid_scope", "not among its allowed scopes");
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "path": "allowedScopes", "value": [{"fqs": "sts.amazon.com/"}]}],
    });
    sandbox.admin(Method::PATCH, &format!("/admin/v1/Apps/{}", app["id"].as_str().unwrap()), Some(body)).await.ok(200);
    let allowed = sandbox.token(client, &fields).await.ok(200);
    assert_eq!(claims(allowed["access_token"].as_str().unwrap())["aud"], json!("sts.amazon.com"));

    let answer = sandbox.bearer(signed["access_token"].as_str().unwrap(), Method::GET, "/admin/v1/Users", None).await;
    answer.scim_error(401);
}

#[tokio::test]
async fn rejects_client_credentials_that_the_app_may_not_use() {
    let sandbox = Sandbox::new();
    let app = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "no grants", "active": true,
        "basedOnTemplate": {"value": "CustomWebAppTemplateId"}, "isOAuthClient": true,
    });
    let app = sandbox.admin(Method::POST, "/admin/v1/Apps", Some(app)).await.ok(201);
    let client = (app["name"].as_str().unwrap(), app["clientSecret"].as_str().unwrap());
    let fields = [("grant_type", "client_credentials"), ("scope", "urn:opc:idm:__myscopes__")];
    assert_eq!(sandbox.token(client, &fields).await.oauth_error(400), "unauthorized_client");
    assert_eq!(sandbox.last_clause(), "grant");
}

#[tokio::test]
async fn a_refresh_token_works_once() {
    let sandbox = Sandbox::new();
    let public = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "cli", "active": true,
        "basedOnTemplate": {"value": "CustomBrowserMobileTemplateId"}, "isOAuthClient": true,
    });
    let app = sandbox.admin(Method::POST, "/admin/v1/Apps", Some(public)).await.ok(201);
    assert!(app.get("clientSecret").is_none(), "a public client has no secret");
    let client_id = app["name"].as_str().unwrap();
    let scope = "urn:opc:idm:__myscopes__ offline_access";
    let mut fields = exchange(scope).to_vec();
    assert_eq!(sandbox.signed_token(&fields).await.oauth_error(400), "invalid_request", "without client_id");
    fields.extend([("client_id", client_id), ("isCLI", "true")]);
    let answer = sandbox.signed_token(&fields).await.ok(200);
    let refresh = answer["refresh_token"].as_str().unwrap();

    let again = |token| [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)];
    let first = sandbox.token_raw(None, &form(&again(refresh))).await.ok(200);
    assert_eq!(claims(first["access_token"].as_str().unwrap())["sub"], json!(seed::ADMIN_USER_NAME));
    assert_eq!(sandbox.token_raw(None, &form(&again(refresh))).await.oauth_error(400), "invalid_grant");
    let second = first["refresh_token"].as_str().unwrap();
    assert_eq!(sandbox.token_raw(None, &form(&again(second))).await.status, 200);
}

/// An app with a certificate, and the certificate's key.
async fn app_with_certificate(sandbox: &Sandbox) -> (String, SigningKey) {
    let key = SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("my-cert");
    let at = |seconds: i64| Timestamp::from_second(sandbox.now() + seconds).unwrap();
    let profile = LeafProfile {
        subject: vec![("CN", "app".to_owned())],
        dns: Vec::new(),
        ip: Vec::new(),
        uri: Vec::new(),
        server: false,
        client: true,
        not_before: at(-60),
        not_after: at(86_400),
        key: Algorithm::Rs256,
    };
    let authority = Authority::root("test", Algorithm::Es256, at(-60), at(86_400)).unwrap();
    let certificate = authority.issue_for_key(&profile, &key.public_spki()).unwrap();
    let app = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "keyed", "active": true,
        "basedOnTemplate": {"value": "CustomWebAppTemplateId"}, "isOAuthClient": true,
        "allowedGrants": ["client_credentials"],
        "certificates": [{"certAlias": "my-cert", "x509Base64Certificate": der_to_pem(&certificate)}],
    });
    let app = sandbox.admin(Method::POST, "/admin/v1/Apps", Some(app)).await.ok(201);
    (app["name"].as_str().unwrap().to_owned(), key)
}

#[tokio::test]
async fn a_client_assertion_stands_for_the_secret_and_works_once() {
    let sandbox = Sandbox::new();
    let (client_id, key) = app_with_certificate(&sandbox).await;
    let assertion = |extra: Value| {
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": [format!("{}/", seed::DOMAIN_URL)], "jti": "1",
            "iat": sandbox.now(), "exp": sandbox.now() + 300,
        });
        sign(&key, claims, &extra)
    };
    let send = async |assertion: String| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", "urn:opc:idm:__myscopes__"),
            ("client_id", client_id.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        sandbox.token_raw(None, &form(&fields)).await
    };
    assert_eq!(send(assertion(json!({}))).await.status, 200);
    assert_eq!(send(assertion(json!({}))).await.oauth_error(401), "invalid_client", "the second time");
    for extra in [
        json!({"jti": "2", "aud": "https://identity.oraclecloud.com/"}),
        json!({"jti": "3", "sub": "another"}),
        json!({"jti": "4", "exp": sandbox.now() - 1}),
        json!({"jti": "5", "exp": sandbox.now() + 200_000}),
        json!({"jti": "6", "iss": "another", "sub": "another"}),
    ] {
        assert_eq!(send(assertion(extra.clone())).await.oauth_error(401), "invalid_client", "{extra}");
    }
    let forged = sign(
        &SESSION_KEY,
        json!({"iss": client_id, "sub": client_id, "aud": seed::DOMAIN_URL}),
        &json!({
            "iat": sandbox.now(), "exp": sandbox.now() + 300,
        }),
    );
    assert_eq!(send(forged).await.oauth_error(401), "invalid_client");
}
