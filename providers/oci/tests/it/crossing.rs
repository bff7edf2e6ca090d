use carnet_core::{Kind, Request};
use carnet_oci::{
    client::call,
    deliver::{
        profile::ProfileDeliveryConfig, resource_principal::ResourcePrincipalDeliveryConfig, signature::SignatureConfig,
    },
    exchange::{domain::DomainConfig, rpst::RpstConfig, upst::UpstConfig},
    source::{instance::InstanceConfig, profile::ProfileConfig, resource::ResourceConfig},
};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::support::{METADATA, World, buckets, client, deliver, exchange, find, get, github, gitlab, read, seed, url};

#[tokio::test]
async fn a_github_job_becomes_a_user_and_lists_buckets() {
    let world = World::shared().await;
    let context = world.elsewhere();
    let session = exchange::<UpstConfig>(client(&json!({})), &context, &world.jwt(&github())).await.unwrap();
    assert_eq!(session.kind(), Kind::OciSession);
    assert_eq!(session.facts["tenancy"], seed::TENANCY);
    assert_eq!(buckets(&context, &session).await.unwrap(), [seed::BUCKET]);
    let namespace = get(&context, &session, "objectstorage", "/n/").await.unwrap();
    assert_eq!(namespace.text(), Some(format!("\"{}\"", seed::NAMESPACE).as_str()));
    let vcns = get(&context, &session, "iaas", &format!("/20160918/vcns?compartmentId={}", seed::COMPARTMENT)).await;
    assert!(vcns.unwrap().text().unwrap().contains(seed::VCN));
}

#[tokio::test]
async fn a_gitlab_job_becomes_a_resource_whose_claims_a_policy_reads() {
    let world = World::shared().await;
    let context = world.elsewhere();
    let config = client(&json!({"res_type": seed::domain::GITLAB_RESOURCE, "rpst_exp": "30m"}));
    let session = exchange::<RpstConfig>(config, &context, &world.jwt(&gitlab())).await.unwrap();
    let life = session.expires_at.unwrap().duration_since(session.issued_at.unwrap());
    assert_eq!(life.as_secs(), 1800);
    let path = format!("/n/{}/b/{}/o/{}", seed::NAMESPACE, seed::BUCKET, seed::OBJECT);
    let object = get(&context, &session, "objectstorage", &path).await.unwrap();
    assert_eq!(object.text(), Some(seed::OBJECT_CONTENT));
}

#[tokio::test]
async fn an_instance_gets_a_token_that_others_can_verify_without_a_secret() {
    let world = World::shared().await;
    let context = world.on_the_instance();
    let session = find::<InstanceConfig>(json!({}), &context).await.unwrap();
    assert_eq!(session.facts["principal"], seed::INSTANCE);
    assert_eq!(buckets(&context, &session).await.unwrap(), [seed::BUCKET]);
    let token = exchange::<DomainConfig>(json!({"audience": seed::DOMAIN_URL}), &context, &session).await.unwrap();
    assert_eq!((token.kind(), token.facts["issuer"].as_str()), (Kind::Jwt, seed::DOMAIN_URL));
}

#[tokio::test]
async fn the_function_in_version_2_2_reads_its_files() {
    let world = World::shared().await;
    let context = world.context(&["OCI_RESOURCE_PRINCIPAL_"], &[]);
    let session = find::<ResourceConfig>(json!({}), &context).await.unwrap();
    assert_eq!(session.facts["principal"], seed::FUNCTION);
    assert_eq!(buckets(&context, &session).await.unwrap(), [seed::BUCKET]);
    // Twice in one second, which is not a replay.
    for _ in 0..2 {
        exchange::<DomainConfig>(json!({}), &context, &session).await.unwrap();
    }
}

/// The sandbox's auth service answers the calls of the older versions too.
fn endpoint() -> String {
    url("auth", "").to_string()
}

#[tokio::test]
async fn the_function_in_the_versions_that_ask_for_their_token() {
    let world = World::shared().await;
    let key = world.file("oci/function/private.pem");
    for version in ["2.1", "2.1.1", "2.1.2"] {
        let variables = [
            ("OCI_RESOURCE_PRINCIPAL_VERSION", version),
            ("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", &endpoint()),
            ("OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT", &endpoint()),
            ("OCI_RESOURCE_PRINCIPAL_RESOURCE_ID", seed::FUNCTION),
            ("OCI_RESOURCE_PRINCIPAL_TENANCY_ID", seed::TENANCY),
            ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", &key),
            ("OCI_RESOURCE_PRINCIPAL_REGION", "iad"),
            ("OCI_RESOURCE_PRINCIPAL_SECURITY_CONTEXT", "context"),
        ];
        let context = world.context(&[], &variables);
        let session = find::<ResourceConfig>(json!({}), &context).await.unwrap();
        assert_eq!(session.facts["principal"], seed::FUNCTION, "{version}");
        assert_eq!(buckets(&context, &session).await.unwrap(), [seed::BUCKET], "{version}");
    }
}

#[tokio::test]
async fn the_function_on_the_instance_in_version_1_1() {
    let world = World::shared().await;
    let variables = [
        METADATA,
        ("OCI_RESOURCE_PRINCIPAL_VERSION", "1.1"),
        ("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", &endpoint()),
        ("OCI_RESOURCE_PRINCIPAL_RPT_ID", seed::FUNCTION),
    ];
    let context = world.context(&[], &variables);
    let session = find::<ResourceConfig>(json!({}), &context).await.unwrap();
    assert_eq!(session.facts["principal"], seed::FUNCTION);
    assert_eq!(buckets(&context, &session).await.unwrap(), [seed::BUCKET]);
}

#[tokio::test]
async fn the_function_acts_for_its_parent_in_version_3_0() {
    let world = World::shared().await;
    let leaf = world.context(&["OCI_RESOURCE_PRINCIPAL_"], &[]);
    let value = |name: &str| leaf.env(&format!("OCI_RESOURCE_PRINCIPAL_{name}")).unwrap();
    let parent = format!("{}20180711/resourcePrincipalToken/{}", endpoint(), seed::FUNCTION_PARENT);
    let variables = [
        ("OCI_RESOURCE_PRINCIPAL_VERSION", "3.0"),
        ("OCI_RESOURCE_PRINCIPAL_VERSION_FOR_LEAF_RESOURCE", "2.2"),
        ("OCI_RESOURCE_PRINCIPAL_RPST_FOR_LEAF_RESOURCE", &value("RPST")),
        ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_FOR_LEAF_RESOURCE", &value("PRIVATE_PEM")),
        ("OCI_RESOURCE_PRINCIPAL_REGION_FOR_LEAF_RESOURCE", &value("REGION")),
        ("OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE", &parent),
        ("OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT_FOR_PARENT_RESOURCE", &endpoint()),
    ];
    let session = find::<ResourceConfig>(json!({}), &world.context(&[], &variables)).await.unwrap();
    assert_eq!(session.facts["principal"], seed::FUNCTION_PARENT);
}

#[tokio::test]
async fn an_administrators_api_key_signs_and_becomes_a_domain_token() {
    let world = World::shared().await;
    let context = world.context(&["OCI_CONFIG_FILE"], &[]);
    let key = find::<ProfileConfig>(json!({"file": world.file("oci/config")}), &context).await.unwrap();
    assert_eq!(key.kind(), Kind::OciApiKey);
    let user = get(&context, &key, "identity", &format!("/20160918/users/{}", seed::ADMIN_USER)).await.unwrap();
    assert!(user.text().unwrap().contains(seed::ADMIN_USER_NAME));
    let token = exchange::<DomainConfig>(json!({}), &context, &key).await.unwrap();
    assert_eq!(token.kind(), Kind::Jwt);
}

#[tokio::test]
async fn an_instance_that_signs_needs_no_client_secret() {
    let world = World::start().await;
    // The trust of the sandbox names a client; for a signed caller it must name none.
    let admin = world.context(&[], &[]);
    let key = find::<ProfileConfig>(json!({"file": world.file("oci/config")}), &admin).await.unwrap();
    let trusts: Value = trust_call(&admin, &key, http::Method::GET, "", None).await;
    let trust = trusts["Resources"].as_array().unwrap().iter().find(|trust| trust["issuer"] == "https://gitlab.com");
    let id = trust.unwrap()["id"].as_str().unwrap().to_owned();
    let patch = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "oauthClients"}],
    });
    trust_call(&admin, &key, http::Method::PATCH, &format!("/{id}"), Some(&patch)).await;
    let context = world.on_the_instance();
    let config = json!({
        "res_type": seed::domain::GITLAB_RESOURCE, "region": "iad", "caller": {"oci-instance": {}},
    });
    let session = exchange::<RpstConfig>(config, &context, &world.jwt(&gitlab())).await.unwrap();
    assert_eq!(session.kind(), Kind::OciSession);
}

async fn trust_call(
    context: &carnet_core::Context,
    key: &carnet_core::Credential,
    method: http::Method,
    path: &str,
    body: Option<&Value>,
) -> Value {
    let url = format!("{}/admin/v1/IdentityPropagationTrusts{path}", seed::DOMAIN_URL).parse().unwrap();
    call(context, key, method, url, body).await.unwrap().json("the trust").unwrap()
}

#[tokio::test]
async fn a_profile_that_was_delivered_is_a_source_again() {
    let world = World::shared().await;
    let context = world.elsewhere();
    let session = exchange::<UpstConfig>(client(&json!({})), &context, &world.jwt(&github())).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"directory": folder.path()});
    let delivered = deliver::<ProfileDeliveryConfig>(config, &context, &session).await;
    let variables: Vec<_> = delivered.environment.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    let child = world.context(&[], &variables);
    let again = find::<ProfileConfig>(json!({}), &child).await.unwrap();
    assert_eq!(buckets(&child, &again).await.unwrap(), [seed::BUCKET]);
    assert!(!read(&folder.path().join("current/config")).contains("user"));
}

#[tokio::test]
async fn a_session_that_was_delivered_as_resource_principal_is_a_source_again() {
    let world = World::shared().await;
    let context = world.on_the_instance();
    let session = find::<InstanceConfig>(json!({}), &context).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"directory": folder.path()});
    let delivered = deliver::<ResourcePrincipalDeliveryConfig>(config, &context, &session).await;
    let variables: Vec<_> = delivered.environment.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    let child = world.context(&[], &variables);
    let again = find::<ResourceConfig>(json!({}), &child).await.unwrap();
    assert_eq!(buckets(&child, &again).await.unwrap(), [seed::BUCKET]);
}

#[tokio::test]
async fn a_signature_that_was_delivered_opens_the_door_for_any_tool() {
    let world = World::shared().await;
    let context = world.on_the_instance();
    let session = find::<InstanceConfig>(json!({}), &context).await.unwrap();
    let target = url("objectstorage", &format!("/n/{}/b?compartmentId={}", seed::NAMESPACE, seed::COMPARTMENT));
    let config = json!({"url": target.as_str(), "form": "json"});
    let output = deliver::<SignatureConfig>(config, &context, &session).await.output.unwrap();
    let signed: Value = serde_json::from_slice(output.expose()).unwrap();
    let mut request = Request::get(target);
    for (name, value) in signed["headers"].as_object().unwrap() {
        let value = HeaderValue::from_str(value.as_str().unwrap()).unwrap();
        request = request.header(name.parse::<HeaderName>().unwrap(), value);
    }
    let response = world.sandbox.http().send(request).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.text().unwrap().contains(seed::BUCKET));
}

#[tokio::test]
async fn an_object_is_put_and_read_back() {
    let world = World::shared().await;
    let context = world.elsewhere();
    let session = exchange::<UpstConfig>(client(&json!({})), &context, &world.jwt(&github())).await.unwrap();
    let target = url("objectstorage", &format!("/n/{}/b/{}/o/a%20b", seed::NAMESPACE, seed::BUCKET));
    let body = json!({"a": 1});
    call(&context, &session, http::Method::PUT, target.clone(), Some(&body)).await.unwrap();
    let read = call(&context, &session, http::Method::GET, target, None).await.unwrap();
    assert_eq!(read.text(), Some("{\"a\":1}"));
}
