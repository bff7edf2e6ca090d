//! An authority among the emulated clouds, and a signer written from Oracle's description of request signatures.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use axum::body::Body;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use carnet_core::{
    BoxFuture, Context, Credential, Error, FixedClock, Found, Kind, Kinds, Material, MemoryFiles, OciApiKey, Source,
    SystemRandom, Want,
};
use carnet_issuer::{Caller, IssuerSettings, Rule, TrustedIssuer};
use carnet_jose::{Algorithm, SigningKey, encode_jwt, private_key_from_pem};
use carnet_oci_sandbox::seed;
use carnet_sandbox_kit::{Emulator, Internet, Urls, World as Sandbox};
use http::Request;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    support::Answer,
    world::{AUDIENCE, AUTHORITY, NOW, World},
};

pub(super) const IDENTITY: &str = "identity.us-ashburn-1.oraclecloud.com";
pub(super) const STORAGE: &str = "objectstorage.us-ashburn-1.oraclecloud.com";
pub(super) const DATE: &str = "Sat, 21 Nov 2026 12:00:00 GMT";

pub(super) static STRANGER: LazyLock<Arc<SigningKey>> =
    LazyLock::new(|| Arc::new(SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("stranger")));

pub(super) struct Cloud {
    pub(super) world: World,
    pub(super) internet: Arc<Internet>,
    pub(super) files: Arc<MemoryFiles>,
    given: Given,
}

/// The files that the emulated Oracle has made for its clients.
struct Given(Vec<(PathBuf, Vec<u8>)>);

/// Somebody who always has this credential.
#[derive(Debug)]
struct Administrator(Credential);

impl Source for Administrator {
    fn name(&self) -> &'static str {
        "administrator"
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::OciApiKey])
    }

    fn find<'a>(&'a self, _: &'a Context, _: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async { Ok(Found::credential(self.0.clone())) })
    }
}

/// `iss` of the emulated tenancy.
pub(super) fn issuer() -> String {
    format!("oci://{}", seed::TENANCY)
}

/// A rule for the administrator, with members changed.
pub(super) fn rule(members: Value) -> Rule {
    let mut rule = json!({
        "name": "oci", "issuer": issuer(), "subject": seed::ADMIN_USER, "identity": "/oci/user", "issue": ["access-token"],
        "audiences": [AUDIENCE],
    });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(rule).unwrap()
}

impl Cloud {
    pub(super) async fn new(rules: Vec<Rule>) -> Self {
        Self::with(rules, &[]).await
    }

    pub(super) async fn with(rules: Vec<Rule>, issuers: &[TrustedIssuer]) -> Self {
        Self::build(rules, issuers, |_| IssuerSettings::default()).await
    }

    /// An authority that is a principal of the tenancy itself: the administrator.
    pub(super) async fn asking(rules: Vec<Rule>) -> Self {
        let asking = |given: &Given| IssuerSettings {
            oci_principal: Some(Arc::new(Administrator(given.api_key()))),
            ..IssuerSettings::default()
        };
        Self::build(rules, &[], asking).await
    }

    /// An authority that remembers one login.
    pub(super) async fn forgetful(rules: Vec<Rule>) -> Self {
        Self::build(rules, &[], |_| IssuerSettings { remembered_signatures: 1, ..IssuerSettings::default() }).await
    }

    async fn build(
        rules: Vec<Rule>,
        issuers: &[TrustedIssuer],
        settings: impl FnOnce(&Given) -> IssuerSettings,
    ) -> Self {
        let internet = Arc::new(Internet::default());
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let sandbox = Sandbox::new(clock, Arc::new(SystemRandom), Arc::clone(&internet) as _);
        let oci = carnet_oci_sandbox::emulator(sandbox.clone());
        let aws = carnet_aws_sandbox::emulator(sandbox);
        internet.open([oci.services(), aws.services()].concat());
        let given = oci.files(&Urls::default(), Path::new("/sandbox")).unwrap();
        let given = Given(given);
        let settings = settings(&given);
        let files = Arc::<MemoryFiles>::default();
        let store = carnet_store::open("sqlite::memory:", carnet_store::Options::default()).await.unwrap();
        let world = World::over(store, Arc::clone(&files), rules, issuers, settings).await;
        world.network.open(Arc::clone(&internet) as _);
        Self { world, internet, files, given }
    }

    /// The administrator with its API key, about itself.
    pub(super) fn admin(&self) -> Draft {
        let key = self.given.key("oci/admin.pem");
        let key_id = format!("{}/{}/{}", seed::TENANCY, seed::ADMIN_USER, key.oci_fingerprint());
        Draft::new(key, key_id, IDENTITY, "").about(seed::ADMIN_USER)
    }

    /// The function with its session token, about the namespace.
    pub(super) fn function(&self) -> Draft {
        let token = std::str::from_utf8(self.given.file("oci/function/rpst")).unwrap().trim();
        Draft::new(self.given.key("oci/function/private.pem"), format!("ST${token}"), STORAGE, "/n/")
    }

    pub(super) async fn log_in(&self, draft: &Draft) -> Answer {
        self.world.post_json(super::LOGIN, &draft.json()).await
    }
}

/// A session token that somebody has made who is not Oracle, and who has its key.
pub(super) fn forged_session(members: Value) -> Draft {
    let mut claims = json!({
        "iss": "authService.oracle.com", "aud": "oci", "tenant": seed::TENANCY, "iat": NOW - 60, "exp": NOW + 600,
        "jwk": serde_json::to_string(&STRANGER.public_jwk()).unwrap(),
    });
    claims.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let token = encode_jwt(&STRANGER, &Map::new(), claims.as_object().unwrap()).unwrap();
    Draft::new(STRANGER.clone(), format!("ST${}", token.expose()), STORAGE, "/n/")
}

impl Given {
    fn file(&self, name: &str) -> &[u8] {
        &self.0.iter().find(|(path, _)| path.ends_with(name)).unwrap().1
    }

    fn key(&self, name: &str) -> Arc<SigningKey> {
        let der = private_key_from_pem(self.file(name), None).unwrap();
        Arc::new(SigningKey::from_pkcs8(Algorithm::Rs256, &der).unwrap())
    }

    fn api_key(&self) -> Credential {
        Credential::new(Material::OciApiKey(OciApiKey {
            tenancy: seed::TENANCY.to_owned(),
            user: seed::ADMIN_USER.to_owned(),
            fingerprint: self.key("oci/admin.pem").oci_fingerprint(),
            private_key: private_key_from_pem(self.file("oci/admin.pem"), None).unwrap(),
            region: Some(seed::REGION.to_owned()),
        }))
    }
}

impl World {
    pub(super) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(request("192.0.2.7:4711", path, body)).await
    }
}

/// A login of somebody at this address.
pub(super) fn request(peer: &str, path: &str, body: &Value) -> Request<Body> {
    let caller = Caller { request_id: "r-1".to_owned(), ..Caller::at(peer) };
    let request = Request::post(path).header("content-type", "application/json").extension(caller);
    request.body(body.to_string().into()).unwrap()
}

/// A login before it is signed.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) key: Arc<SigningKey>,
    pub(super) key_id: String,
    pub(super) target: String,
    pub(super) user: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Names that are shown and not signed.
    pub(super) unsigned: Vec<&'static str>,
}

impl Draft {
    fn new(key: Arc<SigningKey>, key_id: String, host: &str, target: &str) -> Self {
        let headers =
            vec![("date", DATE.to_owned()), ("host", host.to_owned()), ("x-carnet-audience", AUTHORITY.to_owned())];
        Self { key, key_id, target: target.to_owned(), user: None, headers, unsigned: Vec::new() }
    }

    /// About this user.
    pub(super) fn about(&self, user: &str) -> Self {
        Self { target: format!("/20160918/users/{user}"), user: Some(user.to_owned()), ..self.clone() }
    }

    pub(super) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.headers.push((name, value.to_owned()));
        changed
    }

    pub(super) fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.retain(|(own, _)| *own != name);
        changed
    }

    pub(super) fn host(&self) -> &str {
        self.headers.iter().find(|(name, _)| *name == "host").map_or("", |(_, host)| host)
    }

    /// The login as it is shown.
    pub(super) fn json(&self) -> Value {
        let mut lines = vec![("(request-target)", format!("get {}", self.target))];
        lines.extend(self.headers.iter().filter(|(name, _)| !self.unsigned.contains(name)).cloned());
        let text: Vec<String> = lines.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
        let signature = STANDARD.encode(self.key.sign(text.join("\n").as_bytes()).unwrap());
        let authorization = format!(
            r#"Signature version="1",keyId="{}",algorithm="rsa-sha256",headers="{}",signature="{signature}""#,
            self.key_id,
            names.join(" ")
        );
        let mut headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        headers.insert("authorization".to_owned(), json!(authorization));
        let mut login = json!({ "headers": headers });
        if let Some(user) = &self.user {
            login["user"] = json!(user);
        }
        login
    }

    /// The same as a subject token.
    pub(super) fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.json().to_string())
    }
}
