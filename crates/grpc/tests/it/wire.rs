//! Field numbers, against bytes that are put together here from the published tables: what the generated code reads and
//! writes cannot be right only because both come from the same `.proto` file.

use carnet_grpc::{
    envoy::{
        config::core::v3::{DataSource, data_source::Specifier, node::UserAgentVersionType},
        extensions::transport_sockets::tls::v3::{
            CertificateValidationContext, Secret, SpiffeCertValidatorConfig, TlsCertificate, secret,
        },
        service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse},
    },
    prost::{Message, Name},
    spiffe_workload::{JwtsvidResponse, WitsvidResponse, X509BundlesResponse, X509svidResponse},
    spire::api::types::Bundle,
};

/// A length-delimited field.
pub(crate) fn field(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
}

/// A varint field below 128.
pub(crate) fn number(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

pub(crate) fn message(fields: &[Vec<u8>]) -> Vec<u8> {
    fields.concat()
}

pub(crate) fn entry(key: &str, value: &str) -> Vec<u8> {
    message(&[field(1, key), field(2, value)])
}

#[test]
fn x509_svids_are_read_and_written_by_number() {
    let svid = message(&[field(1, "id"), field(2, "leaf"), field(3, "key"), field(4, "ca"), field(5, "hint")]);
    let bytes = message(&[field(1, svid), field(2, "crl"), field(3, entry("td", "fed"))]);
    let read = X509svidResponse::decode(bytes.as_slice()).unwrap();
    assert_eq!(read.encode_to_vec(), bytes);
    let svid = &read.svids[0];
    assert_eq!((svid.spiffe_id.as_str(), svid.hint.as_str()), ("id", "hint"));
    assert_eq!(
        (&svid.x509_svid[..], &svid.x509_svid_key[..], &svid.bundle[..]),
        (&b"leaf"[..], &b"key"[..], &b"ca"[..])
    );
    assert_eq!((&read.crl[0][..], &read.federated_bundles["td"][..]), (&b"crl"[..], &b"fed"[..]));
}

#[test]
fn bundles_jwt_svids_and_wit_svids_are_read_by_number() {
    let bundles = message(&[field(1, "crl"), field(2, entry("td", "der"))]);
    let bundles = X509BundlesResponse::decode(bundles.as_slice()).unwrap();
    assert_eq!((&bundles.crl[0][..], &bundles.bundles["td"][..]), (&b"crl"[..], &b"der"[..]));

    let jwt = field(1, message(&[field(1, "id"), field(2, "token"), field(3, "hint")]));
    let jwt = JwtsvidResponse::decode(jwt.as_slice()).unwrap();
    let jwt = &jwt.svids[0];
    assert_eq!([jwt.spiffe_id.as_str(), jwt.svid.as_str(), jwt.hint.as_str()], ["id", "token", "hint"]);

    let wit = field(1, message(&[field(1, "id"), field(2, "token"), field(3, "key"), field(4, "hint")]));
    let wit = WitsvidResponse::decode(wit.as_slice()).unwrap();
    let wit = &wit.svids[0];
    assert_eq!(
        [wit.spiffe_id.as_str(), wit.wit_svid.as_str(), wit.wit_svid_key.as_str(), wit.hint.as_str()],
        ["id", "token", "key", "hint"]
    );
}

#[test]
fn discovery_requests_are_read_and_fields_that_are_not_known_are_skipped() {
    let version = message(&[number(1, 1), number(2, 30), number(3, 2)]);
    let locality = field(4, field(1, "region"));
    let node = message(&[
        field(1, "node"),
        field(2, "cluster"),
        field(3, field(1, message(&[field(1, "flag"), field(2, number(4, 1))]))),
        locality,
        field(6, "envoy"),
        field(8, field(1, version)),
    ]);
    let error = message(&[number(1, 3), field(2, "bad")]);
    let bytes = message(&[
        field(1, "v"),
        field(2, node),
        field(3, "a"),
        field(3, "b"),
        field(4, "type"),
        field(5, "nonce"),
        field(6, error),
        field(7, field(1, "locator")),
    ]);
    let read = DiscoveryRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!([&read.version_info[..], &read.type_url, &read.response_nonce], ["v", "type", "nonce"]);
    assert_eq!(read.resource_names, ["a", "b"]);
    let status = read.error_detail.unwrap();
    assert_eq!((status.code, status.message.as_str()), (3, "bad"));
    let node = read.node.unwrap();
    assert_eq!([&node.id[..], &node.cluster, &node.user_agent_name], ["node", "cluster", "envoy"]);
    assert!(node.metadata.unwrap().fields.contains_key("flag"));
    let Some(UserAgentVersionType::UserAgentBuildVersion(build)) = node.user_agent_version_type else {
        panic!("no build version")
    };
    let version = build.version.unwrap();
    assert_eq!((version.major_number, version.minor_number, version.patch), (1, 30, 2));
}

#[test]
fn discovery_responses_are_written_by_number() {
    let any = message(&[field(1, "type"), field(2, "secret")]);
    let bytes =
        message(&[field(1, "7"), field(2, any), field(4, "type"), field(5, "nonce"), field(6, field(1, "carnet"))]);
    let read = DiscoveryResponse::decode(bytes.as_slice()).unwrap();
    assert_eq!(read.encode_to_vec(), bytes);
    assert_eq!([&read.version_info[..], &read.type_url, &read.nonce], ["7", "type", "nonce"]);
    assert_eq!(read.resources[0].value, b"secret");
    assert_eq!(read.control_plane.unwrap().identifier, "carnet");
}

#[test]
fn delta_discovery_is_read_by_number() {
    let bytes = message(&[
        field(2, "type"),
        field(3, "more"),
        field(4, "less"),
        field(5, entry("name", "1")),
        field(6, "nonce"),
        field(7, field(2, "bad")),
    ]);
    let read = DeltaDiscoveryRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!([&read.type_url[..], &read.response_nonce], ["type", "nonce"]);
    assert_eq!(
        (read.resource_names_subscribe, read.resource_names_unsubscribe),
        (vec!["more".into()], vec!["less".into()])
    );
    assert_eq!(read.initial_resource_versions["name"], "1");
    assert_eq!(read.error_detail.unwrap().message, "bad");

    let resource = message(&[field(1, "2"), field(2, field(2, "secret")), field(3, "name"), field(4, "alias")]);
    let bytes = message(&[field(1, "v"), field(2, resource), field(4, "type"), field(5, "nonce"), field(6, "gone")]);
    let read = DeltaDiscoveryResponse::decode(bytes.as_slice()).unwrap();
    assert_eq!(read.encode_to_vec(), bytes);
    assert_eq!([&read.system_version_info[..], &read.type_url, &read.nonce], ["v", "type", "nonce"]);
    assert_eq!(read.removed_resources, ["gone"]);
    let resource = &read.resources[0];
    assert_eq!([&resource.version[..], &resource.name, &resource.aliases[0]], ["2", "name", "alias"]);
    assert_eq!(resource.resource.as_ref().unwrap().value, b"secret");
}

fn inline(bytes: &str) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineBytes(bytes.into())) }
}

#[test]
fn secrets_for_envoy_are_written_by_number_under_their_full_names() {
    let certificate = TlsCertificate { certificate_chain: Some(inline("chain")), private_key: Some(inline("key")) };
    let secret = Secret { name: "default".into(), r#type: Some(secret::Type::TlsCertificate(certificate)) };
    let wanted = message(&[field(1, field(2, "chain")), field(2, field(2, "key"))]);
    assert_eq!(secret.encode_to_vec(), message(&[field(1, "default"), field(2, wanted)]));
    assert_eq!(Secret::type_url(), "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret");

    let context = CertificateValidationContext { trusted_ca: Some(inline("ca")), custom_validator_config: None };
    let secret = Secret { name: "ROOTCA".into(), r#type: Some(secret::Type::ValidationContext(context)) };
    assert_eq!(secret.encode_to_vec(), message(&[field(1, "ROOTCA"), field(4, field(1, field(2, "ca")))]));
}

#[test]
fn the_spiffe_validator_is_written_by_number_under_its_full_name() {
    use carnet_grpc::{
        envoy::{
            config::core::v3::TypedExtensionConfig,
            extensions::transport_sockets::tls::v3::spiffe_cert_validator_config::TrustDomain,
        },
        prost_types::Any,
    };
    let domain = TrustDomain { name: "td".into(), trust_bundle: Some(inline("pem")) };
    let validator = SpiffeCertValidatorConfig { trust_domains: vec![domain] };
    let wanted = field(1, message(&[field(1, "td"), field(2, field(2, "pem"))]));
    assert_eq!(validator.encode_to_vec(), wanted);

    let any = Any::from_msg(&validator).unwrap();
    let name = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
    assert_eq!(any.type_url, name);
    let config = TypedExtensionConfig { name: "v".into(), typed_config: Some(any) };
    let context = CertificateValidationContext { trusted_ca: None, custom_validator_config: Some(config) };
    let any = message(&[field(1, name), field(2, wanted)]);
    assert_eq!(context.encode_to_vec(), field(12, message(&[field(1, "v"), field(2, any)])));
}

#[test]
fn a_bundle_of_spire_is_read_and_fields_that_are_not_known_are_skipped() {
    let x509 = message(&[field(1, "der"), number(2, 1), field(3, "hint")]);
    let jwt = message(&[field(1, "spki"), field(2, "kid"), number(3, 9), number(4, 1)]);
    let bytes = message(&[
        field(1, "td"),
        field(2, x509),
        field(3, jwt),
        number(4, 60),
        number(5, 7),
        field(6, field(2, "wit")),
    ]);
    let read = Bundle::decode(bytes.as_slice()).unwrap();
    assert_eq!((read.trust_domain.as_str(), read.refresh_hint, read.sequence_number), ("td", 60, 7));
    assert_eq!((&read.x509_authorities[0].asn1[..], read.x509_authorities[0].tainted), (&b"der"[..], true));
    let jwt = &read.jwt_authorities[0];
    assert_eq!((&jwt.public_key[..], jwt.key_id.as_str(), jwt.expires_at, jwt.tainted), (&b"spki"[..], "kid", 9, true));
}
