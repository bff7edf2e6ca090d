//! The method `cert`: who shows a certificate in TLS that a role trusts ("TLS certificates auth method (API)").

use std::collections::BTreeMap;

use carnet_trust::{Glob, Grant, Refusal, Warning};
use carnet_vault::trust::TokenFields;
use carnet_x509::{Certificate, pem_to_der, verify_chain};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    issue::{Made, PEER, issue, of_role, refused},
    jwt::{fields, from_fields, invalid},
    roles::{self, Role},
};
use crate::{
    access::Place,
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{Method, State},
};

const NOBODY: &str = "invalid certificate or no client certificate supplied";
const OTHERS: &str = "no chain matching all constraints could be found for this login certificate";

/// What a method of certificates knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct CertMethod {
    config: CertConfig,
    roles: BTreeMap<String, CertRole>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct CertConfig {
    /// Whether a token may be renewed without the certificate of its login.
    disable_binding: bool,
}

/// Whose certificates log in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct CertRole {
    /// PEM: authorities, or the certificate itself that logs in.
    certificate: String,
    display_name: String,
    allowed_names: Vec<String>,
    allowed_common_names: Vec<String>,
    allowed_dns_sans: Vec<String>,
    allowed_uri_sans: Vec<String>,
    allowed_organizational_units: Vec<String>,
    /// The sandbox does not look at these three, so it does not take them.
    allowed_email_sans: Vec<String>,
    required_extensions: Vec<String>,
    ocsp_enabled: bool,
    #[serde(flatten)]
    token: TokenFields,
}

impl Role for CertRole {
    const LISTS: &'static [&'static str] = &[
        "allowed_names",
        "allowed_common_names",
        "allowed_dns_sans",
        "allowed_uri_sans",
        "allowed_organizational_units",
        "allowed_email_sans",
        "required_extensions",
    ];

    fn check(&self) -> Result<(), ApiError> {
        let certificates = pem_to_der(self.certificate.as_bytes());
        let parsed = certificates.and_then(|all| all.iter().try_for_each(|der| Certificate::from_der(der).map(drop)));
        parsed.map_err(|_unreadable| ApiError::bad("failed to parse certificate"))?;
        if !self.allowed_email_sans.is_empty() || !self.required_extensions.is_empty() || self.ocsp_enabled {
            let text = "the sandbox looks at no e-mail addresses, extensions and OCSP";
            return Err(ApiError::bad(text));
        }
        self.token.check().map(drop).map_err(|mistake| invalid(&mistake))
    }

    fn token(&self) -> &TokenFields {
        &self.token
    }
}

impl CertRole {
    /// Whether it trusts a certificate: one that is its own, or that an authority of its own has issued.
    fn trusts(&self, leaf: &Certificate, between: &[Vec<u8>], now: Timestamp) -> bool {
        let own = pem_to_der(self.certificate.as_bytes()).unwrap_or_default();
        let is_authority =
            |der: &Vec<u8>| Certificate::from_der(der).is_ok_and(|certificate| certificate.is_authority());
        let (roots, leaves): (Vec<_>, Vec<_>) = own.into_iter().partition(is_authority);
        let valid = leaf.not_before() <= now && now <= leaf.not_after();
        (valid && leaves.iter().any(|der| der.as_slice() == leaf.der()))
            || verify_chain(leaf.der(), between, &roots, now).is_ok()
    }

    /// Whether the names of a certificate are allowed. Each list that is not empty wants one of its patterns to match.
    fn allows(&self, leaf: &Certificate) -> bool {
        let common_names = attribute(leaf, "CN");
        let (dns, uris) = (leaf.dns_names().to_vec(), leaf.uris());
        any(&self.allowed_names, &[common_names.clone(), dns.clone()].concat())
            && any(&self.allowed_common_names, &common_names)
            && any(&self.allowed_dns_sans, &dns)
            && any(&self.allowed_uri_sans, &uris)
            && any(&self.allowed_organizational_units, &attribute(leaf, "OU"))
    }

    fn warnings(&self) -> Vec<Warning> {
        let lists = [&self.allowed_names, &self.allowed_common_names, &self.allowed_dns_sans];
        let more = [&self.allowed_uri_sans, &self.allowed_organizational_units];
        if lists.into_iter().chain(more).any(|list| !list.is_empty()) {
            return Vec::new();
        }
        let message = "every certificate of the authority logs in by this role".to_owned();
        let fix = "name the workloads in `allowed_uri_sans` or another list of the role".to_owned();
        vec![Warning { clause: "subject", message, fix }]
    }
}

impl CertMethod {
    /// Whether there is a role of this name, in lower case.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    /// What tokens of a role become.
    pub(crate) fn token_fields(&self, role: &str) -> Option<&TokenFields> {
        Some(self.roles.get(role)?.token())
    }

    /// Whether a token of this certificate may be renewed by who makes this request. UNCONFIRMED statuses.
    ///
    /// # Errors
    /// 400, when another certificate is shown than at the login, or none.
    pub(crate) fn check_renewal(&self, of: [u8; 32], call: &Call) -> Result<(), ApiError> {
        if self.config.disable_binding {
            return Ok(());
        }
        let shown = call.certificates.as_ref().and_then(|shown| shown.0.first());
        let shown = shown.and_then(|der| Certificate::from_der(der).ok());
        let shown = shown.ok_or_else(|| ApiError::bad("no client certificate found"))?;
        if identity(&shown) == of {
            return Ok(());
        }
        Err(ApiError::bad("client identity during renewal not matching client identity used during login"))
    }

    /// The role that lets a certificate in: the first by name, or the one that is asked for.
    fn decide(&self, call: &Call, now: Timestamp) -> Result<(&String, &CertRole, Certificate), Box<Refusal>> {
        let no = |seen: &str, text: &str, fix: &str| {
            Box::new(Refusal::new("certificate", seen, "a certificate that a role trusts", text, fix))
        };
        let shown = call.certificates.as_ref().and_then(|shown| shown.0.split_first());
        let Some((leaf, between)) = shown else {
            return Err(no("no certificate", NOBODY, "show a client certificate in TLS"));
        };
        let leaf = Certificate::from_der(leaf)
            .map_err(|_unreadable| no("a certificate that cannot be read", NOBODY, "show an X.509 certificate"))?;
        let name = call.text("name").to_ascii_lowercase();
        let asked = self.roles.iter().filter(|(role, _)| name.is_empty() || **role == name);
        let trusting: Vec<_> = asked.filter(|(_, role)| role.trusts(&leaf, between, now)).collect();
        if trusting.is_empty() {
            let fix = "put the authority's certificate into a role, or show the certificates between as well";
            return Err(no("a certificate of another authority, or one that is over", NOBODY, fix));
        }
        let Some((name, role)) = trusting.into_iter().find(|(_, role)| role.allows(&leaf)) else {
            return Err(no("a certificate of other names", OTHERS, "add its names to the lists of the role"));
        };
        Ok((name, role, leaf))
    }
}

/// `POST auth/MOUNT/login`.
pub(super) fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let now = state.now();
    let method = method(state, place, mount)?;
    let (name, role, leaf) = method.decide(call, now).map_err(refused)?;
    let networks = role.token.check().map_err(|mistake| invalid(&mistake))?;
    if !networks.is_empty() && !networks.iter().any(|network| network.contains(&PEER)) {
        let fix = "log in from one of `token_bound_cidrs` of the role";
        let refusal = Refusal::new("address", PEER.to_string(), "another network", "permission denied", fix);
        return Err(refused(Box::new(refusal)));
    }
    let Some(common_name) = attribute(&leaf, "CN").into_iter().next().filter(|name| !name.is_empty()) else {
        // UNCONFIRMED status.
        let fix = "let the authority put a common name into the certificate: it is the name of who logs in";
        let refusal = Refusal::new("alias", "no common name", "a common name", "missing name in alias", fix);
        return Err(refused(Box::new(refusal)));
    };
    let key_id = |id: Option<&[u8]>| id.map(carnet_core::hex).unwrap_or_default();
    let metadata: BTreeMap<String, String> = [
        ("cert_name", name.clone()),
        ("common_name", common_name.clone()),
        ("subject_key_id", key_id(leaf.key_id())),
        ("authority_key_id", key_id(leaf.authority_key_id())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let grant = Grant {
        principal: common_name.clone(),
        lifetime: Some(role.token.lifetime()),
        attributes: metadata.clone(),
        held: vec!["certificate", "address", "alias"],
        warnings: role.warnings(),
    };
    state.world.decisions.allowed(state.service, &grant);
    let mut token = of_role(&role.token, role.token.policies(), &networks, now);
    token.meta.clone_from(&metadata);
    let made = Made {
        display_name: if role.display_name.is_empty() { name.clone() } else { role.display_name.clone() },
        alias: Some((common_name, metadata)),
        groups: Vec::new(),
        role: (name.clone(), false),
        certificate: Some(identity(&leaf)),
        token,
    };
    issue(state, call, place, mount, made, now)
}

fn method(state: &State, place: &Place, mount: &str) -> Result<CertMethod, ApiError> {
    let inner = state.lock();
    let namespace = inner.namespaces.get(&place.namespace).ok_or_else(no_namespace)?;
    match namespace.auths.get(mount).map(|mount| &mount.method) {
        Some(Method::Cert(method)) => Ok((**method).clone()),
        _ => Err(ApiError::no_route(&place.path)),
    }
}

/// Answers the rest of a method's paths.
pub(super) fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let Some(Method::Cert(method)) = namespace.auths.get_mut(mount).map(|mount| &mut mount.method) else {
        return Err(ApiError::no_route(&place.path));
    };
    match (rest, place.operation) {
        ("config", Operation::Read) => fields(&method.config).answer(),
        ("config", Operation::Create | Operation::Update) => {
            let Data(mut merged) = fields(&method.config);
            merged.extend(call.body.clone());
            method.config = from_fields(merged)?;
            Ok(Reply::Nothing)
        }
        _ => match rest.strip_prefix("certs/") {
            Some(name) => roles::answer(&mut method.roles, call, place.operation, name),
            None => Err(ApiError::no_path()),
        },
    }
}

/// Whose a certificate is, for a renewal: its key and its authority's. A renewed certificate of the same key is the same.
fn identity(leaf: &Certificate) -> [u8; 32] {
    carnet_jose::sha256(&[leaf.spki(), leaf.authority_key_id().unwrap_or_default()].concat())
}

fn attribute(leaf: &Certificate, name: &str) -> Vec<String> {
    leaf.subject().iter().filter(|(attribute, _)| attribute == name).map(|(_, value)| value.clone()).collect()
}

fn any(patterns: &[String], names: &[String]) -> bool {
    patterns.is_empty()
        || patterns.iter().map(|pattern| Glob::new(pattern)).any(|glob| names.iter().any(|name| glob.matches(name)))
}
