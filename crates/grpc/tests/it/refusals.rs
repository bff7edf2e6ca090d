use carnet_core::{Error, ErrorKind, Secret, chain};
use carnet_grpc::tonic::{Code, Status};

use crate::support::{Desk, jwt_svid, stage};

async fn refused(status: Status) -> Error {
    let (_server, _desk, api) = stage(Desk::refusing(status)).await;
    api.fetch_jwt_svid(&["a"], None).await.unwrap_err()
}

#[tokio::test]
async fn no_identity_issued_means_that_there_is_none_here() {
    let error = refused(Status::permission_denied("no identity issued")).await;
    assert_eq!(error.kind(), ErrorKind::NotHere);
    assert_eq!(error.provider_code(), Some("PermissionDenied"));
    assert_eq!(error.hints().len(), 1);
    let chain = chain(&error);
    assert!(chain[0].starts_with("fetch a JWT-SVID from the Workload API at unix:///"), "{chain:?}");
    assert_eq!(chain[1], "no identity issued");
}

#[tokio::test]
async fn every_fetch_says_that_there_is_no_identity() {
    let (_server, _desk, api) = stage(Desk::refusing(Status::permission_denied("no identity issued"))).await;
    assert_eq!(api.fetch_x509_svid().await.unwrap_err().kind(), ErrorKind::NotHere);
    assert_eq!(api.fetch_x509_bundles().await.unwrap_err().kind(), ErrorKind::NotHere);
    assert_eq!(api.fetch_jwt_bundles().await.unwrap_err().kind(), ErrorKind::NotHere);
}

#[tokio::test]
async fn unavailable_may_be_tried_again() {
    let error = refused(Status::unavailable("workload attestation failed")).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.is_retryable());
    assert_eq!(chain(&error)[1], "workload attestation failed");
}

#[tokio::test]
async fn an_invalid_argument_is_a_mistake_of_whoever_asked() {
    let error = refused(Status::invalid_argument("invalid requested SPIFFE ID: x")).await;
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_call_that_is_not_offered_is_refused() {
    let error = refused(Status::unimplemented("")).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(chain(&error)[1], "Unimplemented");
}

#[tokio::test]
async fn what_gives_no_form_to_an_answer_counts_as_no_answer() {
    for code in [Code::Unknown, Code::Internal, Code::Cancelled, Code::ResourceExhausted, Code::DeadlineExceeded] {
        assert_eq!(refused(Status::new(code, "x")).await.kind(), ErrorKind::Unreachable, "{code:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused() {
    let (_server, _desk, api) = stage(Desk::refusing(Status::invalid_argument("token has expired"))).await;
    let error = api.validate_jwt_svid("api", &Secret::new("t")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(chain(&error)[1], "token has expired");
}

#[tokio::test]
async fn an_answer_without_any_svid_is_no_identity() {
    let (_server, _desk, api) = stage(Desk::default()).await;
    let error = api.fetch_jwt_svid(&["a"], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotHere);
}

#[tokio::test]
async fn what_the_server_says_is_made_safe() {
    let error = refused(Status::unavailable("sent \u{1b}[2Jeyabc eyJhbGciOiJub25lIn0.e30.")).await;
    let text = chain(&error).join(" ");
    assert!(text.contains("[redacted]") && !text.contains("eyJ") && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn rejects_a_message_of_more_than_four_mebibytes() {
    let large = "x".repeat(4 * 1024 * 1024);
    let (_server, _desk, api) = stage(Desk::with_jwt(vec![jwt_svid(&large)])).await;
    let error = api.fetch_jwt_svid(&["a"], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hints().iter().any(|hint| hint.contains("4194304 bytes")), "{error:?} {:?}", error.hints());
}

#[tokio::test]
async fn accepts_a_message_just_below_four_mebibytes() {
    let large = "x".repeat(4 * 1024 * 1024 - 100);
    let (_server, _desk, api) = stage(Desk::with_jwt(vec![jwt_svid(&large)])).await;
    assert_eq!(api.fetch_jwt_svid(&["a"], None).await.unwrap()[0].token.len(), large.len());
}
