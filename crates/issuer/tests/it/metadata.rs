//! RFC 8414.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::world::{AUTHORITY, World};

#[tokio::test]
async fn the_metadata_are_exactly_these() {
    let world = World::new(Vec::new()).await;
    let algorithms = json!(["RS256", "ES256", "ES384", "PS256"]);
    let grants = json!([
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "client_credentials",
    ]);
    let expected = json!({
        "issuer": AUTHORITY,
        "token_endpoint": format!("{AUTHORITY}/oauth2/token"),
        "jwks_uri": format!("{AUTHORITY}/keys"),
        "response_types_supported": [],
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth", "none"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": format!("{AUTHORITY}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"],
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": format!("{AUTHORITY}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth", "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
    });
    assert_eq!(world.issuer.metadata(), expected);
    assert_eq!(world.issuer.metadata_paths(), ["/.well-known/oauth-authorization-server"]);
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let world = World::new(Vec::new()).await;
    for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
        let answer = world.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), 405, "{path}");
    }
}
