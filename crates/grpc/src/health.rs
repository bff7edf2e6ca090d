//! Whether a server serves, by gRPC's own health check (grpc/grpc, doc/health-checking.md).

use std::time::Duration;

use carnet_core::Result;
use tokio::time;
use tonic::Code;

use crate::{
    Endpoint,
    connection::{Connection, MAX_MESSAGE, Meaning, refusal, too_late},
    grpc::health::v1::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
};

/// Asks a server on this machine once whether it serves, as a whole; it has this long to answer. A server that answers and has
/// no health check serves.
///
/// # Errors
/// `Unreachable` when nobody listens there or there is no answer in time, `Refused` when the server does not say.
pub async fn is_serving(endpoint: &Endpoint, patience: Duration) -> Result<bool> {
    let asked = async {
        let connection = Connection::open(endpoint, "the server").await?;
        let mut client = HealthClient::new(connection.channel()).max_decoding_message_size(MAX_MESSAGE);
        match Box::pin(client.check(HealthCheckRequest::default())).await {
            Ok(answer) => Ok(answer.into_inner().status() == ServingStatus::Serving),
            Err(status) if status.code() == Code::Unimplemented => Ok(true),
            Err(status) => {
                Err(refusal(&format!("check the health of {}", connection.server()), Meaning::Plain, &status))
            }
        }
    };
    time::timeout(patience, asked)
        .await
        .map_err(|_elapsed| too_late(&format!("check the health of the server at {endpoint}"), patience))?
}
