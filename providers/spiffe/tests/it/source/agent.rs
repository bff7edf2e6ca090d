//! A Workload API whose answers a test decides, on a real socket.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    thread,
};

use carnet_grpc::{
    spiffe_workload::{
        JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
        ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse, WitsvidRequest, WitsvidResponse,
        X509BundlesRequest, X509BundlesResponse, X509svid, X509svidRequest, X509svidResponse,
        spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer},
    },
    tonic::{self, Request, Response, Status, service::Routes, transport::Server},
};
use futures_util::{Stream, StreamExt, stream};
use tempfile::TempDir;
use tokio::{net::UnixListener, sync::oneshot};

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the agent answers.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    refuse: Option<Status>,
    jwt: Vec<Jwtsvid>,
    x509: Vec<X509svid>,
}

impl Answers {
    pub(crate) fn refusing(status: Status) -> Self {
        Self { refuse: Some(status), ..Self::default() }
    }

    pub(crate) fn jwt(mut self, spiffe_id: &str, token: &str, hint: &str) -> Self {
        self.jwt.push(Jwtsvid { spiffe_id: spiffe_id.to_owned(), svid: token.to_owned(), hint: hint.to_owned() });
        self
    }

    pub(crate) fn x509(mut self, spiffe_id: &str, chain: &[u8], key: &[u8], bundle: &[u8]) -> Self {
        self.x509.push(X509svid {
            spiffe_id: spiffe_id.to_owned(),
            x509_svid: chain.to_vec(),
            x509_svid_key: key.to_vec(),
            bundle: bundle.to_vec(),
            hint: String::new(),
        });
        self
    }

    pub(crate) fn renamed(mut self, spiffe_id: &str) -> Self {
        spiffe_id.clone_into(&mut self.x509[0].spiffe_id);
        self
    }

    pub(crate) fn with_key(mut self, key: &[u8]) -> Self {
        self.x509[0].x509_svid_key = key.to_vec();
        self
    }

    pub(crate) fn with_bundle(mut self, bundle: &[u8]) -> Self {
        self.x509[0].bundle = bundle.to_vec();
        self
    }

    fn admit(&self) -> Result<(), Status> {
        self.refuse.clone().map_or(Ok(()), Err)
    }
}

struct Desk {
    answers: Answers,
    asked: Mutex<Vec<(Vec<String>, String)>>,
}

/// One answer, then an open stream.
fn once<T: Send + 'static>(answer: T) -> Messages<T> {
    Box::pin(stream::iter([Ok(answer)]).chain(stream::pending()))
}

fn not_asked<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("nobody asks for it"))
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for Desk {
    type FetchX509SVIDStream = Messages<X509svidResponse>;
    type FetchX509BundlesStream = Messages<X509BundlesResponse>;
    type FetchJWTBundlesStream = Messages<JwtBundlesResponse>;
    type FetchWITSVIDStream = Messages<WitsvidResponse>;
    type FetchWITBundlesStream = Messages<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        _request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        self.answers.admit()?;
        Ok(Response::new(once(X509svidResponse { svids: self.answers.x509.clone(), ..X509svidResponse::default() })))
    }

    async fn fetch_jwtsvid(&self, request: Request<JwtsvidRequest>) -> Result<Response<JwtsvidResponse>, Status> {
        self.answers.admit()?;
        let JwtsvidRequest { audience, spiffe_id } = request.into_inner();
        self.asked.lock().unwrap().push((audience, spiffe_id));
        Ok(Response::new(JwtsvidResponse { svids: self.answers.jwt.clone() }))
    }

    async fn fetch_x509_bundles(
        &self,
        _request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        not_asked()
    }

    async fn fetch_jwt_bundles(
        &self,
        _request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        not_asked()
    }

    async fn validate_jwtsvid(
        &self,
        _request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        not_asked()
    }

    async fn fetch_witsvid(
        &self,
        _request: Request<WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        not_asked()
    }

    async fn fetch_wit_bundles(
        &self,
        _request: Request<WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        not_asked()
    }
}

/// An agent on a Unix socket in a folder of its own, on a runtime of its own; it ends with the value.
pub(crate) struct Agent {
    folder: TempDir,
    desk: Arc<Desk>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Agent {
    pub(crate) fn start(answers: Answers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(folder.path().join("api.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let desk = Arc::new(Desk { answers, asked: Mutex::default() });
        let routes = Routes::new(SpiffeWorkloadApiServer::from_arc(Arc::clone(&desk)));
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let incoming = stream::unfold(UnixListener::from_std(listener).unwrap(), async |listener| {
                    Some((listener.accept().await.map(|(stream, _)| stream), listener))
                });
                tokio::select! {
                    served = Server::builder().add_routes(routes).serve_with_incoming(incoming) => served.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self { folder, desk, end: Some(end), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("api.sock").display())
    }

    /// Audiences and SPIFFE ID of every request for a JWT-SVID.
    pub(crate) fn asked(&self) -> Vec<(Vec<String>, String)> {
        self.desk.asked.lock().unwrap().clone()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
