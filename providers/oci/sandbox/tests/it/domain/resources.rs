//! What each kind of resource of the administration API demands: trusts, users, apps, grants, groups, settings.

use carnet_oci_sandbox::seed;
use http::Method;
use serde_json::{Value, json};

use super::{
    administration::{EXTENSION, TRUSTS, USERS, create, list, patch, service_user, trust},
    support::Sandbox,
};

#[tokio::test]
async fn impersonation_rules_are_returned_only_on_request() {
    let sandbox = Sandbox::new();
    let created = create(&sandbox, TRUSTS, trust()).await.ok(201);
    assert!(created.get("impersonationServiceUsers").is_none());
    let path = format!("{TRUSTS}/{}", created["id"].as_str().unwrap());
    let asked = list(&sandbox, &format!("{path}?attributes=impersonationServiceUsers")).await;
    assert_eq!(asked["impersonationServiceUsers"][0]["ocid"], json!(seed::SERVICE_USER));
    assert!(asked["impersonationServiceUsers"][0]["value"].is_string(), "the id is filled in");
    assert!(asked.get("issuer").is_none());
    let everything = list(&sandbox, &format!("{path}?attributeSets=all")).await;
    assert!(everything.get("impersonationServiceUsers").is_some() && everything.get("issuer").is_some());
    let union =
        list(&sandbox, &format!("{path}?attributeSets=default&attributes=impersonationServiceUsers.rule")).await;
    assert_eq!(union["impersonationServiceUsers"], json!([{"rule": "sub eq *"}]));
    assert!(union.get("issuer").is_some());
}

#[tokio::test]
async fn rejects_trusts_that_are_not_complete() {
    let sandbox = Sandbox::new();
    let bent = |attribute: &str, value: Value| {
        let mut trust = trust();
        trust[attribute] = value;
        trust
    };
    for attribute in ["name", "type", "issuer", "publicKeyEndpoint"] {
        let answer = create(&sandbox, TRUSTS, bent(attribute, Value::Null)).await;
        assert_eq!(answer.scim_error(400), "error.common.validation.missingReqAttributes");
        assert_eq!(answer.body["detail"], json!(format!("Missing required attribute(s): {attribute}.")));
    }
    for (attribute, value) in [
        ("oauthClients", json!(["nobody"])),
        ("impersonationServiceUsers", json!([{"ocid": "ocid1.user.oc1..nobody", "rule": "sub eq *"}])),
    ] {
        let answer = create(&sandbox, TRUSTS, bent(attribute, value)).await;
        assert_eq!(answer.scim_error(400), "error.common.validation.invalidReferenceResource");
    }
    for (attribute, value) in [
        ("schemas", Value::Null),
        ("schemas", json!(["urn:ietf:params:scim:schemas:core:2.0:User"])),
        ("publicKeyEndpoint", json!("junk")),
        ("publicCertificate", json!("x")),
        ("clockSkewSeconds", json!(301)),
        ("clockSkewSeconds", json!(1e9)),
        ("favouriteColour", json!("blue")),
        ("type", json!("OIDC")),
        ("active", json!("yes")),
        ("subjectType", json!("Robot")),
        ("subjectType", json!("Resource")),
        ("impersonationServiceUsers", json!([{"ocid": seed::SERVICE_USER, "rule": "sub like x"}])),
        ("claimPropagations", json!(["ext_a", "ext_b", "ext_c", "ext_d"])),
        ("claimPropagations", json!(["repository"])),
        ("claimValidations", json!([{"name": "a", "value": "1"}, {"name": "a", "value": "2"}])),
    ] {
        create(&sandbox, TRUSTS, bent(attribute, value.clone())).await.scim_error(400);
    }
    assert_eq!(list(&sandbox, TRUSTS).await["totalResults"], json!(5), "none of them was kept");
}

#[tokio::test]
async fn rejects_a_resource_that_does_not_say_what_it_is() {
    let sandbox = Sandbox::new();
    let mut unsaid = trust();
    unsaid.as_object_mut().unwrap().remove("schemas");
    let answer = create(&sandbox, TRUSTS, unsaid).await;
    assert_eq!(answer.scim_error(400), "error.common.validation.missingReqAttributes");
    assert_eq!(answer.body["detail"], json!("Missing required attribute(s): schemas."));
}

#[tokio::test]
async fn rejects_second_trust_for_an_issuer() {
    let sandbox = Sandbox::new();
    create(&sandbox, TRUSTS, trust()).await.ok(201);
    let mut second = trust();
    second["name"] = json!("another");
    let answer = create(&sandbox, TRUSTS, second.clone()).await;
    answer.scim_error(409);
    assert!(answer.body["detail"].as_str().unwrap().contains("issuer https://issuer.example already exists"));
    second["issuer"] = json!("https://issuer.example/");
    create(&sandbox, TRUSTS, second).await.ok(201);
}

#[tokio::test]
async fn rejects_users_that_lack_something() {
    let sandbox = Sandbox::new();
    let person = |extra: Value| {
        let mut user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "person"});
        for (name, value) in extra.as_object().unwrap() {
            user[name] = value.clone();
        }
        user
    };
    let answer = create(&sandbox, USERS, person(json!({"name": {"familyName": "P"}}))).await;
    assert_eq!(answer.scim_error(400), "error.identity.user.primaryEmailNotSpecified");
    let emails = json!([{"value": "p@x.example", "type": "work", "primary": true}]);
    create(&sandbox, USERS, person(json!({"emails": emails}))).await.scim_error(400);
    let body = person(json!({"emails": emails, "name": {"familyName": "P"}, "password": "hunter2"}));
    let created = create(&sandbox, USERS, body.clone()).await.ok(201);
    assert!(!created.to_string().contains("hunter2"));
    create(&sandbox, USERS, body).await.scim_error(409);
    create(&sandbox, USERS, service_user("PERSON")).await.scim_error(409);

    let mut with_password = service_user("svc");
    with_password["password"] = json!("hunter2");
    create(&sandbox, USERS, with_password).await.scim_error(400);
    create(&sandbox, USERS, json!({"schemas": []})).await.scim_error(400);

    let path = format!("{USERS}/{}", created["id"].as_str().unwrap());
    let body = patch(&json!([{"op": "replace", "path": format!("{EXTENSION}:serviceUser"), "value": true}]));
    sandbox.admin(Method::PATCH, &path, Some(body)).await.scim_error(400);
}

#[tokio::test]
async fn rejects_deletion_of_an_active_app() {
    let sandbox = Sandbox::new();
    let app = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:App"], "displayName": "a", "active": true,
        "basedOnTemplate": {"value": "CustomWebAppTemplateId"},
    });
    let created = create(&sandbox, "/admin/v1/Apps", app).await.ok(201);
    let path = format!("/admin/v1/Apps/{}", created["id"].as_str().unwrap());
    assert!(list(&sandbox, &path).await.get("clientSecret").is_none(), "only answers to changes show it");
    sandbox.admin(Method::DELETE, &path, None).await.scim_error(400);
    let status = json!({"schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:AppStatusChanger"], "active": false});
    let changer = format!("/admin/v1/AppStatusChanger/{}", created["ocid"].as_str().unwrap());
    let mut other = status.clone();
    other["id"] = json!("another");
    sandbox.admin(Method::PUT, &changer, Some(other)).await.scim_error(400);
    sandbox.admin(Method::PUT, &changer, Some(status)).await.ok(200);
    assert_eq!(sandbox.admin(Method::DELETE, &path, None).await.status, 204);
    sandbox.admin(Method::GET, &path, None).await.scim_error(404);
    sandbox.admin(Method::DELETE, "/admin/v1/Apps/IDCSAppId", None).await.scim_error(403);
}

#[tokio::test]
async fn rejects_grants_to_nobody_and_of_nothing() {
    let sandbox = Sandbox::new();
    let roles = list(&sandbox, "/admin/v1/AppRoles?filter=displayName+eq+%22User+Manager%22").await;
    let user = create(&sandbox, USERS, service_user("one")).await.ok(201);
    let grant = json!({
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:Grant"], "grantMechanism": "ADMINISTRATOR_TO_USER",
        "grantee": {"value": user["id"], "type": "User"}, "app": {"value": "IDCSAppId"},
        "entitlement": {"attributeName": "appRoles", "attributeValue": roles["Resources"][0]["id"]},
    });
    let reference = "error.common.validation.invalidReferenceResource";
    let invalid = "error.common.validation.invalidValue";
    for (pointer, value, id) in [
        ("/grantee/value", json!("nobody"), reference),
        ("/app/value", json!("nothing"), reference),
        ("/entitlement/attributeValue", json!("nothing"), reference),
        ("/entitlement/attributeName", json!("groups"), invalid),
        ("/grantee/type", json!("App"), invalid),
        ("/grantMechanism", json!("BY_HEART"), invalid),
    ] {
        let mut bent = grant.clone();
        *bent.pointer_mut(pointer).unwrap() = value;
        assert_eq!(create(&sandbox, "/admin/v1/Grants", bent).await.scim_error(400), id, "{pointer}");
    }
    create(&sandbox, "/admin/v1/Grants", grant).await.ok(201);
    let of_user = format!("/admin/v1/Grants?filter=grantee.value+eq+%22{}%22", user["id"].as_str().unwrap());
    assert_eq!(list(&sandbox, &of_user).await["totalResults"], json!(1));
    let path = format!("{USERS}/{}", user["id"].as_str().unwrap());
    assert_eq!(sandbox.admin(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(list(&sandbox, &of_user).await["totalResults"], json!(0), "grants go with the user");
}

#[tokio::test]
async fn groups_show_their_members_on_request_and_forget_who_is_deleted() {
    let sandbox = Sandbox::new();
    let user = create(&sandbox, USERS, service_user("one")).await.ok(201);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g",
        "members": [{"value": user["ocid"], "type": "User"}],
    });
    let created = create(&sandbox, "/admin/v1/Groups", group.clone()).await.ok(201);
    assert!(created.get("members").is_none());
    let path = format!("/admin/v1/Groups/{}?attributes=members", created["id"].as_str().unwrap());
    assert_eq!(list(&sandbox, &path).await["members"][0]["value"], user["id"]);
    let mut strangers = group;
    strangers["displayName"] = json!("h");
    strangers["members"] = json!([{"value": "nobody"}]);
    create(&sandbox, "/admin/v1/Groups", strangers).await.scim_error(400);
    sandbox.admin(Method::DELETE, &format!("{USERS}/{}", user["id"].as_str().unwrap()), None).await;
    assert!(list(&sandbox, &path).await.get("members").is_none_or(|members| members == &json!([])));
}

#[tokio::test]
async fn rejects_settings_out_of_bounds() {
    let sandbox = Sandbox::new();
    for (name, value) in [
        ("issuer", json!("not a url")),
        ("iamUpstSessionExpiry", json!(61)),
        ("iamUpstSessionExpiry", json!("60")),
        ("diagnosticLevel", json!(2)),
        ("signingCertPublicAccess", json!("yes")),
        ("prevIssuer", json!("https://x.example")),
    ] {
        let body = patch(&json!([{"op": "replace", "path": name, "value": value}]));
        sandbox.admin(Method::PATCH, "/admin/v1/Settings/Settings", Some(body)).await.scim_error(400);
    }
    sandbox.admin(Method::DELETE, "/admin/v1/Settings/Settings", None).await.scim_error(405);
    sandbox.admin(Method::POST, "/admin/v1/Settings", Some(json!({}))).await.scim_error(405);
}
