//! Answers that are known, and requests as real clients send them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::call::Call;

/// The secret of the documentation's examples.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn call(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Call {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Call {
        method: method.parse::<Method>().unwrap(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
        id: String::new(),
        source: std::net::Ipv4Addr::LOCALHOST.into(),
    }
}

/// The signature that the request should have.
fn wanted(call: &Call, secret: &str) -> String {
    let authorization = Authorization::find(call).unwrap();
    let presigned = authorization.presigned.is_some();
    let said = match call.header("x-amz-content-sha256") {
        Some(said) => said.to_owned(),
        None if presigned => "UNSIGNED-PAYLOAD".to_owned(),
        None => digest(&call.body),
    };
    let (service, headers) = (&authorization.service, &authorization.signed_headers);
    let canonical = canonical_request(call, service, headers, &said, presigned).unwrap();
    signature(&signing_key(secret, &authorization), &authorization.string_to_sign(&canonical))
}

/// boto3 1.43 with the keys `AKIDEXAMPLE`, `secret`, `tok` in eu-central-1, against a recording listener.
#[test]
fn agrees_with_boto3() {
    let scope = |service: &str, signed: &str, signature: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-central-1/{service}/aws4_request, SignedHeaders={signed}, \
             Signature={signature}"
        )
    };
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let plain = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
    let with_sum =
        "host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;x-amz-sdk-checksum-algorithm;x-amz-security-token";
    let form = "content-type;host;x-amz-date;x-amz-security-token";
    for (method, target, service, signed, said, body, signature) in [
        ("GET", "/", "s3", plain, empty, "", "9aa3c2c8455ac9a532452d412d74d15adb5863fbf017fd76f35555f29108a912"),
        (
            "PUT",
            "/b/d/o%20%2B.txt",
            "s3",
            with_sum,
            hello,
            "hello",
            "4d24e5d07d9cc6b870158d4d200b6b718fcdb59362671ea7f7980c6116fffdf6",
        ),
        (
            "GET",
            "/b?list-type=2&prefix=a%20b%2F%2B&encoding-type=url",
            "s3",
            plain,
            empty,
            "",
            "94366953ef57ae7bb07042573fa7e1d640b9843871aa772113d7162473e657ef",
        ),
        (
            "POST",
            "/",
            "sts",
            form,
            "",
            "Action=GetCallerIdentity&Version=2011-06-15",
            "8d46d606696ca508456e4c0076ad7ad143b32c39cf09997e30cb5e9cf363aaac",
        ),
        (
            "POST",
            "/",
            "iam",
            form,
            "",
            "Action=ListRoles&Version=2010-05-08",
            "349a5f51bdc4a7cf6f7aba8c86bc00878110a9ba5df52632806b05c5dd4585fe",
        ),
    ] {
        let authorization = scope(service, signed, signature);
        let mut headers = vec![
            ("host", "127.0.0.1:44333"),
            ("x-amz-date", "20261121T204022Z"),
            ("x-amz-security-token", "tok"),
            ("authorization", authorization.as_str()),
        ];
        if service == "s3" {
            headers.push(("x-amz-content-sha256", said));
        } else {
            headers.push(("content-type", "application/x-www-form-urlencoded; charset=utf-8"));
        }
        if signed == with_sum {
            headers.extend([("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]);
        }
        assert_eq!(wanted(&call(method, target, &headers, body), "secret"), signature, "{method} {target}");
    }
}

/// "Authenticating requests: using query parameters", S3 API reference.
#[test]
fn agrees_with_the_presigned_example() {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3\
                  %2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                  aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let call = call("GET", target, &[("host", "examplebucket.s3.amazonaws.com")], "");
    assert_eq!(wanted(&call, SECRET), "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

/// "Example: PUT object", transferring payload in multiple chunks, S3 API reference.
fn chunked_example() -> (Call, String) {
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
        SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
        x-amz-storage-class, Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let body = format!(
        "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n{}\r\n\
         400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n{}\r\n\
         0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
        "a".repeat(65536),
        "a".repeat(1024)
    );
    let headers = [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("authorization", authorization),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
    ];
    (call("PUT", "/examplebucket/chunkObject.txt", &headers, ""), body)
}

#[test]
fn agrees_with_the_example_in_chunks() {
    let (call, body) = chunked_example();
    let authorization = Authorization::find(&call).unwrap();
    assert_eq!(wanted(&call, SECRET), authorization.signature);
    let key = signing_key(SECRET, &authorization);
    let chunked = decode_chunks(body.as_bytes()).unwrap();
    assert_eq!(chunked.data().len(), 66_560);
    assert!(verify_chunks(&chunked, &authorization, &key, false));
    let bent = body.replacen("\r\naaa", "\r\naab", 1);
    assert!(!verify_chunks(&decode_chunks(bent.as_bytes()).unwrap(), &authorization, &key, false));
}

#[test]
fn rejects_trailers_that_nobody_signed() {
    let (call, body) = chunked_example();
    let authorization = Authorization::find(&call).unwrap();
    let key = signing_key(SECRET, &authorization);
    let body = body.replacen("9df9\r\n\r\n", "9df9\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 1);
    let chunked = decode_chunks(body.as_bytes()).unwrap();
    assert!(verify_chunks(&chunked, &authorization, &key, false));
    assert!(!verify_chunks(&chunked, &authorization, &key, true));
}

#[test]
fn rejects_bodies_that_are_not_in_chunks() {
    let good = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    assert_eq!(decode_chunks(good.as_bytes()).unwrap().data(), b"hello");
    for (from, to) in [
        ("5\r\n", ""),
        ("5\r\n", "x\r\n"),
        ("5\r\n", "fffffffff\r\n"),
        ("5\r\n", "4\r\n"),
        ("5\r\n", "6\r\n"),
        ("5\r\n", "5;other=1\r\n"),
        ("0\r\n", "9\r\n"),
        ("crc32:", "crc32"),
        ("==\r\n\r\n", "=="),
    ] {
        assert!(decode_chunks(good.replacen(from, to, 1).as_bytes()).is_err(), "{from:?} as {to:?}");
    }
}

#[test]
fn rejects_headers_bent_in_one_place() {
    let good = "AWS4-HMAC-SHA256 Credential=K/20261121/eu-central-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab";
    let date = "20261121T120000Z";
    assert!(Authorization::parse(good, date).is_ok());
    for (from, to) in [
        ("Credential=", "Credentials="),
        ("Credential=K/20261121/eu-central-1/sts/aws4_request, ", ""),
        ("/aws4_request", ""),
        ("/aws4_request", "/aws4"),
        (", Signature=ab", ""),
        ("Signature=ab", "Signature=xy"),
        ("Signature=ab", "Signature=ab, Signature=ab"),
        ("SignedHeaders=host;x-amz-date, ", ""),
        ("host;", "Host;"),
        ("host;", ";"),
    ] {
        assert!(Authorization::parse(&good.replacen(from, to, 1), date).is_err(), "{from} as {to}");
    }
    for date in ["", "2026-11-21", "20261121T120000", "20261321T120000Z", "20261121T12000éZ"] {
        assert!(Authorization::parse(good, date).is_err(), "{date}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "[0-9a-f;:=\r\n x-]{0,60}", value in "[A-Za-z0-9=,;/ -]{0,80}") {
        drop(decode_chunks(text.as_bytes()));
        drop(Authorization::parse(&value, &text));
    }
}
