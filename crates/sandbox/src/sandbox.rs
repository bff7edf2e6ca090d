//! Starting, and what is there while it runs.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router, middleware::map_request};
use carnet_ci_sandbox::{CiEmulator, MintRequest};
use carnet_core::{Clock, Error, HttpSend, Random, Secret};
use carnet_net::{Limits, TlsServerConfig, serve_with};
use carnet_sandbox_kit::{Fault, Faults, Host, PlainHttp, SandboxClock, Service, ServiceUrls, Urls, World};
use tokio::{net::TcpListener, sync::OnceCell};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    certificates::{self, Certificates},
    control,
    emulators::{self, Emulators},
    environment::{CA_FILE, Flavour, TOKEN_FILE},
    faults,
    folder::Folder,
    in_process::InProcess,
    inner::Inner,
    proxy::Proxy,
    routes::{Route, Routes},
    warm::warm,
};

/// How to start. The default takes any free port and a new folder under `/tmp`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the private folder is: a path that does not exist yet, or an empty folder that only its owner can
    /// enter. Without it, a new folder under [`Options::parent`].
    pub folder: Option<PathBuf>,
    /// Where a folder is made when none is named.
    pub parent: PathBuf,
    /// Port of the proxy; 0 for any free one.
    pub proxy_port: u16,
    /// Port of the control API; 0 for any free one.
    pub control_port: u16,
    /// How long fault `slow` takes.
    pub slow: Duration,
    /// Services of the owner's own, which answer under their host names beside the clouds: issuers, for instance, whose
    /// documents the emulators are to fetch.
    pub guests: Vec<Service>,
    /// Cancel it to stop the sandbox. The control API's `/shutdown` cancels it too.
    pub shutdown: CancellationToken,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: None,
            parent: PathBuf::from("/tmp"),
            proxy_port: 0,
            control_port: 0,
            slow: Faults::SLOW,
            guests: Vec::new(),
            shutdown: CancellationToken::new(),
        }
    }
}

/// How long running requests may go on when the sandbox stops. Requests that a fault holds must not hold the user.
const GRACE: Duration = Duration::from_millis(300);

/// The emulated clouds, running. Dropping it stops them and removes the folder; [`Sandbox::stop`] also waits.
pub struct Sandbox {
    inner: Arc<Inner>,
    tracker: TaskTracker,
    ci: Option<CiEmulator>,
}

impl Sandbox {
    /// Starts every emulator there is, on the current runtime. It is ready when this returns: every port answers.
    ///
    /// # Errors
    /// When the folder cannot be made or a port cannot be had.
    pub async fn start(options: Options, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let mut minting = None;
        let mut sandbox = Self::start_with(options, clock, random, |world| {
            let ci = carnet_ci_sandbox::emulator(world.clone());
            minting = Some(ci.clone());
            emulators::all(world, ci)
        })
        .await?;
        sandbox.ci = minting;
        Ok(sandbox)
    }

    /// Starts these emulators.
    ///
    /// # Errors
    /// When the folder cannot be made or a port cannot be had.
    pub async fn start_with<F>(
        options: Options,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        emulators: F,
    ) -> Result<Self, Error>
    where
        F: FnOnce(&World) -> Emulators,
    {
        let folder = match &options.folder {
            Some(path) => Folder::at(path)?,
            None => Folder::temporary(&options.parent, &*random)?,
        };
        let http = Arc::new(InProcess::default());
        let world = World::new(Arc::clone(&clock), random, Arc::clone(&http) as Arc<dyn HttpSend>);
        let emulators = emulators(&world);
        let control_token = Secret::new(world.random_hex::<32>());

        let Bound { listeners, urls, routes } = Bound::all(&emulators, options.guests, &world, options.slow).await?;
        http.bind(&routes);
        let names = Arc::clone(&routes);
        // The port is not part of a certificate; loopback names are there anyway.
        let certificates = Certificates::new(clock.now(), move |name| names.answers(name, 0))?;
        folder.write(vec![
            (PathBuf::from(CA_FILE), certificates.pem().as_bytes().to_vec()),
            (PathBuf::from(TOKEN_FILE), control_token.expose().as_bytes().to_vec()),
        ])?;
        let (proxy, proxy_port) = bind(options.proxy_port).await?;
        let (control, control_port) = bind(options.control_port).await?;

        let tracker = TaskTracker::new();
        let shutdown = options.shutdown.child_token();
        let inner = Arc::new(Inner {
            folder,
            world,
            emulators,
            urls,
            routes: Arc::clone(&routes),
            ca_pem: certificates.pem().to_owned(),
            control_token,
            control: url("http", control_port)?,
            proxy: url("http", proxy_port)?,
            files: OnceCell::new(),
            shutdown: shutdown.clone(),
        });
        let limits = Limits { grace: GRACE, ..Limits::default() };
        let listen = |listener, router: Router, tls: Option<Arc<TlsServerConfig>>| {
            tracker.spawn(serve_with(listener, router, tls, limits, shutdown.clone()));
        };
        for Listeners { plain, tls, router } in listeners {
            listen(plain, router.clone().layer(Extension(PlainHttp)), None);
            listen(tls, router, Some(certificates.tls()));
        }
        let answering =
            Proxy { routes, tls: certificates.tls(), limits, tracker: tracker.clone(), shutdown: shutdown.clone() };
        listen(proxy, answering.router(), None);
        listen(control, control::router(&inner), None);
        warm(&inner);
        Ok(Self { inner, tracker, ci: None })
    }

    /// Where every service listens.
    pub fn urls(&self) -> &Urls {
        &self.inner.urls
    }

    /// The proxy for real host names, `http://127.0.0.1:PORT/`.
    pub fn proxy_url(&self) -> &Url {
        &self.inner.proxy
    }

    /// The control API, `http://127.0.0.1:PORT/`.
    pub fn control_url(&self) -> &Url {
        &self.inner.control
    }

    /// The bearer token of the control API.
    pub fn control_token(&self) -> &Secret {
        &self.inner.control_token
    }

    /// The certificate of the sandbox's authority, PEM. It is in the folder as well.
    pub fn ca_pem(&self) -> &str {
        &self.inner.ca_pem
    }

    /// The private folder.
    pub fn folder(&self) -> &Path {
        self.inner.folder.path()
    }

    /// The emulators' clock.
    pub fn clock(&self) -> &Arc<SandboxClock> {
        &self.inner.world.clock
    }

    /// What the emulators share.
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// An HTTP client that knows the real host names and never leaves this process.
    pub fn http(&self) -> Arc<dyn HttpSend> {
        Arc::clone(&self.inner.world.http)
    }

    /// A token of an emulated CI system, good or broken on purpose.
    ///
    /// # Errors
    /// When this sandbox plays no CI system, or a key cannot be made.
    pub fn mint(&self, request: &MintRequest) -> Result<String, Error> {
        let ci = self.ci.as_ref().ok_or_else(|| Error::configuration("mint a token: no CI system is emulated"))?;
        ci.mint(request)
    }

    /// What a job of this CI system (`github`, `gitlab`) sees in its environment, besides that of the sandbox. `audience` is
    /// for systems whose job definition fixes it.
    ///
    /// # Errors
    /// When no emulator plays that system, or a key cannot be made.
    pub fn job_environment(&self, job: &str, audience: Option<&str>) -> Result<Vec<(String, String)>, Error> {
        self.inner.job_environment(job, audience)
    }

    /// Switches a fault on.
    ///
    /// # Errors
    /// When no service has that name.
    pub fn add_fault(&self, fault: Fault) -> Result<(), Error> {
        self.inner.add_fault(fault)
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.inner.world.faults.clear();
    }

    /// Hosts that somebody asked for and no service answers for, `host:port`.
    pub fn refused_hosts(&self) -> Vec<String> {
        self.inner.routes.refused()
    }

    /// The variables that bring clients here. Writes the emulators' files into the folder first, which makes keys and
    /// so waits for those of them that are a search, 50 to 200 ms in all, right after the start.
    ///
    /// # Errors
    /// When a file cannot be made or written.
    pub async fn environment(&self, flavour: Flavour) -> Result<Vec<(String, String)>, Error> {
        self.inner.environment(flavour).await
    }

    /// Is cancelled when the sandbox stops, and stops it when it is cancelled.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    /// Stops, waits for running requests for a moment, and removes the folder.
    pub async fn stop(self) {
        self.inner.shutdown.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        self.inner.folder.remove();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.inner.shutdown.cancel();
        self.inner.folder.remove();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Every service with its two ports, before anything is answered there.
struct Bound {
    listeners: Vec<Listeners>,
    urls: Urls,
    routes: Arc<Routes>,
}

struct Listeners {
    plain: TcpListener,
    tls: TcpListener,
    router: Router,
}

impl Bound {
    async fn all(emulators: &Emulators, guests: Vec<Service>, world: &World, slow: Duration) -> Result<Self, Error> {
        let mut urls = Urls::new();
        let mut services: Vec<Route> = Vec::new();
        let mut listeners = Vec::new();
        let own: Vec<Service> = emulators.iter().flat_map(|(_, emulator)| emulator.services()).collect();
        let clouds = own.len();
        for (number, service) in own.into_iter().chain(guests).enumerate() {
            if number >= clouds
                && let Some(host) = taken(&services, &service)
            {
                return Err(Error::configuration(format!(
                    "answer for {host}: another service of the sandbox does already"
                ))
                .hint("give the guest a name that neither an emulated cloud nor another guest has"));
            }
            if services.iter().any(|known| known.name == service.name) {
                return Err(Error::internal(format!("start two services named {}", service.name)));
            }
            let router = faults::around(&service, world.clone(), slow).layer(map_request(certificates::tell));
            let (plain, plain_port) = bind(0).await?;
            let (tls, tls_port) = bind(0).await?;
            urls.insert(service.name, ServiceUrls { plain: url("http", plain_port)?, tls: url("https", tls_port)? });
            listeners.push(Listeners { plain, tls, router: router.clone() });
            services.push(Route { name: service.name, hosts: service.hosts, router, plain_port, tls_port });
        }
        Ok(Self { listeners, urls, routes: Arc::new(Routes::new(services)) })
    }
}

/// The host of a guest that somebody answers for already: he would never be asked.
fn taken(services: &[Route], guest: &Service) -> Option<&'static str> {
    let is_taken = |name: &str| services.iter().any(|known| known.hosts.iter().any(|host| host.matches(name)));
    guest.hosts.iter().find_map(|host| match host {
        Host::Exact(name) if is_taken(name) => Some(*name),
        _ => None,
    })
}

async fn bind(port: u16) -> Result<(TcpListener, u16), Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let attempt = |error| {
        let error = Error::configuration(format!("listen on {address}")).because(error);
        if port == 0 { error } else { error.hint("choose another port, or 0 for any free one") }
    };
    let listener = TcpListener::bind(address).await.map_err(attempt)?;
    let port = listener.local_addr().map_err(attempt)?.port();
    Ok((listener, port))
}

fn url(scheme: &str, port: u16) -> Result<Url, Error> {
    format!("{scheme}://127.0.0.1:{port}/")
        .parse()
        .map_err(|error| Error::internal("write the URL of a listener").because(error))
}
