//! Envoy's secret discovery service, version 3.

use std::{pin::Pin, sync::Arc};

use carnet_core::{SecretBytes, safe_text};
use carnet_grpc::{
    envoy::service::{
        discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse},
        secret::v3::secret_discovery_service_server::SecretDiscoveryService,
    },
    prost::Message,
    tonic::{self, Request, Response, Status, Streaming},
};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    feed::{Next, Subject, once},
    no_identity, place,
    places::Place,
    secrets::{Secrets, type_url, wants_plain},
    shutting_down,
};
use crate::{
    core::Core,
    hub::{Snapshot, Wish},
    view::identities,
};

/// Most names in one request.
const MAX_NAMES: usize = 1000;

/// Secret discovery of an agent.
pub(super) struct Sds(pub(super) Arc<Core>);

type Answers<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

#[tonic::async_trait]
impl SecretDiscoveryService for Sds {
    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        _request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        // SPIRE's agent answers so, too (spiffe/spire, pkg/agent/endpoints/sdsv3/handler.go). Envoy asks by StreamSecrets unless its
        // `api_type` is DELTA_GRPC.
        Err(Status::unimplemented("incremental discovery of secrets is not supported: use StreamSecrets"))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let selectors = self.0.caller(request.extensions()).await?;
        if identities(&self.0.hub.now(), &selectors, self.0.context.now()).is_empty() {
            return Err(no_identity());
        }
        let conversation = Conversation {
            place: place(&self.0, request.extensions())?,
            first_until: Some(Instant::now() + self.0.settings.patience),
            snapshots: self.0.hub.watch(),
            wish: self.0.hub.wish(),
            core: Arc::clone(&self.0),
            requests: request.into_inner(),
            secrets: Secrets {
                selectors,
                names: Vec::new(),
                plain: self.0.settings.sds.disable_spiffe_cert_validation,
            },
            asked: None,
            last: None,
            nonce: String::new(),
            version: 0,
            ended: false,
        };
        let answers = stream::unfold(conversation, |mut conversation| async move {
            if conversation.ended {
                return None;
            }
            let item = conversation.advance().await.transpose()?;
            conversation.ended = item.is_err();
            Some((item, conversation))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn fetch_secrets(&self, request: Request<DiscoveryRequest>) -> Result<Response<DiscoveryResponse>, Status> {
        let selectors = self.0.caller(request.extensions()).await?;
        let request = request.into_inner();
        check(&request)?;
        let plain =
            self.0.settings.sds.disable_spiffe_cert_validation || request.node.as_ref().is_some_and(wants_plain);
        let answer = once(&self.0, Secrets { selectors, names: request.resource_names, plain }).await?;
        // Nothing follows, so there is nothing to acknowledge: no nonce.
        Ok(Response::new(DiscoveryResponse { version_info: "1".to_owned(), ..answer }))
    }
}

/// One stream.
struct Conversation {
    #[expect(dead_code, reason = "it is held until the stream ends")]
    place: Place,
    /// Until when the first request may come; nothing once it has.
    first_until: Option<Instant>,
    core: Arc<Core>,
    requests: Streaming<DiscoveryRequest>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    wish: Wish,
    /// What was asked for last.
    secrets: Secrets,
    /// When the question came that is not answered yet; before the first one nothing is sent.
    asked: Option<Instant>,
    /// Digest of what was sent last.
    last: Option<[u8; 32]>,
    nonce: String,
    version: u64,
    ended: bool,
}

impl Conversation {
    /// The next answer; nothing when the client has ended the stream.
    async fn advance(&mut self) -> Result<Option<DiscoveryResponse>, Status> {
        loop {
            let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
            let until = self.asked.map(|asked| asked + self.core.settings.patience);
            if (self.asked.is_some() || self.last.is_some())
                && let Some(answer) = self.answer(&snapshot, until)?
            {
                return Ok(Some(answer));
            }
            drop(snapshot);
            let first_until = self.first_until;
            let late = async {
                match until.or(first_until) {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.core.stop.cancelled() => return Err(shutting_down()),
                request = self.requests.next() => match request {
                    Some(request) => self.heed(request?)?,
                    None => return Ok(None),
                },
                changed = self.snapshots.changed() => changed.map_err(|_closed| shutting_down())?,
                () = late => if first_until.is_some() {
                    return Err(Status::deadline_exceeded("no request has come"));
                },
            }
        }
    }

    /// An answer to a new question, or because something has changed.
    fn answer(&mut self, snapshot: &Snapshot, until: Option<Instant>) -> Result<Option<DiscoveryResponse>, Status> {
        let late = until.is_some_and(|until| until <= Instant::now());
        let mut message = match self.secrets.next(&self.core, snapshot, &mut self.wish)? {
            Next::Message { message, whole } if whole || late || self.asked.is_none() => message,
            Next::Coming if late => return Err(Status::unavailable("could not fetch X509-SVID: none is ready yet")),
            Next::Message { .. } | Next::Coming => return Ok(None),
        };
        // It holds a private key: the copy is wiped.
        let bytes = SecretBytes::new(message.encode_to_vec());
        let digest = carnet_jose::sha256(bytes.expose());
        if self.asked.is_none() && self.last == Some(digest) {
            return Ok(None);
        }
        self.asked = None;
        if self.last.replace(digest) != Some(digest) {
            self.version = self.version.saturating_add(1);
        }
        self.nonce = self.core.context.random_hex::<4>();
        message.version_info = self.version.to_string();
        message.nonce.clone_from(&self.nonce);
        Ok(Some(message))
    }

    /// Takes up a question, an acknowledgement or a complaint.
    fn heed(&mut self, request: DiscoveryRequest) -> Result<(), Status> {
        self.first_until = None;
        check(&request)?;
        let first = self.last.is_none() && self.asked.is_none();
        // Of later requests Envoy leaves the node out.
        if let Some(node) = &request.node {
            let plain = self.core.settings.sds.disable_spiffe_cert_validation || wants_plain(node);
            self.secrets.plain = plain;
        }
        if !first && !request.response_nonce.is_empty() && request.response_nonce != self.nonce {
            tracing::debug!("an Envoy speaks of an answer that is not the last one");
            return Ok(());
        }
        if let Some(error) = &request.error_detail {
            tracing::warn!(error = safe_text(&error.message), "an Envoy does not take the secrets that it was given");
        }
        if first || request.resource_names != self.secrets.names {
            self.secrets.names = request.resource_names;
            self.asked = Some(Instant::now());
        }
        Ok(())
    }
}

fn check(request: &DiscoveryRequest) -> Result<(), Status> {
    if !request.type_url.is_empty() && request.type_url != type_url() {
        let seen = safe_text(&request.type_url);
        return Err(Status::invalid_argument(format!("there are secrets here, and no resources of type {seen}")));
    }
    if request.resource_names.len() > MAX_NAMES {
        return Err(Status::invalid_argument(format!("at most {MAX_NAMES} resources may be asked for")));
    }
    Ok(())
}
