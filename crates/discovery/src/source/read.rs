//! One reading of a source.

use std::{path::Path, sync::Arc};

use carnet_core::{Context, Error};
use carnet_grpc::{BundleApi, ServerBundle, WorkloadApi};
use carnet_jose::PublicKey;
use carnet_net::Settings as Network;
use carnet_spiffe::{Bundle, BundleMap, TrustDomain};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::Source;
use crate::endpoint::{Endpoint, check_endpoint_url};

#[derive(Debug)]
pub(super) struct Reader {
    context: Context,
    place: Place,
}

#[derive(Debug)]
enum Place {
    WorkloadApi { endpoint: String, trust_domain: TrustDomain, api: Option<WorkloadApi> },
    ServerApi { endpoint: String, api: Option<BundleApi> },
    File { path: std::path::PathBuf, trust_domain: TrustDomain },
    Url(Endpoint),
}

impl Reader {
    /// `current` is what was read last.
    pub(super) fn new(
        source: Source,
        context: Context,
        network: &Network,
        current: watch::Receiver<Option<Arc<Bundle>>>,
    ) -> Result<Self, Error> {
        let place = match source {
            Source::WorkloadApi { endpoint, trust_domain } => Place::WorkloadApi { endpoint, trust_domain, api: None },
            Source::ServerApi { endpoint } => Place::ServerApi { endpoint, api: None },
            Source::File { path, trust_domain } => Place::File { path, trust_domain },
            Source::Url { url, trust_domain, profile, bootstrap } => {
                let url = check_endpoint_url("url", &url).map_err(|mistake| Error::configuration(mistake.message))?;
                let bundles = move || {
                    let known = current.borrow().clone().or_else(|| bootstrap.clone());
                    Arc::new(known.into_iter().collect::<BundleMap>())
                };
                Place::Url(Endpoint::new(url, trust_domain, &profile, &context, network, bundles))
            }
        };
        Ok(Self { context, place })
    }

    pub(super) async fn read(&mut self) -> Result<Bundle, Error> {
        let Self { context, place } = self;
        match place {
            Place::WorkloadApi { endpoint, trust_domain, api } => {
                let connected = match api.take() {
                    Some(api) => api,
                    None => WorkloadApi::connect(endpoint).await?,
                };
                from_workload_api(api.insert(connected), trust_domain).await
            }
            Place::ServerApi { endpoint, api } => {
                let connected = match api.take() {
                    Some(api) => api,
                    None => BundleApi::connect(endpoint).await?,
                };
                from_server(api.insert(connected).get_bundle().await?, context.now())
            }
            Place::File { path, trust_domain } => from_file(context, path, trust_domain),
            Place::Url(endpoint) => endpoint.fetch().await,
        }
    }
}

async fn from_workload_api(api: &WorkloadApi, domain: &TrustDomain) -> Result<Bundle, Error> {
    let id = domain.id().to_string();
    let jwt = api.fetch_jwt_bundles().await?;
    let jwks = jwt.bundles.get(&id).ok_or_else(|| {
        Error::not_here(format!("find the JWT bundle of {domain} among those of the Workload API"))
            .hint("check `trust_domain`, and that an entry of this process belongs to it or federates with it")
    })?;
    let bundle = Bundle::parse_jwks(domain, jwks)?;
    let x509 = api.fetch_x509_bundles().await?;
    let x509_authorities = match x509.bundles.get(&id) {
        Some(der) => Bundle::from_der(domain, der)?.x509_authorities,
        None => Vec::new(),
    };
    Ok(Bundle { x509_authorities, ..bundle })
}

/// Keys that have expired are left out. Tainted ones stay: what they signed is good until they are revoked, which takes them
/// away at the server.
fn from_server(bundle: ServerBundle, now: Timestamp) -> Result<Bundle, Error> {
    let wrong = |what: String| Error::unreachable(format!("read the bundle of the SPIRE server: {what}"));
    let domain: TrustDomain =
        bundle.trust_domain.parse().map_err(|error| wrong(format!("its trust domain: {error}")))?;
    let mut read = Bundle::from_der(
        &domain,
        &bundle.x509_authorities.into_iter().flat_map(|authority| authority.certificate).collect::<Vec<u8>>(),
    )?;
    let is_alive = |expires_at: Option<i64>| expires_at.is_none_or(|at| at > now.as_second());
    for authority in bundle.jwt_authorities.into_iter().filter(|authority| is_alive(authority.expires_at)) {
        let kid = authority.key_id;
        let shown = carnet_core::safe_text(&kid);
        let key =
            PublicKey::from_spki(&authority.public_key).map_err(|error| wrong(format!("key {shown}: {error}")))?;
        if kid.is_empty() || read.jwt_authorities.insert(kid.clone(), key.with_kid(kid)).is_some() {
            return Err(wrong(format!("the key id `{shown}` is empty or occurs twice")));
        }
    }
    read.sequence = (bundle.sequence_number > 0).then_some(bundle.sequence_number);
    read.refresh_hint = bundle.refresh_hint.and_then(|hint| SignedDuration::try_from(hint).ok());
    Ok(read)
}

fn from_file(context: &Context, path: &Path, domain: &TrustDomain) -> Result<Bundle, Error> {
    let failed = || Error::configuration(format!("read the bundle in {}", path.display()));
    let bytes = context.files.read(path, Bundle::MAX_LENGTH).map_err(|error| failed().because(error))?;
    let bytes = bytes.ok_or_else(|| {
        Error::configuration(format!("read the bundle in {}: it is not there", path.display()))
            .hint("name the file with the bundle in `source.file.path`")
    })?;
    Bundle::parse(domain, bytes.expose()).map_err(|error| {
        failed().because(error).hint(format!("it must be the SPIFFE bundle document of {domain}: a JSON Web Key Set"))
    })
}
