//! Storage.

use carnet_gcp_sandbox::seed;
use http::Method;
use serde_json::{Value, json};

use crate::support::{CLOUD_PLATFORM, Sandbox};

const LIST: &str = "/storage/v1/b?project=carnet-sandbox&projection=noAcl&prettyPrint=false";

async fn storage(sandbox: &Sandbox, method: &str, uri: &str, token: &str) -> crate::support::Reply {
    sandbox.api("gcp-storage", method, uri, token, Value::Null).await
}

#[tokio::test]
async fn a_job_lists_buckets_without_a_service_account() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let body = storage(&sandbox, "GET", LIST, &token).await.ok();
    insta::assert_json_snapshot!(body["items"][1], @r#"
    {
      "etag": "CAE=",
      "id": "carnet-reports",
      "kind": "storage#bucket",
      "location": "US",
      "locationType": "multi-region",
      "metageneration": "1",
      "name": "carnet-reports",
      "projectNumber": "123456789012",
      "selfLink": "https://www.googleapis.com/storage/v1/b/carnet-reports",
      "storageClass": "STANDARD",
      "timeCreated": "2026-11-21T12:00:00.000Z",
      "updated": "2026-11-21T12:00:00.000Z"
    }
    "#);
    assert_eq!(body["kind"], "storage#buckets");
    assert_eq!(body["items"].as_array().unwrap().len(), seed::BUCKETS.len());
}

#[tokio::test]
async fn lists_have_pages_and_prefixes() {
    let sandbox = Sandbox::new();
    let token = sandbox.reader().await;
    let first = storage(&sandbox, "GET", &format!("{LIST}&maxResults=1"), &token).await.ok();
    assert_eq!(first["items"][0]["name"], "carnet-logs");
    let next = url::form_urlencoded::byte_serialize(first["nextPageToken"].as_str().unwrap().as_bytes());
    let next = format!("{LIST}&maxResults=1&pageToken={}", next.collect::<String>());
    let second = storage(&sandbox, "GET", &next, &token).await.ok();
    assert_eq!((&second["items"][0]["name"], second.get("nextPageToken")), (&json!("carnet-reports"), None));
    let none = storage(&sandbox, "GET", &format!("{LIST}&prefix=x"), &token).await.ok();
    assert_eq!(none, json!({ "kind": "storage#buckets" }), "no items at all when there are none");
}

#[tokio::test]
async fn rejects_another_repository() {
    let sandbox = Sandbox::new();
    let token = sandbox.exchange(&sandbox.job(json!({ "repository": "carnet-sandbox/other" }))).await.ok();
    let reply = storage(&sandbox, "GET", LIST, token["access_token"].as_str().unwrap()).await;
    assert_eq!(reply.status, 403);
    insta::assert_json_snapshot!(reply.json(), @r#"
    {
      "error": {
        "code": 403,
        "errors": [
          {
            "domain": "global",
            "message": "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/subject/repo:carnet-sandbox/app:ref:refs/heads/main does not have storage.buckets.list access to the Google Cloud project. Permission 'storage.buckets.list' denied on resource (or it may not exist).",
            "reason": "forbidden"
          }
        ],
        "message": "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/subject/repo:carnet-sandbox/app:ref:refs/heads/main does not have storage.buckets.list access to the Google Cloud project. Permission 'storage.buckets.list' denied on resource (or it may not exist)."
      }
    }
    "#);
}

#[tokio::test]
async fn rejects_missing_and_unknown_tokens() {
    let sandbox = Sandbox::new();
    let reply = storage(&sandbox, "GET", LIST, "ya29.c.x").await;
    assert_eq!(reply.status, 401);
    insta::assert_json_snapshot!(reply.json(), @r#"
    {
      "error": {
        "code": 401,
        "errors": [
          {
            "domain": "global",
            "location": "Authorization",
            "locationType": "header",
            "message": "Invalid Credentials",
            "reason": "authError"
          }
        ],
        "message": "Invalid Credentials"
      }
    }
    "#);
    let anonymous = sandbox.send("gcp-storage", Method::GET, LIST, &[], "").await;
    assert_eq!(
        (anonymous.status.as_u16(), &anonymous.json()["error"]["errors"][0]["reason"]),
        (401, &json!("required"))
    );
}

#[tokio::test]
async fn rejects_scopes_that_do_not_cover_the_call() {
    let sandbox = Sandbox::new();
    let mut fields = Sandbox::exchange_fields(&sandbox.job(json!({})));
    for (scope, expected) in [
        ("https://www.googleapis.com/auth/devstorage.read_only", 200),
        ("https://www.googleapis.com/auth/iam", 403),
        (CLOUD_PLATFORM, 200),
    ] {
        fields[2].1 = scope.to_owned();
        let token = sandbox.exchange_with(&fields).await.ok();
        let reply = storage(&sandbox, "GET", LIST, token["access_token"].as_str().unwrap()).await;
        assert_eq!(reply.status, expected, "{scope}");
    }
}

#[tokio::test]
async fn a_project_must_be_named_and_the_callers() {
    let sandbox = Sandbox::new();
    let token = sandbox.reader().await;
    assert_eq!(storage(&sandbox, "GET", "/storage/v1/b", &token).await.status, 400);
    assert_eq!(storage(&sandbox, "GET", "/storage/v1/b?project=elsewhere", &token).await.status, 403);
    assert_eq!(storage(&sandbox, "GET", "/storage/v1/b?project=123456789012", &token).await.status, 200);
}

#[tokio::test]
async fn buckets_are_made_found_and_deleted() {
    let sandbox = Sandbox::new();
    let builder = sandbox.builder().await;
    let create = "/storage/v1/b?project=carnet-sandbox";
    let body = json!({ "name": "carnet-new", "location": "eu" });
    let made = sandbox.api("gcp-storage", "POST", create, &builder, body.clone()).await.ok();
    assert_eq!(made["location"], "EU");
    assert_eq!(sandbox.api("gcp-storage", "POST", create, &builder, body.clone()).await.status, 409);
    let reader = sandbox.reader().await;
    assert_eq!(sandbox.api("gcp-storage", "POST", create, &reader, body).await.status, 403);
    let invalid = sandbox.api("gcp-storage", "POST", create, &builder, json!({ "name": "No" })).await;
    assert_eq!(invalid.status, 400);
    storage(&sandbox, "GET", "/storage/v1/b/carnet-new", &reader).await.ok();
    assert_eq!(storage(&sandbox, "DELETE", "/storage/v1/b/carnet-new", &builder).await.status, 204);
    assert_eq!(storage(&sandbox, "GET", "/storage/v1/b/carnet-new", &reader).await.status, 404);
    assert_eq!(storage(&sandbox, "DELETE", "/storage/v1/b/carnet-reports", &builder).await.status, 409, "not empty");
}

#[tokio::test]
async fn objects_are_put_listed_read_and_deleted() {
    let sandbox = Sandbox::new();
    let builder = format!("Bearer {}", sandbox.builder().await);
    let put = |uri: &'static str, kind: &'static str, body: &'static str| {
        let builder = builder.clone();
        let sandbox = &sandbox;
        async move {
            let headers = [("authorization", builder.as_str()), ("content-type", kind)];
            sandbox.send("gcp-storage", Method::POST, uri, &headers, body).await
        }
    };
    let simple = "/upload/storage/v1/b/carnet-logs/o?uploadType=media&name=a%2Fsimple.txt";
    let made = put(simple, "text/plain", "123456789").await.ok();
    assert_eq!((&made["size"], &made["crc32c"]), (&json!("9"), &json!("4waSgw==")));
    let multipart = "/upload/storage/v1/b/carnet-logs/o?uploadType=multipart";
    let body = "--===b==\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{\"name\": \"a/multi.txt\"}\r\n--===b==\r\ncontent-type: text/plain\r\n\r\nline\n\r\n--===b==--";
    let made = put(multipart, "multipart/related; boundary=\"===b==\"", body).await.ok();
    assert_eq!((&made["name"], &made["size"]), (&json!("a/multi.txt"), &json!("5")));
    assert_eq!(put(multipart, "multipart/related; boundary=other", body).await.status, 400);
    assert_eq!(put("/upload/storage/v1/b/nowhere/o?uploadType=media&name=x", "text/plain", "x").await.status, 404);

    let reader = sandbox.reader().await;
    let list = "/storage/v1/b/carnet-logs/o";
    let names = storage(&sandbox, "GET", &format!("{list}?prefix=a/"), &reader).await.ok();
    assert_eq!(names["items"].as_array().unwrap().len(), 2);
    let folders = storage(&sandbox, "GET", &format!("{list}?delimiter=/"), &reader).await.ok();
    assert_eq!((&folders["prefixes"], folders.get("items")), (&json!(["a/"]), None));
    for uri in [
        "/storage/v1/b/carnet-logs/o/a%2Fmulti.txt?alt=media",
        "/download/storage/v1/b/carnet-logs/o/a%2Fmulti.txt?alt=media",
    ] {
        let read = storage(&sandbox, "GET", uri, &reader).await;
        assert_eq!((read.text(), read.header("content-type")), ("line\n", "text/plain"));
    }
    let one = "/storage/v1/b/carnet-logs/o/a%2Fsimple.txt";
    assert_eq!(storage(&sandbox, "GET", one, &reader).await.ok()["contentType"], "text/plain");
    assert_eq!(storage(&sandbox, "DELETE", one, &reader).await.status, 403);
    let builder = sandbox.builder().await;
    assert_eq!(storage(&sandbox, "DELETE", one, &builder).await.status, 204);
    assert_eq!(storage(&sandbox, "GET", one, &reader).await.status, 404);
}

#[tokio::test]
async fn a_resumable_upload_in_one_piece_works() {
    let sandbox = Sandbox::new();
    let builder = sandbox.builder().await;
    let resumable = "/upload/storage/v1/b/carnet-logs/o?uploadType=resumable";
    let begun =
        sandbox.api("gcp-storage", "POST", resumable, &builder, json!({ "name": "big", "contentType": "a/b" })).await;
    let place = begun.header("location").to_owned();
    let place = place.strip_prefix("https://storage.googleapis.com").unwrap();
    // Only who began it may end it, and only once.
    let reader = sandbox.reader().await;
    assert_eq!(sandbox.api("gcp-storage", "PUT", place, &reader, json!("x")).await.status, 404);
    let made = sandbox.api("gcp-storage", "PUT", place, &builder, json!({ "x": 1 })).await.ok();
    assert_eq!((&made["contentType"], &made["name"]), (&json!("a/b"), &json!("big")));
    assert_eq!(sandbox.api("gcp-storage", "PUT", place, &builder, json!({})).await.status, 404);
}

#[tokio::test]
async fn the_seeded_report_can_be_read() {
    let sandbox = Sandbox::new();
    let reader = sandbox.reader().await;
    let uri = "/storage/v1/b/carnet-reports/o/2026%2F11%2Freport.txt?alt=media";
    assert_eq!(storage(&sandbox, "GET", uri, &reader).await.text(), seed::OBJECT.1);
    let job = sandbox.federated().await;
    assert_eq!(storage(&sandbox, "GET", uri, &job).await.status, 403, "the job may only list buckets");
}
