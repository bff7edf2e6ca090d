//! How each service words that it is busy, and that it is away.

use http::StatusCode;
use serde_json::Value;

use crate::support::Sandbox;

#[test]
fn each_service_is_busy_and_away_in_its_own_words() {
    let services = Sandbox::new().emulator.services();
    for (name, place) in [
        ("azure-entra", "/error_description"),
        ("azure-graph", "/error/code"),
        ("azure-arm", "/error/code"),
        ("azure-imds", "/error_description"),
        ("azure-arc", "/error_description"),
        ("azure-app-service", "/message"),
    ] {
        let service = services.iter().find(|service| service.name == name).unwrap();
        let texts = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].map(|status| {
            let body: Value = serde_json::from_str(&(service.error_body)(status).1).unwrap();
            if name == "azure-app-service" {
                assert_eq!(body["statusCode"], status.as_u16());
            }
            body.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{name}: {body}")).to_owned()
        });
        assert_ne!(texts[0], texts[1], "{name}");
    }
}
