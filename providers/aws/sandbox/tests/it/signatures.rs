//! Signature Version 4: one good request, bent in one place, in the words of each service.

use carnet_aws_sandbox::seed;
use carnet_core::{AwsKeys, Secret};
use carnet_sigv4::Scope;
use http::Request;
use jiff::SignedDuration;

use crate::support::{Call, DATE, Keys, Reply, Sandbox, builder};

const FIELDS: [(&str, &str); 2] = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];

fn identity() -> Call {
    Call::form("aws-sts", "sts", &FIELDS)
}

async fn send(call: Call) -> Reply {
    Sandbox::new().send(call).await
}

#[tokio::test]
async fn a_signed_request_says_who_asks() {
    let sandbox = Sandbox::new();
    let reply = sandbox.send(identity().sign(&builder())).await.ok();
    assert_eq!(reply.xml("Arn"), "arn:aws:iam::123456789012:user/builder");
    assert_eq!(reply.xml("Account"), seed::ACCOUNT);
    let keys = sandbox.reader().await;
    let reply = sandbox.send(identity().header("accept", "application/json").sign(&keys)).await.ok();
    let result = &reply.json()["GetCallerIdentityResponse"]["GetCallerIdentityResult"];
    assert_eq!(result["Arn"], "arn:aws:sts::123456789012:assumed-role/reader/job");
}

/// The client's signer, which was written apart.
#[tokio::test]
async fn what_the_client_signs_is_accepted() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    let keys = AwsKeys {
        access_key_id: keys.id,
        secret_access_key: Secret::new(keys.secret),
        session_token: keys.token.map(Secret::new),
    };
    for (service, signed_for, url) in [
        ("aws-sts", "sts", "https://sts.eu-central-1.amazonaws.com/?Version=2011-06-15&Action=GetCallerIdentity"),
        ("aws-s3", "s3", "https://s3.eu-central-1.amazonaws.com/carnet-reports?prefix=2026%2F11&list-type=2"),
        ("aws-s3", "s3", "https://carnet-reports.s3.eu-central-1.amazonaws.com/2026/11/report.txt"),
    ] {
        let scope = Scope { time: sandbox.world.now("tests"), region: seed::REGION, service: signed_for };
        let signed = carnet_sigv4::sign(carnet_core::Request::get(url.parse().unwrap()), &keys, &scope).unwrap();
        let target = signed.url.as_str().split_once(".com").unwrap().1;
        let mut request = Request::get(target);
        for (name, value) in &signed.headers {
            request = request.header(name, value);
        }
        sandbox.send_raw(service, request.body(axum::body::Body::empty()).unwrap()).await.ok();
    }
}

#[tokio::test]
async fn rejects_request_without_signature() {
    send(identity()).await.refused(403, "MissingAuthenticationToken", "missing");
}

#[tokio::test]
async fn rejects_half_a_signature() {
    let call = identity().sign(&builder()).header("authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request");
    send(call).await.refused(400, "IncompleteSignature", "requires 'SignedHeaders'");
    let call = identity().sign(&builder()).header("x-amz-date", "today");
    send(call).await.refused(400, "IncompleteSignature", "X-Amz-Date");
}

#[tokio::test]
async fn rejects_unknown_key() {
    let keys = Keys { id: "AKIAOTHER".to_owned(), ..builder() };
    send(identity().sign(&keys)).await.refused(403, "InvalidClientTokenId", "invalid");
}

#[tokio::test]
async fn rejects_another_secret() {
    let keys = Keys { secret: "other".to_owned(), ..builder() };
    send(identity().sign(&keys)).await.refused(403, "SignatureDoesNotMatch", "does not match");
}

#[tokio::test]
async fn rejects_what_was_changed_after_signing() {
    let bent = [
        identity().sign(&builder()).body("Action=GetCallerIdentity&Version=2011-06-15&a=b"),
        identity().sign(&builder()).header("host", "127.0.0.1:7001"),
        identity().sign(&builder()).header("x-amz-date", "20261121T120001Z"),
    ];
    for call in bent {
        send(call).await.refused(403, "SignatureDoesNotMatch", "does not match");
    }
    let mut query = identity().sign(&builder());
    query.uri = "/?a=b".to_owned();
    send(query).await.refused(403, "SignatureDoesNotMatch", "does not match");
}

#[tokio::test]
async fn rejects_signature_without_the_host() {
    let mut call = identity();
    let host = call.headers.remove(0);
    let mut call = call.sign(&builder());
    call.headers.push(host);
    send(call).await.refused(403, "SignatureDoesNotMatch", "not signed");
}

#[tokio::test]
async fn rejects_another_scope() {
    let sandbox = Sandbox::new();
    let other = Call { signed_for: "iam", ..identity() };
    sandbox.send(other.sign(&builder())).await.refused(403, "SignatureDoesNotMatch", "correct service: 'sts'");
    let host = "sts.eu-west-1.amazonaws.com";
    let reply = sandbox.send(identity().header("host", host).sign(&builder())).await;
    reply.refused(403, "SignatureDoesNotMatch", "valid region, not 'eu-central-1'");
    let global = Call { region: "us-east-1", ..identity() }.header("host", "sts.amazonaws.com");
    sandbox.send(global.sign(&builder())).await.ok();
}

#[tokio::test]
async fn rejects_signature_outside_a_quarter_of_an_hour() {
    for (date, good) in [("20261121T114500Z", true), ("20261121T114459Z", false), ("20261121T121501Z", false)] {
        let reply = send(Call { date, ..identity() }.sign(&builder())).await;
        if good {
            reply.ok();
        } else {
            reply.refused(400, "RequestExpired", "15 minutes");
        }
    }
}

#[tokio::test]
async fn rejects_session_without_or_with_another_token() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    for token in [None, Some("other".to_owned())] {
        let keys = Keys { token, ..keys.clone() };
        sandbox.send(identity().sign(&keys)).await.refused(403, "InvalidClientTokenId", "invalid");
    }
    let keys = Keys { token: keys.token, ..builder() };
    sandbox.send(identity().sign(&keys)).await.refused(403, "InvalidClientTokenId", "invalid");
}

#[tokio::test]
async fn rejects_session_that_is_over() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    sandbox.advance(SignedDuration::from_hours(1));
    let call = Call { date: "20261121T130000Z", ..identity() };
    sandbox.send(call.sign(&keys)).await.refused(403, "ExpiredToken", "expired");
}

#[tokio::test]
async fn s3_has_its_own_words() {
    let sandbox = Sandbox::new();
    let list = || Call::new("aws-s3", "s3", "GET", "/");
    sandbox.send(list()).await.refused(403, "AccessDenied", "Access Denied");
    let unknown = Keys { id: "AKIAOTHER".to_owned(), ..builder() };
    sandbox.send(list().sign(&unknown)).await.refused(403, "InvalidAccessKeyId", "does not exist");
    let secret = Keys { secret: "other".to_owned(), ..builder() };
    sandbox.send(list().sign(&secret)).await.refused(403, "SignatureDoesNotMatch", "does not match");
    let old = Call { date: "20261121T110000Z", ..list() };
    sandbox.send(old.sign(&builder())).await.refused(403, "RequestTimeTooSkewed", "too large");
    let other = Call { signed_for: "sts", ..list() }.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    sandbox.send(other.sign(&builder())).await.refused(400, "AuthorizationHeaderMalformed", "correct service");
    let plain = list().sign(&builder()).header("x-amz-acl", "private");
    sandbox.send(plain).await.refused(403, "AccessDenied", "headers present in the request which were not signed");
    let keys = sandbox.reader().await;
    let wrong = Keys { token: Some("other".to_owned()), ..keys.clone() };
    sandbox.send(list().sign(&wrong)).await.refused(400, "InvalidToken", "malformed");
    sandbox.advance(SignedDuration::from_hours(1));
    let late = Call { date: "20261121T130000Z", ..list() };
    sandbox.send(late.sign(&keys)).await.refused(400, "ExpiredToken", "expired");
}

#[tokio::test]
async fn a_presigned_request_counts_until_it_ends() {
    let sandbox = Sandbox::new();
    // Signed by hand, so that the query is in canonical form: the signature stands last.
    let query = format!(
        "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F20261121%2F{}%2Fsts%2F\
         aws4_request&X-Amz-Date={DATE}&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id",
        seed::ACCESS_KEY_ID,
        seed::REGION
    );
    let call = Call::new("aws-sts", "sts", "GET", "").header("x-k8s-aws-id", "cluster");
    let canonical = format!(
        "GET\n/\n{query}\nhost:127.0.0.1:7000\nx-k8s-aws-id:cluster\n\nhost;x-k8s-aws-id\n{}",
        carnet_core::hex(&carnet_jose::sha256(b""))
    );
    let digest = carnet_core::hex(&carnet_jose::sha256(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{DATE}\n{}\n{digest}", call.scope());
    let signature = carnet_core::hex(&carnet_jose::hmac_sha256(&call.key(&builder()), text.as_bytes()));
    let signed = Call { uri: format!("/?{query}&X-Amz-Signature={signature}"), ..call };
    sandbox.send(signed.clone()).await.ok();
    let other = signed.clone().header("x-k8s-aws-id", "other");
    sandbox.send(other).await.refused(403, "SignatureDoesNotMatch", "does not match");
    sandbox.advance(SignedDuration::from_secs(61));
    sandbox.send(signed).await.refused(400, "RequestExpired", "expired");
}
