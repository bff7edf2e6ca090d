//! The arguments of the commands.

mod audit;
mod tokens;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

pub(crate) use audit::{AuditCommand, AuditRows};
pub(crate) use tokens::TokenCommand;

/// Commands for an authority that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Show what the authority is, and how it is doing.
    Info {
        #[command(flatten)]
        at: At,
    },
    /// Registration entries: which workloads get which identities.
    Entry(Group<EntryCommand>),
    /// Trust rules: who may become whom.
    Rule(Group<RuleCommand>),
    /// Issuers whose tokens are taken.
    Issuer(Group<IssuerCommand>),
    /// Trust domains whose identities are known here.
    Federation(Group<FederationCommand>),
    /// Signing keys.
    Key(Group<KeyCommand>),
    /// Nodes: the agents that were attested.
    Node(Group<NodeCommand>),
    /// Tokens by which agents join.
    JoinToken(Group<JoinTokenCommand>),
    /// Access tokens that were issued. SVIDs are not remembered.
    Token(Group<TokenCommand>),
    /// The store itself.
    Store(Group<StoreCommand>),
    /// The audit log.
    Audit(Group<AuditCommand>),
}

/// Commands of one matter, with where the authority is.
#[derive(Debug, Args)]
pub(crate) struct Group<C: Subcommand> {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(subcommand)]
    pub(crate) command: C,
}

/// Where the authority is, and who asks.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct At {
    /// The authority's Unix socket. Otherwise CARNET_AUTHORITY_SOCKET, or /run/carnet/authority.sock.
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "url")]
    pub(crate) socket: Option<PathBuf>,
    /// An authority elsewhere, for instance `https://authority.example.org:8443`.
    #[arg(long, global = true)]
    pub(crate) url: Option<String>,
    /// With `--url`: a PEM file with the X509-SVID that is shown.
    #[arg(long, global = true, value_name = "FILE", requires_all = ["url", "svid_key"])]
    pub(crate) svid: Option<PathBuf>,
    /// With `--svid`: a PEM file with its private key.
    #[arg(long, global = true, value_name = "FILE", requires = "svid")]
    pub(crate) svid_key: Option<PathBuf>,
    /// A file with an access token that is shown.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "svid")]
    pub(crate) token_file: Option<PathBuf>,
    /// With `--url`: the SPIFFE bundle of the authority's trust domain, which its certificate must be of. Otherwise the
    /// certificate must be one of the web.
    #[arg(long, global = true, value_name = "FILE", requires_all = ["url", "authority_domain"])]
    pub(crate) authority_bundle: Option<PathBuf>,
    /// With `--authority-bundle`: the name of that trust domain.
    #[arg(long, global = true, value_name = "NAME", requires = "authority_bundle")]
    pub(crate) authority_domain: Option<String>,
}

/// What an entry says.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EntryFields {
    /// The identity given, or a template, for instance `spiffe://example.org/ns/{k8s:ns}/sa/{k8s:sa}`.
    #[arg(long, value_name = "ID")]
    pub(crate) spiffe_id: Option<String>,
    /// The agent, or the group of agents, whose workloads it is for.
    #[arg(long, value_name = "ID")]
    pub(crate) parent_id: Option<String>,
    /// What the workload must be, as often as needed: `unix:uid:1000`.
    #[arg(long = "selector", value_name = "KIND:VALUE")]
    pub(crate) selectors: Vec<String>,
    /// Life of X509-SVIDs in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) x509_ttl: Option<u32>,
    /// Life of JWT-SVIDs in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) jwt_ttl: Option<u32>,
    /// A foreign trust domain whose bundle the workload gets, as often as needed.
    #[arg(long = "federates-with", value_name = "DOMAIN")]
    pub(crate) federates_with: Vec<String>,
    /// A DNS name in X509-SVIDs, as often as needed.
    #[arg(long = "dns-name", value_name = "NAME")]
    pub(crate) dns_names: Vec<String>,
    /// The operator's label.
    #[arg(long)]
    pub(crate) hint: Option<String>,
    /// Whether the workload may administer the authority.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) admin: Option<bool>,
    /// From when it does not count any more (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EntryCommand {
    /// List entries.
    List {
        /// Only with this identity.
        #[arg(long, value_name = "ID")]
        spiffe_id: Option<String>,
        /// Only of this parent.
        #[arg(long, value_name = "ID")]
        parent_id: Option<String>,
        /// Only with this selector, as often as needed.
        #[arg(long = "selector", value_name = "KIND:VALUE")]
        selectors: Vec<String>,
        /// Only of this owner: `api`, or the path of a file.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Show one entry.
    Show {
        /// Its `id`.
        id: String,
    },
    /// Make an entry, or those of a file.
    #[command(group = ArgGroup::new("entry").args(["file", "spiffe_id"]).required(true))]
    Create {
        /// Only look whether it would be done, each by itself.
        #[arg(long)]
        dry_run: bool,
        /// TOML or JSON with `[[entry]]` tables; `-` for standard input.
        #[arg(long, short = 'f', value_name = "FILE", conflicts_with_all = ["spiffe_id", "parent_id", "selectors"])]
        file: Option<PathBuf>,
        /// Its `id`; otherwise it gets one.
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        fields: EntryFields,
    },
    /// Change what is given of an entry, or replace it by that of a file. Refused when somebody else changes it meanwhile.
    Update {
        /// Its `id`.
        id: String,
        /// Only look whether it would be done.
        #[arg(long)]
        dry_run: bool,
        /// TOML or JSON with the whole entry; `-` for standard input.
        #[arg(long, short = 'f', value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        fields: EntryFields,
    },
    /// Take entries away.
    Delete {
        /// Their `id`s.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Only look whether it would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// List the rules, with where they are from: `api` or a file of the authority.
    List,
    /// Show one rule.
    Show {
        /// Its name.
        name: String,
    },
    /// Put the rules of a file. Each is refused, with all mistakes, unless it and the others make a good set.
    Put(PutFile),
    /// Take a rule away.
    Delete {
        /// Its name.
        name: String,
        /// Only look whether it would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    /// List the issuers, with where they are from: `api` or a file of the authority.
    List,
    /// Show one issuer.
    Show {
        /// Its `iss`.
        issuer: String,
    },
    /// Put the issuers of a file.
    Put(PutFile),
    /// Take an issuer away.
    Delete {
        /// Its `iss`.
        issuer: String,
        /// Only look whether it would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A file to put.
#[derive(Debug, Args)]
pub(crate) struct PutFile {
    /// TOML or JSON, `[[rule]]` or `[[issuer]]` tables, as in a file of the authority; `-` for standard input.
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only look whether it would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FederationCommand {
    /// List federated trust domains, and how they are doing.
    List,
    /// Show one of them.
    Show {
        /// Its name.
        domain: String,
    },
    /// Federate with a trust domain, or change where its bundle is.
    Put {
        /// Its name.
        domain: String,
        /// Where it publishes its bundle.
        #[arg(long, value_name = "URL")]
        bundle_url: String,
        /// The SPIFFE ID that the endpoint shows (`https_spiffe`); otherwise it has a certificate of the web.
        #[arg(long, value_name = "ID")]
        endpoint_id: Option<String>,
        /// A file with its first bundle.
        #[arg(long, value_name = "FILE")]
        bundle_file: Option<PathBuf>,
        /// Longest life of its JWT-SVIDs, in seconds; a day unless given.
        #[arg(long, value_name = "SECONDS")]
        max_age: Option<u32>,
        /// Only look whether it would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// End a federation.
    Delete {
        /// Its name.
        domain: String,
        /// Only look whether it would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Read its bundle now.
    Refresh {
        /// Its name.
        domain: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the keys.
    List,
    /// Put another key in the place of the active one before its time.
    Rotate {
        /// `x509`, or `jwt:ES256` and the like.
        purpose: String,
        /// Not when consumers know the next key, but now.
        #[arg(long)]
        now: bool,
    },
    /// Take a key out of the bundle at once: what it has signed verifies nowhere any more.
    Revoke {
        /// Its `kid`.
        kid: String,
    },
    /// Have holders of what a certificate authority signed ask for another, before it is revoked.
    Taint {
        /// Its `kid`.
        kid: String,
    },
    /// Seal all private keys with another key. Then change the configuration before the next start.
    Rewrap {
        /// A key file on the authority's machine; it is made when it is not there.
        #[arg(long, value_name = "PATH", required_unless_present = "passphrase_file")]
        key_file: Option<PathBuf>,
        /// A file on the authority's machine with a passphrase.
        #[arg(long, value_name = "PATH", conflicts_with = "key_file")]
        passphrase_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes.
    List,
    /// Show one node.
    Show {
        /// Its SPIFFE ID.
        id: String,
    },
    /// Turn a node away, and let it not attest again.
    Ban {
        /// Its SPIFFE ID.
        id: String,
    },
    /// Forget a node, and lift its ban: its agent must attest again, and may.
    Delete {
        /// Its SPIFFE ID.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Show the time that the store goes by when it forgets what has ended.
    Clock,
    /// Have the store take the authority's clock as right at once. Otherwise it follows in small steps, lest a wrong clock make it
    /// forget what is still good. Refused when the clock of this machine is more than five minutes from it.
    BelieveClock {
        /// After a clock that was ahead: take single-use tokens again that end more than an hour from now, although whether they were
        /// used may have been forgotten.
        #[arg(long)]
        reopen: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum JoinTokenCommand {
    /// Make a join token and write it to standard output. It is shown this once.
    Create {
        /// Name that the agent gets, one or more segments: `web/1`.
        #[arg(long, value_name = "PATH")]
        name: Option<String>,
        /// Life in seconds: 600 unless given, at most seven days.
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u32>,
        /// What the node is said to be, as often as needed.
        #[arg(long = "selector", value_name = "KIND:VALUE")]
        selectors: Vec<String>,
    },
    /// List the join tokens that are still good, by their digests.
    List,
    /// Take a join token away before it is used.
    Delete {
        /// The token, or its digest as `list` has it.
        token: String,
    },
}
