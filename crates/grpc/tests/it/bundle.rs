use std::time::Duration;

use carnet_core::ErrorKind;
use carnet_grpc::{
    BundleApi, JwtAuthority, ServerBundle, X509Authority,
    spire::api::{
        server::bundle::v1::{
            GetBundleRequest,
            bundle_server::{Bundle, BundleServer},
        },
        types,
    },
    tonic::{self, Request, Response, Status, service::Routes},
};

use crate::support::Running;

struct Spire(Result<types::Bundle, Status>);

#[tonic::async_trait]
impl Bundle for Spire {
    async fn get_bundle(&self, _request: Request<GetBundleRequest>) -> Result<Response<types::Bundle>, Status> {
        self.0
            .as_ref()
            .map(|bundle| Response::new(bundle.clone()))
            .map_err(|status| Status::new(status.code(), status.message()))
    }
}

async fn ask(answer: Result<types::Bundle, Status>) -> carnet_core::Result<ServerBundle> {
    let server = Running::start(Routes::new(BundleServer::new(Spire(answer))));
    BundleApi::connect(&server.address()).await.unwrap().get_bundle().await
}

#[tokio::test]
async fn the_bundle_comes_whole() {
    let bundle = types::Bundle {
        trust_domain: "example.org".into(),
        x509_authorities: vec![types::X509Certificate { asn1: b"der".to_vec(), tainted: true }],
        jwt_authorities: vec![types::JwtKey {
            public_key: b"spki".to_vec(),
            key_id: "k1".into(),
            expires_at: 1_790_000_000,
            tainted: false,
        }],
        refresh_hint: 300,
        sequence_number: 7,
    };
    let expected = ServerBundle {
        trust_domain: "example.org".into(),
        x509_authorities: vec![X509Authority { certificate: b"der".to_vec(), tainted: true }],
        jwt_authorities: vec![JwtAuthority {
            public_key: b"spki".to_vec(),
            key_id: "k1".into(),
            expires_at: Some(1_790_000_000),
            tainted: false,
        }],
        refresh_hint: Some(Duration::from_mins(5)),
        sequence_number: 7,
    };
    assert_eq!(ask(Ok(bundle)).await.unwrap(), expected);
}

#[tokio::test]
async fn no_hint_and_no_expiry_are_none() {
    for refresh_hint in [0, -1] {
        let bundle =
            types::Bundle { jwt_authorities: vec![types::JwtKey::default()], refresh_hint, ..types::Bundle::default() };
        let bundle = ask(Ok(bundle)).await.unwrap();
        assert_eq!((bundle.refresh_hint, bundle.jwt_authorities[0].expires_at), (None, None));
    }
}

#[tokio::test]
async fn a_refusal_is_not_taken_for_a_missing_identity() {
    let error = ask(Err(Status::permission_denied("authorization denied"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn rejects_tcp() {
    let error = BundleApi::connect("tcp://127.0.0.1:8081").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!error.hints().is_empty());
}
