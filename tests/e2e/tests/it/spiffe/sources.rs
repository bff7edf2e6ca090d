//! py-spiffe and the Rust crate `spiffe`: what workloads are written with.

use std::future::Future;

use serde_json::json;
use spiffe_oracle::{BundleSource as _, JwtSource, TrustDomain, WorkloadApiClient, X509Source};

use crate::{
    authority::scene::{AUDIENCE, Authority},
    harness::json,
    matrix::proven,
};

#[test]
fn py_spiffe_gets_identities_bundles_and_tokens_without_any_option() {
    let authority = Authority::shared();
    let name = authority.service.says("trust_domain");
    let answer = json(&mut authority.workload("spiffe_py.py"));
    let client = &answer["client"];
    for what in ["x509", "jwt", "validated"] {
        assert_eq!(client[what], authority.user(), "{answer}");
    }
    assert_eq!(client["svids"], json!([authority.user()]));
    assert_eq!(client["x509_bundles"], json!([name]));
    let refusal = client["other_audience"].as_str().unwrap();
    assert!(refusal.contains("INVALID_ARGUMENT") && refusal.contains("audience"), "{refusal}");
    assert_eq!((&answer["sources"]["x509"], &answer["sources"]["jwt"]), (&client["x509"], &client["jwt"]));
    // EdDSA is none of SPIFFE's algorithms: one key of each of the others (JWT-SVID, 2.1).
    assert_eq!(answer["sources"]["authorities"].as_array().unwrap().len(), 3, "{answer}");
    proven("spiffe", "authority", "py-spiffe");
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

#[test]
fn the_rust_crate_gets_identities_bundles_and_tokens() {
    let authority = Authority::shared();
    let domain = TrustDomain::try_from(authority.service.says("trust_domain")).unwrap();
    block_on(async {
        let client = WorkloadApiClient::connect_to(authority.service.says("socket")).await.unwrap();
        let context = client.fetch_x509_context().await.unwrap();
        assert_eq!(context.default_svid().unwrap().spiffe_id().to_string(), authority.user());
        assert!(!client.fetch_x509_bundles().await.unwrap().get(&domain).unwrap().authorities().is_empty());
        let token = client.fetch_jwt_svid([AUDIENCE], None).await.unwrap();
        assert_eq!(token.spiffe_id().to_string(), authority.user());
        let validated = client.validate_jwt_token(AUDIENCE, token.token()).await.unwrap();
        assert_eq!(validated.spiffe_id().to_string(), authority.user());
        let refused = client.validate_jwt_token("https://other.test", token.token()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("audience"), "{refused:?}");
        assert!(client.fetch_jwt_bundles().await.unwrap().get(&domain).is_some());
    });
    proven("spiffe", "authority", "spiffe for Rust");
}

#[test]
fn the_rust_crates_sources_serve_from_their_streams() {
    let authority = Authority::shared();
    let domain = TrustDomain::try_from(authority.service.says("trust_domain")).unwrap();
    block_on(async {
        let socket = authority.service.says("socket");
        let x509 = X509Source::builder().endpoint(socket).build().await.unwrap();
        assert_eq!(x509.svid().unwrap().spiffe_id().to_string(), authority.user());
        assert!(x509.bundle_for_trust_domain(&domain).unwrap().is_some());
        let jwt = JwtSource::builder().endpoint(socket).build().await.unwrap();
        let token = jwt.fetch_jwt_svid([AUDIENCE]).await.unwrap();
        assert_eq!(token.spiffe_id().to_string(), authority.user());
        assert!(jwt.bundle_for_trust_domain(&domain).unwrap().is_some());
        x509.shutdown().await;
        jwt.shutdown().await;
    });
}
