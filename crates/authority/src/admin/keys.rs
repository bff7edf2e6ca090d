//! Signing keys.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode},
    routing::{get, post},
};
use carnet_core::hex;
use carnet_jose::sha256;
use carnet_keys::{Cost, KeyFile, KeyView as Key, Passphrase, Purpose, Sealer, SecretSource, Timing, Withdrawn};
use carnet_x509::Certificate;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin,
    access::Operator,
    answer::{ErrorCode, Failure},
    federation::Nothing,
    input::{Body, Name, Query},
    page::{Page, PageQuery},
    route::Route,
};

/// A signing key.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct KeyView {
    /// Its name, the `kid` of what it signs.
    kid: String,
    /// `jwt:ALGORITHM` or `x509`.
    purpose: String,
    /// Its algorithm.
    algorithm: String,
    /// `prepared`, `active`, `retired` or `tainted`.
    stage: String,
    /// When it was made and published.
    #[schemars(with = "String")]
    created_at: Timestamp,
    /// When it begins to sign, or began.
    #[schemars(with = "String")]
    activate_at: Timestamp,
    /// When it stops signing, or did.
    #[schemars(with = "String")]
    retire_at: Timestamp,
    /// Nothing it signs lives longer.
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    revoked_at: Option<Timestamp>,
    /// SHA-256 of its public half (SubjectPublicKeyInfo), hexadecimal.
    public_key_sha256: String,
    /// For authorities: the certificates in PEM, its own first, the root last. Empty for keys of tokens.
    certificates: Vec<String>,
}

/// Which key gets a successor.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotateRequest {
    /// `jwt:ALGORITHM` or `x509`.
    purpose: String,
    /// When the next one signs.
    #[serde(default)]
    when: When,
}

/// When a rotation takes effect.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum When {
    /// When the next key has been published for as long as consumers need.
    #[default]
    Propagating,
    /// Now, even if consumers that look rarely do not know the key yet.
    Now,
}

/// What became of a rotation.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Rotated {
    /// The key that signs next.
    kid: String,
    /// When it begins to.
    #[schemars(with = "String")]
    activates_at: Timestamp,
}

/// What was withdrawn.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct WithdrawnView {
    /// The key, as it is now.
    key: KeyView,
    /// From when it signed; absent when it never did. The audit log has what was issued from then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    signed_from: Option<Timestamp>,
    /// Until when it signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    signed_until: Option<Timestamp>,
    /// Until when something that it signed would have been valid; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    alive_until: Option<Timestamp>,
}

/// What private keys are sealed with from now on. One of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RewrapRequest {
    /// A key file on the authority's machine. It is made when it is not there.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    key_file: Option<PathBuf>,
    /// A file on the authority's machine that holds a passphrase, and that only its owner may read.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    passphrase_file: Option<PathBuf>,
}

/// What became of sealing again.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Rewrapped {
    /// How many keys were sealed again.
    keys: usize,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::new::<Page<KeyView>>(Method::GET, "/v1/keys", "listKeys", "The signing keys, by their `kid`.", get(list))
            .query::<PageQuery>(),
        Route::new::<Rotated>(
            Method::POST,
            "/v1/keys/rotate",
            "rotateKey",
            "Puts another key in the place of the active one before its time.",
            post(rotate),
        )
        .body::<RotateRequest>(),
        Route::new::<WithdrawnView>(
            Method::POST,
            "/v1/keys/{kid}/revoke",
            "revokeKey",
            "Takes a key out of the bundle at once: what it has signed verifies nowhere any more. One that signs is replaced.",
            post(revoke),
        )
        .body::<Nothing>(),
        Route::new::<WithdrawnView>(
            Method::POST,
            "/v1/keys/{kid}/taint",
            "taintKey",
            "Marks a certificate authority: it signs no more, and holders of what it signed ask for another.",
            post(taint),
        )
        .body::<Nothing>(),
        Route::new::<Rewrapped>(
            Method::POST,
            "/v1/keys/rewrap",
            "rewrapKeys",
            "Seals all private keys with another key. Only on the Unix socket; then change the configuration before the next start.",
            post(rewrap),
        )
        .body::<RewrapRequest>(),
    ]
}

async fn list(State(admin): State<Arc<Admin>>, Query(query): Query<PageQuery>) -> Result<Json<Page<KeyView>>, Failure> {
    let mut keys: Vec<KeyView> = admin.parts.keys.list().await?.iter().map(KeyView::from).collect();
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    Ok(Json(Page::of(keys, &query, |key| key.kid.clone())?))
}

async fn rotate(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Body(request): Body<RotateRequest>,
) -> Result<Json<Rotated>, Failure> {
    let purpose: Purpose = request.purpose.parse().map_err(|error| Failure::from(error).field("purpose"))?;
    let timing = match request.when {
        When::Propagating => Timing::AfterPropagation,
        When::Now => Timing::Now,
    };
    let carnet_keys::Rotated { kid, activates_at } = admin.parts.keys.rotate(purpose, &operator.name(), timing).await?;
    Ok(Json(Rotated { kid, activates_at }))
}

async fn revoke(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(kid): Name,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<WithdrawnView>, Failure> {
    admin.known_key(&kid).await?;
    Ok(Json(admin.parts.keys.revoke(&kid, &operator.name()).await?.into()))
}

async fn taint(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(kid): Name,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<WithdrawnView>, Failure> {
    admin.known_key(&kid).await?;
    Ok(Json(admin.parts.keys.taint(&kid, &operator.name()).await?.into()))
}

async fn rewrap(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Body(request): Body<RewrapRequest>,
) -> Result<Json<Rewrapped>, Failure> {
    if !operator.local {
        let message = "keys are sealed again through the Unix socket only: files of the authority's machine are named";
        return Err(Failure::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message));
    }
    let (store, context) = (&admin.parts.store, &admin.parts.context);
    let sealer: Arc<dyn Sealer> = match (request.key_file, request.passphrase_file) {
        (Some(path), None) => Arc::new(KeyFile::new(context, path, true)?),
        (None, Some(path)) => {
            let passphrase = SecretSource::File(path).read(context, "passphrase of the keys")?;
            Arc::new(Passphrase::change(&**store, context, &passphrase, Cost::default()).await?)
        }
        _ => return Err(Failure::invalid("give one of key_file and passphrase_file")),
    };
    Ok(Json(Rewrapped { keys: admin.parts.keys.rewrap(sealer, &operator.name()).await? }))
}

impl Admin {
    async fn known_key(&self, kid: &str) -> Result<(), Failure> {
        let known = self.parts.keys.list().await?.iter().any(|key| key.kid == kid);
        known.then_some(()).ok_or_else(|| {
            Failure::not_found("there is no such key").hint("list the keys; one that has long expired is gone")
        })
    }
}

impl From<&Key> for KeyView {
    fn from(key: &Key) -> Self {
        let pem = |der: &Vec<u8>| Certificate::from_der(der).ok().map(|certificate| certificate.to_pem());
        Self {
            kid: key.kid.clone(),
            purpose: key.purpose.to_string(),
            algorithm: key.algorithm.to_string(),
            stage: key.stage.to_string(),
            created_at: key.created_at,
            activate_at: key.activate_at,
            retire_at: key.retire_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            public_key_sha256: hex(&sha256(&key.public)),
            certificates: key.certificates.iter().filter_map(pem).collect(),
        }
    }
}

impl From<Withdrawn> for WithdrawnView {
    fn from(withdrawn: Withdrawn) -> Self {
        let (signed_from, signed_until) = withdrawn.signed.unzip();
        Self { key: KeyView::from(&withdrawn.key), signed_from, signed_until, alive_until: withdrawn.alive_until }
    }
}
