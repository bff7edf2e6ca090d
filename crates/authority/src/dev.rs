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

use crate::{Authority, Settings, config::AuthorityConfig, running::Public};

/// The agent's name, below `carnet/agent/join-token`.
const AGENT: &str = "dev";
/// Who does what is done at the start.
const BY: &str = "dev";

/// What may be said of it all the same.
#[derive(Clone, Debug, Default)]
pub struct DevOptions {
    /// Where it keeps its files. It must exist, and nobody else may look into it.
    pub folder: PathBuf,
    /// The trust domain. One of its own when absent.
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
    let settings = settings(options, public.address()?, context)?;
    Authority::open_at(public, settings, context.clone(), network.clone()).await
}

fn settings(options: &DevOptions, public: SocketAddr, context: &Context) -> Result<Settings, Error> {
    let folder = &options.folder;
    let trust_domain = match &options.trust_domain {
        Some(domain) => domain.to_string(),
        None => format!("dev-{}.test", context.random_hex::<4>()),
    };
    let own_store = || format!("sqlite:{}", folder.join("authority.db").display());
    let store = options.store.clone().unwrap_or_else(own_store);
    let raw = json!({
        "issuer": format!("http://{public}"),
        "trust_domain": trust_domain,
        "store": { "url": store },
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
    match parts.entries.create(Draft::api(entry), by).await {
        Ok(_) | Err(EntryError::Exists(_) | EntryError::Similar(_)) => Ok(()),
        Err(error) => Err(failed(&error)),
    }
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
