//! Resource principals of every version.

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_oci_sandbox::seed;
use http::Method;
use serde_json::{Value, json};

use super::support::{Cloud, SESSION, STRANGER, Signer, claims, session};

const STEP_2: &str = "/v1/resourcePrincipalSessionToken";

fn bucket() -> String {
    format!("/n/{}/b/{}", seed::NAMESPACE, seed::BUCKET)
}

/// The second step with the answer of the first.
async fn step_2(cloud: &Cloud, signer: &Signer, tokens: &Value, key: &[u8]) -> super::support::Answer {
    let body = json!({
        "resourcePrincipalToken": tokens["resourcePrincipalToken"],
        "servicePrincipalSessionToken": tokens["servicePrincipalSessionToken"],
        "sessionPublicKey": STANDARD.encode(key),
    });
    cloud.post(signer, "oci-auth", STEP_2, &body).await
}

#[tokio::test]
async fn version_2_2_works_from_the_files_alone() {
    let cloud = Cloud::shared().await;
    let token = claims(&cloud.function());
    assert_eq!(
        (token["res_tenant"].as_str(), token["res_compartment"].as_str()),
        (Some(seed::TENANCY), Some(seed::COMPARTMENT))
    );
    assert!(!cloud.file("oci/function/rpst").ends_with('\n'));
    assert_eq!(cloud.get(&cloud.function(), "oci-objectstorage", &bucket()).await.ok()["name"], seed::BUCKET);
    let stranger = Signer { key: STRANGER.clone(), ..cloud.function() };
    assert_eq!(cloud.get(&stranger, "oci-objectstorage", &bucket()).await.status, 401);
}

#[tokio::test]
async fn versions_2_1_sign_with_the_registered_key() {
    let cloud = Cloud::shared().await;
    for (path, version) in [
        ("resourcePrincipalTokenV2", "v2.1/".to_owned()),
        ("resourcePrincipalTokenV2", format!("v2.1.1/{}/", seed::TENANCY)),
        ("resourcePrincipalTokenV212", format!("v2.1.2/{}/", seed::TENANCY)),
    ] {
        let signer = Signer { key: cloud.function_key(), key_id: format!("resource/{version}{}", seed::FUNCTION) };
        let target = format!("/20180711/{path}/{}", seed::FUNCTION);
        let tokens = cloud.get(&signer, "oci-auth", &target).await.ok();
        // The given key is the session key too.
        let answer = step_2(&cloud, &signer, &tokens, &signer.key.public_spki()).await.ok();
        let rpst = Signer { key: signer.key, ..session(&answer) };
        assert_eq!(claims(&rpst)["sub"], seed::FUNCTION);
        assert_eq!(cloud.get(&rpst, "oci-objectstorage", &bucket()).await.status, 200, "{version}");
    }
}

#[tokio::test]
async fn version_1_1_is_for_the_instance_that_hosts_the_resource() {
    let cloud = Cloud::shared().await;
    let instance = cloud.instance().await;
    let target = format!("/20180711/resourcePrincipalToken/{}", seed::FUNCTION);
    let tokens = cloud.get(&instance, "oci-auth", &target).await.ok();
    let rpst = session(&step_2(&cloud, &instance, &tokens, &SESSION.public_spki()).await.ok());
    assert_eq!(claims(&rpst)["res_type"], "fnfunc");
    assert_eq!(cloud.get(&rpst, "oci-objectstorage", &bucket()).await.status, 200);
    let own = format!("/20180711/resourcePrincipalToken/{}", seed::INSTANCE);
    assert_eq!(cloud.get(&instance, "oci-auth", &own).await.status, 200, "the default id is the instance's");
}

#[tokio::test]
async fn version_3_0_goes_from_the_leaf_to_its_parent() {
    let cloud = Cloud::shared().await;
    let target = format!("/20180711/resourcePrincipalToken/{}", seed::FUNCTION_PARENT);
    let leaf = cloud.function();
    let tokens = cloud.get(&leaf, "oci-auth", &target).await.ok();
    let parent = session(&step_2(&cloud, &leaf, &tokens, &SESSION.public_spki()).await.ok());
    assert_eq!(claims(&parent)["sub"], seed::FUNCTION_PARENT);
    assert_eq!(cloud.get(&parent, "oci-objectstorage", "/n").await.status, 200);
    // Another type than the dynamic group's: nothing is inherited from the leaf.
    assert_eq!(cloud.get(&parent, "oci-objectstorage", &bucket()).await.error(), (404, "BucketNotFound".to_owned()));
    assert_eq!(cloud.last_clause(), "policy");
}

#[tokio::test]
async fn rejects_a_resource_that_is_somebody_elses() {
    let cloud = Cloud::shared().await;
    let not_found = (404, "NotAuthorizedOrNotFound".to_owned());
    for (signer, id) in [
        (cloud.function(), seed::INSTANCE),
        // A session is not renewed by itself.
        (cloud.function(), seed::FUNCTION),
        (cloud.admin(), seed::FUNCTION),
        (cloud.instance().await, "ocid1.fnfunc.oc1.iad.other"),
    ] {
        let target = format!("/20180711/resourcePrincipalToken/{id}");
        assert_eq!(cloud.get(&signer, "oci-auth", &target).await.error(), not_found, "{id}");
    }
}

#[tokio::test]
async fn rejects_registered_keys_bent_in_one_place() {
    let cloud = Cloud::shared().await;
    let target = format!("/20180711/resourcePrincipalTokenV2/{}", seed::FUNCTION);
    for (key, key_id, clause) in [
        (STRANGER.clone(), format!("resource/v2.1/{}", seed::FUNCTION), "signature"),
        (cloud.function_key(), format!("resource/v2.1.1/ocid1.tenancy.oc1..other/{}", seed::FUNCTION), "key"),
        (cloud.function_key(), format!("resource/v2.1/{}", seed::FUNCTION_PARENT), "key"),
        (cloud.function_key(), "resource/v2.1/nothing".to_owned(), "key"),
    ] {
        let signer = Signer { key, key_id };
        assert_eq!(cloud.get(&signer, "oci-auth", &target).await.error().0, 401, "{}", signer.key_id);
        assert_eq!(cloud.last_clause(), clause, "{}", signer.key_id);
        // Nor does a registered key count anywhere else.
        assert_eq!(cloud.get(&signer, "oci-objectstorage", "/n").await.status, 401);
    }
}

#[tokio::test]
async fn rejects_tokens_of_another_caller_or_another_sort_in_the_second_step() {
    let cloud = Cloud::shared().await;
    let instance = cloud.instance().await;
    let target = format!("/20180711/resourcePrincipalToken/{}", seed::FUNCTION);
    let tokens = cloud.call(&instance, "oci-auth", Method::GET, &target).await.ok();
    let key = SESSION.public_spki();
    assert_eq!(step_2(&cloud, &cloud.admin(), &tokens, &key).await.status, 401);
    assert_eq!(cloud.last_clause(), "key");
    let swapped = json!({
        "resourcePrincipalToken": tokens["servicePrincipalSessionToken"],
        "servicePrincipalSessionToken": tokens["resourcePrincipalToken"],
    });
    assert_eq!(step_2(&cloud, &instance, &swapped, &key).await.status, 401);
    assert_eq!(cloud.last_clause(), "token");
    assert_eq!(step_2(&cloud, &instance, &tokens, b"no key").await.error(), (400, "InvalidParameter".to_owned()));
    // The tokens between the steps are no session tokens.
    let token = tokens["resourcePrincipalToken"].as_str().unwrap();
    let misused = Signer { key_id: format!("ST${token}"), ..instance };
    assert_eq!(cloud.get(&misused, "oci-objectstorage", "/n").await.status, 401);
}
