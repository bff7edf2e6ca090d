//! Auth methods: JWT, programs over its claims, AWS, OCI, certificates, service accounts, and tokens themselves.

mod aws;
mod cel;
mod cert;
mod issue;
mod jwt;
mod kubernetes;
mod lifetime;
mod login;
mod oci;
mod roles;
mod token;

use crate::{
    access::Place,
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError},
    state::{Method, State},
};

pub(crate) use aws::AwsMethod;
pub(crate) use cert::CertMethod;
pub(crate) use issue::PEER;
pub(crate) use kubernetes::KubernetesMethod;
pub(crate) use oci::OciMethod;
pub(crate) use token::{TokenRole, answer as tokens};

/// A path of an auth method that needs no token.
pub(crate) async fn login(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Option<Answer> {
    let kind = kind(state, place, mount)?;
    let login = match kind {
        Kind::Jwt => matches!(rest, "login" | "cel/login"),
        Kind::Oci => rest.starts_with("login/"),
        _ => rest == "login",
    };
    if !login {
        return None;
    }
    if !matches!(place.operation, Operation::Create | Operation::Update) {
        return Some(Err(ApiError::unsupported()));
    }
    Some(match (kind, rest) {
        (Kind::Jwt, "login") => login::login(state, call, place, mount).await,
        (Kind::Jwt, _) => cel::login(state, call, place, mount).await,
        (Kind::Aws, _) => aws::login(state, call, place, mount).await,
        (Kind::Cert, _) => cert::login(state, call, place, mount),
        (Kind::Oci, rest) => {
            oci::login(state, call, place, mount, rest.strip_prefix("login/").unwrap_or_default()).await
        }
        (Kind::Kubernetes, _) => kubernetes::login(state, call, place, mount).await,
    })
}

/// The rest of a method's paths. The caller's policies have let it in.
pub(crate) async fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let writes = matches!(place.operation, Operation::Create | Operation::Update);
    match kind(state, place, mount) {
        Some(Kind::Jwt) if rest == "config" && writes => jwt::configure(state, call, place, mount).await,
        Some(Kind::Jwt) => match rest.strip_prefix("cel/") {
            Some(rest) => cel::answer(state, call, place, mount, rest),
            None => jwt::answer(state, call, place, mount, rest),
        },
        Some(Kind::Aws) => aws::answer(state, call, place, mount, rest),
        Some(Kind::Cert) => cert::answer(state, call, place, mount, rest),
        Some(Kind::Oci) => oci::answer(state, call, place, mount, rest),
        Some(Kind::Kubernetes) => kubernetes::answer(state, call, place, mount, rest),
        None => Err(ApiError::no_route(&place.path)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Aws,
    Cert,
    Jwt,
    Kubernetes,
    Oci,
}

fn kind(state: &State, place: &Place, mount: &str) -> Option<Kind> {
    let inner = state.lock();
    Some(match inner.namespaces.get(&place.namespace)?.auths.get(mount)?.method {
        Method::Jwt(_) => Kind::Jwt,
        Method::Aws(_) => Kind::Aws,
        Method::Cert(_) => Kind::Cert,
        Method::Kubernetes(_) => Kind::Kubernetes,
        Method::Oci(_) => Kind::Oci,
    })
}
