//! How each service words that it is busy, and that it is away.

use carnet_sandbox_kit::Service;
use http::StatusCode;

use crate::support::Sandbox;

/// Status, header `X-Amzn-ErrorType` and body.
fn said(service: &Service, fault: StatusCode) -> (u16, String, String) {
    let (status, header) = (service.error_head)(fault);
    let header = header.map(|(name, value)| {
        assert_eq!(name, "x-amzn-errortype");
        value.to_str().unwrap().to_owned()
    });
    (status.as_u16(), header.unwrap_or_default(), (service.error_body)(fault).1)
}

#[test]
fn the_errors_of_each_service_have_its_namespace() {
    let services = Sandbox::new().emulator.services();
    for (name, namespace) in [
        ("aws-sts", "https://sts.amazonaws.com/doc/2011-06-15/"),
        ("aws-iam", "https://iam.amazonaws.com/doc/2010-05-08/"),
    ] {
        let service = services.iter().find(|service| service.name == name).unwrap();
        let body = said(service, StatusCode::SERVICE_UNAVAILABLE).2;
        assert!(body.contains(&format!("xmlns=\"{namespace}\"")), "{name}: {body}");
    }
}

#[test]
fn each_service_is_busy_and_away_in_its_own_words() {
    let services = Sandbox::new().emulator.services();
    let service = |name: &str| services.iter().find(|service| service.name == name).unwrap();
    for (name, busy, away) in [
        ("aws-sts", (400, "", "<Code>Throttling</Code>"), (503, "", "<Code>ServiceUnavailable</Code>")),
        ("aws-iam", (400, "", "<Code>Throttling</Code>"), (503, "", "<Code>ServiceUnavailable</Code>")),
        ("aws-s3", (503, "", "<Code>SlowDown</Code>"), (503, "", "<Code>SlowDown</Code>")),
        (
            "aws-eks-auth",
            (429, "ThrottlingException", r#"{"message":"#),
            (503, "ServiceUnavailableException", r#"{"message":"#),
        ),
        (
            "aws-roles-anywhere",
            (429, "ThrottlingException", r#"{"message":"#),
            (503, "ServiceUnavailableException", r#"{"message":"#),
        ),
        (
            "aws-container",
            (429, "", r#""code":"ThrottlingException""#),
            (503, "", r#""code":"ServiceUnavailableException""#),
        ),
        ("aws-imds", (429, "", "Rate exceeded"), (503, "", "The service is unavailable")),
        ("aws-pod-identity", (429, "", "Rate exceeded"), (503, "", "The service is unavailable")),
    ] {
        for (fault, (status, header, part)) in
            [(StatusCode::TOO_MANY_REQUESTS, busy), (StatusCode::SERVICE_UNAVAILABLE, away)]
        {
            let (seen, of, body) = said(service(name), fault);
            assert_eq!((seen, of.as_str()), (status, header), "{name}");
            assert!(body.contains(part), "{name}: {body}");
        }
    }
}
