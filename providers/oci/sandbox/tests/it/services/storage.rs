//! Object storage.

use carnet_oci_sandbox::seed;
use http::{Method, header};
use serde_json::{Value, json};

use super::support::{Answer, Cloud, Draft, GENERAL, Signer};

const SERVICE: &str = "oci-objectstorage";

fn bucket(rest: &str) -> String {
    format!("/n/{}/b{rest}", seed::NAMESPACE)
}

fn create(name: &str) -> Value {
    json!({"name": name, "compartmentId": seed::COMPARTMENT})
}

/// An upload as the Python SDK makes it: the body is not signed.
fn upload(cloud: &Cloud, target: &str, content: &[u8]) -> Draft {
    let mut draft = cloud.draft(SERVICE, Method::PUT, target).signed(GENERAL).header("expect", "100-continue");
    draft.body = content.to_vec();
    draft
}

#[tokio::test]
async fn the_namespace_is_a_json_string_and_needs_no_permission() {
    let cloud = Cloud::shared().await;
    let instance = cloud.instance().await;
    for path in ["/n", "/n/"] {
        let answer = cloud.get(&instance, SERVICE, path).await;
        assert_eq!(answer.text(), format!("\"{}\"", seed::NAMESPACE));
        assert!(answer.header("opc-request-id").starts_with("iad-1:"));
    }
    let asked = cloud.get(&instance, SERVICE, &format!("/n?compartmentId={}", seed::TENANCY)).await;
    assert_eq!(asked.error(), (404, "NotAuthorizedOrNotFound".to_owned()));
}

#[tokio::test]
async fn buckets_are_made_listed_and_deleted() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let made = cloud.post(&admin, SERVICE, &bucket(""), &create("new")).await;
    let body = made.ok();
    for (field, expected) in [
        ("namespace", seed::NAMESPACE),
        ("createdBy", seed::ADMIN_USER),
        ("publicAccessType", "NoPublicAccess"),
        ("storageTier", "Standard"),
        ("versioning", "Disabled"),
    ] {
        assert_eq!(body[field], expected, "{field}");
    }
    assert_eq!(made.header("etag"), body["etag"].as_str().unwrap());
    let listed = cloud.get(&admin, SERVICE, &bucket(&format!("?compartmentId={}", seed::COMPARTMENT))).await.ok();
    assert_eq!(listed.as_array().unwrap().iter().map(|one| &one["name"]).collect::<Vec<_>>(), [seed::BUCKET, "new"]);
    assert!(listed[0]["freeformTags"].is_null());
    let head = cloud.call(&admin, SERVICE, Method::HEAD, &bucket("/new")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let again = cloud.post(&admin, SERVICE, &bucket(""), &create("new")).await;
    assert_eq!(again.error(), (409, "BucketAlreadyExists".to_owned()));
    assert_eq!(cloud.call(&admin, SERVICE, Method::DELETE, &bucket("/new")).await.status, 204);
    assert_eq!(cloud.get(&admin, SERVICE, &bucket("/new")).await.error(), (404, "BucketNotFound".to_owned()));
    let full = cloud.call(&admin, SERVICE, Method::DELETE, &bucket("/artifacts")).await;
    assert_eq!(full.error(), (409, "BucketNotEmpty".to_owned()));
}

#[tokio::test]
async fn a_denied_creation_reads_like_a_name_that_is_taken() {
    let cloud = Cloud::shared().await;
    let instance = cloud.instance().await;
    let denied = cloud.post(&instance, SERVICE, &bucket(""), &create("mine")).await;
    assert_eq!(denied.error(), (409, "BucketAlreadyExists".to_owned()));
    let expected = format!(
        "Either the bucket 'mine' in namespace '{}' already exists or you are not authorized to create it",
        seed::NAMESPACE
    );
    assert_eq!(denied.json()["message"], expected);
    assert_eq!(cloud.last_clause(), "policy");
}

#[tokio::test]
async fn absence_has_its_own_codes_here() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    for (target, code) in [
        (bucket("/nothing"), "BucketNotFound"),
        (bucket("/nothing/o/x"), "BucketNotFound"),
        (bucket("/artifacts/o/nothing"), "ObjectNotFound"),
        ("/n/other/b/artifacts".to_owned(), "NamespaceNotFound"),
        ("/other".to_owned(), "NotAuthorizedOrNotFound"),
    ] {
        assert_eq!(cloud.get(&admin, SERVICE, &target).await.error(), (404, code.to_owned()), "{target}");
    }
    let answer = cloud.get(&admin, SERVICE, &bucket("")).await;
    assert_eq!(answer.error(), (400, "MissingParameter".to_owned()));
    let answer = cloud.post(&admin, SERVICE, &bucket(""), &create("a/b")).await;
    assert_eq!(answer.error(), (400, "InvalidBucketName".to_owned()));
}

#[tokio::test]
async fn rejects_a_bucket_with_an_access_that_is_none_or_that_nobody_would_have() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    for access in ["X", "ObjectRead"] {
        let mut body = create("open");
        body["publicAccessType"] = json!(access);
        let refused = cloud.post(&admin, SERVICE, &bucket(""), &body).await;
        assert_eq!(refused.error(), (400, "InvalidParameter".to_owned()), "{access}");
    }
}

async fn put(cloud: &Cloud, signer: &Signer, target: &str, content: &[u8]) -> Answer {
    cloud.send(SERVICE, upload(cloud, target, content).sign(signer)).await
}

#[tokio::test]
async fn objects_are_put_read_and_deleted_under_their_raw_names() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let target = bucket("/artifacts/o/dir%2Fa%20b.txt");
    let draft = upload(&cloud, &target, b"content").header("content-type", "text/plain").header("opc-meta-run", "7");
    let stored = cloud.send(SERVICE, draft.sign(&admin)).await;
    assert_eq!(stored.status, 200);
    assert_eq!(stored.header("opc-content-md5"), "mgNkuembtIDdJeHwKEyFVQ==");
    let read = cloud.get(&admin, SERVICE, &target).await;
    assert_eq!((read.text().as_str(), read.header("content-type")), ("content", "text/plain"));
    assert_eq!((read.header("opc-meta-run"), read.header("etag")), ("7", stored.header("etag")));
    assert_eq!(cloud.get(&admin, SERVICE, &bucket("/artifacts/o/dir/a%20b.txt")).await.text(), "content");
    let head = cloud.call(&admin, SERVICE, Method::HEAD, &target).await;
    assert_eq!((head.body.len(), head.headers[header::CONTENT_LENGTH].to_str().unwrap()), (0, "7"));
    assert_eq!(cloud.call(&admin, SERVICE, Method::DELETE, &target).await.status, 204);
    assert_eq!(cloud.get(&admin, SERVICE, &target).await.error(), (404, "ObjectNotFound".to_owned()));
}

#[tokio::test]
async fn objects_are_listed_by_prefix_and_folder() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    for name in ["a%2F1", "a%2F2", "a%2Fb%2F3", "c"] {
        assert_eq!(put(&cloud, &admin, &bucket(&format!("/artifacts/o/{name}")), b"x").await.status, 200);
    }
    let list = async |query: &str| {
        let listed = cloud.get(&admin, SERVICE, &bucket(&format!("/artifacts/o?{query}"))).await.ok();
        let names: Vec<String> =
            listed["objects"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), listed["prefixes"].clone(), listed["nextStartWith"].clone())
    };
    assert_eq!(list("").await.0, "a/1 a/2 a/b/3 c hello.txt");
    assert_eq!(list("prefix=a/&delimiter=/").await, ("a/1 a/2".to_owned(), json!(["a/b/"]), Value::Null));
    assert_eq!(list("delimiter=/").await, ("c hello.txt".to_owned(), json!(["a/"]), Value::Null));
    assert_eq!(list("limit=2").await, ("a/1 a/2".to_owned(), json!([]), json!("a/b/3")));
    assert_eq!(list("start=a/b/3&end=hello.txt").await.0, "a/b/3 c");
    let sizes = cloud.get(&admin, SERVICE, &bucket("/artifacts/o?prefix=c&fields=name,size")).await.ok();
    assert_eq!(sizes["objects"], json!([{"name": "c", "size": 1}]));
    assert_eq!(cloud.get(&admin, SERVICE, &bucket("/artifacts/o?delimiter=x")).await.error().0, 400);
}

#[tokio::test]
async fn who_may_read_may_not_write() {
    let cloud = Cloud::shared().await;
    let instance = cloud.instance().await;
    let object = bucket("/artifacts/o/hello.txt");
    assert_eq!(cloud.get(&instance, SERVICE, &object).await.text(), seed::OBJECT_CONTENT);
    assert_eq!(put(&cloud, &instance, &object, b"x").await.error(), (404, "BucketNotFound".to_owned()));
    assert_eq!(cloud.last_clause(), "policy");
    let deleted = cloud.call(&instance, SERVICE, Method::DELETE, &object).await;
    assert_eq!(deleted.error(), (404, "ObjectNotFound".to_owned()));
    assert_eq!(cloud.last_clause(), "policy");
}

#[tokio::test]
async fn rejects_uploads_whose_preconditions_fail() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let object = bucket("/artifacts/o/hello.txt");
    for (name, value, status, code) in [
        ("if-none-match", "*", 412, "IfNoneMatchFailed"),
        ("if-match", "other", 412, "IfMatchFailed"),
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", 400, "UnmatchedContentMD5"),
    ] {
        let draft = upload(&cloud, &object, b"x").header(name, value);
        assert_eq!(cloud.send(SERVICE, draft.sign(&admin)).await.error(), (status, code.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn rejects_reads_whose_preconditions_fail() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let target = bucket("/artifacts/o/once");
    let etag = put(&cloud, &admin, &target, b"1").await.header("etag").to_owned();
    for (name, value, status) in [
        ("if-match", etag.as_str(), 200),
        ("if-match", "other", 412),
        ("if-none-match", "other", 200),
        ("if-none-match", etag.as_str(), 304),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let draft = cloud.draft(SERVICE, method.clone(), &target).header(name, value);
            let answer = cloud.send(SERVICE, draft.sign(&admin)).await;
            assert_eq!(answer.status.as_u16(), status, "{method} with {name}: {value}");
        }
    }
    let absent = bucket("/artifacts/o/never");
    let draft = upload(&cloud, &absent, b"1").header("if-match", "other");
    assert_eq!(cloud.send(SERVICE, draft.sign(&admin)).await.error(), (412, "IfMatchFailed".to_owned()));
}

#[tokio::test]
async fn one_range_of_an_object_is_answered_with_206() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let target = bucket("/artifacts/o/digits");
    let etag = put(&cloud, &admin, &target, b"0123456789").await.header("etag").to_owned();
    let read = async |method: Method, headers: &[(&str, &str)]| {
        let draft = cloud.draft(SERVICE, method, &target);
        let draft = headers.iter().fold(draft, |draft, (name, value)| draft.header(name, value));
        cloud.send(SERVICE, draft.sign(&admin)).await
    };
    for (range, content, shown) in
        [("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=-2", "89", "bytes 8-9/10"), ("bytes=8-99", "89", "bytes 8-9/10")]
    {
        let answer = read(Method::GET, &[("range", range), ("if-range", &etag)]).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (206, content), "{range}");
        assert_eq!((answer.header("content-range"), answer.header("etag")), (shown, etag.as_str()));
        assert!(!answer.headers.contains_key("content-md5"), "the hash of the whole beside a part");
    }
    for (method, headers, status) in [
        (Method::GET, &[("range", "bytes=0-1,4-5")][..], 200),
        (Method::GET, &[("range", "bytes=2-4"), ("if-range", "other")], 200),
        (Method::GET, &[("range", "bytes=2-4"), ("if-none-match", &etag)], 304),
        (Method::GET, &[("range", "bytes=2-4"), ("if-match", "other")], 412),
        (Method::HEAD, &[("range", "bytes=2-4")], 200),
    ] {
        let answer = read(method.clone(), headers).await;
        assert_eq!(answer.status, status, "{method} {headers:?}");
        assert!(!answer.headers.contains_key("content-range"), "{method} {headers:?}");
        if status == 200 {
            assert_eq!((answer.header("accept-ranges"), answer.header("content-length")), ("bytes", "10"));
        }
    }
}

#[tokio::test]
async fn rejects_a_range_behind_the_end_of_an_object() {
    let cloud = Cloud::shared().await;
    let admin = cloud.admin();
    let target = bucket("/artifacts/o/short");
    assert_eq!(put(&cloud, &admin, &target, b"0123456789").await.status, 200);
    let draft = cloud.draft(SERVICE, Method::GET, &target).header("range", "bytes=10-");
    let answer = cloud.send(SERVICE, draft.sign(&admin)).await;
    assert_eq!(answer.error(), (416, "InvalidRange".to_owned()));
    assert_eq!(answer.header("content-range"), "bytes */10");
}

#[tokio::test]
async fn rejects_a_body_that_was_changed_after_it_was_signed() {
    let cloud = Cloud::shared().await;
    let mut draft = cloud.draft(SERVICE, Method::POST, &bucket(""));
    draft.body = serde_json::to_vec(&create("one")).unwrap();
    let authorization = draft.authorization(&cloud.admin());
    let mut request = draft.sign(&cloud.admin());
    assert_eq!(request.headers()["authorization"], authorization.as_str());
    *request.body_mut() = serde_json::to_vec(&create("two")).unwrap().into();
    let answer = cloud.send(SERVICE, request).await;
    assert_eq!(answer.error(), (401, "NotAuthenticated".to_owned()));
    assert_eq!(cloud.last_clause(), "body-hash");
}

#[tokio::test]
async fn rejects_requests_without_a_signature() {
    use axum::body::Body;
    use http::Request;
    let cloud = Cloud::shared().await;
    let answer = cloud.send(SERVICE, Request::get("/n").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.error(), (401, "NotAuthenticated".to_owned()));
    assert_eq!(
        answer.json()["message"],
        "The required information to complete authentication was not provided or was incorrect."
    );
    assert_eq!(cloud.last_clause(), "authorization");
}
