//! The published set-up script and the exchange that follows it, request by request.

use carnet_oci_sandbox::seed;
use http::Method;
use serde_json::{Value, json};

use super::support::{GITHUB_KEY, Sandbox, claims, public_key, sign};

const ISSUER: &str = "https://issuer.example";

/// Steps 1 to 3 (and 7 to 9): create, configure and activate an app. Returns its id, client id and secret.
async fn create_app(sandbox: &Sandbox, name: &str) -> (String, String, String) {
    let created = sandbox
        .signed_admin(
            Method::POST,
            "/admin/v1/Apps",
            Some(json!({
                "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": name,
                "basedOnTemplate": {"value": "CustomWebAppTemplateId"},
            })),
        )
        .await;
    assert_eq!(created.status, 201, "{}", created.body);
    let id = created.body["id"].as_str().unwrap().to_owned();
    let ocid = created.body["ocid"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), format!("{}/admin/v1/Apps/{id}", seed::DOMAIN_URL));
    assert_eq!(created.body["active"], json!(false));
    assert_eq!(id.len(), 32);

    let patched = sandbox
        .signed_admin(
            Method::PATCH,
            &format!("/admin/v1/Apps/{id}"),
            Some(json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [
                    {"op": "REMOVE", "path": "allowOffline"},
                    {"op": "REMOVE", "path": "bypassConsent"},
                    {"op": "ADD", "path": "allowedGrants", "value": ["client_credentials"]},
                    {"op": "ADD", "path": "clientType", "value": "confidential"},
                    {"op": "REPLACE", "path": "isOAuthClient", "value": true},
                ],
            })),
        )
        .await
        .ok(200);
    let client_id = patched["name"].as_str().unwrap().to_owned();
    let secret = patched["clientSecret"].as_str().unwrap().to_owned();
    assert!(
        !client_id.contains('%') && !secret.contains('%'),
        "the script keeps them in a file where % means something"
    );

    let status = sandbox
        .signed_admin(
            Method::PUT,
            &format!("/admin/v1/AppStatusChanger/{ocid}"),
            Some(json!({
                "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:AppStatusChanger"], "active": true, "id": ocid,
            })),
        )
        .await
        .ok(200);
    assert_eq!(status["active"], json!(true));
    (id, client_id, secret)
}

#[tokio::test]
async fn the_set_up_script_completes_and_the_exchange_works() {
    let sandbox = Sandbox::new();
    let (admin_app, admin_client, admin_secret) = create_app(&sandbox, "wif admin").await;

    let roles = sandbox
        .signed_admin(Method::GET, "/admin/v1/AppRoles?filter=displayName+eq+%22Identity+Domain+Administrator%22", None)
        .await
        .ok(200);
    assert_eq!(roles["totalResults"], json!(1));
    let role = roles["Resources"][0]["id"].as_str().unwrap();

    let grant = sandbox
        .signed_admin(
            Method::POST,
            "/admin/v1/Grants",
            Some(json!({
                "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:Grant"], "grantMechanism": "ADMINISTRATOR_TO_APP",
                "grantee": {"value": admin_app, "type": "App"}, "app": {"value": "IDCSAppId"},
                "entitlement": {"attributeName": "appRoles", "attributeValue": role},
            })),
        )
        .await
        .ok(201);
    assert!(grant["id"].is_string());
    assert_eq!(grant["isFulfilled"], json!(true));
    assert_eq!(grant["grantor"]["type"], json!("User"));

    // The script sends headers of a browser as form fields.
    let body = "grant_type=client_credentials&scope=urn%3Aopc%3Aidm%3A__myscopes__\
                &Sec-Fetch-Site=none&Sec-Fetch-Dest=document&Sec-Fetch-Mode=navigate";
    let answer = sandbox.token_raw(Some((&admin_client, &admin_secret)), body).await.ok(200);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let bearer = answer["access_token"].as_str().unwrap();

    let (_, client, secret) = create_app(&sandbox, "wif exchange").await;

    let user = sandbox
        .bearer(
            bearer,
            Method::POST,
            "/admin/v1/Users",
            Some(json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User": {"serviceUser": true},
                "userName": "wif-user",
            })),
        )
        .await
        .ok(201);
    let extension = &user["urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User"];
    assert_eq!(extension, &json!({"serviceUser": true, "isFederatedUser": false}));
    assert_eq!(user["active"], json!(true));
    let user = user["ocid"].as_str().unwrap();
    assert!(user.starts_with("ocid1.user.oc1.."));

    let trust = sandbox
        .bearer(
            bearer,
            Method::POST,
            "/admin/v1/IdentityPropagationTrusts",
            Some(json!({
                "active": true, "allowImpersonation": true, "issuer": ISSUER, "name": "wif-trust",
                "publicKeyEndpoint": format!("{ISSUER}/jwks"), "oauthClients": [client],
                "impersonationServiceUsers": [{"ocid": user, "rule": "sub eq *"}],
                "subjectType": "User", "type": "JWT",
                "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust"],
            })),
        )
        .await
        .ok(201);
    assert!(trust["id"].is_string());

    // wifRuntime.py: colons as they are, only the key is encoded.
    sandbox.issuers.publish(&format!("{ISSUER}/jwks"), &[&GITHUB_KEY]);
    let subject = json!({"iss": ISSUER, "sub": "workload-7", "iat": sandbox.now(), "exp": sandbox.now() + 900});
    let subject = sign(&GITHUB_KEY, subject, &json!({}));
    let key: String = url::form_urlencoded::byte_serialize(public_key().as_bytes()).collect();
    let body = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&requested_token_type=urn:oci:token-type:oci-upst\
         &subject_token={subject}&subject_token_type=jwt&public_key={key}"
    );
    let answer = sandbox.token_raw(Some((&client, &secret)), &body).await.ok(200);
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["token"], "no access_token, token_type or expires_in");
    let upst = claims(answer["token"].as_str().unwrap());
    assert_eq!(upst["sub"], json!(user));
    assert_eq!(upst["tenant"], json!(seed::TENANCY));
    assert_eq!(upst["source_authn_prin"], json!("workload-7"));
    assert_eq!(upst["exp"].as_i64().unwrap() - upst["iat"].as_i64().unwrap(), 900);
    let jwk: Value = serde_json::from_str(upst["jwk"].as_str().unwrap()).unwrap();
    assert_eq!(jwk["n"], json!(super::support::SESSION_KEY.public_jwk().n));
}

#[tokio::test]
async fn an_app_can_be_created_active_in_one_request() {
    let sandbox = Sandbox::new();
    let app = sandbox
        .admin(
            Method::POST,
            "/admin/v1/Apps",
            Some(json!({
                "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "one request", "active": true,
                "isOAuthClient": true, "clientType": "confidential", "allowedGrants": ["client_credentials"],
                "basedOnTemplate": {"value": "CustomWebAppTemplateId"},
            })),
        )
        .await
        .ok(201);
    let client = (app["name"].as_str().unwrap(), app["clientSecret"].as_str().unwrap());
    let fields = [("grant_type", "client_credentials"), ("scope", "urn:opc:idm:__myscopes__")];
    assert!(sandbox.token(client, &fields).await.ok(200)["access_token"].is_string());
}

#[tokio::test]
async fn every_seed_is_there() {
    let sandbox = Sandbox::new();
    for (path, count) in
        [("Apps", 3), ("AppRoles", 6), ("Grants", 2), ("IdentityPropagationTrusts", 5), ("Settings", 1)]
    {
        let list = sandbox.admin(Method::GET, &format!("/admin/v1/{path}"), None).await.ok(200);
        assert_eq!(list["totalResults"], json!(count), "{path}");
    }
    let filter = "/admin/v1/Users?filter=userName+sw+%22svc-%22&sortBy=userName&attributes=userName,ocid";
    let users = sandbox.admin(Method::GET, filter, None).await.ok(200);
    let ocids: Vec<&str> = (0..2).map(|at| users["Resources"][at]["ocid"].as_str().unwrap()).collect();
    assert_eq!(ocids, [seed::SERVICE_USER, seed::domain::DEPLOY_USER]);
}
