use carnet_core::{ErrorKind, test_context};
use serde_json::{Value, json};

use super::*;
use crate::testing::{self, with};

const URL: &str =
    "https://objectstorage.us-ashburn-1.oraclecloud.com/n/ns1/b?compartmentId=ocid1.compartment.oc1..aaaa";

async fn write(config: Value) -> Result<String, Error> {
    let context = with(test_context(), &[], &[("/body.json", "{\"name\":\"b1\"}"), ("/run/a\nb", "")]);
    let delivery = serde_json::from_value::<SignatureConfig>(config).unwrap().build().unwrap();
    let output = delivery.deliver(&context, &testing::session()).await?.output.unwrap();
    Ok(String::from_utf8(output.expose().to_vec()).unwrap())
}

fn mistakes(config: Value) -> Vec<String> {
    let built = serde_json::from_value::<SignatureConfig>(config).unwrap().build();
    built.unwrap_err().into_iter().map(|mistake| mistake.field).collect()
}

#[tokio::test]
async fn curl_gets_everything_that_was_signed() {
    let text = write(json!({"url": URL})).await.unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "globoff".to_owned(),
            "path-as-is".to_owned(),
            "request = \"GET\"".to_owned(),
            format!("url = \"{URL}\""),
            "header = \"date: Sat, 21 Nov 2026 12:00:00 GMT\"".to_owned(),
            "header = \"host: objectstorage.us-ashburn-1.oraclecloud.com\"".to_owned(),
        ]
    );
    assert!(
        lines[6]
            .starts_with(r#"header = "authorization: Signature version=\"1\",headers=\"date (request-target) host\""#)
    );
    assert_eq!(lines.len(), 7);
}

#[tokio::test]
async fn a_body_is_hashed_and_handed_on_by_its_file() {
    let text = write(json!({"url": URL, "body_file": "/body.json", "headers": ["opc-retry-token: r"]})).await.unwrap();
    let hash = crate::wire::body_hash(br#"{"name":"b1"}"#);
    assert!(text.contains("request = \"POST\"\n"));
    assert!(text.contains(&format!("header = \"x-content-sha256: {hash}\"\n")));
    assert!(text.contains("header = \"content-type: application/json\"\n"));
    assert!(text.contains("header = \"opc-retry-token: r\"\n"));
    assert!(text.ends_with("data-binary = \"@/body.json\"\n"));
    assert!(!text.contains("content-length: "), "curl counts itself");
}

#[tokio::test]
async fn an_object_is_put_without_a_hash() {
    let url = "https://objectstorage.us-ashburn-1.oraclecloud.com/n/ns1/b/b1/o/a.txt";
    let config = json!({"url": url, "method": "put", "body_file": "/body.json", "form": "headers"});
    let text = write(config).await.unwrap();
    assert!(!text.contains("x-content-sha256"), "{text}");
    assert!(text.contains("content-length: 13\n"));
    let text = write(json!({"url": url, "method": "PUT", "body_file": "/body.json"})).await.unwrap();
    assert!(text.contains("header = \"content-type: application/octet-stream\"\n"), "{text}");
}

#[tokio::test]
async fn headers_and_json_carry_the_same() {
    let headers = write(json!({"url": URL, "form": "headers"})).await.unwrap();
    let json: Value = serde_json::from_str(&write(json!({"url": URL, "form": "json"})).await.unwrap()).unwrap();
    assert_eq!((json["method"].as_str(), json["url"].as_str()), (Some("GET"), Some(URL)));
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(json["headers"][name], value);
    }
}

#[test]
fn what_would_break_out_of_the_line_is_escaped_or_refused() {
    let mut headers = HeaderMap::new();
    headers.insert("x-a", HeaderValue::from_static(r#"a\"b"#));
    let url = Url::parse("https://a.example/").unwrap();
    let config = curl_config(&Method::HEAD, &url, &headers, None).unwrap();
    let text = String::from_utf8(config.expose().to_vec()).unwrap();
    assert_eq!(text, "globoff\npath-as-is\nhead\nurl = \"https://a.example/\"\nheader = \"x-a: a\\\\\\\"b\"\n");
    let error = curl_config(&Method::PUT, &url, &headers, Some("/a\nb")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn refuses_a_body_that_is_not_there() {
    let error = write(json!({"url": URL, "body_file": "/none"})).await.unwrap_err();
    assert!(error.to_string().contains("/none"), "{error}");
}

#[test]
fn refuses_urls_methods_and_headers_that_are_none() {
    assert_eq!(mistakes(json!({"url": "nope"})), ["url"]);
    assert_eq!(mistakes(json!({"url": URL.replacen("https:", "http:", 1)})), ["url"]);
    assert_eq!(
        mistakes(json!({"url": "ftp://a", "method": "BREW", "headers": ["a", "b: c", "ü: x"]})),
        ["url", "method", "headers.0", "headers.2"]
    );
}
