//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    command::{AdminCommand, Csi},
    deferred::Deferred,
};

/// Workload identity federation: the identity a workload has, exchanged for the short-lived credential it needs.
///
/// Standard output is data, standard error is talk. Exit codes: 0 ok, 1 internal, 2 usage or configuration, 3 no identity
/// here, 4 refused by the target, 5 target not reachable, 6 expired or clock, 7 refused by policy, 8 problems found, 126 and 127 as env(1).
#[derive(Debug, Parser)]
#[command(name = "carnet", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// How results and errors are written.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Whether to use colour. NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    /// The configuration file. Otherwise CARNET_CONFIG, ./carnet.toml, the user's and the system's.
    #[arg(long, short = 'c', global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What is logged to standard error, for instance `debug` or `carnet_net=trace`. Otherwise CARNET_LOG.
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: one JSON document with a version.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a route once and write its credential to standard output.
    Get(Deferred<Get>),
    /// Run a command with credentials that are kept fresh; signals and exit code are passed through.
    Run(Deferred<Run>),
    /// Show every identity that is found here, and why the others were skipped.
    Whoami(Deferred<Whoami>),
    /// Show what a token or a credential file says, without believing it.
    Inspect(Deferred<Inspect>),
    /// Start the emulated clouds on loopback.
    Sandbox(Deferred<Sandbox>),
    /// Run every route of the manual end to end in the sandbox, refusals included.
    Demo(Deferred<Demo>),
    /// Issue identities: token exchange, SPIFFE, discovery documents, admin API. Without a command it serves.
    Authority(Box<Deferred<Authority>>),
    /// Give the workloads of this node their SPIFFE identities.
    Agent {
        /// Stop when standard input ends.
        #[arg(long)]
        stop_with_stdin: bool,
    },
    /// Give pods the agent's socket as a volume: the node service of a CSI driver, for the kubelet.
    Csi(Deferred<Csi>),
    /// Keep true in a Kubernetes cluster what custom resources say: authority, agents, discovery, entries, trust rules.
    Operator {
        /// Stop when standard input ends.
        #[arg(long)]
        stop_with_stdin: bool,
    },
    /// Serve or export the OIDC discovery documents of an existing SPIFFE installation.
    Discovery(Deferred<Discovery>),
    /// Check, show or describe the configuration.
    Config(Deferred<Config>),
    /// Write the completion script of a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the environment variables that carnet reads, as JSON, for the manual.
    #[command(hide = true)]
    Environment,
    /// Write the manual pages to a folder.
    #[command(hide = true)]
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Show the version.
    Version,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Authority {
    #[command(subcommand)]
    pub(crate) command: Option<AdminCommand>,
    /// Start without any configuration, for trying things out: SQLite, loopback, a trust domain of its own.
    #[arg(long)]
    pub(crate) dev: bool,
    /// With an agent in the same process, for this user's workloads.
    #[arg(long, requires = "dev")]
    pub(crate) with_agent: bool,
    /// Where the trial keeps its files. Otherwise in a temporary folder, which is removed at the end.
    #[arg(long, value_name = "DIR", requires = "dev")]
    pub(crate) folder: Option<PathBuf>,
    /// The trust domain of the trial.
    #[arg(long, value_name = "NAME", requires = "dev")]
    pub(crate) trust_domain: Option<String>,
    /// Where it remembers, in place of what the configuration says: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: Option<String>,
    /// A file or folder with trust rules, as often as needed.
    #[arg(long, value_name = "PATH", requires = "dev")]
    pub(crate) rules: Vec<PathBuf>,
    /// A file or folder with registration entries, as often as needed.
    #[arg(long, value_name = "PATH", requires = "dev")]
    pub(crate) entries: Vec<PathBuf>,
    /// Stop when standard input ends.
    #[arg(long)]
    pub(crate) stop_with_stdin: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Discovery {
    #[command(subcommand)]
    pub(crate) command: Option<DiscoveryCommand>,
    /// Stop when standard input ends.
    #[arg(long)]
    pub(crate) stop_with_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DiscoveryCommand {
    /// Write the documents to a folder, for a bucket or a content network.
    Export(DiscoveryExport),
}

#[derive(Debug, Args)]
pub(crate) struct DiscoveryExport {
    /// The folder.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Say what would change, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read back what is published at the issuer and compare. Ends with 8 when it differs.
    #[arg(long)]
    pub(crate) check: bool,
    /// Show the commands that upload to this bucket of Amazon S3.
    #[arg(long, value_name = "BUCKET", group = "target")]
    pub(crate) s3: Option<String>,
    /// Show the commands that upload to this bucket of Google Cloud Storage.
    #[arg(long, value_name = "BUCKET", group = "target")]
    pub(crate) gcs: Option<String>,
    /// Show the commands that upload to this container of Azure Blob Storage.
    #[arg(long, value_name = "ACCOUNT/CONTAINER", group = "target")]
    pub(crate) azure: Option<String>,
    /// Show the commands that upload to this bucket of OCI Object Storage.
    #[arg(long, value_name = "BUCKET", group = "target")]
    pub(crate) oci: Option<String>,
}

impl Command {
    /// Whether it runs on, and so says by itself how it goes.
    pub(crate) fn is_service(&self) -> bool {
        match self {
            Self::Authority(args) => args.command.is_none(),
            Self::Agent { .. } | Self::Csi(_) | Self::Operator { .. } => true,
            Self::Discovery(args) => args.command.is_none(),
            _ => false,
        }
    }
}

/// Where a route comes from: the configuration, or the command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct RouteArgs {
    /// The route's name in the configuration.
    #[arg(value_name = "ROUTE", conflicts_with_all = ["from", "to"])]
    pub(crate) route: Vec<String>,
    /// A source and its fields: `--from file path=/run/token`. Without `--from`, `auto`.
    #[arg(long, num_args = 1.., value_names = ["SOURCE", "FIELD=VALUE"], action = clap::ArgAction::Append)]
    pub(crate) from: Vec<String>,
    /// An exchange and its fields, in order and as often as needed: `--to oci-domain url=https://…`.
    #[arg(long, num_args = 1.., value_names = ["EXCHANGE", "FIELD=VALUE"], action = clap::ArgAction::Append)]
    pub(crate) to: Vec<String>,
    /// The audience of the last exchange, or of the source when there is no exchange.
    #[arg(long)]
    pub(crate) audience: Option<String>,
    /// The service account of the last exchange.
    #[arg(long, value_name = "EMAIL", conflicts_with = "route")]
    pub(crate) service_account: Option<String>,
    /// The URL of the last exchange.
    #[arg(long, conflicts_with = "route")]
    pub(crate) url: Option<String>,
    /// A delivery and its fields, as often as needed: `--deliver token-file path=/run/token`.
    #[arg(long, num_args = 1.., value_names = ["DELIVERY", "FIELD=VALUE"], action = clap::ArgAction::Append)]
    pub(crate) deliver: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) route: RouteArgs,
    /// The form of the credential and its fields: json, token, env, header, gcp-executable,
    /// `oci-signature url=https://…` and every other delivery. Without it, what the route's own deliveries have for
    /// standard output; json where they have nothing.
    #[arg(long, short = 'f', num_args = 1.., value_names = ["FORM", "FIELD=VALUE"])]
    pub(crate) format: Vec<String>,
    /// Run the route and its deliveries, which write their files, and write nothing to standard output: no form, and not
    /// what the deliveries have for it.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Say what would be done, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) route: RouteArgs,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Whoami {
    /// The audience to ask for where an identity needs one.
    #[arg(long)]
    pub(crate) audience: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A token, a file with a token or a credential file, or `-` for standard input. A token as an argument can be seen by
    /// other users of the machine; prefer a file or standard input.
    pub(crate) token: String,
    /// Verify the signature with the keys of this issuer (discovery). The issuer must be the token's own.
    #[arg(long, value_name = "ISSUER", conflicts_with = "jwks")]
    pub(crate) issuer: Option<String>,
    /// Verify the signature with the keys in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<PathBuf>,
    /// The audience that the token must name when it is verified.
    #[arg(long)]
    pub(crate) audience: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    #[command(subcommand)]
    pub(crate) command: Option<SandboxCommand>,
    /// The folder for its files (certificate, profiles); otherwise a new one that is removed at the end.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// A server of your own that the emulated clouds reach under a host name, for instance an issuer that they are to trust:
    /// `authority.example=127.0.0.1:8080`. It listens without TLS. As often as needed.
    #[arg(long = "guest", value_name = "NAME=ADDRESS")]
    pub(crate) guests: Vec<String>,
    /// Stop when standard input ends, so that the sandbox goes away with the program that started it.
    #[arg(long)]
    pub(crate) stop_with_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Print the variables that point SDKs at a sandbox that is running.
    Env {
        /// The folder of the sandbox. Otherwise CARNET_SANDBOX.
        #[arg(long, value_name = "FOLDER")]
        at: Option<PathBuf>,
        /// Reach the clouds under their real host names through the sandbox's proxy, instead of by endpoint variables.
        #[arg(long)]
        proxy: bool,
        /// Also play a CI job of this system: github, gitlab, bitbucket, circleci, buildkite, azure-devops, hcp-terraform, spacelift,
        /// jenkins, google-cloud-build; or of a kind of it, such as github-enterprise.
        #[arg(long, value_name = "SYSTEM")]
        job: Option<String>,
        /// The audience of the job's token, where the job's definition fixes it (gitlab, bitbucket, hcp-terraform, jenkins).
        #[arg(long, requires = "job")]
        audience: Option<String>,
    },
    /// Start a sandbox, run a command in it, and stop: the command reaches the clouds under their real host names.
    Run {
        /// Use endpoint variables instead of the proxy.
        #[arg(long)]
        direct: bool,
        /// Also play a CI job of this system: github, gitlab, bitbucket, circleci, buildkite, azure-devops, hcp-terraform, spacelift,
        /// jenkins, google-cloud-build; or of a kind of it, such as github-enterprise.
        #[arg(long, value_name = "SYSTEM")]
        job: Option<String>,
        /// The audience of the job's token, where the job's definition fixes it (gitlab, bitbucket, hcp-terraform, jenkins).
        #[arg(long, requires = "job")]
        audience: Option<String>,
        /// The command and its arguments.
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Move the clock of a sandbox that is running, for instance `+10m`, `-1h`, or `reset`.
    Clock {
        /// By how much.
        #[arg(allow_hyphen_values = true)]
        by: String,
        /// The folder of the sandbox. Otherwise CARNET_SANDBOX.
        #[arg(long, value_name = "FOLDER")]
        at: Option<PathBuf>,
    },
    /// Switch a fault on, list what is on, or clear all.
    Fault {
        /// cut, expired, hang, huge, key-rotated, skew, slow, too-many-requests, unavailable; `list` or `clear`.
        kind: String,
        /// The service it hits.
        #[arg(long, default_value = "*")]
        service: String,
        /// Only requests whose path starts with this.
        #[arg(long, default_value = "")]
        path: String,
        /// How many requests it hits; otherwise until it is cleared.
        #[arg(long)]
        times: Option<u32>,
        /// The folder of the sandbox. Otherwise CARNET_SANDBOX.
        #[arg(long, value_name = "FOLDER")]
        at: Option<PathBuf>,
    },
    /// Mint a token of an emulated issuer: github, gitlab, bitbucket, circleci, buildkite, azure-devops, hcp-terraform, spacelift, jenkins.
    Token {
        /// The issuer.
        issuer: String,
        /// The audience.
        #[arg(long)]
        audience: Option<String>,
        /// A claim to set, as NAME=VALUE; the value is JSON if it parses, text otherwise.
        #[arg(long = "claim", value_name = "NAME=VALUE")]
        claims: Vec<String>,
        /// What is wrong with it: alg-none, es256, expired, no-kid, not-yet, tampered, unknown-kid, wrong-key.
        #[arg(long)]
        flaw: Option<String>,
        /// The folder of the sandbox. Otherwise CARNET_SANDBOX.
        #[arg(long, value_name = "FOLDER")]
        at: Option<PathBuf>,
    },
    /// Print the address of every service.
    Urls {
        /// The folder of the sandbox. Otherwise CARNET_SANDBOX.
        #[arg(long, value_name = "FOLDER")]
        at: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Only rows whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the file: every mistake at once, with its place.
    Check,
    /// Show what is in force and where each value comes from.
    Show,
    /// Write the JSON Schema.
    Schema,
}
