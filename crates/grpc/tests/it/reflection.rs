use carnet_grpc::{
    prost::Message as _,
    prost_types::{FileDescriptorProto, MethodDescriptorProto},
    spiffe_workload::spiffe_workload_api_server::SERVICE_NAME,
    tonic::{service::Routes, transport::Endpoint},
    with_reflection,
};
use futures_util::stream;

use crate::support::{Desk, Running, routes};

fn reflecting() -> Running {
    let routes: Routes = routes(Desk::default()).1;
    Running::start(with_reflection(routes, &[SERVICE_NAME]).unwrap())
}

macro_rules! ask {
    ($version:ident, $server:expr, $question:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        };
        let channel = Endpoint::from_shared($server.address()).unwrap().connect().await.unwrap();
        let request = ServerReflectionRequest { host: String::new(), message_request: Some($question) };
        let mut answers = ServerReflectionClient::new(channel)
            .server_reflection_info(stream::iter([request]))
            .await
            .unwrap()
            .into_inner();
        answers.message().await.unwrap().unwrap().message_response.unwrap()
    }};
}

#[tokio::test]
async fn the_services_of_the_server_are_listed_and_no_others() {
    use tonic_reflection::pb::v1::{
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = reflecting();
    let answer = ask!(v1, server, MessageRequest::ListServices(String::new()));
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("not a list: {answer:?}") };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["SpiffeWorkloadAPI"]);
}

#[tokio::test]
async fn a_service_without_a_package_is_described() {
    use tonic_reflection::pb::v1::{
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = reflecting();
    let answer = ask!(v1, server, MessageRequest::FileContainingSymbol("SpiffeWorkloadAPI".into()));
    let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("not a file: {answer:?}") };
    let file = FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    let methods: Vec<&str> = file.service[0].method.iter().map(MethodDescriptorProto::name).collect();
    assert_eq!(
        methods,
        [
            "FetchX509SVID",
            "FetchX509Bundles",
            "FetchJWTSVID",
            "FetchJWTBundles",
            "ValidateJWTSVID",
            "FetchWITSVID",
            "FetchWITBundles"
        ]
    );
}

#[tokio::test]
async fn the_older_version_answers_too_and_imports_are_there() {
    use tonic_reflection::pb::v1alpha::{
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = reflecting();
    let answer = ask!(v1alpha, server, MessageRequest::FileByFilename("google/protobuf/struct.proto".into()));
    assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{answer:?}");
}
