//! No header of a signed request and no body in chunks may make the emulator panic; what the client signs, the emulator reads.
#![no_main]

use carnet_aws_sandbox::{Authorization, decode_chunks};
use carnet_core::{AwsKeys, Request, Secret};
use carnet_sigv4::{Scope, canonicalize, sign};
use http::HeaderValue;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// 2026-11-21 12:00:00 UTC.
const NOW: i64 = 1_795_262_400;

fn read(text: &str, date_time: &str) {
    let Ok(read) = Authorization::parse(text, date_time) else { return };
    assert!(!read.signed_headers.is_empty() && read.signed_headers.iter().all(|name| !name.is_empty()));
    assert!(!read.signature.is_empty() && read.signature.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(read.date_time, date_time);
}

/// Whatever the address and the header, the signature says which headers it covers, and a second look finds the same text.
fn signed(address: &str, header: &[u8], service: &str) {
    let Ok(url) = address.parse() else { return };
    let mut request = Request::get(url);
    if let Ok(value) = HeaderValue::from_bytes(header) {
        request = request.header(http::header::ACCEPT, value);
    }
    let keys = AwsKeys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("not-a-secret"),
        session_token: None,
    };
    let scope = Scope { time: Timestamp::from_second(NOW).expect("a time"), region: "eu-central-1", service };
    let Ok(request) = sign(request, &keys, &scope) else { return };
    let value = request.headers["authorization"].to_str().expect("visible ASCII");
    let read = Authorization::parse(value, "20261121T120000Z").expect("the emulator reads it");
    let canonical = canonicalize(&request, service).expect("it was signed");
    assert_eq!(read.signed_headers.join(";"), canonical.signed_headers);
    assert_eq!((read.key_id.as_str(), read.service.as_str()), ("AKIDEXAMPLE", service));
}

fuzz_target!(|input: (&str, &str, Vec<u8>)| {
    let (text, other, body) = input;
    read(text, other);
    read(text, "20261121T120000Z");
    for service in ["sts", "s3"] {
        signed(text, &body, service);
    }
    if let Ok(chunked) = decode_chunks(&body) {
        assert!(chunked.data().len() < body.len(), "the heads of the chunks are no data");
        assert_eq!(
            chunked.chunks.iter().filter(|(data, _)| data.is_empty()).count(),
            1,
            "the last chunk alone is empty"
        );
    }
});
