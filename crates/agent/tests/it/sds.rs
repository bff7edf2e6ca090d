//! Envoy's secret discovery.

use std::collections::BTreeMap;

use carnet_attest::Registration;
use carnet_grpc::{
    envoy::{
        config::core::v3::{BuildVersion, DataSource, Node as EnvoyNode, data_source::Specifier, node},
        extensions::transport_sockets::tls::v3::{
            CertificateValidationContext, Secret, SpiffeCertValidatorConfig, secret::Type,
        },
        service::{
            discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse},
            secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient,
        },
        r#type::v3::SemanticVersion,
    },
    google::rpc,
    prost::Message,
    prost_types::{Struct, Value, value::Kind},
    tonic::{Code, Status, Streaming, transport::Channel},
};
use carnet_x509::{Certificate, pem_to_der};
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

use crate::support::{Desk, Keys, Node, entry, until};

const TYPE: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

fn ask(names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        resource_names: names.iter().map(ToString::to_string).collect(),
        type_url: TYPE.into(),
        ..DiscoveryRequest::default()
    }
}

fn secrets(answer: &DiscoveryResponse) -> BTreeMap<String, Type> {
    assert_eq!(answer.type_url, TYPE);
    let secret = |any: &carnet_grpc::prost_types::Any| {
        assert_eq!(any.type_url, TYPE);
        let secret = Secret::decode(any.value.as_slice()).unwrap();
        (secret.name, secret.r#type.unwrap())
    };
    answer.resources.iter().map(secret).collect()
}

fn text(source: Option<&DataSource>) -> String {
    match source.and_then(|source| source.specifier.as_ref()) {
        Some(Specifier::InlineBytes(bytes)) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("inline bytes, not {other:?}"),
    }
}

fn chain_of(secret: &Type) -> (Certificate, String) {
    let Type::TlsCertificate(certificate) = secret else { panic!("a certificate, not {secret:?}") };
    let chain = pem_to_der(text(certificate.certificate_chain.as_ref()).as_bytes()).unwrap();
    (Certificate::from_der(&chain[0]).unwrap(), text(certificate.private_key.as_ref()))
}

fn validation(secret: &Type) -> &CertificateValidationContext {
    let Type::ValidationContext(context) = secret else { panic!("a validation context, not {secret:?}") };
    context
}

/// Trust domains with the number of their certificates.
fn domains(secret: &Type) -> BTreeMap<String, usize> {
    let context = validation(secret);
    assert!(context.trusted_ca.is_none());
    let config = context.custom_validator_config.as_ref().unwrap();
    assert_eq!(config.name, "envoy.tls.cert_validator.spiffe");
    let any = config.typed_config.as_ref().unwrap();
    let name = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
    assert_eq!(any.type_url, format!("type.googleapis.com/{name}"));
    let config = SpiffeCertValidatorConfig::decode(any.value.as_slice()).unwrap();
    let count = |bundle| pem_to_der(text(bundle).as_bytes()).unwrap().len();
    config.trust_domains.iter().map(|one| (one.name.clone(), count(one.trust_bundle.as_ref()))).collect()
}

/// Two identities, one of which federates.
async fn node() -> (std::sync::Arc<Desk>, Node, SecretDiscoveryServiceClient<Channel>) {
    let desk = Desk::new();
    let other = Keys::of(&"other.org".parse().unwrap(), desk.now());
    let federates_with = ["other.org".parse().unwrap()].into_iter().collect();
    desk.change(|mood| {
        mood.bundles.insert(other.bundle.clone());
        mood.entries = vec![entry("a", 9), Registration { federates_with, ..entry("b", 0) }];
    });
    let node = Node::serving(&desk).await;
    let client = SecretDiscoveryServiceClient::new(node.channel().await);
    (desk, node, client)
}

#[tokio::test]
async fn rejects_a_stream_of_a_process_without_identity_at_the_call() {
    let desk = Desk::new();
    let node = Node::serving(&desk).await;
    let mut client = SecretDiscoveryServiceClient::new(node.channel().await);
    // It never asks anything.
    let status = client.stream_secrets(stream::pending()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no identity issued"));
}

#[tokio::test]
async fn a_stream_that_asks_nothing_is_ended() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::start_with(&desk, |settings| settings.patience = std::time::Duration::ZERO);
    node.agent.reach(carnet_agent::Phase::Serving).await.unwrap();
    let mut client = SecretDiscoveryServiceClient::new(node.channel().await);
    let mut answers = client.stream_secrets(stream::pending()).await.unwrap().into_inner();
    let status = next(&mut answers).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "no request has come"));
}

#[tokio::test]
async fn a_stream_that_has_asked_may_be_silent_for_long() {
    let (desk, _node, mut client) = node().await;
    let (send, inbox) = mpsc::unbounded_channel();
    send.send(ask(&["ROOTCA"])).unwrap();
    let mut answers = client.stream_secrets(requests(inbox)).await.unwrap().into_inner();
    next(&mut answers).await.unwrap();
    tokio::time::pause();
    // Three seconds are what a first question may take.
    tokio::time::advance(std::time::Duration::from_mins(1)).await;
    tokio::time::resume();
    let mut rotated = desk.keys.bundle.clone();
    rotated.x509_authorities.extend(Keys::of(&rotated.trust_domain, desk.now()).bundle.x509_authorities);
    desk.change(|mood| drop(mood.bundles.insert(rotated)));
    let answer = next(&mut answers).await.unwrap();
    assert_eq!(domains(&secrets(&answer)["ROOTCA"]), [("example.org".to_owned(), 2)].into());
}

#[tokio::test]
async fn each_name_means_what_it_means_in_spire() {
    let (_desk, _node, mut client) = node().await;
    let everything = client.fetch_secrets(ask(&[])).await.unwrap().into_inner();
    assert_eq!((everything.nonce.as_str(), everything.version_info.as_str()), ("", "1"));
    let names: Vec<String> = secrets(&everything).into_keys().collect();
    let ids = ["spiffe://example.org", "spiffe://example.org/a", "spiffe://example.org/b", "spiffe://other.org"];
    assert_eq!(names, ids);

    let asked = ["spiffe://example.org/b", "default", "spiffe://other.org", "ROOTCA", "ALL", "default"];
    let answer = client.fetch_secrets(ask(&asked)).await.unwrap().into_inner();
    assert_eq!(answer.resources.len(), 5, "a name that is asked for twice is answered once");
    let secrets = secrets(&answer);
    let (leaf, key) = chain_of(&secrets["spiffe://example.org/b"]);
    assert_eq!(leaf.uris(), ["spiffe://example.org/b"]);
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(chain_of(&secrets["default"]).0.uris(), ["spiffe://example.org/a"], "the oldest entry's");
    assert_eq!(domains(&secrets["spiffe://other.org"]).into_keys().collect::<Vec<_>>(), ["other.org"]);
    assert_eq!(domains(&secrets["ROOTCA"]), [("example.org".to_owned(), 1)].into());
    assert_eq!(domains(&secrets["ALL"]), [("example.org".to_owned(), 1), ("other.org".to_owned(), 1)].into());
}

#[tokio::test]
async fn rejects_names_that_are_not_the_callers() {
    let (desk, node, mut client) = node().await;
    let status = client.fetch_secrets(ask(&["default", "spiffe://example.org/c", "x"])).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let text = r#"workload is not authorized for the requested identities ["spiffe://example.org/c" "x"]"#;
    assert_eq!(status.message(), text);
    let bent = DiscoveryRequest { type_url: "type.googleapis.com/other".into(), ..ask(&[]) };
    assert_eq!(client.fetch_secrets(bent).await.unwrap_err().code(), Code::InvalidArgument);
    let delta = client.delta_secrets(stream::iter([DeltaDiscoveryRequest::default()])).await;
    assert_eq!(delta.unwrap_err().code(), Code::Unimplemented);
    desk.change(|mood| mood.entries.clear());
    until("the entries are gone", || node.agent.facts().entries == 0).await;
    let status = client.fetch_secrets(ask(&[])).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no identity issued"));
}

#[tokio::test]
async fn whoever_does_not_want_the_validator_gets_plain_certificates() {
    let (_desk, _node, mut client) = node().await;
    let setting =
        |kind| Struct { fields: [("disable_spiffe_cert_validation".to_owned(), Value { kind: Some(kind) })].into() };
    let with = |kind| EnvoyNode { metadata: Some(setting(kind)), ..EnvoyNode::default() };
    let of = |minor_number| EnvoyNode {
        user_agent_version_type: Some(node::UserAgentVersionType::UserAgentBuildVersion(BuildVersion {
            version: Some(SemanticVersion { major_number: 1, minor_number, patch: 0 }),
            metadata: None,
        })),
        ..EnvoyNode::default()
    };
    for (node, plain) in [
        (with(Kind::BoolValue(true)), true),
        (with(Kind::StringValue("true".into())), true),
        (with(Kind::BoolValue(false)), false),
        (of(17), true),
        (of(18), false),
    ] {
        let request = DiscoveryRequest { node: Some(node.clone()), ..ask(&["ROOTCA"]) };
        let answer = client.fetch_secrets(request).await.unwrap().into_inner();
        let secrets = secrets(&answer);
        let context = validation(&secrets["ROOTCA"]);
        assert_eq!(context.custom_validator_config.is_none(), plain, "{node:?}");
        if plain {
            assert_eq!(pem_to_der(text(context.trusted_ca.as_ref()).as_bytes()).unwrap().len(), 1);
        }
    }
    let request = DiscoveryRequest { node: Some(with(Kind::BoolValue(true))), ..ask(&["ALL"]) };
    assert_eq!(client.fetch_secrets(request).await.unwrap_err().code(), Code::InvalidArgument);
}

fn requests(inbox: mpsc::UnboundedReceiver<DiscoveryRequest>) -> impl Stream<Item = DiscoveryRequest> {
    stream::unfold(inbox, |mut inbox| async move { Some((inbox.recv().await?, inbox)) })
}

async fn next(answers: &mut Streaming<DiscoveryResponse>) -> Result<DiscoveryResponse, Status> {
    let longest = std::time::Duration::from_secs(10);
    let answer = tokio::time::timeout(longest, answers.message()).await.expect("an answer");
    answer.map(|answer| answer.expect("an answer and not the end"))
}

#[tokio::test]
async fn a_stream_answers_new_questions_and_changes_and_nothing_else() {
    let (desk, _node, mut client) = node().await;
    let (send, inbox) = mpsc::unbounded_channel();
    send.send(ask(&["default"])).unwrap();
    let mut answers = client.stream_secrets(requests(inbox)).await.unwrap().into_inner();
    let first = next(&mut answers).await.unwrap();
    assert_eq!((first.version_info.as_str(), first.nonce.len()), ("1", 8));
    let follow = |answer: &DiscoveryResponse, names: &[&str]| DiscoveryRequest {
        version_info: answer.version_info.clone(),
        response_nonce: answer.nonce.clone(),
        ..ask(names)
    };
    // An acknowledgement, a stale question and a complaint bring no answer.
    send.send(follow(&first, &["default"])).unwrap();
    send.send(DiscoveryRequest { response_nonce: "00000000".into(), ..follow(&first, &["ALL"]) }).unwrap();
    let error_detail = Some(rpc::Status { message: "no".into(), ..rpc::Status::default() });
    send.send(DiscoveryRequest { error_detail, version_info: String::new(), ..follow(&first, &["default"]) }).unwrap();
    send.send(follow(&first, &["ROOTCA"])).unwrap();
    let second = next(&mut answers).await.unwrap();
    assert_eq!(secrets(&second).into_keys().collect::<Vec<_>>(), ["ROOTCA"], "the answer to the last question");
    assert_eq!(second.version_info, "2");
    assert_ne!(second.nonce, first.nonce);
    // A change of something else is none for this stream.
    desk.change(|mood| mood.entries[0].hint = "main".into());
    let mut rotated = desk.keys.bundle.clone();
    rotated.x509_authorities.extend(Keys::of(&rotated.trust_domain, desk.now()).bundle.x509_authorities);
    desk.change(|mood| drop(mood.bundles.insert(rotated)));
    let third = next(&mut answers).await.unwrap();
    assert_eq!(domains(&secrets(&third)["ROOTCA"]), [("example.org".to_owned(), 2)].into());
    assert_eq!(third.version_info, "3");
    desk.change(|mood| mood.entries.clear());
    assert_eq!(next(&mut answers).await.unwrap_err().code(), Code::PermissionDenied);
}
