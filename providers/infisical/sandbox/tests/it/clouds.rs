//! Logins that Infisical asks others about: OCI, AWS, Google, Azure, clusters.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_infisical_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{NOW, Sandbox, accepted, refused};

#[test]
fn the_seed_names_what_the_other_emulators_have() {
    assert_eq!(seed::TENANCY, carnet_oci_sandbox::seed::TENANCY);
    assert_eq!(seed::OCI_USER_NAME, carnet_oci_sandbox::seed::ADMIN_USER_NAME);
    assert_eq!(seed::AWS_ACCOUNT, carnet_aws_sandbox::seed::ACCOUNT);
    assert!(seed::AWS_PRINCIPALS.contains(&format!("user/{}", carnet_aws_sandbox::seed::USER)));
    assert_eq!(seed::GCP_SERVICE_ACCOUNTS, carnet_gcp_sandbox::seed::READER);
    let cluster = &carnet_kubernetes_sandbox::seed::CLUSTERS[0];
    assert_eq!(seed::KUBERNETES_HOST, format!("https://{}", cluster.host));
    assert_eq!(seed::KUBERNETES_REVIEWER, cluster.reviewer_token);
    let account = (carnet_kubernetes_sandbox::seed::NAMESPACE, carnet_kubernetes_sandbox::seed::ADMIN);
    assert_eq!(seed::SERVICE_ACCOUNT, account);
}

const HOST: &str = "identity.us-ashburn-1.oraclecloud.com";
const USER: &str = "ocid1.user.oc1..aaaauser";

fn signed() -> Value {
    let authorization = format!(
        r#"Signature version="1",keyId="{}/{USER}/aa:bb",algorithm="rsa-sha256",headers="date (request-target) host",signature="c2ln""#,
        seed::TENANCY
    );
    json!({ "identityId": seed::IDENTITY, "userOcid": USER,
        "headers": { "authorization": authorization, "host": HOST, "date": "Sat, 21 Nov 2026 12:00:00 GMT", "x-more": "dropped" } })
}

fn oracle(sandbox: &Sandbox, changes: Value) -> String {
    let Value::Object(changes) = changes else { panic!("no user") };
    let mut user =
        json!({ "id": USER, "compartmentId": seed::TENANCY, "name": seed::OCI_USER_NAME, "lifecycleState": "ACTIVE" });
    user.as_object_mut().unwrap().extend(changes);
    let url = format!("https://{HOST}/20160918/users/{USER}");
    sandbox.others.set(&url, 200, user);
    url
}

#[tokio::test]
async fn oracle_is_asked_with_the_headers_that_were_conveyed_and_no_others() {
    let sandbox = Sandbox::new();
    let url = oracle(&sandbox, json!({}));
    accepted(sandbox.login("oci-auth", signed()).await);
    let asked = sandbox.others.asked(&url).remove(0);
    assert_eq!((asked.method.as_str(), asked.headers.len()), ("GET", 3));
    assert_eq!(asked.headers["host"], HOST);
}

#[tokio::test]
async fn rejects_each_signed_request_to_oracle_that_is_bent_in_one_place() {
    let sandbox = Sandbox::new();
    let bent = |change: &dyn Fn(&mut Value)| {
        let mut body = signed();
        change(&mut body);
        sandbox.login("oci-auth", body)
    };
    oracle(&sandbox, json!({}));
    let host =
        bent(&|body| body["headers"]["host"] = json!("identity.us-ashburn-1.oraclecloud.com.evil.example")).await;
    refused(host, 400, "BadRequest", "Invalid OCI host format. Expected format: identity.<region>.oraclecloud.com");
    let colleague = bent(&|body| body["userOcid"] = json!("ocid1.user.oc1..colleague")).await;
    refused(colleague, 401, "UnauthorizedError", "OCI signer does not match the user");
    let path = bent(&|body| body["userOcid"] = json!("../groups/ocid1.group.oc1..x")).await;
    refused(path, 401, "UnauthorizedError", "OCI signer does not match the user");
    assert!(sandbox.others.asked(&format!("https://{HOST}/20160918/groups/ocid1.group.oc1..x")).is_empty());
    for (changes, text) in [
        (json!({ "compartmentId": "ocid1.tenancy.oc1..other" }), "Access denied: OCI account isn't part of tenancy."),
        (json!({ "name": "other" }), "Access denied: OCI account username not allowed."),
    ] {
        oracle(&sandbox, changes);
        refused(sandbox.login("oci-auth", signed()).await, 401, "UnauthorizedError", text);
    }
}

#[tokio::test]
async fn a_signature_that_oracle_refuses_is_a_failure_of_the_server() {
    let sandbox = Sandbox::new();
    let url = oracle(&sandbox, json!({}));
    sandbox.others.set(&url, 401, json!({ "code": "NotAuthenticated", "message": "x" }));
    refused(sandbox.login("oci-auth", signed()).await, 500, "InternalServerError", "Something went wrong");
}

#[tokio::test]
async fn a_user_that_is_not_active_logs_in_and_is_warned_of() {
    let sandbox = Sandbox::new();
    oracle(&sandbox, json!({ "lifecycleState": "INACTIVE" }));
    accepted(sandbox.login("oci-auth", signed()).await);
    let decided = sandbox.world.decisions.since(0).remove(0);
    let grant = decided.decision.grant().unwrap();
    assert!(grant.warnings.iter().any(|warning| warning.message.contains("not active")), "{grant:?}");
}

const STS: &str = "https://sts.eu-central-1.amazonaws.com/";

fn caller_identity(region: &str) -> Value {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIA/20261121/{region}/sts/aws4_request, SignedHeaders=host, Signature=00"
    );
    let headers = json!({ "authorization": authorization, "accept": "application/json" });
    json!({ "identityId": seed::IDENTITY, "iamHttpRequestMethod": "POST",
        "iamRequestBody": STANDARD.encode("Action=GetCallerIdentity&Version=2011-06-15"),
        "iamRequestHeaders": STANDARD.encode(headers.to_string()) })
}

fn aws(sandbox: &Sandbox, account: &str, arn: &str) {
    let result = json!({ "Account": account, "Arn": arn, "UserId": "AIDA" });
    let answer = json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": result } });
    sandbox.others.set(STS, 200, answer);
}

#[tokio::test]
async fn aws_is_asked_in_the_region_of_the_signature() {
    let sandbox = Sandbox::new();
    aws(&sandbox, seed::AWS_ACCOUNT, "arn:aws:iam::123456789012:user/builder");
    accepted(sandbox.login("aws-auth", caller_identity("eu-central-1")).await);
    let asked = sandbox.others.asked(STS).remove(0);
    assert_eq!((asked.method.as_str(), &asked.body[..6]), ("POST", &b"Action"[..]));
}

#[tokio::test]
async fn rejects_each_caller_of_aws_that_is_not_configured() {
    let sandbox = Sandbox::new();
    let login = || sandbox.login("aws-auth", caller_identity("eu-central-1"));
    refused(login().await, 500, "InternalServerError", "Something went wrong");
    let answer = sandbox.login("aws-auth", caller_identity("evil.example#")).await;
    refused(answer, 400, "BadRequest", "Invalid AWS region");
    aws(&sandbox, "210987654321", "arn:aws:iam::210987654321:user/builder");
    refused(login().await, 401, "UnauthorizedError", "Access denied: AWS account ID not allowed.");
    aws(&sandbox, seed::AWS_ACCOUNT, "arn:aws:sts::123456789012:assumed-role/writer/s");
    let text = "not allowed. [principal-arn=arn:aws:sts::123456789012:assumed-role/writer]";
    refused(login().await, 401, "UnauthorizedError", text);
    let mut body = caller_identity("eu-central-1");
    body["iamRequestHeaders"] = json!("not base64!");
    refused(sandbox.login("aws-auth", body).await, 422, "ValidationFailure", "iamRequestHeaders");
}

#[tokio::test]
async fn an_id_token_of_google_logs_in_for_the_identity_alone() {
    let sandbox = Sandbox::new();
    sandbox.others.set(
        "https://www.googleapis.com/oauth2/v3/certs",
        200,
        json!({ "keys": [sandbox.key.public_jwk()] }),
    );
    let login = |changes: Value| {
        let Value::Object(changes) = changes else { panic!("no claims") };
        let mut claims = json!({ "iss": "https://accounts.google.com", "aud": seed::IDENTITY,
            "email": seed::GCP_SERVICE_ACCOUNTS, "email_verified": true });
        claims.as_object_mut().unwrap().extend(changes);
        sandbox.login("gcp-auth", json!({ "identityId": seed::IDENTITY, "jwt": sandbox.jwt(claims) }))
    };
    accepted(login(json!({})).await);
    refused(login(json!({ "aud": seed::WORKER })).await, 500, "InternalServerError", "Something went wrong");
    let text = "Access denied: GCP service account not allowed.";
    refused(login(json!({ "email": "x@y" })).await, 401, "UnauthorizedError", text);
    refused(
        login(json!({ "email": null })).await,
        401,
        "UnauthorizedError",
        "You are not allowed to access this resource",
    );
}

#[tokio::test]
async fn a_jwt_of_a_service_account_is_verified_with_its_own_keys() {
    let sandbox = Sandbox::new();
    sandbox.configure("gcp-auth", json!({ "type": "iam" })).await;
    let keys = format!("https://www.googleapis.com/service_accounts/v1/jwk/{}", seed::GCP_SERVICE_ACCOUNTS);
    sandbox.others.set(&keys, 200, json!({ "keys": [sandbox.key.public_jwk()] }));
    let login = |sub: &str, aud: &str, exp: i64| {
        let jwt = sandbox.jwt(json!({ "sub": sub, "aud": aud, "exp": exp }));
        sandbox.worker("gcp-auth", json!({ "jwt": jwt }))
    };
    let account = seed::GCP_SERVICE_ACCOUNTS;
    accepted(login(account, seed::WORKER, NOW + 60).await);
    refused(login(account, "other", NOW + 60).await, 401, "UnauthorizedError", "Invalid audience in GCP IAM Token");
    refused(
        login(account, seed::WORKER, NOW).await,
        403,
        "TokenError",
        "Your token has expired. Please re-authenticate.",
    );
    refused(login("a@b", seed::WORKER, NOW + 60).await, 401, "UnauthorizedError", "Invalid service account identifier");
    let gone = login("gone@p.iam.gserviceaccount.com", seed::WORKER, NOW + 60).await;
    refused(gone, 500, "InternalServerError", "Something went wrong");
}

#[tokio::test]
async fn a_managed_identity_of_azure_logs_in_by_its_object_id() {
    let sandbox = Sandbox::new();
    let fields =
        json!({ "tenantId": "t", "resource": "https://management.azure.com/", "allowedServicePrincipalIds": "o" });
    sandbox.configure("azure-auth", fields).await;
    let keys = "https://login.microsoftonline.com/t/discovery/keys";
    let login = |name: &str, value: Value| {
        let mut claims = json!({ "iss": "https://sts.windows.net/t/", "aud": "https://management.azure.com", "tid": "t", "oid": "o" });
        claims[name] = value;
        sandbox.worker("azure-auth", json!({ "jwt": sandbox.jwt(claims) }))
    };
    refused(login("oid", json!("o")).await, 500, "InternalServerError", "Something went wrong");
    sandbox.others.set(keys, 200, json!({ "keys": [] }));
    refused(login("oid", json!("o")).await, 401, "UnauthorizedError", "Invalid signing key");
    sandbox.others.set(keys, 200, json!({ "keys": [sandbox.key.public_jwk()] }));
    accepted(login("oid", json!("o")).await);
    refused(login("oid", json!("p")).await, 401, "UnauthorizedError", "Service principal 'p' not allowed");
    refused(login("tid", json!("u")).await, 401, "UnauthorizedError", "Tenant ID mismatch");
    refused(
        login("aud", json!("x")).await,
        403,
        "TokenError",
        "jwt audience invalid. expected: https://management.azure.com",
    );
}

const REVIEWS: &str = "https://10.0.0.1:6443/apis/authentication.k8s.io/v1/tokenreviews";

fn review(sandbox: &Sandbox, status: &Value) {
    sandbox.others.set(REVIEWS, 201, json!({ "kind": "TokenReview", "status": status }));
}

#[tokio::test]
async fn the_cluster_reviews_the_token_of_a_service_account() {
    let sandbox = Sandbox::new();
    let fields = json!({ "kubernetesHost": "https://10.0.0.1:6443", "allowedNamespaces": "team-*", "allowedNames": "app",
        "allowedAudience": "infisical", "tokenReviewerJwt": "reviewer" });
    sandbox.configure("kubernetes-auth", fields).await;
    let login = || sandbox.worker("kubernetes-auth", json!({ "jwt": "a.service.account" }));
    let user = |name: &str| json!({ "authenticated": true, "audiences": ["infisical"], "user": { "username": name } });
    refused(login().await, 400, "KubernetesTokenReviewError", "nobody is there");
    review(&sandbox, &user("system:serviceaccount:team-a:app"));
    accepted(login().await);
    let asked = sandbox.others.asked(REVIEWS).remove(1);
    assert_eq!(asked.headers["authorization"], "Bearer reviewer");
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body["spec"], json!({ "token": "a.service.account", "audiences": ["infisical"] }));
    review(&sandbox, &json!({ "authenticated": false }));
    refused(login().await, 401, "KubernetesTokenReviewError", "Kubernetes token not authenticated");
    review(&sandbox, &json!({ "authenticated": false, "error": "pod is gone" }));
    refused(login().await, 401, "KubernetesTokenReviewError", "pod is gone");
    review(&sandbox, &user("system:serviceaccount:other:app"));
    refused(login().await, 401, "UnauthorizedError", "Access denied: K8s namespace not allowed.");
    review(&sandbox, &user("system:serviceaccount:team-a:other"));
    refused(login().await, 401, "UnauthorizedError", "Access denied: K8s name not allowed.");
    let long = sandbox.worker("kubernetes-auth", json!({ "jwt": "x".repeat(8193) })).await;
    refused(long, 422, "ValidationFailure", "at most 8192");
}

#[tokio::test]
async fn without_a_reviewer_the_token_reviews_itself() {
    let sandbox = Sandbox::new();
    sandbox.configure("kubernetes-auth", json!({ "kubernetesHost": "10.0.0.1:6443" })).await;
    review(&sandbox, &json!({ "authenticated": true, "user": { "username": "system:serviceaccount:a:b" } }));
    accepted(sandbox.worker("kubernetes-auth", json!({ "jwt": "itself" })).await);
    assert_eq!(sandbox.others.asked(REVIEWS)[0].headers["authorization"], "Bearer itself");
}
