//! A cloud of one's own, and a signer written from Oracle's description of request signatures.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, body::Body};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use carnet_core::{Clock, FixedClock, NoHttp, Random};
use carnet_jose::{Algorithm, SigningKey, UnverifiedJwt, private_key_from_pem, sha256};
use carnet_oci_sandbox::{emulator, seed};
use carnet_sandbox_kit::{Emulator, World};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tower::ServiceExt;

pub(crate) const GENERAL: &str = "date (request-target) host";
pub(crate) const WITH_BODY: &str = "date (request-target) host content-length content-type x-content-sha256";
/// What the Go and Python SDKs sign at the auth service.
pub(crate) const WITHOUT_HOST: &str = "date (request-target) content-length content-type x-content-sha256";

pub(crate) static SESSION: LazyLock<Arc<SigningKey>> = LazyLock::new(|| Arc::new(rsa()));
pub(crate) static STRANGER: LazyLock<Arc<SigningKey>> = LazyLock::new(|| Arc::new(rsa()));

fn rsa() -> SigningKey {
    SigningKey::generate(Algorithm::Rs256).unwrap()
}

/// Never the same bytes twice.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Random for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = sha256(format!("{count} {at}").as_bytes())[0];
        }
    }
}

/// The emulated services and a clock that stands still.
pub(crate) struct Cloud {
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) world: World,
    pub(crate) emulator: Box<dyn Emulator>,
    routers: BTreeMap<&'static str, Router>,
    files: OnceLock<BTreeMap<PathBuf, Vec<u8>>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// Status and code of an error, after a look at its form.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        assert!(body["message"].is_string(), "{body}");
        assert!(self.headers.contains_key("opc-request-id"));
        (self.status.as_u16(), body["code"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }
}

/// Who signs: a key and its `keyId`.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) key_id: String,
}

/// A request before it is signed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) date: Timestamp,
    pub(crate) body: Vec<u8>,
    pub(crate) signed: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Draft {
    pub(crate) fn signed(mut self, signed: &str) -> Self {
        signed.clone_into(&mut self.signed);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn at(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Everything that goes out, without the signature.
    pub(crate) fn sent(&self) -> Vec<(String, String)> {
        let mut headers = vec![
            ("date".to_owned(), self.date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            ("host".to_owned(), self.host.clone()),
        ];
        if [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            headers.push(("content-length".to_owned(), self.body.len().to_string()));
            headers.push(("x-content-sha256".to_owned(), STANDARD.encode(sha256(&self.body))));
        }
        for (name, value) in &self.headers {
            headers.retain(|(own, _)| own != name);
            headers.push((name.clone(), value.clone()));
        }
        headers
    }

    /// The value of `Authorization`.
    pub(crate) fn authorization(&self, signer: &Signer) -> String {
        let sent = self.sent();
        let lines: Vec<String> = self
            .signed
            .split(' ')
            .map(|name| match name {
                "(request-target)" => format!("{name}: {} {}", self.method.as_str().to_lowercase(), self.target),
                _ => format!("{name}: {}", sent.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)),
            })
            .collect();
        let signature = STANDARD.encode(signer.key.sign(lines.join("\n").as_bytes()).unwrap());
        format!(
            r#"Signature version="1",headers="{}",keyId="{}",algorithm="rsa-sha256",signature="{signature}""#,
            self.signed, signer.key_id
        )
    }

    pub(crate) fn sign(&self, signer: &Signer) -> Request<Body> {
        let mut request = Request::builder().method(&self.method).uri(&self.target);
        for (name, value) in self.sent() {
            request = request.header(name, value);
        }
        request.header("authorization", self.authorization(signer)).body(Body::from(self.body.clone())).unwrap()
    }
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap()));
        let world = World::new(clock.clone(), Arc::new(Counter::default()), Arc::new(NoHttp));
        let emulator: Box<dyn Emulator> = Box::new(emulator(world.clone()));
        let routers = emulator.services().into_iter().map(|service| (service.name, service.router)).collect();
        Self { clock, world, emulator, routers, files: OnceLock::new() }
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    pub(crate) fn file(&self, path: &str) -> String {
        let made = || self.emulator.files(&BTreeMap::new(), Path::new("/sandbox")).unwrap().into_iter().collect();
        String::from_utf8(self.files.get_or_init(made)[Path::new(path)].clone()).unwrap()
    }

    fn key(&self, path: &str) -> Arc<SigningKey> {
        let der = private_key_from_pem(self.file(path).as_bytes(), None).unwrap();
        Arc::new(SigningKey::from_pkcs8(Algorithm::Rs256, &der).unwrap())
    }

    /// The administrator, as the profile says.
    pub(crate) fn admin(&self) -> Signer {
        let config = self.file("oci/config");
        let field = |name: &str| {
            let start = format!("{name}=");
            config.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
        };
        assert_eq!(field("key_file"), "/sandbox/oci/admin.pem");
        Signer {
            key: self.key("oci/admin.pem"),
            key_id: format!("{}/{}/{}", field("tenancy"), field("user"), field("fingerprint")),
        }
    }

    /// The function, with the token and the key of resource principal 2.2.
    pub(crate) fn function(&self) -> Signer {
        Signer { key: self.key("oci/function/private.pem"), key_id: format!("ST${}", self.file("oci/function/rpst")) }
    }

    /// The function with its registered key.
    pub(crate) fn function_key(&self) -> Arc<SigningKey> {
        self.key("oci/function/private.pem")
    }

    pub(crate) fn draft(&self, service: &str, method: Method, target: &str) -> Draft {
        let host = match service {
            "oci-auth" => "auth",
            "oci-identity" => "identity",
            "oci-objectstorage" => "objectstorage",
            _ => "iaas",
        };
        let signed = if [Method::POST, Method::PUT, Method::PATCH].contains(&method) { WITH_BODY } else { GENERAL };
        Draft {
            method,
            target: target.to_owned(),
            host: format!("{host}.us-ashburn-1.oraclecloud.com"),
            date: self.clock.now(),
            body: Vec::new(),
            signed: signed.to_owned(),
            headers: Vec::new(),
        }
    }

    /// A cloud for tests that leave its clock, its keys and its faults alone and look at nothing that another may have
    /// made; one test at a time. Making the keys of a cloud takes longer than most tests.
    pub(crate) async fn shared() -> MutexGuard<'static, Self> {
        static SHARED: LazyLock<Mutex<Cloud>> = LazyLock::new(|| Mutex::new(Cloud::new()));
        SHARED.lock().await
    }

    pub(crate) async fn send(&self, service: &str, request: Request<Body>) -> Answer {
        let response = self.routers[service].clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn get(&self, signer: &Signer, service: &str, target: &str) -> Answer {
        self.call(signer, service, Method::GET, target).await
    }

    pub(crate) async fn call(&self, signer: &Signer, service: &str, method: Method, target: &str) -> Answer {
        self.send(service, self.draft(service, method, target).sign(signer)).await
    }

    pub(crate) async fn post(&self, signer: &Signer, service: &str, target: &str, body: &Value) -> Answer {
        let mut draft = self.draft(service, Method::POST, target);
        draft.body = serde_json::to_vec(body).unwrap();
        self.send(service, draft.sign(signer)).await
    }

    /// A file of the metadata service.
    pub(crate) async fn metadata(&self, path: &str) -> Answer {
        let request = Request::get(format!("/opc/v2/{path}")).header("authorization", "Bearer Oracle");
        self.send("oci-imds", request.body(Body::empty()).unwrap()).await
    }

    /// The certificate of the instance, and who signs with its key.
    pub(crate) async fn leaf(&self) -> (Vec<u8>, Vec<u8>, Signer) {
        let der = |pem: String| carnet_x509::pem_to_der(pem.as_bytes()).unwrap().remove(0);
        let certificate = der(self.metadata("identity/cert.pem").await.text());
        let intermediate = der(self.metadata("identity/intermediate.pem").await.text());
        let pem = self.metadata("identity/key.pem").await.text();
        let key =
            SigningKey::from_pkcs8(Algorithm::Rs256, &private_key_from_pem(pem.as_bytes(), None).unwrap()).unwrap();
        let key_id = format!("{}/fed-x509-sha256/{}", seed::TENANCY, colons(&sha256(&certificate)));
        (certificate, intermediate, Signer { key: Arc::new(key), key_id })
    }

    /// The instance, after its federation.
    pub(crate) async fn instance(&self) -> Signer {
        let (certificate, intermediate, leaf) = self.leaf().await;
        let body = federation(&certificate, &intermediate);
        let mut draft = self.draft("oci-auth", Method::POST, "/v1/x509").signed(WITHOUT_HOST);
        draft.body = serde_json::to_vec(&body).unwrap();
        let answer = self.send("oci-auth", draft.sign(&leaf)).await;
        session(&answer.ok())
    }

    /// Clause of the last refusal that the operator was told of.
    pub(crate) fn last_clause(&self) -> &'static str {
        let decided = self.world.decisions.since(0);
        decided.last().and_then(|last| last.decision.refusal()).map_or("none", |refusal| refusal.clause)
    }
}

/// The body of a federation request.
pub(crate) fn federation(certificate: &[u8], intermediate: &[u8]) -> Value {
    json!({
        "certificate": STANDARD.encode(certificate),
        "publicKey": STANDARD.encode(SESSION.public_spki()),
        "intermediateCertificates": [STANDARD.encode(intermediate)],
        "fingerprintAlgorithm": "SHA256",
    })
}

/// Who signs with the session key and the token of this answer.
pub(crate) fn session(answer: &Value) -> Signer {
    Signer { key: SESSION.clone(), key_id: format!("ST${}", answer["token"].as_str().unwrap()) }
}

/// The claims of a signer's token.
pub(crate) fn claims(signer: &Signer) -> Value {
    let token = signer.key_id.strip_prefix("ST$").unwrap();
    Value::Object(UnverifiedJwt::parse(token).unwrap().unverified_claims().0.clone())
}

pub(crate) fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
