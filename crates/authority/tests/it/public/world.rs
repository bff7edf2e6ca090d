//! A whole authority with a rule, an issuer whose keys are pinned, and callers from addresses of loopback.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_authority::{Authority, AuthorityConfig};
use carnet_core::{
    Context, HttpSend as _, NewFile, Request, SectionConfig as _, SystemFiles, SystemRandom, replace_files,
    test_context,
};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_net::{Client, Settings as Network};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const AUDIENCE: &str = "https://audience.example";

/// The clock stands still: what is fresh stays so.
pub(super) fn context() -> Context {
    Context { random: Arc::new(SystemRandom), files: Arc::new(SystemFiles), ..test_context() }
}

pub(super) struct World {
    pub(super) public: SocketAddr,
    reload: watch::Sender<u64>,
    issuer: Arc<SigningKey>,
    diagnostics: Option<SocketAddr>,
    rules: PathBuf,
    _folder: TempDir,
    admin: Client,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find_map(|(seen, value)| seen.eq_ignore_ascii_case(name).then_some(value))
    }
}

impl World {
    /// With these members of the section `listen` besides those that every authority needs, and one rule with `networks`.
    pub(super) async fn new(listen: Value, networks: &[&str]) -> Self {
        Self::of("https://authority.example", listen, networks).await
    }

    /// The same under another name.
    pub(super) async fn of(url: &str, listen: Value, networks: &[&str]) -> Self {
        Self::over("sqlite::memory:", url, listen, networks).await
    }

    /// The same over this store.
    pub(super) async fn over(store: &str, url: &str, listen: Value, networks: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("elsewhere/rules.toml");
        std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(&rules, folder.path().join("rules.toml")).unwrap();
        let issuer = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap().with_kid("ci"));
        put_rules(&rules, &issuer, networks);
        let mut at = json!({ "public": "127.0.0.1:0", "admin": folder.path().join("admin.sock") });
        at.as_object_mut().unwrap().extend(listen.as_object().unwrap().clone());
        let config: AuthorityConfig = serde_json::from_value(json!({
            "issuer": url,
            "trust_domain": "example.org",
            "store": { "url": store },
            "keys": { "seal": { "key_file": folder.path().join("seal.key") } },
            "listen": at,
            "rules": [folder.path().join("rules.toml")],
        }))
        .unwrap();
        let settings = config.check().unwrap();
        let authority = Authority::open(settings, context(), Network::default()).await.unwrap();
        let addresses = authority.addresses().unwrap();
        let (reload, reloads) = watch::channel(0);
        let stop = CancellationToken::new();
        let running = authority.run(reloads, stop.clone());
        let running = tokio::spawn(async move { running.await.unwrap() });
        let admin = Client::unix(&addresses.admin);
        let (public, diagnostics) = (addresses.public, addresses.diagnostics);
        Self { public, diagnostics, reload, issuer, rules, _folder: folder, admin, stop, running }
    }

    /// What the signal does.
    pub(super) fn ask_for_reload(&self) {
        self.reload.send_modify(|count| *count += 1);
    }

    /// Changes the networks of the rule. The file is behind a link to another folder, of which the kernel tells nothing: the
    /// authority sees it when it is asked to look, or after half a minute.
    pub(super) fn allow(&self, networks: &[&str]) {
        put_rules(&self.rules, &self.issuer, networks);
    }

    /// Writes what is no set of rules.
    pub(super) fn break_rules(&self) {
        replace_files(&[NewFile::new(&self.rules, "rule = 1\n")]).unwrap();
    }

    /// Whether it is ready, and what it says of its parts.
    pub(super) async fn readiness(&self) -> String {
        let url = format!("http://{}/readyz?verbose", self.diagnostics.unwrap());
        let response = Client::new(Network::default()).send(Request::get(url.parse().unwrap())).await.unwrap();
        response.text().unwrap().to_owned()
    }

    /// Waits until it is ready and says this of its parts.
    pub(super) async fn is_told(&self, wanted: &str) {
        let asking = async {
            loop {
                let told = self.readiness().await;
                if told.contains(wanted) && !told.contains("starting") {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), asking).await.unwrap();
    }

    /// What `carnet authority store believe-clock` does.
    pub(super) async fn believe_clock(&self) {
        let url = "http://localhost/v1/store/clock".parse().unwrap();
        let answer = self.admin.send(Request::post_json(url, &json!({ "now": context().now() }))).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.text());
    }

    /// One request by whoever has this address, with these lines in its head.
    pub(super) async fn ask(&self, from: &str, request: &str, lines: &[String], body: &str) -> Answer {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let mut stream = socket.connect(self.public).await.unwrap();
        let more: String = lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
        let length = body.len();
        let head = format!("{request} HTTP/1.1\r\nhost: authority.example\r\nconnection: close\r\n{more}");
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The exchange that the rule allows, by whoever has this address, with these lists of whom it was forwarded for.
    pub(super) async fn exchange(&self, from: &str, forwarded: &[&str]) -> Answer {
        let now = context().now().as_second();
        let claims =
            json!({ "iss": "https://ci.example", "sub": "job", "aud": "carnet", "iat": now, "exp": now + 300 });
        let token = encode_jwt(&self.issuer, &Map::new(), claims.as_object().unwrap()).unwrap();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("subject_token", token.expose())
            .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .append_pair("requested_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .append_pair("audience", AUDIENCE)
            .finish();
        let mut lines = vec!["content-type: application/x-www-form-urlencoded".to_owned()];
        lines.extend(forwarded.iter().map(|list| format!("x-forwarded-for: {list}")));
        self.ask(from, "POST /oauth2/token", &lines, &form).await
    }

    /// The last row of the audit log.
    pub(super) async fn last(&self) -> Value {
        let url = "http://localhost/v1/audit?order=newest&limit=1".parse().unwrap();
        let response = self.admin.send(Request::get(url)).await.unwrap();
        let rows: Value = serde_json::from_slice(response.body.expose()).unwrap();
        rows["items"][0]["record"].clone()
    }

    /// Ends it in order.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

/// An issuer with this key, and a rule for its jobs on these networks.
fn put_rules(file: &Path, key: &SigningKey, networks: &[&str]) {
    let rules = json!({
        "issuer": [{ "issuer": "https://ci.example", "jwks": { "keys": [key.public_jwk()] } }],
        "rule": [{
            "name": "ci",
            "issuer": "https://ci.example",
            "expected_audiences": ["carnet"],
            "subject": "job",
            "identity": "/ci/{sub}",
            "issue": ["jwt-svid"],
            "audiences": [AUDIENCE],
            "networks": networks,
        }],
    });
    replace_files(&[NewFile::new(file, toml::to_string(&rules).unwrap())]).unwrap();
}
