//! Blob Storage.

use carnet_azure_sandbox::seed;
use serde_json::json;

use crate::support::{ACCOUNT_HOST, ARM, Sandbox, with};

const BLOCK: (&str, &str) = ("x-ms-blob-type", "BlockBlob");

#[tokio::test]
async fn a_workload_puts_lists_reads_and_deletes() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::APPLICATION).await;
    let blob =
        |method: &'static str, path: &'static str, more: Vec<(&'static str, &'static str)>, body: &'static str| {
            let (sandbox, token) = (&sandbox, token.as_str());
            async move { sandbox.blob(method, path, token, &more, body).await }
        };
    let made = blob("PUT", "/fresh?restype=container", vec![], "").await;
    assert_eq!((made.status.as_u16(), made.header("etag").is_empty()), (201, false));
    let put = blob(
        "PUT",
        "/fresh/a/b%20c.txt",
        vec![BLOCK, ("content-type", "text/plain"), ("x-ms-meta-who", "me")],
        "hello",
    )
    .await;
    assert_eq!((put.status.as_u16(), put.header("content-md5")), (201, "XUFAKrxLKna5cZ2REBfFkg=="));
    let listed = blob("GET", "/fresh?restype=container&comp=list&include=metadata", vec![], "").await;
    assert_eq!((listed.status.as_u16(), listed.header("content-type")), (200, "application/xml"));
    let text = listed.text();
    assert!(text.contains(
        "<EnumerationResults ServiceEndpoint=\"https://carnetsandbox.blob.core.windows.net/\" ContainerName=\"fresh\">"
    ));
    assert!(text.contains("<Name>a/b c.txt</Name>") && text.contains("<Content-Length>5</Content-Length>"), "{text}");
    assert!(text.contains("<who>me</who>") && text.ends_with("<NextMarker /></EnumerationResults>"), "{text}");
    let got = blob("GET", "/fresh/a/b%20c.txt", vec![], "").await;
    assert_eq!((got.status.as_u16(), got.text(), got.header("content-type")), (200, "hello", "text/plain"));
    assert_eq!((got.header("x-ms-meta-who"), got.header("x-ms-blob-type")), ("me", "BlockBlob"));
    assert_eq!(got.header("last-modified"), "Sat, 21 Nov 2026 12:00:00 GMT");
    let part = blob("GET", "/fresh/a/b%20c.txt", vec![("x-ms-range", "bytes=1-33554431")], "").await;
    assert_eq!((part.status.as_u16(), part.text(), part.header("content-range")), (206, "ello", "bytes 1-4/5"));
    assert_eq!(blob("HEAD", "/fresh/a/b%20c.txt", vec![], "").await.header("content-length"), "5");
    assert_eq!(blob("DELETE", "/fresh/a/b%20c.txt", vec![], "").await.status, 202);
    blob("GET", "/fresh/a/b%20c.txt", vec![], "").await.xml(404, "BlobNotFound");
    assert_eq!(blob("DELETE", "/fresh?restype=container", vec![], "").await.status, 202);
    blob("GET", "/fresh?restype=container", vec![], "").await.xml(404, "ContainerNotFound");
}

#[tokio::test]
async fn the_firewall_of_an_account_lets_nobody_in() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::APPLICATION).await;
    let read = async || sandbox.blob("GET", "/reports/2026/11/report.txt", &token, &[], "").await;
    sandbox.behave(json!({ "firewalled_accounts": ["another"] })).await;
    assert_eq!(read().await.status, 200);
    sandbox.behave(json!({ "firewalled_accounts": [seed::ACCOUNT] })).await;
    let reply = read().await;
    assert!(reply.text().contains("This request is not authorized to perform this operation.\n"), "{}", reply.text());
    reply.xml(403, "AuthorizationFailure");
    let put = sandbox.blob("PUT", "/reports/new", &token, &[BLOCK], "x").await;
    put.xml(403, "AuthorizationFailure");
    let decisions = sandbox.world.decisions.since(0);
    assert_eq!(decisions.last().unwrap().decision.refusal().unwrap().clause, "network");
    sandbox.behave(json!({})).await;
    assert_eq!(read().await.status, 200);
}

#[tokio::test]
async fn the_account_may_stand_in_the_path() {
    let sandbox = Sandbox::new();
    let authorization = format!("Bearer {}", sandbox.token(seed::IDENTITY_CLIENT).await);
    let headers =
        [("host", "127.0.0.1:7001"), ("authorization", authorization.as_str()), ("x-ms-version", "2026-10-06")];
    let path = format!("/{}/reports/2026/11/report.txt", seed::ACCOUNT);
    let reply = sandbox.send("azure-blob", "GET", &path, &headers, "").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, seed::BLOB.1));
    let listed = sandbox.send("azure-blob", "GET", &format!("/{}?comp=list", seed::ACCOUNT), &headers, "").await;
    assert!(listed.text().contains("ServiceEndpoint=\"https://127.0.0.1:7001/carnetsandbox/\""), "{}", listed.text());
    assert!(listed.text().contains("<Name>logs</Name>") && listed.text().contains("<Name>reports</Name>"));
}

#[tokio::test]
async fn lists_are_cut_into_pages_and_folders() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::APPLICATION).await;
    for name in ["a/1", "a/2", "b", "c/1"] {
        let reply = sandbox.blob("PUT", &format!("/logs/{name}"), &token, &[BLOCK], "x").await;
        assert_eq!(reply.status, 201);
    }
    let list = async |query: &str| {
        let path = format!("/logs?restype=container&comp=list{query}");
        let reply = sandbox.blob("GET", &path, &token, &[], "").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text().to_owned();
        let names: Vec<String> =
            text.split("<Name>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
        let marker = text.split("<NextMarker>").nth(1).map(|rest| rest.split('<').next().unwrap().to_owned());
        (names, marker)
    };
    assert_eq!(list("&delimiter=/").await.0, ["a/", "b", "c/"]);
    assert_eq!(list("&prefix=a/").await, (vec!["a/1".to_owned(), "a/2".to_owned()], None));
    let (names, marker) = list("&delimiter=/&maxresults=1").await;
    assert_eq!(names, ["a/"]);
    let (names, marker) = list(&format!("&delimiter=/&maxresults=1&marker={}", marker.unwrap())).await;
    assert_eq!(names, ["b"]);
    let (names, marker) = list(&format!("&delimiter=/&marker={}", marker.unwrap())).await;
    assert_eq!((names, marker), (vec!["c/".to_owned()], None));
}

#[tokio::test]
async fn whoever_brings_no_token_is_told_where_to_get_one() {
    let sandbox = Sandbox::new();
    let headers = [("host", ACCOUNT_HOST), ("x-ms-version", "2026-10-06"), ("x-ms-client-request-id", "mine")];
    let reply = sandbox.send("azure-blob", "GET", "/?comp=list", &headers, "").await;
    reply.xml(401, "NoAuthenticationInformation");
    let expected = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{}/oauth2/authorize resource_id=https://storage.azure.com",
        seed::TENANT
    );
    assert_eq!(reply.header("www-authenticate"), expected);
    assert_eq!((reply.header("x-ms-client-request-id"), reply.header("x-ms-version")), ("mine", "2026-10-06"));
    assert!(!reply.header("x-ms-request-id").is_empty());
    sandbox.send("azure-blob", "GET", "/?comp=list", &headers[..1], "").await.xml(409, "PublicAccessNotPermitted");
}

#[tokio::test]
async fn rejects_credentials_bent_in_one_place() {
    let sandbox = Sandbox::new();
    let good = format!("Bearer {}", sandbox.token(seed::APPLICATION).await);
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "scope", &format!("{ARM}/.default"));
    let other = sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
    let other = format!("Bearer {}", other["access_token"].as_str().unwrap());
    for (authorization, version, status, code) in [
        ("Bearer x", "2026-10-06", 401, "InvalidAuthenticationInfo"),
        (other.as_str(), "2026-10-06", 401, "InvalidAuthenticationInfo"),
        ("SharedKey carnetsandbox:eA==", "2026-10-06", 403, "KeyBasedAuthenticationNotPermitted"),
        (good.as_str(), "2015-04-05", 403, "AuthenticationFailed"),
        (good.as_str(), "latest", 400, "InvalidHeaderValue"),
    ] {
        let headers = [("host", ACCOUNT_HOST), ("authorization", authorization), ("x-ms-version", version)];
        sandbox.send("azure-blob", "GET", "/?comp=list", &headers, "").await.xml(status, code);
    }
    sandbox.advance(jiff::SignedDuration::from_mins(91));
    let headers = [("host", ACCOUNT_HOST), ("authorization", good.as_str()), ("x-ms-version", "2026-10-06")];
    sandbox.send("azure-blob", "GET", "/?comp=list", &headers, "").await.xml(401, "InvalidAuthenticationInfo");
}

#[tokio::test]
async fn a_reader_may_not_write() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::IDENTITY_CLIENT).await;
    for (method, path) in [
        ("PUT", "/reports/a.txt"),
        ("DELETE", "/reports/2026/11/report.txt"),
        ("PUT", "/fresh?restype=container"),
        ("DELETE", "/logs?restype=container"),
    ] {
        let reply = sandbox.blob(method, path, &token, &[BLOCK], "").await;
        reply.xml(403, "AuthorizationPermissionMismatch");
    }
    assert_eq!(sandbox.blob("GET", "/reports/2026/11/report.txt", &token, &[], "").await.status, 200);
}

#[tokio::test]
async fn rejects_requests_bent_in_one_place() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::APPLICATION).await;
    let report = "/reports/2026/11/report.txt";
    for (method, path, more, status, code) in [
        ("PUT", "/reports?restype=container", vec![], 409, "ContainerAlreadyExists"),
        ("PUT", "/A_B?restype=container", vec![], 400, "InvalidResourceName"),
        ("PUT", "/nothing/a", vec![BLOCK], 404, "ContainerNotFound"),
        ("PUT", "/logs/a", vec![], 400, "MissingRequiredHeader"),
        ("PUT", "/logs/a", vec![("x-ms-blob-type", "PageBlob")], 501, "NotImplemented"),
        ("PUT", "/logs/a?comp=block&blockid=eA==", vec![], 501, "NotImplemented"),
        ("PUT", "/logs/a", vec![BLOCK, ("content-md5", "eA==")], 400, "Md5Mismatch"),
        ("PUT", report, vec![BLOCK, ("if-none-match", "*")], 409, "BlobAlreadyExists"),
        ("PUT", report, vec![BLOCK, ("if-match", "\"0x1\"")], 412, "ConditionNotMet"),
        ("GET", report, vec![("x-ms-range", "bytes=100-")], 416, "InvalidRange"),
        ("GET", report, vec![("x-ms-range", "lines=1-2")], 400, "InvalidHeaderValue"),
        ("GET", "/nothing?restype=container&comp=list", vec![], 404, "ContainerNotFound"),
        ("GET", "/logs?restype=container&comp=list&maxresults=0", vec![], 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/logs?restype=container&comp=list&maxresults=x", vec![], 400, "InvalidQueryParameterValue"),
        ("GET", "/logs?restype=container&comp=list&marker=!", vec![], 400, "InvalidQueryParameterValue"),
        ("GET", "/logs?restype=container&comp=acl", vec![], 501, "NotImplemented"),
        ("PATCH", report, vec![], 405, "UnsupportedHttpVerb"),
    ] {
        sandbox.blob(method, path, &token, &more, "x").await.xml(status, code);
    }
    let authorization = format!("Bearer {token}");
    let headers = [
        ("host", "other.blob.core.windows.net"),
        ("authorization", authorization.as_str()),
        ("x-ms-version", "2026-10-06"),
    ];
    sandbox.send("azure-blob", "GET", "/?comp=list", &headers, "").await.xml(404, "ResourceNotFound");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::IDENTITY_CLIENT).await;
    let report = "/reports/2026/11/report.txt";
    let etag = sandbox.blob("GET", report, &token, &[], "").await.header("etag").to_owned();
    let again = sandbox.blob("GET", report, &token, &[("if-none-match", &etag)], "").await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}
