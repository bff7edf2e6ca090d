//! The administration API, whatever the resource: rights, lists, changes, refusals. For each kind of resource see
//! `resources`.

use carnet_oci_sandbox::seed;
use http::{Method, Request};
use serde_json::{Value, json};

use super::support::{Answer, SESSION_KEY, Sandbox};

pub(super) const TRUSTS: &str = "/admin/v1/IdentityPropagationTrusts";
pub(super) const USERS: &str = "/admin/v1/Users";
pub(super) const EXTENSION: &str = "urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User";

pub(super) fn service_user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, EXTENSION: {"serviceUser": true},
    })
}

pub(super) fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

/// A trust that can be created.
pub(super) fn trust() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust"],
        "name": "t", "type": "JWT", "active": true, "issuer": "https://issuer.example",
        "publicKeyEndpoint": "https://issuer.example/jwks", "oauthClients": [seed::domain::EXCHANGE_CLIENT_ID],
        "subjectType": "User", "allowImpersonation": true,
        "impersonationServiceUsers": [{"ocid": seed::SERVICE_USER, "rule": "sub eq *"}],
    })
}

pub(super) async fn create(sandbox: &Sandbox, path: &str, body: Value) -> Answer {
    sandbox.admin(Method::POST, path, Some(body)).await
}

pub(super) async fn list(sandbox: &Sandbox, path: &str) -> Value {
    sandbox.admin(Method::GET, path, None).await.ok(200)
}

fn names(list: &Value) -> Vec<&str> {
    list["Resources"].as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rejects_who_is_not_an_administrator() {
    let sandbox = Sandbox::new();
    let nobody = sandbox.send(Request::get(USERS).body(axum::body::Body::empty()).unwrap()).await;
    nobody.scim_error(401);
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
    sandbox.bearer("eyJhbGciOiJub25lIn0.e30.", Method::GET, USERS, None).await.scim_error(401);
    assert_eq!(sandbox.last_clause(), "token");

    // A signature that does not verify, and one that does, of a service user without a role.
    let (mut parts, body) = sandbox.signed_by_admin(&Method::GET, USERS, "application/json", "").into_parts();
    parts.uri = "/admin/v1/Groups".parse().unwrap();
    sandbox.send(Request::from_parts(parts, body)).await.scim_error(401);
    assert_eq!(sandbox.last_clause(), "signature");
    assert_eq!(sandbox.signed_admin(Method::GET, USERS, None).await.status, 200);
    let key_id = format!("ST${}", super::exchange::session_token(&sandbox).await);
    let request = sandbox.signed(&Method::GET, USERS, "application/json", "", &key_id, &SESSION_KEY);
    sandbox.send(request).await.scim_error(403);

    // The exchange client has no role.
    let client = (seed::domain::EXCHANGE_CLIENT_ID, seed::domain::EXCHANGE_CLIENT_SECRET);
    let fields = [("grant_type", "client_credentials"), ("scope", "urn:opc:idm:__myscopes__")];
    let token = sandbox.token(client, &fields).await.ok(200)["access_token"].as_str().unwrap().to_owned();
    sandbox.bearer(&token, Method::GET, USERS, None).await.scim_error(403);
    assert_eq!(sandbox.last_clause(), "role");
    sandbox.bearer(&token, Method::POST, TRUSTS, Some(trust())).await.scim_error(403);
}

#[tokio::test]
async fn a_token_narrowed_to_a_role_has_only_that_roles_rights() {
    let sandbox = Sandbox::new();
    let roles = list(&sandbox, "/admin/v1/AppRoles?filter=displayName+eq+%22User+Manager%22").await;
    let apps = format!("/admin/v1/Apps?filter=name+eq+%22{}%22", seed::domain::ADMIN_CLIENT_ID);
    let app = list(&sandbox, &apps).await;
    let grant = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:Grant"], "grantMechanism": "ADMINISTRATOR_TO_APP",
        "grantee": {"value": app["Resources"][0]["id"], "type": "App"}, "app": {"value": "IDCSAppId"},
        "entitlement": {"attributeName": "appRoles", "attributeValue": roles["Resources"][0]["id"]},
    });
    create(&sandbox, "/admin/v1/Grants", grant.clone()).await.ok(201);
    create(&sandbox, "/admin/v1/Grants", grant).await.scim_error(409);
    let client = (seed::domain::ADMIN_CLIENT_ID, seed::domain::ADMIN_CLIENT_SECRET);
    let fields = [("grant_type", "client_credentials"), ("scope", "urn:opc:idm:role.User%20Manager")];
    let token = sandbox.token(client, &fields).await.ok(200)["access_token"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.bearer(&token, Method::GET, USERS, None).await.status, 200);
    sandbox.bearer(&token, Method::POST, TRUSTS, Some(trust())).await.scim_error(403);
}

#[tokio::test]
async fn lists_page_sort_and_filter() {
    let sandbox = Sandbox::new();
    for number in 0..55 {
        create(&sandbox, USERS, service_user(&format!("bot {number:02}"))).await.ok(201);
    }
    let all = list(&sandbox, USERS).await;
    assert_eq!((&all["totalResults"], &all["startIndex"], &all["itemsPerPage"]), (&json!(58), &json!(1), &json!(50)));
    assert_eq!(all["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
    assert_eq!(names(&all).len(), 50);
    assert_eq!(names(&list(&sandbox, &format!("{USERS}?startIndex=51")).await).len(), 8);

    let filter = "filter=userName+sw+%22Bot+0%22+and+not+(userName+ew+%228%22+or+userName+ew+%229%22)";
    let page =
        list(&sandbox, &format!("{USERS}?{filter}&sortBy=userName&sortOrder=descending&count=2&startIndex=2")).await;
    assert_eq!(page["totalResults"], json!(8));
    assert_eq!(names(&page), ["bot 06", "bot 05"]);
    assert_eq!(list(&sandbox, &format!("{USERS}?count=0")).await["Resources"], json!([]));

    let extension = "filter=urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User:serviceUser+eq+false";
    assert_eq!(names(&list(&sandbox, &format!("{USERS}?{extension}")).await), [seed::ADMIN_USER_NAME]);

    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName eq \"bot 07\"",
        "attributes": ["userName"], "count": 10, "startIndex": 1,
    });
    let found = create(&sandbox, &format!("{USERS}/.search"), search).await.ok(200);
    let members: Vec<&String> = found["Resources"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "schemas", "userName"]);
}

#[tokio::test]
async fn rejects_lists_that_cannot_be_read() {
    let sandbox = Sandbox::new();
    for query in [
        "filter=userName+like+%22a%22",
        "filter=userName+eq+%22a",
        "count=many",
        "startIndex=x",
        "sortOrder=up",
        "sortBy=a+b",
        "attributeSets=most",
        "attributes=a+b",
    ] {
        let answer = sandbox.admin(Method::GET, &format!("{USERS}?{query}"), None).await;
        assert!(answer.scim_error(400).starts_with("error.common.validation."), "{query}");
    }
}

#[tokio::test]
async fn a_resource_is_found_by_id_and_by_ocid() {
    let sandbox = Sandbox::new();
    let user = create(&sandbox, USERS, service_user("one")).await.ok(201);
    for name in ["id", "ocid"] {
        let found = list(&sandbox, &format!("{USERS}/{}", user[name].as_str().unwrap())).await;
        assert_eq!(found["userName"], json!("one"));
    }
    let missing = sandbox.admin(Method::GET, &format!("{USERS}/0123"), None).await;
    assert_eq!(missing.scim_error(404), "error.common.common.resourceNotFound");
    sandbox.admin(Method::GET, "/admin/v1/Nothing", None).await.scim_error(404);
    sandbox.admin(Method::GET, "/elsewhere", None).await.scim_error(404);
    sandbox.admin(Method::PUT, USERS, Some(json!({}))).await.scim_error(405);
}

#[tokio::test]
async fn patches_in_any_case_and_refuses_read_only_attributes() {
    let sandbox = Sandbox::new();
    let created = create(&sandbox, TRUSTS, trust()).await.ok(201);
    let path = format!("{TRUSTS}/{}", created["id"].as_str().unwrap());
    for (op, value) in [("REPLACE", false), ("replace", true), ("Replace", false)] {
        let body = patch(&json!([{"op": op, "path": "active", "value": value}]));
        let patched = sandbox.admin(Method::PATCH, &path, Some(body)).await.ok(200);
        assert_eq!(patched["active"], json!(value));
    }
    for attribute in ["id", "meta", "idcsCreatedBy", "domainOcid", "name"] {
        let body = patch(&json!([{"op": "replace", "path": attribute, "value": "x"}]));
        let answer = sandbox.admin(Method::PATCH, &path, Some(body)).await;
        assert_eq!(answer.scim_error(400), "error.common.validation.readOnlyAttribute", "{attribute}");
    }
    let half = patch(&json!([
        {"op": "replace", "path": "active", "value": true}, {"op": "replace", "path": "issuer", "value": 7},
    ]));
    sandbox.admin(Method::PATCH, &path, Some(half)).await.scim_error(400);
    assert_eq!(list(&sandbox, &path).await["active"], json!(false), "all changes or none");
    sandbox.admin(Method::PATCH, &path, Some(json!({"Operations": []}))).await.scim_error(400);
}

#[tokio::test]
async fn replaces_with_put_and_ignores_read_only_attributes_on_creation() {
    let sandbox = Sandbox::new();
    let mut body = service_user("one");
    body["id"] = json!("mine");
    body["ocid"] = json!("ocid1.user.oc1..mine");
    let created = create(&sandbox, USERS, body).await.ok(201);
    assert_ne!(created["id"], json!("mine"));
    let path = format!("{USERS}/{}", created["id"].as_str().unwrap());
    let mut changed = created.clone();
    changed["displayName"] = json!("changed");
    let replaced = sandbox.admin(Method::PUT, &path, Some(changed.clone())).await.ok(200);
    assert_eq!(replaced["displayName"], json!("changed"));
    assert_eq!(replaced["meta"]["created"], created["meta"]["created"]);
    assert_ne!(replaced["meta"]["version"], created["meta"]["version"]);
    changed["ocid"] = json!("ocid1.user.oc1..mine");
    sandbox.admin(Method::PUT, &path, Some(changed)).await.scim_error(400);

    let app = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "a",
        "basedOnTemplate": {"value": "CustomWebAppTemplateId"},
    });
    let app = create(&sandbox, "/admin/v1/Apps", app).await.ok(201);
    let path = format!("/admin/v1/Apps/{}", app["id"].as_str().unwrap());
    let again = sandbox.admin(Method::PUT, &path, Some(app.clone())).await.ok(200);
    assert_eq!(again["clientSecret"], app["clientSecret"], "an answer can be sent back as it came");
}

#[tokio::test]
async fn a_stale_version_is_refused() {
    let sandbox = Sandbox::new();
    let created = create(&sandbox, USERS, service_user("one")).await;
    let tag = created.header("etag").to_owned();
    let path = format!("{USERS}/{}", created.body["id"].as_str().unwrap());
    let change = |tag: &str, name: &str| {
        let body = patch(&json!([{"op": "replace", "path": "displayName", "value": name}])).to_string();
        let mut request = sandbox.signed_by_admin(&Method::PATCH, &path, "application/scim+json", &body);
        request.headers_mut().insert("if-match", tag.parse().unwrap());
        request
    };
    assert_eq!(sandbox.send(change(&tag, "a")).await.status, 200);
    sandbox.send(change(&tag, "b")).await.scim_error(412);
    assert_eq!(sandbox.send(change("*", "c")).await.status, 200);
}

#[tokio::test]
async fn rejects_bodies_that_are_not_json_objects() {
    let sandbox = Sandbox::new();
    for (media_type, body, status) in [
        ("text/plain", "{}".to_owned(), 415),
        ("application/json", "{".to_owned(), 400),
        ("application/json", "[]".to_owned(), 400),
        ("application/json", String::new(), 400),
        ("application/json", format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20)), 413),
    ] {
        let request = sandbox.signed_by_admin(&Method::POST, USERS, media_type, &body);
        sandbox.send(request).await.scim_error(status);
    }
    let request =
        sandbox.signed_by_admin(&Method::POST, USERS, "application/scim+json", &service_user("x").to_string());
    assert_eq!(sandbox.send(request).await.status, 201);
}
