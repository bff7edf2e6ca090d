//! The identity service.

use carnet_oci_sandbox::seed;
use http::Method;
use serde_json::{Value, json};

use super::support::Cloud;

const SERVICE: &str = "oci-identity";

fn path(rest: &str) -> String {
    format!("/20160918/{rest}")
}

fn in_tenancy(kind: &str) -> String {
    match kind.split_once('&') {
        Some((kind, query)) => path(&format!("{kind}?compartmentId={}&{query}", seed::TENANCY)),
        None => path(&format!("{kind}?compartmentId={}", seed::TENANCY)),
    }
}

fn policy(name: &str, statements: &[&str]) -> Value {
    json!({"compartmentId": seed::TENANCY, "name": name, "description": "d", "statements": statements})
}

#[tokio::test]
async fn rejects_a_target_that_names_another_host_than_the_one_signed() {
    let cloud = Cloud::new();
    let draft = cloud.draft(SERVICE, Method::GET, &in_tenancy("groups"));
    for (host, expected) in [(draft.host.as_str(), 200), ("identity.us-phoenix-1.oci.oraclecloud.com", 401)] {
        let mut request = draft.sign(&cloud.admin());
        *request.uri_mut() = format!("http://{host}{}", draft.target).parse().unwrap();
        assert_eq!(cloud.send(SERVICE, request).await.status.as_u16(), expected, "{host}");
    }
    assert_eq!(cloud.last_clause(), "host");
}

#[tokio::test]
async fn rejects_compartments_that_are_no_tenancy_or_not_there() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let not_found = (404, "NotAuthorizedOrNotFound".to_owned());
    for rest in ["", "/regionSubscriptions"] {
        let target = path(&format!("tenancies/{}{rest}", seed::COMPARTMENT));
        assert_eq!(cloud.get(&admin, SERVICE, &target).await.error(), not_found, "{target}");
    }
    let nowhere = "ocid1.compartment.oc1..aaaaaaaanowhere";
    let mut body = policy("lost", &["Allow group Administrators to manage all-resources in tenancy"]);
    body["compartmentId"] = nowhere.into();
    assert_eq!(cloud.post(&admin, SERVICE, &path("policies"), &body).await.error(), not_found);
    let body = json!({"name": "lost", "compartmentId": nowhere});
    let buckets = format!("/n/{}/b", seed::NAMESPACE);
    let made = cloud.post(&admin, "oci-objectstorage", &buckets, &body).await;
    assert_eq!(made.error(), (409, "BucketAlreadyExists".to_owned()));
    for target in ["groups", "compartments", "availabilityDomains"] {
        let target = path(&format!("{target}?compartmentId={nowhere}"));
        assert_eq!(cloud.get(&admin, SERVICE, &target).await.error(), not_found, "{target}");
    }
}

#[tokio::test]
async fn an_administrator_reads_what_there_is() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let names = async |target: String| {
        let listed = cloud.get(&admin, SERVICE, &target).await.ok();
        listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(in_tenancy("users&name=SVC-CI")).await, [seed::SERVICE_USER_NAME]);
    assert_eq!(names(in_tenancy("groups")).await, [seed::ADMIN_GROUP_NAME, seed::DEPLOYERS_GROUP_NAME]);
    assert_eq!(names(in_tenancy("dynamicGroups")).await, [seed::FUNCTION_GROUP_NAME, seed::INSTANCE_GROUP_NAME]);
    assert_eq!(names(in_tenancy("policies")).await.len(), seed::POLICIES.len());
    assert_eq!(names(in_tenancy("compartments")).await, [seed::COMPARTMENT_NAME]);
    assert_eq!(names(in_tenancy("availabilityDomains")).await, seed::AVAILABILITY_DOMAINS);
    assert_eq!(names(path("regions")).await, ["us-ashburn-1", "us-phoenix-1"]);
    let domain = cloud.get(&admin, SERVICE, &in_tenancy("domains")).await.ok();
    assert_eq!((domain[0]["id"].as_str(), domain[0]["url"].as_str()), (Some(seed::DOMAIN), Some(seed::DOMAIN_URL)));
    let regions =
        cloud.get(&admin, SERVICE, &path(&format!("tenancies/{}/regionSubscriptions", seed::TENANCY))).await.ok();
    assert_eq!(
        regions[0],
        json!({"regionKey": "IAD", "regionName": "us-ashburn-1", "status": "READY", "isHomeRegion": true})
    );
}

#[tokio::test]
async fn a_user_has_the_fields_that_relying_parties_read() {
    let cloud = Cloud::shared().await;
    let answer = cloud.get(&cloud.admin(), SERVICE, &path(&format!("users/{}", seed::ADMIN_USER))).await;
    let user = answer.ok();
    assert_eq!(
        (user["compartmentId"].as_str(), user["name"].as_str()),
        (Some(seed::TENANCY), Some(seed::ADMIN_USER_NAME))
    );
    assert_eq!(
        (user["lifecycleState"].as_str(), user["capabilities"]["canUseApiKeys"].as_bool()),
        (Some("ACTIVE"), Some(true))
    );
    assert!(!answer.header("etag").is_empty());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let mut names = Vec::new();
    let mut target = format!("{}&limit=2", in_tenancy("policies"));
    loop {
        let answer = cloud.get(&admin, SERVICE, &target).await;
        let listed = answer.ok();
        assert!(listed.as_array().unwrap().len() <= 2);
        names.extend(listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        let Some(next) = answer.headers.get("opc-next-page") else { break };
        target = format!("{}&limit=2&page={}", in_tenancy("policies"), next.to_str().unwrap());
    }
    assert_eq!(names, seed::POLICIES.map(|(name, _)| name));
    for bad in ["limit=0", "limit=x", "limit=1001", "page=%00"] {
        let answer = cloud.get(&admin, SERVICE, &format!("{}&{bad}", in_tenancy("policies"))).await;
        assert_eq!(answer.error(), (400, "InvalidParameter".to_owned()), "{bad}");
    }
}

#[tokio::test]
async fn a_list_needs_its_compartment() {
    let cloud = Cloud::shared().await;
    let answer = cloud.get(&cloud.admin(), SERVICE, &path("users")).await;
    assert_eq!(answer.error(), (400, "MissingParameter".to_owned()));
    let answer = cloud.get(&cloud.admin(), SERVICE, &path("users?compartmentId=ocid1.compartment.oc1..other")).await;
    assert_eq!(answer.error(), (404, "NotAuthorizedOrNotFound".to_owned()));
}

#[tokio::test]
async fn a_policy_counts_from_its_creation_to_its_deletion() {
    let cloud = Cloud::new();
    let (admin, instance) = (cloud.admin(), cloud.instance().await);
    let vcns = path(&format!("vcns?compartmentId={}", seed::COMPARTMENT));
    assert_eq!(cloud.get(&instance, "oci-core", &vcns).await.status, 404);
    let body =
        policy("vcns", &["Allow dynamic-group ci-instances to inspect virtual-network-family in compartment ci"]);
    let created = cloud.post(&admin, SERVICE, &path("policies"), &body).await.ok();
    assert_eq!(created["lifecycleState"], "ACTIVE");
    assert_eq!(cloud.get(&instance, "oci-core", &vcns).await.status, 200);
    let one = path(&format!("policies/{}", created["id"].as_str().unwrap()));
    assert_eq!(cloud.get(&admin, SERVICE, &one).await.ok(), created);
    assert_eq!(cloud.call(&admin, SERVICE, Method::DELETE, &one).await.status, 204);
    assert_eq!(cloud.get(&instance, "oci-core", &vcns).await.status, 404);
    assert_eq!(cloud.get(&admin, SERVICE, &one).await.error(), (404, "NotAuthorizedOrNotFound".to_owned()));
}

#[tokio::test]
async fn rejects_policies_that_are_malformed_or_taken() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let create = async |body: Value| cloud.post(&admin, SERVICE, &path("policies"), &body).await;
    let malformed = create(policy(
        "p",
        &["Allow group ci-deployers to read buckets in tenancy", "Allow group ci-deployers to read"],
    ))
    .await;
    assert_eq!(malformed.error(), (400, "InvalidParameter".to_owned()));
    assert!(
        malformed.json()["message"].as_str().unwrap().contains("statement 2 is invalid: column 33"),
        "{malformed:?}"
    );
    assert_eq!(create(policy("p", &[])).await.error().0, 400);
    assert_eq!(create(json!({"name": "p"})).await.error(), (400, "InvalidParameter".to_owned()));
    let taken = create(policy("ci-deployers", &["Allow group ci-deployers to read buckets in tenancy"])).await;
    assert_eq!(taken.error(), (409, "ResourceAlreadyExists".to_owned()));
}

#[tokio::test]
async fn rejects_policies_that_name_what_there_is_not() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let good = "Allow group ci-deployers to read buckets in compartment ci where request.principal.cluster_id = 'x'";
    let create = async |name: &str, statement: &str| {
        cloud.post(&admin, SERVICE, &path("policies"), &policy(name, &[statement])).await
    };
    for (from, to, says) in [
        ("buckets", "bukkits", "bukkits is no resource type"),
        ("compartment ci", "compartment nope", "compartment nope does not exist"),
        ("compartment ci", "compartment id ocid1.compartment.oc1..nope", "nope does not exist"),
        ("group ci-deployers", "group Nope", "group Nope does not exist"),
        ("group ci-deployers", "dynamic-group ci-deployers", "dynamic group ci-deployers does not exist"),
        ("read buckets", "{BUCKET_REED}", "BUCKET_REED is no permission"),
        ("cluster_id", "cluser_id", "request.principal.cluser_id is no variable"),
    ] {
        assert!(good.contains(from), "{from}");
        let refused = create("bent", &good.replacen(from, to, 1)).await;
        assert_eq!(refused.error(), (400, "InvalidParameter".to_owned()), "{to}");
        assert!(refused.json()["message"].as_str().unwrap().contains(says), "{refused:?}");
    }
    create("straight", good).await.ok();
    create("of-others", &good.replacen("read buckets", "manage instance-family", 1)).await.ok();
}

#[tokio::test]
async fn rejects_a_policy_of_a_compartment_for_the_tenancy() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    for (place, expected) in [("tenancy", 400), ("compartment ci", 200)] {
        let mut body = policy("low", &[&format!("Allow group ci-deployers to read buckets in {place}")]);
        body["compartmentId"] = seed::COMPARTMENT.into();
        let answer = cloud.post(&admin, SERVICE, &path("policies"), &body).await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn rejects_a_flag_that_is_neither_true_nor_false() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let list = |flag: &str| in_tenancy(&format!("compartments&compartmentIdInSubtree={flag}"));
    assert_eq!(cloud.get(&admin, SERVICE, &list("False")).await.status, 200);
    let refused = cloud.get(&admin, SERVICE, &list("maybe")).await;
    assert_eq!(refused.error(), (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn a_new_dynamic_group_takes_members_by_its_rule() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let group = |name: &str, rule: &str| json!({"compartmentId": seed::TENANCY, "name": name, "description": "d", "matchingRule": rule});
    let rule = format!("resource.id = '{}'", seed::FUNCTION);
    let created = cloud.post(&admin, SERVICE, &path("dynamicGroups"), &group("fn", &rule)).await.ok();
    assert_eq!(created["matchingRule"], rule.as_str());
    let statement = "Allow dynamic-group fn to inspect vcns in compartment ci";
    cloud.post(&admin, SERVICE, &path("policies"), &policy("fn", &[statement])).await.ok();
    let vcns = path(&format!("vcns?compartmentId={}", seed::COMPARTMENT));
    assert_eq!(cloud.get(&cloud.function(), "oci-core", &vcns).await.status, 200);
    assert_eq!(cloud.get(&cloud.instance().await, "oci-core", &vcns).await.status, 404);
    let bad = cloud.post(&admin, SERVICE, &path("dynamicGroups"), &group("bad", "resource.id ~ 'x'")).await;
    assert_eq!(bad.error(), (400, "InvalidParameter".to_owned()));
    let taken = cloud.post(&admin, SERVICE, &path("dynamicGroups"), &group("FN", &rule)).await;
    assert_eq!(taken.error().0, 409);
}

#[tokio::test]
async fn iam_is_written_in_the_home_region_and_read_in_subscribed_ones() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let phoenix = "identity.us-phoenix-1.oci.oraclecloud.com";
    let read = cloud.draft(SERVICE, Method::GET, &in_tenancy("users")).at(phoenix);
    assert_eq!(cloud.send(SERVICE, read.sign(&admin)).await.status, 200);
    let mut write = cloud.draft(SERVICE, Method::POST, &path("policies")).at(phoenix);
    write.body = serde_json::to_vec(&policy("p", &["Allow group ci-deployers to read buckets in tenancy"])).unwrap();
    assert_eq!(cloud.send(SERVICE, write.sign(&admin)).await.error(), (403, "NotAllowed".to_owned()));
    let elsewhere =
        cloud.draft(SERVICE, Method::GET, &in_tenancy("users")).at("identity.eu-frankfurt-1.oraclecloud.com");
    assert_eq!(cloud.send(SERVICE, elsewhere.sign(&admin)).await.error(), (401, "NotAuthenticated".to_owned()));
    assert_eq!(cloud.last_clause(), "region");
}

#[tokio::test]
async fn rejects_api_keys_bent_in_one_place() {
    let cloud = Cloud::shared().await;
    let good = cloud.admin();
    for (from, to) in [
        (seed::TENANCY, "ocid1.tenancy.oc1..other"),
        (seed::ADMIN_USER, seed::SERVICE_USER),
        (seed::ADMIN_USER, "ocid1.user.oc1..nobody"),
    ] {
        let mut signer = good.clone();
        signer.key_id = signer.key_id.replace(from, to);
        assert_eq!(cloud.get(&signer, SERVICE, &path("regions")).await.error().0, 401, "{to}");
        assert_eq!(cloud.last_clause(), "key");
    }
    let mut signer = good.clone();
    let (start, _) = good.key_id.rsplit_once('/').unwrap();
    signer.key_id = format!("{start}/00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00");
    assert_eq!(cloud.get(&signer, SERVICE, &path("regions")).await.error().0, 401);
    assert_eq!(cloud.last_clause(), "key");
}

#[tokio::test]
async fn the_operator_sees_what_the_caller_is_not_told() {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    let cloud = Cloud::new();
    let instance = cloud.instance().await;
    cloud.get(&instance, SERVICE, &in_tenancy("users")).await;
    let control = cloud.emulator.control().unwrap();
    let response = control.oneshot(Request::get("/audit").body(Body::empty()).unwrap()).await.unwrap();
    let events: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let last = events.as_array().unwrap().last().unwrap();
    assert_eq!((last["principalId"].as_str(), last["status"].as_u64()), (Some(seed::INSTANCE), Some(404)));
    assert_eq!(last["clause"], "policy");
    assert!(last["reason"].as_str().unwrap().contains("USER_INSPECT"), "{last}");
    assert!(!events.to_string().contains("eyJ"), "no token is in the audit");
}
