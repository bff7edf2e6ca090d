//! The sandbox, its trusts, and how a source crosses in it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::{Value, json};

use super::sources::{self, Source};
use crate::{
    agent::{Node, entry},
    authority::{
        scene::{Running, admin},
        site::{ISSUER, Site},
    },
    harness::{Sandbox, both, carnet, json, output, python},
    scene::put,
};

/// The identity domain of the sandbox.
pub(super) const DOMAIN: &str = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";
/// Who nobody here is.
pub(super) const ELSEWHERE: &str = "https://somebody.else";
/// The identity of this user's processes that is trusted, and the name of the certificate by it: servers of Vault know no
/// certificate without one.
pub(super) const WORKLOAD: &str = "spiffe://e2e.test/app";
const DNS_NAME: &str = "app.e2e.test";
/// Their other one.
pub(super) const OTHER: &str = "spiffe://e2e.test/other";

/// Where a token leads.
pub(super) struct To<'a> {
    /// For whom it is, unless it is always for the same.
    pub(super) audience: String,
    /// The exchange of a token for this audience, in TOML; `None` where the client makes it.
    pub(super) exchange: &'a dyn Fn(&str) -> Option<String>,
    /// The delivery, in TOML.
    pub(super) delivery: String,
}

/// The sandbox and the trust domain beside it.
pub(super) struct Across {
    pub(super) sandbox: Sandbox,
    /// The client id of the application that all become at Azure.
    pub(super) application: String,
    site: Site,
    node: Node,
    /// The issuer must be there as long as its tokens are verified.
    _authority: Running,
    /// What a client in the sandbox finds, and what a job of GitHub finds besides.
    variables: Vec<(String, String)>,
}

impl Across {
    /// One for all tests: nothing in it changes once it is set up.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Across> = OnceLock::new();
        SHARED.get_or_init(Self::open)
    }

    fn open() -> Self {
        // Identity domains verify RS256 only.
        let tokens = format!("[authority.tokens]\nalgorithms = {{ \"{DOMAIN}\" = \"RS256\" }}\n");
        let site = Site::new("").keys(&tokens);
        let authority = site.start("one", "127.0.0.1:0");
        let socket = Site::admin_of(&authority);
        let mut app = entry("app", "across", "/app");
        app["dns_names"] = json!([DNS_NAME]);
        for entry in [app, entry("other", "across", "/other")] {
            admin(&socket, 201, "POST", "/v1/entries", &entry);
        }
        let node = Node::join(&site, "across", &authority);
        let host = ISSUER.strip_prefix("https://").expect("an issuer by https");
        let sandbox = Sandbox::start_with(&["--guest", &format!("{host}={}", authority.says("public"))]);
        assert_eq!(sandbox.seed("oci_domain"), DOMAIN);
        let variables = sandbox.environment(&["--proxy", "--job", "github"]);
        let application = trust_everybody(&sandbox, &variables);
        Self { sandbox, application, site, node, _authority: authority, variables }
    }

    /// A file beside the authority's.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.site.path(name)
    }

    /// A program that finds the sandbox.
    pub(super) fn inside(&self, mut program: Command) -> Command {
        program.envs(self.variables.iter().map(|(name, value)| (name, value)));
        program
    }

    /// `carnet get` of the one route in this configuration, with these variables besides.
    pub(super) fn get(&self, configuration: &str, folder: &Path, variables: &[(String, String)]) -> Output {
        let file = folder.join("carnet.toml");
        put(&file, configuration, 0o600);
        let mut command = self.inside(carnet(["get", "--quiet", "--config"]));
        command.arg(file).arg("across").env("SPIFFE_ENDPOINT_SOCKET", &self.node.socket);
        output(command.envs(variables.iter().map(|(name, value)| (name, value))))
    }

    /// The same from a source, or from it bent, into this folder.
    pub(super) fn cross(&self, source: &Source, bent: bool, to: &To<'_>, folder: &Path) -> Output {
        std::fs::create_dir_all(folder).expect("make a folder");
        let audience: &str = match &source.audience {
            Some(own) => own,
            None if bent && source.stranger.is_none() => ELSEWHERE,
            None => &to.audience,
        };
        let who = source.stranger.as_ref().filter(|_| bent).unwrap_or(&source.way);
        let exchange = (to.exchange)(audience);
        let steps: Vec<&str> = who.through.iter().chain(&exchange).map(String::as_str).collect();
        let from = who.from.replace("FOLDER", &folder.display().to_string());
        let configuration = route(&from, &steps, exchange.is_none().then_some(audience), &to.delivery);
        self.get(&configuration, folder, &source.given(&self.sandbox, audience, folder))
    }

    /// What each of these folders opens at a target, by that cloud's own library.
    pub(super) fn opened(&self, target: &str, folders: &[PathBuf]) -> Value {
        let mut program = self.inside(python("across.py"));
        program.arg(target).args(folders).env("AWS_EC2_METADATA_DISABLED", "true");
        program.env("AZURE_TENANT_ID", self.sandbox.seed("azure_tenant")).env("AZURE_CLIENT_ID", &self.application);
        json(program.env("OCI_COMPARTMENT", self.sandbox.seed("oci_compartment")))
    }
}

/// A configuration with one route.
pub(super) fn route(from: &str, through: &[&str], audience: Option<&str>, deliver: &str) -> String {
    let audience = audience.map(|audience| format!("audience = \"{audience}\"\n")).unwrap_or_default();
    format!(
        "version = 1\n[route.across]\nsource = {from}\nthrough = [{}]\n{audience}deliver = [{deliver}]\n",
        through.join(", ")
    )
}

/// It must have failed, saying this.
pub(super) fn refused(done: &Output, says: &str) {
    assert!(!done.status.success() && both(done).contains(says), "wanted {says:?}\n{}", both(done));
}

/// Lets every cloud trust every source, by its own administration. Gives the id of the application at Azure.
fn trust_everybody(sandbox: &Sandbox, variables: &[(String, String)]) -> String {
    let trusts = sandbox.put("trusts.json", &sources::trusts(sandbox).to_string());
    let mut program = python("across_trusts.py");
    program.arg(trusts).args(["--number", sandbox.seed("gcp_project_number")]);
    program.args(["--account", sandbox.seed("gcp_service_account"), "--domain", DOMAIN]);
    program.args(["--subscription", sandbox.seed("azure_subscription"), "--storage", sandbox.seed("azure_account")]);
    program.arg("--imds").arg(sandbox.plain("azure-imds"));
    program.args(["--vault-token", sandbox.seed("vault_root_token"), "--oci-client", sandbox.seed("oci_client_id")]);
    program.args(["--oci-user", "ocid1.user.oc1..aaaaaaaacarnetsandboxservice00000000000000000000000000000000001"]);
    let answer = json(program.envs(variables.iter().map(|(name, value)| (name, value))));
    answer["application"].as_str().expect("a client id").to_owned()
}
