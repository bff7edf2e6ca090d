//! The section `[operator]` of the configuration.

mod allow;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use carnet_core::{Mistake, SectionConfig};
use carnet_kubernetes::{ApiAccess, ApiConfig};
use carnet_ops::{TelemetrySection, TelemetrySettings};
use carnet_spiffe::SpiffeId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::authority::AuthorityAccess;

pub use allow::AllowConfig;
pub(crate) use allow::Allowed;

/// The image of what it makes, unless something else is named.
const IMAGE: &str = concat!("carnet:", env!("CARGO_PKG_VERSION"));
/// What tells kubelets of a CSI driver, unless something else is named.
const REGISTRAR: &str = "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.13.0";
/// All namespaces.
const ALL: &str = "*";
/// The lease of those who hold none of another name.
const LEASE: &str = "carnet-operator";

/// What an operator keeps true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Manage {
    /// Authority, Agent and DiscoveryProvider: the objects that they make.
    Workloads,
    /// RegistrationEntry, ClusterRegistrationEntry and TrustRule: what they say at the authority.
    Registrations,
}

/// An operator: it keeps true in a Kubernetes cluster what custom resources say.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// What it keeps: `workloads`, `registrations` or both. By default `workloads`; and `registrations`, too, where `parent_id` is given.
    #[serde(default)]
    pub manage: Option<Vec<Manage>>,
    /// The API server. By default that of the cluster that it runs in, as the account of its pod; elsewhere as a kubeconfig has it.
    #[serde(default)]
    pub api: ApiConfig,
    /// A kubeconfig. By default what `KUBECONFIG` or `~/.kube/config` say, where this is no pod and `api` says nothing.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig. By default its current one.
    #[serde(default)]
    pub context: Option<String>,
    /// Namespaces whose custom resources it keeps; `*` alone stands for all. By default those of its own, and RegistrationEntries of all.
    /// RegistrationEntries of a namespace that leaves the list are forgotten by the authority.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// The namespace of its lease. By default that of its pod, or `default`.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The name of its lease: of operators with the same one works at a time. By default `carnet-operator`.
    #[serde(default)]
    pub lease: Option<String>,
    /// The image of the pods that it makes.
    #[serde(default)]
    pub image: Option<String>,
    /// The image of the `csi-node-driver-registrar` beside a CSI driver. By default that of `registry.k8s.io`.
    #[serde(default)]
    pub registrar_image: Option<String>,
    /// What Authorities, Agents and DiscoveryProviders may name besides these images and the usual folders of nodes.
    #[serde(default)]
    pub allow: AllowConfig,
    /// How the authority is reached whose entries and rules it keeps.
    #[serde(default)]
    pub authority: AuthorityAccess,
    /// The parent of entries that name none: the group of the agents of this cluster, for instance `spiffe://example.org/nodes/production`.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// What marks this cluster's entries and rules at the authority: letters, digits and dashes, at most 63. By default made of the UID of the namespace
    /// `kube-system`. When it is changed, what was made by the old one stays at the authority.
    #[serde(default)]
    pub mark: Option<String>,
    /// How often everything is looked at although nothing has changed, in seconds. By default 300.
    #[serde(default)]
    #[schemars(range(min = 10))]
    pub resync_seconds: Option<u32>,
    /// Address and port for `/livez`, `/readyz` and `/metrics`, plain. Nowhere unless given.
    #[serde(default)]
    pub diagnostics: Option<String>,
    /// Where traces go. Nowhere when absent.
    #[serde(default)]
    pub telemetry: Option<TelemetrySection>,
}

/// How long things take. What a configuration cannot change is there for tests.
#[derive(Clone, Debug)]
pub struct Timing {
    /// After how long without renewal another takes the lease.
    pub lease: Duration,
    /// After how long without renewal who holds it stops.
    pub lease_deadline: Duration,
    /// How often the lease is renewed, and looked at.
    pub lease_retry: Duration,
    /// How long a watch lasts.
    pub watch: Duration,
    /// Longest for one request to the API server.
    pub request: Duration,
    /// After how long what failed is tried again, at first.
    pub retry: Duration,
    /// The same at last.
    pub longest_retry: Duration,
    /// How often everything is looked at.
    pub resync: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        // The lease is as other controllers hold theirs (client-go, leaderelection).
        Self {
            lease: Duration::from_secs(15),
            lease_deadline: Duration::from_secs(10),
            lease_retry: Duration::from_secs(2),
            watch: Duration::from_secs(290),
            request: Duration::from_secs(20),
            retry: Duration::from_millis(200),
            longest_retry: Duration::from_mins(2),
            resync: Duration::from_mins(5),
        }
    }
}

/// It, checked.
#[derive(Clone, Debug)]
pub struct OperatorPlan {
    pub(crate) workloads: bool,
    pub(crate) registrations: bool,
    pub(crate) api: ApiAccess,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
    /// None where none are named; one empty name for all.
    pub(crate) namespaces: Vec<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) lease: String,
    pub(crate) image: String,
    pub(crate) registrar: String,
    pub(crate) allowed: Allowed,
    pub(crate) authority: AuthorityAccess,
    pub(crate) parent: Option<SpiffeId>,
    pub(crate) mark: Option<String>,
    /// Where diagnostics listen.
    pub diagnostics: Option<SocketAddr>,
    /// Where traces go.
    pub telemetry: Option<TelemetrySettings>,
    /// How long things take.
    pub timing: Timing,
}

impl SectionConfig for OperatorConfig {
    const NAME: &'static str = "operator";
    const ABOUT: &'static str = "The operator of a Kubernetes cluster: `carnet operator`.";
    type Checked = OperatorPlan;

    fn check(self) -> Result<OperatorPlan, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let api = self.api.check("api", &mut mistakes);
        self.authority.check(&mut mistakes);
        let usual = || match self.parent_id {
            Some(_) => vec![Manage::Workloads, Manage::Registrations],
            None => vec![Manage::Workloads],
        };
        let manage = self.manage.clone().unwrap_or_else(usual);
        let registrations = manage.contains(&Manage::Registrations);
        if manage.is_empty() {
            mistakes.push(Mistake::new("manage", "is empty: there is nothing to do"));
        }
        let parent = self.parent_id.as_deref().and_then(|text| {
            let parsed: Result<SpiffeId, _> = text.parse();
            parsed.map_err(|error| mistakes.push(Mistake::new("parent_id", error.to_string()))).ok()
        });
        if registrations && self.parent_id.is_none() {
            let mistake = Mistake::new("parent_id", "is missing");
            mistakes.push(mistake.hint("name the group of agents, for instance spiffe://example.org/nodes/production"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if let Some(mark) = &self.mark
            && (mark.is_empty() || mark.len() > 63 || !mark.bytes().all(plain))
        {
            mistakes.push(Mistake::new("mark", "has 1 to 63 letters, digits and dashes"));
        }
        let allowed = self.allow.check(&mut mistakes);
        let everywhere = self.namespaces == [ALL];
        let named = |name: &str| everywhere || is_label(name);
        for (index, namespace) in self.namespaces.iter().enumerate().filter(|(_, name)| !named(name)) {
            let message = format!("{:?} is no name of a namespace", carnet_core::safe_text(namespace));
            mistakes.push(Mistake::new(format!("namespaces[{index}]"), message));
        }
        for (field, name) in [("namespace", &self.namespace), ("lease", &self.lease)] {
            if name.as_ref().is_some_and(|name| !is_label(name)) {
                mistakes.push(Mistake::new(field, "has 1 to 63 small letters, digits and inner dashes"));
            }
        }
        let diagnostics = self.diagnostics.as_deref().and_then(|text| {
            let address: Option<SocketAddr> = text.parse().ok();
            if address.is_none() {
                mistakes.push(Mistake::new("diagnostics", "is no address with a port, for instance 127.0.0.1:9090"));
            }
            address
        });
        let telemetry = self.telemetry.as_ref().map(|section| section.check("carnet-operator"));
        let telemetry = match telemetry {
            Some(Err(wrong)) => {
                mistakes
                    .extend(wrong.into_iter().map(|one| Mistake { field: format!("telemetry.{}", one.field), ..one }));
                None
            }
            Some(Ok(settings)) => Some(settings),
            None => None,
        };
        let mut timing = Timing::default();
        match self.resync_seconds {
            Some(seconds) if seconds < 10 => {
                mistakes
                    .push(Mistake::new("resync_seconds", "is less than 10: the API server has others to serve, too"));
            }
            Some(seconds) => timing.resync = Duration::from_secs(seconds.into()),
            None => {}
        }
        let namespaces = if everywhere { vec![String::new()] } else { self.namespaces };
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(OperatorPlan {
            workloads: manage.contains(&Manage::Workloads),
            registrations,
            api,
            kubeconfig: self.kubeconfig,
            context: self.context,
            namespaces,
            namespace: self.namespace,
            lease: self.lease.unwrap_or_else(|| LEASE.to_owned()),
            image: self.image.unwrap_or_else(|| IMAGE.to_owned()),
            registrar: self.registrar_image.unwrap_or_else(|| REGISTRAR.to_owned()),
            allowed,
            authority: self.authority,
            parent,
            mark: self.mark,
            diagnostics,
            telemetry,
            timing,
        })
    }
}

/// RFC 1123, 2.1, in small letters.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(section: Value) -> Result<OperatorPlan, Vec<String>> {
        let section: OperatorConfig = serde_json::from_value(section).unwrap();
        section.check().map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.field).collect())
    }

    #[test]
    fn what_is_kept_follows_from_what_is_given() {
        let plan = checked(json!({})).unwrap();
        assert!(plan.workloads && !plan.registrations);
        let plan = checked(json!({"parent_id": "spiffe://example.org/nodes/a"})).unwrap();
        assert!(plan.workloads && plan.registrations);
    }

    #[test]
    fn rejects_what_cannot_be() {
        let parent = "spiffe://example.org/nodes/a";
        for (section, field) in [
            (json!({"manage": []}), "manage"),
            (json!({"manage": ["registrations"]}), "parent_id"),
            (json!({"parent_id": "nodes"}), "parent_id"),
            (json!({"mark": "a/b"}), "mark"),
            (json!({"mark": "a.b"}), "mark"),
            (json!({"namespaces": ["Upper"]}), "namespaces[0]"),
            (json!({"namespaces": ["one", "*"]}), "namespaces[1]"),
            (json!({"allow": {"images": [""]}}), "allow.images[0]"),
            (json!({"allow": {"socket_directories": ["/a/../b"]}}), "allow.socket_directories[0]"),
            (json!({"lease": ""}), "lease"),
            (json!({"resync_seconds": 1}), "resync_seconds"),
            (json!({"diagnostics": "here"}), "diagnostics"),
            (json!({"parent_id": parent, "authority": {"url": "http://authority.example"}}), "authority.url"),
            (json!({"authority": {"url": "https://a.example", "socket": "/s"}}), "authority.socket"),
            (json!({"authority": {"url": "https://a.example", "svid": "/s"}}), "authority.svid_key"),
            (
                json!({"authority": {"url": "https://a.example", "svid": "/s", "svid_key": "/k", "token_file": "/t"}}),
                "authority.token_file",
            ),
            (json!({"authority": {"url": "https://a.example", "bundle": "/b"}}), "authority.trust_domain"),
            (json!({"authority": {"svid": "/s", "svid_key": "/k"}}), "authority.url"),
        ] {
            assert_eq!(checked(section.clone()).unwrap_err(), [field], "{section}");
        }
    }
}
