//! The keys of the issuers that pools trust, fetched under the issuers' real names.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::{Context, Destination, Error, MapEnvironment, MemoryFiles, NoCommands, Request};
use carnet_gcp::trust::CheckedProvider;
use carnet_jose::{KeySet, discover, fetch_key_set};
use carnet_sandbox_kit::World;
use jiff::{SignedDuration, Timestamp};
use url::Url;

/// How long fetched keys are used without looking again. UNCONFIRMED: Google's cache seems to last hours; minutes let
/// a rotation be tried out.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How long after a fetch an unknown `kid` causes no other.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Most issuers that are remembered; the one looked at longest ago is forgotten first.
const MAX_ISSUERS: usize = 100;

/// Key sets by discovery document.
#[derive(Debug, Default)]
pub(crate) struct IssuerKeys(Mutex<BTreeMap<String, Fetched>>);

#[derive(Clone, Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    at: Timestamp,
}

impl IssuerKeys {
    /// The keys of a provider's issuer, for a token that names `kid`.
    pub(crate) async fn keys(
        &self,
        world: &World,
        provider: &CheckedProvider,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, Error> {
        let place = provider.discovery_uri();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        if let Some(known) = &known {
            let age = now.duration_since(known.at);
            let has_key = known.keys.iter().any(|key| key.kid() == kid);
            if age < PAUSE || (has_key && age < FRESH) {
                return Ok(Arc::clone(&known.keys));
            }
        }
        let keys = Arc::new(fetch(world, provider).await?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ISSUERS {
            let oldest = all.iter().min_by_key(|(_, fetched)| fetched.at).map(|(place, _)| place.clone());
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        all.insert(place, Fetched { keys: Arc::clone(&keys), at: now });
        Ok(keys)
    }
}

async fn fetch(world: &World, provider: &CheckedProvider) -> Result<KeySet, Error> {
    let context = Context {
        clock: Arc::clone(&world.clock) as Arc<dyn carnet_core::Clock>,
        random: Arc::clone(&world.random),
        http: Arc::clone(&world.http),
        environment: Arc::new(MapEnvironment::default()),
        files: Arc::new(MemoryFiles::default()),
        commands: Arc::new(NoCommands),
    };
    let oidc = &provider.provider().oidc;
    // The world's client knows the emulated names and never leaves loopback, so there is nothing to guard against.
    let keys_at = match &oidc.discovery_uri {
        None => discover(&context, &oidc.issuer_uri, Destination::Configured).await?,
        Some(document) => discover_at(&context, document, &oidc.issuer_uri).await?,
    };
    fetch_key_set(&context, &keys_at, Destination::Configured).await
}

/// Reads a discovery document that is not below its issuer.
async fn discover_at(context: &Context, document: &str, issuer: &str) -> Result<Url, Error> {
    let what = "read the discovery document";
    let wrong = || Error::refused(what).clause("issuer");
    let url = Url::parse(document).map_err(|error| Error::configuration(what).because(error))?;
    let response = context.http.send(Request::get(url)).await?;
    let document: serde_json::Value = response.json("the discovery document")?;
    if document.get("issuer").and_then(|named| named.as_str()) != Some(issuer) {
        return Err(wrong());
    }
    let keys_at = document.get("jwks_uri").and_then(|uri| uri.as_str()).and_then(|uri| Url::parse(uri).ok());
    keys_at.ok_or_else(wrong)
}
