//! A connection to a server on this machine, and what its refusals mean.

use std::{error::Error as StdError, io, time::Duration};

use carnet_core::{Error, ErrorKind, Result, safe_text};
use tokio::time;
use tonic::{Code, Response, Status, transport::Channel};

use crate::Endpoint;

/// How long a call may take. A workload is attested while it waits, and SPIRE's look-ups at the kubelet alone may take 30 s,
/// so less would give up on what is about to succeed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);
/// Largest message that is read or written, in bytes. It is what gRPC implementations read by default, so no server can
/// send more to anyone; each byte of it may be held in memory several times.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// How a refusal is meant, where services differ.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meaning {
    /// PermissionDenied: there is no identity for the caller; InvalidArgument: the caller asked wrongly
    /// (SPIFFE Workload Endpoint, 6).
    Identity,
    /// InvalidArgument: what was shown is not good (SPIFFE Workload API, 6.2.4).
    Judgement,
    /// Nothing beyond what gRPC says.
    Plain,
}

/// A connection that comes back by itself when the server was restarted.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    channel: Channel,
    /// What is talked to, for errors: "the Workload API at unix:///…".
    server: String,
    deadline: Duration,
}

impl Connection {
    /// Connects now, so that an absent server is noticed here.
    ///
    /// # Errors
    /// `Unreachable` when nothing answers there in time.
    pub(crate) async fn open(endpoint: &Endpoint, name: &str) -> Result<Self> {
        let server = format!("{name} at {}", safe_text(&endpoint.to_string()));
        let uri = match endpoint {
            Endpoint::Tcp(address) => format!("http://{address}"),
            Endpoint::Unix(path) => format!("unix://{path}"),
        };
        let builder = tonic::transport::Endpoint::from_shared(uri)
            .map_err(|error| Error::internal(format!("make a connection of the address of {server}")).because(error))?;
        let channel = time::timeout(DEADLINE, builder.connect())
            .await
            .map_err(|_elapsed| too_late(&format!("connect to {server}"), DEADLINE))?
            .map_err(|error| unreachable(&format!("connect to {server}"), &error))?;
        Ok(Self { channel, server, deadline: DEADLINE })
    }

    /// The same connection with another limit on the time that a call may take.
    pub(crate) fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Waits for a call, but not longer than the deadline.
    ///
    /// # Errors
    /// What the server refused, or that it did not answer.
    pub(crate) async fn call<T>(
        &self,
        action: &str,
        meaning: Meaning,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T> {
        let action = format!("{action} from {}", self.server);
        self.in_time(&action, call)
            .await?
            .map(Response::into_inner)
            .map_err(|status| refusal(&action, meaning, &status))
    }

    /// Waits for anything, but not longer than the deadline.
    ///
    /// # Errors
    /// `Unreachable` when it takes longer.
    pub(crate) async fn in_time<T>(&self, action: &str, work: impl Future<Output = T>) -> Result<T> {
        time::timeout(self.deadline, work).await.map_err(|_elapsed| too_late(action, self.deadline))
    }
}

pub(crate) fn too_late(action: &str, deadline: Duration) -> Error {
    Error::unreachable(action.to_owned()).because(Error::unreachable(format!("no answer within {deadline:?}")))
}

/// What a status means (SPIFFE Workload Endpoint, 6 and appendix A; gRPC status codes).
pub(crate) fn refusal(action: &str, meaning: Meaning, status: &Status) -> Error {
    if let Some(cause) = transport_failure(status) {
        return unreachable(action, cause);
    }
    let kind = kind(status.code(), meaning);
    let said = match safe_text(status.message()) {
        text if text.is_empty() => format!("{:?}", status.code()),
        text => text,
    };
    let error =
        Error::new(kind, action.to_owned()).because(Error::new(kind, said)).code(format!("{:?}", status.code()));
    match (status.code(), meaning) {
        (Code::PermissionDenied, Meaning::Identity) => error.hint(
            "there is a Workload API, but it knows no identity for this process: register an entry whose selectors \
             this process has",
        ),
        (Code::PermissionDenied, _) => error.hint("this process may not ask that"),
        (Code::Unimplemented, _) => error.hint("the server does not offer this call; is it the right one?"),
        (Code::OutOfRange, _) => error.hint(format!("messages of more than {MAX_MESSAGE} bytes are not read")),
        _ => error,
    }
}

fn kind(code: Code, meaning: Meaning) -> ErrorKind {
    match (code, meaning) {
        (Code::PermissionDenied, Meaning::Identity) => ErrorKind::NotHere,
        (Code::InvalidArgument, Meaning::Identity) => ErrorKind::Configuration,
        (
            Code::PermissionDenied
            | Code::InvalidArgument
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition,
            _,
        ) => ErrorKind::Refused,
        (
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss,
            _,
        ) => ErrorKind::Unreachable,
    }
}

/// The failure of the connection that became a status here, if it was not the server who said it.
fn transport_failure(status: &Status) -> Option<&(dyn StdError + 'static)> {
    status.source().filter(|source| source.is::<tonic::transport::Error>())
}

fn unreachable(action: &str, failure: &(dyn StdError + 'static)) -> Error {
    let mut innermost = failure;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let error = Error::unreachable(action.to_owned()).because(Error::unreachable(safe_text(&innermost.to_string())));
    match innermost.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => {
            error.hint("there is no such socket: is the agent running, and is this its path?")
        }
        Some(io::ErrorKind::PermissionDenied) => {
            error.hint("this user may not open the socket: look at its mode and its directory's")
        }
        Some(io::ErrorKind::ConnectionRefused) => error.hint("nobody listens there: is the agent running?"),
        _ => error,
    }
}
