//! An authority without configuration, for trying things out: SQLite, loopback, a trust domain of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_agent::{Agent, AgentParts, Bootstrap, Executables, HttpsSettings, HttpsUpstream, Names, Processes, Unix};
use carnet_attest::{Evidence, Kind, Registration};
use carnet_core::{Context, Error, NewFile, replace_files};
use carnet_entries::{By, Draft, EntryError, JoinTokenDraft};
use carnet_net::{Settings as Network, address_of, listen};
use carnet_spiffe::{Selector, SpiffeId, TrustDomain};
use serde_json::json;

use crate::{
    Authority, Settings, StorePlace,
    config::AuthorityConfig,
    open::{open_store, owner},
    running::Public,
};

/// The agent's name, below `carnet/agent/join-token`.
const AGENT: &str = "dev";
/// Who does what is done at the start.
const BY: &str = "dev";
/// Commits that may wait while the store is asked for its name: none comes.
const QUEUE: usize = 1;

/// What may be said of it all the same.
#[derive(Clone, Debug, Default)]
pub struct DevOptions {
    /// Where it keeps its files. It must exist, and nobody else may look into it.
    pub folder: PathBuf,
    /// The trust domain. When absent, that of the store; of a new store, one that is made up.
    pub trust_domain: Option<TrustDomain>,
    /// Files and folders with trust rules.
    pub rules: Vec<PathBuf>,
    /// Files and folders with registration entries.
    pub entries: Vec<PathBuf>,
    /// Where it remembers. A file in the folder when absent.
    pub store: Option<String>,
}

/// Opens it. Everything listens on loopback, on ports that the system chooses.
///
/// # Errors
/// The first part that cannot be had.
pub async fn open_dev(options: &DevOptions, context: &Context, network: &Network) -> Result<Authority, Error> {
    let public = Public::loopback()?;
    let trust_domain = match &options.trust_domain {
        Some(domain) => domain.clone(),
        None => name_of_last_time(options, context, network).await?.map_or_else(|| made_up(context), Ok)?,
    };
    let settings = settings(options, &trust_domain, public.address()?)?;
    Authority::open_at(public, settings, context.clone(), network.clone()).await
}

/// The trust domain that the store is of. One that is not there yet is not made: the first start may fail.
async fn name_of_last_time(
    options: &DevOptions,
    context: &Context,
    network: &Network,
) -> Result<Option<TrustDomain>, Error> {
    let url = store_url(options);
    if url.strip_prefix("sqlite:").is_some_and(|path| !Path::new(path).is_file()) {
        return Ok(None);
    }
    let place = StorePlace { url, password: None, queue: QUEUE };
    let store = open_store(&place, network, context).await?;
    let name = owner(&*store, None).await;
    store.close().await;
    name
}

fn made_up(context: &Context) -> Result<TrustDomain, Error> {
    let name = format!("dev-{}.test", context.random_hex::<4>());
    name.parse().map_err(|error| Error::internal("make up a trust domain").because(error))
}

fn store_url(options: &DevOptions) -> String {
    let own_store = || format!("sqlite:{}", options.folder.join("authority.db").display());
    options.store.clone().unwrap_or_else(own_store)
}

fn settings(options: &DevOptions, trust_domain: &TrustDomain, public: SocketAddr) -> Result<Settings, Error> {
    let folder = &options.folder;
    let raw = json!({
        "issuer": format!("http://{public}"),
        "trust_domain": trust_domain.as_str(),
        "store": { "url": store_url(options) },
        "keys": {
            "algorithms": ["ES256", "RS256", "ES384", "EdDSA"],
            "seal": { "key_file": folder.join("seal.key") },
        },
        "listen": {
            "public": public.to_string(),
            "nodes": SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string(),
            "bundle": SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string(),
            "admin": folder.join("authority.sock"),
            "diagnostics": SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string(),
        },
        "rules": options.rules,
        "entries": options.entries,
    });
    let config: AuthorityConfig =
        serde_json::from_value(raw).map_err(|error| Error::internal("configure a trial authority").because(error))?;
    carnet_core::SectionConfig::check(config)
        .map_err(|mistakes| crate::rules::refused("the trial authority", &mistakes))
}

/// An agent beside it, in the same process: it attests with a join token, over the same listener as any other, and serves
/// workloads at `agent.sock`. The processes of this user get the identity `/user/UID`.
///
/// # Errors
/// When it cannot be registered or its socket cannot be bound.
pub async fn start_dev_agent(
    authority: &Authority,
    folder: &Path,
    context: &Context,
    network: &Network,
) -> Result<Agent, Error> {
    let parts = authority.parts();
    let by = By::itself(BY);
    let domain = &parts.settings.trust_domain;
    let draft = JoinTokenDraft { agent_path: Some(AGENT.to_owned()), ..JoinTokenDraft::default() };
    let token = parts.nodes.create_join_token(draft, &by).await?;
    let bundle = parts.keys.ring().bundle(domain);
    let bundle = bundle.to_json().map_err(|error| Error::internal("write the bundle").because(error))?;
    let (token_file, bundle_file) = (folder.join("join-token"), folder.join("bundle.json"));
    replace_files(&[NewFile::new(&token_file, token.token.expose()), NewFile::new(&bundle_file, bundle.to_string())])?;
    register_own_user(authority, &token.agent, &by).await?;
    let nodes = authority.addresses()?.nodes.ok_or_else(|| Error::internal("find the listener for agents"))?;
    let evidence: Evidence = serde_json::from_value(json!({ Kind::JoinToken.to_string(): { "file": token_file } }))
        .map_err(|error| Error::internal("name the join token").because(error))?;
    let https = HttpsSettings {
        address: format!("https://{nodes}")
            .parse()
            .map_err(|error| Error::internal("name the listener").because(error))?,
        trust_domain: domain.clone(),
        evidence,
        bootstrap: Bootstrap::File(bundle_file),
        net: network.clone(),
    };
    Agent::start(AgentParts {
        upstream: Arc::new(HttpsUpstream::new(https, context.clone())?),
        attestors: vec![Arc::new(Unix::new(Names::of_this_machine(), Executables::Path))],
        processes: Processes::of_this_machine(),
        context: context.clone(),
        settings: carnet_agent::Settings::new(domain.clone(), folder.join("agent.sock")),
    })
}

async fn register_own_user(authority: &Authority, agent: &SpiffeId, by: &By) -> Result<(), Error> {
    let uid = rustix::process::getuid().as_raw();
    let parts = authority.parts();
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("register the own user: {error}"));
    let id = format!("{}/user/{uid}", parts.settings.trust_domain.id());
    let entry: Registration = serde_json::from_value(json!({
        "id": "dev-user",
        "spiffe_id": id,
        "parent_id": agent,
        "created_at": parts.context.now(),
        "selectors": [Selector::new("unix", &format!("uid:{uid}")).map_err(|error| failed(&error))?],
    }))
    .map_err(|error| failed(&error))?;
    let written = match parts.entries.create(Draft::api(entry.clone()), by).await {
        Err(EntryError::Exists(there)) if is_same(&there.entry, &entry) => return Ok(()),
        // Of another user, or from when the trust domain had another name.
        Err(EntryError::Exists(_)) => parts.entries.update(entry, None, by).await,
        created => created,
    };
    match written {
        Ok(_) | Err(EntryError::Similar(_)) => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

/// Whether both give the same identity to the same processes. Whatever else an operator has set is left as it is.
fn is_same(one: &Registration, other: &Registration) -> bool {
    (&one.spiffe_id, &one.parent_id, &one.selectors) == (&other.spiffe_id, &other.parent_id, &other.selectors)
}

impl Public {
    /// A port that the system chooses.
    fn loopback() -> Result<Self, Error> {
        listen("relying parties", (Ipv4Addr::LOCALHOST, 0).into()).map(Self)
    }

    fn address(&self) -> Result<SocketAddr, Error> {
        address_of(&self.0)
    }
}
