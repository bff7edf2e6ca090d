//! Server reflection: what services there are and what their messages look like.

use carnet_core::{Error, Result};
use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error as ReflectionError};

/// The descriptors of every `.proto` file here, with what they import.
const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");

/// Adds server reflection, `grpc.reflection.v1` and the older `v1alpha` that many tools still ask for
/// (SPIFFE Workload Endpoint, 7: SHOULD). `services` are the full names that it lists, the `NAME` or `SERVICE_NAME` of each server.
///
/// # Errors
/// `Internal`, when the checked-in descriptors cannot be read.
pub fn with_reflection(routes: Routes, services: &[&str]) -> Result<Routes> {
    let builder = || {
        let builder = Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
        services.iter().fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let unreadable = |error: ReflectionError| Error::internal("read the descriptors of the services").because(error);
    Ok(routes
        .add_service(builder().build_v1().map_err(unreadable)?)
        .add_service(builder().build_v1alpha().map_err(unreadable)?))
}
