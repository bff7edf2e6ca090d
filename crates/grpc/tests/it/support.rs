//! A Workload API whose answers a test decides, on a real socket.

use std::{
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    thread,
};

use carnet_grpc::{
    SECURITY_HEADER, WorkloadApi,
    prost_types::Struct,
    spiffe_workload::{
        JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
        ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse, WitsvidRequest, WitsvidResponse,
        X509BundlesRequest, X509BundlesResponse, X509svid, X509svidRequest, X509svidResponse,
        spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer},
    },
    tonic::{self, Request, Response, Status, service::Routes, transport::Server},
};
use futures_util::{Stream, stream};
use tempfile::TempDir;
use tokio::{
    net::UnixListener,
    sync::{mpsc, oneshot},
};

pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the server answers, and what it was asked.
#[derive(Default)]
pub(crate) struct Desk {
    /// Every call is refused with it.
    pub(crate) refuse: Mutex<Option<Status>>,
    /// No call is answered.
    pub(crate) silent: bool,
    pub(crate) jwt: Mutex<JwtsvidResponse>,
    pub(crate) asked: Mutex<Vec<JwtsvidRequest>>,
    /// What the X.509 watch sends; when it is absent one usual answer, and then nothing more.
    pub(crate) x509: Mutex<Option<mpsc::Receiver<Result<X509svidResponse, Status>>>>,
}

impl Desk {
    pub(crate) fn refusing(status: Status) -> Self {
        Self { refuse: Mutex::new(Some(status)), ..Self::default() }
    }

    pub(crate) fn with_jwt(svids: Vec<Jwtsvid>) -> Self {
        Self { jwt: Mutex::new(JwtsvidResponse { svids }), ..Self::default() }
    }

    /// As every server must (SPIFFE Workload Endpoint, 3): exactly one value, and that is `true`.
    async fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let values: Vec<_> = request.metadata().get_all(SECURITY_HEADER).iter().collect();
        if values != ["true"] {
            return Err(Status::invalid_argument("security header missing from request"));
        }
        if self.silent {
            std::future::pending::<()>().await;
        }
        match self.refuse.lock().unwrap().as_ref() {
            Some(status) => Err(Status::new(status.code(), status.message())),
            None => Ok(()),
        }
    }
}

/// One answer, then an open stream.
fn once<T: Send + 'static>(answer: T) -> Answers<T> {
    use futures_util::StreamExt as _;
    Box::pin(stream::iter([Ok(answer)]).chain(stream::pending()))
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for Desk {
    type FetchX509SVIDStream = Answers<X509svidResponse>;
    type FetchX509BundlesStream = Answers<X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<JwtBundlesResponse>;
    type FetchWITSVIDStream = Answers<WitsvidResponse>;
    type FetchWITBundlesStream = Answers<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        self.admit(&request).await?;
        Ok(Response::new(match self.x509.lock().unwrap().take() {
            Some(receiver) => Box::pin(stream::unfold(receiver, async |mut receiver| {
                receiver.recv().await.map(|answer| (answer, receiver))
            })),
            None => once(x509_answer("spiffe://example.org/a")),
        }))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        self.admit(&request).await?;
        let bundles = [("spiffe://example.org".to_owned(), b"der".to_vec())].into();
        Ok(Response::new(once(X509BundlesResponse { crl: vec![b"crl".to_vec()], bundles })))
    }

    async fn fetch_jwtsvid(&self, request: Request<JwtsvidRequest>) -> Result<Response<JwtsvidResponse>, Status> {
        self.admit(&request).await?;
        self.asked.lock().unwrap().push(request.into_inner());
        Ok(Response::new(self.jwt.lock().unwrap().clone()))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        self.admit(&request).await?;
        let bundles = [("spiffe://example.org".to_owned(), br#"{"keys":[]}"#.to_vec())].into();
        Ok(Response::new(once(JwtBundlesResponse { bundles })))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        self.admit(&request).await?;
        let request = request.into_inner();
        let claims = Struct { fields: [("aud".to_owned(), request.audience.clone().into())].into() };
        Ok(Response::new(ValidateJwtsvidResponse {
            spiffe_id: format!("spiffe://example.org/{}", request.svid),
            claims: Some(claims),
        }))
    }

    async fn fetch_witsvid(
        &self,
        _request: Request<WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        Err(Status::unimplemented("WIT-SVIDs are not issued"))
    }

    async fn fetch_wit_bundles(
        &self,
        _request: Request<WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        Err(Status::unimplemented("WIT-SVIDs are not issued"))
    }
}

pub(crate) fn x509_answer(spiffe_id: &str) -> X509svidResponse {
    X509svidResponse {
        svids: vec![X509svid {
            spiffe_id: spiffe_id.to_owned(),
            x509_svid: b"leaf".to_vec(),
            x509_svid_key: b"key".to_vec(),
            bundle: b"ca".to_vec(),
            hint: "internal".to_owned(),
        }],
        crl: Vec::new(),
        federated_bundles: [("spiffe://other.org".to_owned(), b"other".to_vec())].into(),
    }
}

pub(crate) fn jwt_svid(token: &str) -> Jwtsvid {
    Jwtsvid { spiffe_id: "spiffe://example.org/a".to_owned(), svid: token.to_owned(), hint: String::new() }
}

/// A server on a Unix socket in a folder of its own; it ends with the value.
pub(crate) struct Running {
    folder: TempDir,
    server: Option<Process>,
}

impl Running {
    pub(crate) fn start(routes: Routes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Some(Process::start(&folder.path().join("api.sock"), routes));
        Self { folder, server }
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("api.sock").display())
    }

    /// Ends the server with all its connections; nothing is at its path any more.
    pub(crate) fn stop(&mut self) {
        self.server.take();
        std::fs::remove_file(self.folder.path().join("api.sock")).unwrap();
    }

    /// Ends the server with all its connections and lets another one take its path.
    pub(crate) fn replace(&mut self, routes: Routes) {
        self.stop();
        self.server = Some(Process::start(&self.folder.path().join("api.sock"), routes));
    }
}

/// A server on a runtime of its own, so that it can end at once with every connection, as a process does.
struct Process {
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Process {
    fn start(path: &Path, routes: Routes) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
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
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(crate) fn routes(desk: Desk) -> (Arc<Desk>, Routes) {
    let desk = Arc::new(desk);
    (Arc::clone(&desk), Routes::new(SpiffeWorkloadApiServer::from_arc(desk)))
}

/// A server with these answers, and a client of it.
pub(crate) async fn stage(desk: Desk) -> (Running, Arc<Desk>, WorkloadApi) {
    let (desk, routes) = routes(desk);
    let server = Running::start(routes);
    let api = WorkloadApi::connect(&server.address()).await.unwrap();
    (server, desk, api)
}
