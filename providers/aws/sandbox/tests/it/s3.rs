//! Storage: what the role may, and bodies in every form in which clients send them.

use carnet_aws_sandbox::seed;
use carnet_core::hex;
use carnet_jose::{hmac_sha256, sha256};

use crate::support::{Call, DATE, Keys, Reply, Sandbox, builder};

fn call(method: &'static str, uri: &str) -> Call {
    Call::new("aws-s3", "s3", method, uri)
}

async fn put(sandbox: &Sandbox, call: Call) -> Reply {
    sandbox.send(call.sign(&builder())).await
}

async fn read(sandbox: &Sandbox, key: &str) -> Reply {
    sandbox.send(call("GET", &format!("/carnet-logs/{key}")).sign(&builder())).await
}

#[tokio::test]
async fn the_role_lists_and_reads_and_does_not_write() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    let reply = sandbox.send(call("GET", "/").sign(&keys)).await.ok();
    assert!(reply.text().starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListAllMyBucketsResult xmlns="));
    assert!(reply.text().contains("<Name>carnet-logs</Name>") && reply.text().contains("<Name>carnet-reports</Name>"));
    let reply = sandbox.send(call("GET", "/carnet-reports?list-type=2&prefix=2026%2F").sign(&keys)).await.ok();
    assert_eq!((reply.xml("Key").as_str(), reply.xml("KeyCount").as_str()), (seed::OBJECT.0, "1"));
    let reply = sandbox.send(call("GET", "/carnet-reports/2026/11/report.txt").sign(&keys)).await.ok();
    assert_eq!((reply.text(), reply.header("content-type")), (seed::OBJECT.1, "text/plain"));
    let write = call("PUT", "/carnet-reports/x").body("x");
    sandbox.send(write.sign(&keys)).await.refused(
        403,
        "AccessDenied",
        "s3:PutObject on resource: \"arn:aws:s3:::carnet-reports/x\"",
    );
}

#[tokio::test]
async fn the_bucket_may_stand_in_the_host_name() {
    let sandbox = Sandbox::new();
    for (host, region) in [
        ("carnet-reports.s3.eu-central-1.amazonaws.com", "eu-central-1"),
        ("carnet-reports.s3.amazonaws.com", "eu-central-1"),
        ("carnet-reports.localhost:7000", "eu-central-1"),
    ] {
        let get = Call { region, ..call("GET", "/2026/11/report.txt") }.header("host", host);
        assert_eq!(sandbox.send(get.sign(&builder())).await.ok().text(), seed::OBJECT.1, "{host}");
    }
}

#[tokio::test]
async fn a_body_comes_whole_unsigned_or_in_chunks() {
    let sandbox = Sandbox::new();
    let whole = call("PUT", "/carnet-logs/whole").header("x-amz-checksum-crc32", "NhCmhg==").body("hello");
    let reply = put(&sandbox, whole).await.ok();
    assert_eq!(reply.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    let unsigned = Call { payload: Some("UNSIGNED-PAYLOAD"), ..call("PUT", "/carnet-logs/unsigned").body("hello") };
    put(&sandbox, unsigned).await.ok();
    put(&sandbox, trailer("/carnet-logs/trailer", "NhCmhg==")).await.ok();
    let keys = builder();
    sandbox.send(chunks("/carnet-logs/chunks", &keys, false)).await.ok();
    sandbox.send(chunks("/carnet-logs/chunks-trailer", &keys, true)).await.ok();
    for key in ["whole", "unsigned", "trailer", "chunks", "chunks-trailer"] {
        assert_eq!(read(&sandbox, key).await.ok().text(), "hello", "{key}");
    }
    let asks = call("GET", "/carnet-logs/trailer").header("x-amz-checksum-mode", "ENABLED");
    assert_eq!(put(&sandbox, asks).await.ok().header("x-amz-checksum-crc32"), "NhCmhg==");
}

/// As SDKs send it over TLS: chunks without signatures, a checksum behind them.
fn trailer(uri: &str, checksum: &str) -> Call {
    let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
    let call = Call { payload: Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ..call("PUT", uri).body(body) };
    call.header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("content-encoding", "aws-chunked")
}

/// Chunks that are signed one after the other.
fn chunks(uri: &str, keys: &Keys, with_trailer: bool) -> Call {
    let payload =
        if with_trailer { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" } else { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" };
    let call =
        Call { payload: Some(payload), ..call("PUT", uri) }.header("x-amz-decoded-content-length", "5").sign(keys);
    let authorization = call.headers.iter().find(|(name, _)| *name == "authorization").unwrap().1.clone();
    let mut previous = authorization.rsplit_once('=').unwrap().1.to_owned();
    let (key, scope) = (call.key(keys), call.scope());
    let sign = |text: String| hex(&hmac_sha256(&key, text.as_bytes()));
    let digest = |bytes: &[u8]| hex(&sha256(bytes));
    let mut body = String::new();
    for data in ["he", "llo", ""] {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{scope}\n{previous}\n{}\n{}",
            digest(b""),
            digest(data.as_bytes())
        );
        previous = sign(text);
        body.extend([format!("{:x};chunk-signature={previous}\r\n{data}", data.len())]);
        body.push_str(if data.is_empty() { "" } else { "\r\n" });
    }
    if with_trailer {
        let line = "x-amz-checksum-crc32:NhCmhg==\n";
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{DATE}\n{scope}\n{previous}\n{}", digest(line.as_bytes()));
        body.extend([format!("{}\r\nx-amz-trailer-signature:{}\r\n", line.trim_end(), sign(text))]);
    }
    body.push_str("\r\n");
    call.body(body)
}

#[tokio::test]
async fn rejects_bodies_that_are_not_what_was_signed() {
    let sandbox = Sandbox::new();
    let other = call("PUT", "/carnet-logs/x").body("hello").sign(&builder()).body("jello");
    sandbox.send(other).await.refused(400, "XAmzContentSHA256Mismatch", "does not match");
    put(&sandbox, trailer("/carnet-logs/x", "AAAAAA==")).await.refused(400, "BadDigest", "CRC32");
    let sum = call("PUT", "/carnet-logs/x").body("hello").header("x-amz-checksum-crc32", "AAAAAA==");
    put(&sandbox, sum).await.refused(400, "BadDigest", "CRC32");
    let md5 = call("PUT", "/carnet-logs/x").body("hello").header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    put(&sandbox, md5).await.refused(400, "BadDigest", "Content-MD5");
    let mut missing = trailer("/carnet-logs/x", "");
    missing.body = b"5\r\nhello\r\n0\r\n\r\n".to_vec();
    put(&sandbox, missing).await.refused(400, "MalformedTrailerError", "");
    let short = trailer("/carnet-logs/x", "NhCmhg==").header("x-amz-decoded-content-length", "6");
    put(&sandbox, short).await.refused(400, "IncompleteBody", "");
    let broken = Call { body: b"hello".to_vec(), ..trailer("/carnet-logs/x", "") };
    put(&sandbox, broken).await.refused(400, "IncompleteBody", "not in chunks");
    let mut bent = chunks("/carnet-logs/x", &builder(), true);
    let at = bent.body.windows(3).position(|three| three == b"llo").unwrap();
    bent.body[at] = b'j';
    sandbox.send(bent).await.refused(403, "SignatureDoesNotMatch", "");
    assert_eq!(read(&sandbox, "x").await.status, 404);
}

#[tokio::test]
async fn rejects_what_is_not_there_not_here_and_not_done() {
    let sandbox = Sandbox::new();
    read(&sandbox, "none").await.refused(404, "NoSuchKey", "does not exist");
    put(&sandbox, call("GET", "/no-bucket?list-type=2")).await.refused(404, "NoSuchBucket", "does not exist");
    let other = Call { region: "eu-west-1", ..call("GET", "/carnet-logs?list-type=2") };
    let reply = put(&sandbox, other).await;
    reply.refused(400, "AuthorizationHeaderMalformed", "expecting 'eu-central-1'");
    assert_eq!(reply.xml("Region"), "eu-central-1");
    for uri in ["/carnet-logs", "/carnet-logs?acl=", "/carnet-logs/x?uploads="] {
        put(&sandbox, call("GET", uri)).await.refused(501, "NotImplemented", "");
    }
    let copy = call("PUT", "/carnet-logs/x").header("x-amz-copy-source", "/a/b");
    put(&sandbox, copy).await.refused(501, "NotImplemented", "x-amz-copy-source");
    let sum = call("PUT", "/carnet-logs/x").header("x-amz-checksum-sha1", "AAAA");
    put(&sandbox, sum).await.refused(501, "NotImplemented", "x-amz-checksum-sha1");
    put(&sandbox, call("POST", "/carnet-logs")).await.refused(405, "MethodNotAllowed", "");
    put(&sandbox, call("PUT", "/Not_a_bucket")).await.refused(400, "InvalidBucketName", "");
    put(&sandbox, call("PUT", "/carnet-logs")).await.refused(409, "BucketAlreadyOwnedByYou", "");
    put(&sandbox, call("GET", "/carnet-logs?list-type=2&max-keys=x")).await.refused(400, "InvalidArgument", "max-keys");
}

#[tokio::test]
async fn a_listing_has_pages_and_prefixes() {
    let sandbox = Sandbox::new();
    for key in ["a", "b/1", "b/2", "c%20d", "e"] {
        put(&sandbox, call("PUT", &format!("/carnet-logs/{key}"))).await.ok();
    }
    let uri = "/carnet-logs?delimiter=%2F&encoding-type=url&list-type=2&max-keys=2";
    let first = put(&sandbox, call("GET", uri)).await.ok();
    assert_eq!((first.xml("Key").as_str(), first.xml("IsTruncated").as_str()), ("a", "true"));
    assert_eq!(first.xml("CommonPrefixes"), "<Prefix>b/</Prefix>");
    let token = first.xml("NextContinuationToken");
    let uri = format!("/carnet-logs?continuation-token={token}&delimiter=%2F&encoding-type=url&list-type=2");
    let rest = put(&sandbox, call("GET", &uri)).await.ok();
    assert_eq!((rest.xml("Key").as_str(), rest.xml("KeyCount").as_str()), ("c%20d", "2"));
    assert!(!rest.text().contains("CommonPrefixes"), "{}", rest.text());
}

#[tokio::test]
async fn an_object_is_read_in_parts_and_deleted() {
    let sandbox = Sandbox::new();
    put(&sandbox, call("PUT", "/carnet-logs/x").body("hello")).await.ok();
    let part = put(&sandbox, call("GET", "/carnet-logs/x").header("range", "bytes=1-2")).await;
    assert_eq!((part.status.as_u16(), part.text(), part.header("content-range")), (206, "el", "bytes 1-2/5"));
    let none = put(&sandbox, call("GET", "/carnet-logs/x").header("range", "bytes=9-")).await;
    none.refused(416, "InvalidRange", "");
    let head = put(&sandbox, call("HEAD", "/carnet-logs/x")).await.ok();
    assert_eq!((head.text(), head.header("content-length")), ("", "5"));
    assert_eq!(put(&sandbox, call("DELETE", "/carnet-logs/x")).await.status, 204);
    assert_eq!(read(&sandbox, "x").await.status, 404);
}
