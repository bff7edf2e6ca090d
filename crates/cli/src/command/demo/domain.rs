//! A trust domain for the demo: an authority that trusts the emulated GitHub, an agent on this machine, and an agent on a
//! node whose pod is simulated. Opened when the first row needs it; configured by files, as users do it. The emulated clouds
//! know its issuer by the name that the gate has.

mod logins;
mod pod;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use carnet_agent::{Agent, AgentConfig, Phase, Processes};
use carnet_authority::{Authority, AuthorityConfig, Settings, start_dev_agent};
use carnet_core::{Context, Error, NewFile, SectionConfig as _, chain, replace_files};
use carnet_net::Settings as Network;
use carnet_sandbox::{aws, ci};
use carnet_spiffe::TrustDomain;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(super) use self::logins::{AWS_RULE, INSTANCE_RULES, POD_RULE, USER_RULES};
use self::pod::Pod;
use super::gate::ISSUER;
use crate::command::{authority_admin::Api, guest::Guest};

/// Its name.
const NAME: &str = "demo.test";
/// The name of the simulated node's agent, below `carnet/agent/join-token`.
const NODE: &str = "simulated-node";
/// The identity of processes of a user that this process is not, on this machine.
pub(super) const OTHERS: &str = "spiffe://demo.test/other-user";
/// The identity of this process that the emulated clouds trust: its other one is that of all processes of its user.
pub(super) const APP: &str = aws::WORKLOAD;
/// For whom SVIDs are asked.
pub(super) const AUDIENCE: &str = "https://api.example";
/// The subject of jobs that deploy, whose tokens are good for one exchange.
pub(super) const DEPLOYMENT: &str = "repo:carnet-sandbox/app:environment:production";

/// The subject of jobs that become [`APP`] by a rule with a mistake: it signs with an elliptic curve, whoever the token is for.
pub(super) const MISTAKEN: &str = "repo:carnet-sandbox/app:environment:staging";
/// What Entra wants as the audience of what it is shown.
pub(super) const ENTRA: &str = "api://AzureADTokenExchange";

/// Variables by which routes find it.
pub(super) const AUTHORITY: &str = "AUTHORITY";
/// The SPIFFE ID of processes of this user.
pub(super) const USER: &str = "USER_ID";
pub(super) const UNIX_AGENT: &str = "UNIX_AGENT";
pub(super) const POD_AGENT: &str = "POD_AGENT";

/// The trust domain, running.
pub(super) struct Domain {
    pub(super) issuer: String,
    user: String,
    pub(super) name: TrustDomain,
    pub(super) admin: Api,
    pub(super) pod: Pod,
    sockets: [String; 2],
    agents: [Agent; 2],
    serving: JoinHandle<Result<(), Error>>,
    shutdown: CancellationToken,
}

impl Domain {
    /// Opens it in this folder, which must be private, and lets the gate lead to it. The authority asks issuers through this
    /// context.
    pub(super) async fn open(folder: PathBuf, gate: &Guest, context: &Context) -> Result<Self, Error> {
        let name: TrustDomain = NAME.parse().map_err(|error| Error::internal("name a trust domain").because(error))?;
        let network = Network::from_environment(&*context.environment);
        let (rules, entries) = (folder.join("rules.toml"), folder.join("entries.toml"));
        replace_files(&[NewFile::new(&rules, self::rules()), NewFile::new(&entries, self::entries())])?;
        let settings = settings(&folder, &rules, &entries)?;
        let authority = Authority::open(settings, context.clone(), network.clone()).await?;
        let (issuer, addresses) = (authority.issuer_url().to_owned(), authority.addresses()?);
        gate.open(addresses.public);
        let user = format!("spiffe://{NAME}/user/{}", rustix::process::getuid().as_raw());
        let unix = start_dev_agent(&authority, &folder, context, &network).await?;
        let shutdown = CancellationToken::new();
        // Nobody asks for a reload.
        let (_, reload) = watch::channel(0);
        let serving = tokio::spawn(authority.run(reload, shutdown.clone()));
        let admin = Api::at_socket(addresses.admin)?;
        let pod = Pod::simulate(&folder, shutdown.clone()).await?;
        let nodes = addresses.nodes.ok_or_else(|| Error::internal("find the listener for agents"))?;
        let node = start_node(&format!("https://{nodes}"), &folder, &admin, &pod, context).await?;
        let sockets =
            [&folder.join("agent.sock"), &node_socket(&folder)].map(|path| format!("unix://{}", path.display()));
        let agents = [unix, node];
        for agent in &agents {
            agent.reach(Phase::Serving).await?;
        }
        Ok(Self { issuer, user, name, admin, pod, sockets, agents, serving, shutdown })
    }

    /// Ends agents and authority, in order.
    pub(super) async fn close(self) {
        for agent in self.agents {
            agent.shutdown().await;
        }
        self.shutdown.cancel();
        match self.serving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = chain(&error).join(": "), "the authority ended in disorder"),
            Err(error) => tracing::warn!(%error, "the authority ended in disorder"),
        }
    }

    /// What was refused after this row of the audit log, oldest first.
    pub(super) async fn refused_after(&self, seq: u64) -> Result<Vec<Value>, Error> {
        let query = [("outcome", "refused"), ("after", &seq.to_string())];
        self.admin.list(&["audit"], &query, usize::MAX).await
    }

    /// What routes in it read.
    pub(super) fn variables(&self) -> [(&'static str, &str); 4] {
        let [unix, pod] = &self.sockets;
        [(AUTHORITY, &self.issuer), (USER, &self.user), (UNIX_AGENT, unix), (POD_AGENT, pod)]
    }

    /// The address of the agent on this machine.
    pub(super) fn unix_agent(&self) -> &str {
        let [unix, _] = &self.sockets;
        unix
    }

    /// The address of the agent on the simulated node.
    pub(super) fn pod_agent(&self) -> &str {
        let [_, pod] = &self.sockets;
        pod
    }
}

/// A listener for relying parties and one for agents, on ports that the system chooses, and files in this folder.
fn settings(folder: &Path, rules: &Path, entries: &Path) -> Result<Settings, Error> {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string();
    let section = json!({
        "issuer": ISSUER,
        "trust_domain": NAME,
        "store": { "url": format!("sqlite:{}", folder.join("authority.db").display()) },
        "keys": { "algorithms": ["ES256", "RS256"], "seal": { "key_file": folder.join("seal.key") } },
        "listen": { "public": local, "nodes": local, "admin": folder.join("authority.sock") },
        "rules": [rules],
        "entries": [entries],
    });
    let section: AuthorityConfig =
        serde_json::from_value(section).map_err(|error| Error::internal("configure the authority").because(error))?;
    section.check().map_err(|mistakes| Error::internal(format!("configure the authority: {mistakes:?}")))
}

/// Who may become whom: jobs on branches of one repository, jobs that deploy, whose tokens count once, those of the mistake,
/// and principals of clouds that log in by signed request.
fn rules() -> String {
    let rule = |name: &str, subject: &str, identity: &str, audience: &str, more: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nissuer = \"{}\"\nsubject = \"{subject}\"\nclaims = {{ repository = \"{}\" }}\n\
             identity = \"{identity}\"\naudiences = [\"{audience}\"]\n{more}\n",
            ci::GITHUB_ISSUER,
            ci::REPOSITORY
        )
    };
    let own = |name: &str, subject: &str, more: &str| {
        let issue = format!("issue = [\"jwt-svid\", \"x509-svid\"]\n{more}");
        rule(name, subject, &format!("/github/{{repository_id}}/{name}"), AUDIENCE, &issue)
    };
    let branches = format!("repo:{}:ref:refs/heads/*", ci::REPOSITORY);
    let elliptic = "issue = [\"jwt-svid\"]\nalgorithm = \"ES256\"";
    own("build", &branches, "")
        + &own("deploy", DEPLOYMENT, "single_use = true\n")
        + &rule("mistaken", MISTAKEN, APP, ENTRA, elliptic)
        + &logins::rules()
}

/// What pods of the simulated node get, this process, and processes of another user on this machine. The entry of all
/// processes of this process's own user comes with the agent of this machine.
fn entries() -> String {
    let own = rustix::process::geteuid().as_raw();
    let other = own ^ 1;
    format!(
        "[[entry]]\nid = \"pods\"\nspiffe_id = \"spiffe://{NAME}/ns/{{k8s:ns}}/sa/{{k8s:sa}}\"\n\
         parent_id = \"spiffe://{NAME}/carnet/agent/join-token/{NODE}\"\nselectors = [\"k8s:ns:{}\", \"k8s:sa:{}\"]\n\
         [[entry]]\nid = \"app\"\nspiffe_id = \"{APP}\"\n\
         parent_id = \"spiffe://{NAME}/carnet/agent/join-token/dev\"\nselectors = [\"unix:uid:{own}\"]\n\
         [[entry]]\nid = \"other-user\"\nspiffe_id = \"{OTHERS}\"\n\
         parent_id = \"spiffe://{NAME}/carnet/agent/join-token/dev\"\nselectors = [\"unix:uid:{other}\"]\n",
        pod::NAMESPACE,
        pod::SERVICE_ACCOUNT
    )
}

/// An agent with the attestor for Kubernetes. It looks processes up where the pod is simulated.
async fn start_node(authority: &str, folder: &Path, admin: &Api, pod: &Pod, context: &Context) -> Result<Agent, Error> {
    let token = admin.post(&["join-tokens"], &[], &json!({ "agent_path": NODE })).await?;
    let token = token.get("token").and_then(Value::as_str);
    let token = token.ok_or_else(|| Error::internal("find the join token in the answer"))?;
    let token_file = folder.join("node-join-token");
    replace_files(&[NewFile::new(&token_file, token)])?;
    let section = json!({
        "trust_domain": NAME,
        "authority": authority,
        "attest": { "join-token": { "file": token_file } },
        "bootstrap_bundle": folder.join("bundle.json"),
        "socket": node_socket(folder),
        "state_directory": folder.join("node"),
        "systemd": false,
        "kubernetes": { "kubelet": pod.kubelet() },
    });
    let section: AgentConfig = serde_json::from_value(section)
        .map_err(|error| Error::internal("configure the agent of the simulated node").because(error))?;
    let plan = section
        .check()
        .map_err(|mistakes| Error::internal(format!("configure the agent of the simulated node: {mistakes:?}")))?;
    let mut parts = plan.parts(context.clone(), &Network::from_environment(&*context.environment))?;
    parts.processes = Processes::at(pod.processes());
    Agent::start(parts)
}

fn node_socket(folder: &Path) -> PathBuf {
    folder.join("node.sock")
}
