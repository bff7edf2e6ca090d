//! The operator: it keeps true in a Kubernetes cluster what custom resources of the group `carnet.dev` say.
//!
//! | kind | in | what it makes |
//! | --- | --- | --- |
//! | `Authority` | namespace | an authority: StatefulSet, Service, configuration, roles; Ingress or Route if wanted |
//! | `Agent` | namespace | agents on all nodes: DaemonSet, configuration, roles |
//! | `DiscoveryProvider` | namespace | the discovery documents: Deployment, Service, configuration; Ingress or Route if wanted |
//! | `RegistrationEntry` | namespace | an entry at the authority, for pods of its namespace and identities below `/ns/NAMESPACE` |
//! | `ClusterRegistrationEntry` | cluster | an entry at the authority, without these bounds |
//! | `TrustRule` | cluster | a trust rule at the authority |
//!
//! It keeps nothing that the API server and the authority do not have: after a restart it lists both and goes on. Of several operators with one lease one works.
//! The definitions of the kinds are made of the types here ([`crd::definitions`]) and stand in `crds/`.
//!
//! It asks the API server with a client of its own: lists, watches, server-side apply and merge patches in JSON, by the types of [`api`] and no others.

pub mod api;
mod authority;
mod control;
pub mod crd;
mod kube;
mod metrics;
mod operator;
mod registrar;
mod settings;
mod workload;

pub use authority::AuthorityAccess;
pub use operator::Operator;
pub use settings::{AllowConfig, Manage, OperatorConfig, OperatorPlan, Timing};
