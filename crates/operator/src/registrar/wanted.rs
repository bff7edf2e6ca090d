//! From custom resources to entries and rules: pure, and where a namespace ends.

use std::{borrow::Cow, collections::BTreeSet, fmt::Display, str::FromStr};

use carnet_attest::{IdTemplate, Registration};
use carnet_core::{Mistake, hex};
use carnet_issuer::Rule;
use carnet_jose::sha256;
use carnet_spiffe::{Selector, SpiffeId, TrustDomain};
use jiff::Timestamp;
use serde_json::Value;

use super::READY;
use crate::{
    api::{EntrySpec, REGISTRATION_ENTRIES, Resource, TRUST_RULES, rule_of},
    control::{Condition, Status},
    kube::Object,
};

/// Before a trust domain: what holds an object until the authority of that domain has forgotten it.
const HOLDING: &str = "registrar.carnet.dev/";
/// Longest name behind the slash of a finalizer ("Labels and Selectors", syntax of names).
const MAX_NAME: usize = 63;

/// What things are called at the authority, and where entries hang.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    /// What is ours, and no other operator's. There is no dot in it: no name begins as those of a shorter mark do.
    pub(crate) mark: String,
    /// The parent of entries that name none: the agents of this cluster.
    pub(crate) parent: SpiffeId,
    /// The mark that earlier versions made for these namespaces. No other is believed to have been this operator's: who may write an object's status could name
    /// another cluster's.
    pub(crate) former_mark: Option<String>,
    finalizer: String,
}

impl Naming {
    pub(crate) fn new(mark: String, parent: SpiffeId) -> Self {
        let domain = parent.trust_domain().to_string();
        let ends = |text: &str| {
            let plain = |at: Option<char>| at.is_some_and(|letter| letter.is_ascii_alphanumeric());
            plain(text.chars().next()) && plain(text.chars().next_back())
        };
        let name = if domain.len() <= MAX_NAME && ends(&domain) {
            domain
        } else {
            hex(sha256(domain.as_bytes()).get(..16).unwrap_or_default())
        };
        Self { mark, parent, former_mark: None, finalizer: format!("{HOLDING}{name}") }
    }

    /// As it is, where names had this mark earlier.
    pub(crate) fn formerly(self, mark: Option<String>) -> Self {
        let former_mark = mark.filter(|mark| *mark != self.mark);
        Self { former_mark, ..self }
    }

    /// The same names by another mark.
    pub(super) fn by(&self, mark: &str) -> Self {
        Self { mark: mark.to_owned(), ..self.clone() }
    }

    /// The trust domain whose entries and rules these are.
    pub(super) fn trust_domain(&self) -> TrustDomain {
        self.parent.trust_domain()
    }

    /// What holds objects until the authority of this trust domain has forgotten them.
    pub(super) fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// What it is called at the authority.
    pub(super) fn name(&self, of: &Resource, object: &Object) -> String {
        if *of == TRUST_RULES { self.rule(&object.key().name) } else { self.entry(object.uid()) }
    }

    /// What the status says that it is called there, by whatever mark.
    pub(super) fn id<'a>(of: &Resource, object: &'a Object) -> Option<&'a str> {
        let id = object.status().get("id").and_then(Value::as_str)?;
        let (_, rest) = id.strip_prefix("k8s.")?.split_once('.')?;
        let own = if *of == TRUST_RULES { rest == object.key().name } else { rest == object.uid() };
        own.then_some(id)
    }

    /// The same, where it was made by the former mark.
    pub(super) fn former(&self, of: &Resource, object: &Object) -> Option<String> {
        let id = Self::id(of, object)?;
        (self.former_mark.is_some() && Self::mark_of(id) == self.former_mark.as_deref()).then(|| id.to_owned())
    }

    /// The mark in a name.
    pub(super) fn mark_of(id: &str) -> Option<&str> {
        Some(id.strip_prefix("k8s.")?.split_once('.')?.0)
    }

    /// The trust domain of the object's identity, where it is another than this one. A rule that names a path only is of all.
    pub(super) fn foreign(&self, of: &Resource, object: &Object) -> Option<TrustDomain> {
        let member = if *of == TRUST_RULES { "identity" } else { "spiffeId" };
        let id = object.spec().get(member).and_then(Value::as_str)?;
        let domain: TrustDomain = id.strip_prefix("spiffe://")?.split('/').next()?.parse().ok()?;
        (domain != self.trust_domain()).then_some(domain)
    }

    /// The condition as this trust domain's own: of a rule, which others may keep, too, it says whose it is.
    pub(super) fn own(&self, of: &Resource, ready: &Condition) -> Condition {
        let kind =
            if *of == TRUST_RULES { format!("{READY}.{}", self.trust_domain()).into() } else { Cow::Borrowed(READY) };
        Condition { kind, ..ready.clone() }
    }

    /// What the object is to say: its own condition and, of a rule, what all those say together who keep it.
    pub(super) fn said(&self, of: &Resource, object: &Object, ready: &Condition) -> Vec<Condition> {
        let own = self.own(of, ready);
        if *of != TRUST_RULES {
            return vec![own];
        }
        let mut all = Condition::told(object, &format!("{READY}."));
        all.retain(|one| one.kind != own.kind);
        all.push(own.clone());
        all.sort_by(|one, other| one.kind.cmp(&other.kind));
        // All who keep it find the same one, so none writes over another's.
        let worst = all.into_iter().find(|one| one.status != Status::True).unwrap_or_else(|| ready.clone());
        vec![own, Condition { kind: Cow::Borrowed(READY), ..worst }]
    }

    /// The key of the entry of an object with this UID.
    pub(crate) fn entry(&self, uid: &str) -> String {
        format!("k8s.{}.{uid}", self.mark)
    }

    /// The name of the rule of an object of this name.
    pub(crate) fn rule(&self, name: &str) -> String {
        format!("k8s.{}.{name}", self.mark)
    }

    /// The rule that an object says.
    pub(super) fn trust_rule(&self, object: &Object) -> Result<Rule, String> {
        rule_of(object.spec(), &self.rule(&object.key().name))
    }

    /// The entry that an object says. All mistakes in one text.
    pub(super) fn registration(&self, of: &Resource, object: &Object) -> Result<Registration, String> {
        let spec: EntrySpec =
            serde_json::from_value(object.spec().clone()).map_err(|error| format!("spec: {error}"))?;
        let namespace = (*of == REGISTRATION_ENTRIES).then(|| object.key().namespace);
        let mut mistakes: Vec<String> = Vec::new();
        let mut pods = spec.pods.clone();
        if let Some(namespace) = &namespace {
            confine(&spec, namespace, &mut mistakes);
            pods.namespace = Some(namespace.clone());
        }
        let mut selectors: BTreeSet<Selector> = BTreeSet::new();
        for text in pods.selectors().iter().chain(&spec.selectors) {
            selectors.extend(read("selectors", text, &mut mistakes));
        }
        let parent_id = match &spec.parent_id {
            Some(text) => read("parentId", text, &mut mistakes),
            None => Some(self.parent.clone()),
        };
        let spiffe_id: Option<IdTemplate> = read("spiffeId", &spec.spiffe_id, &mut mistakes);
        let mut federates_with = BTreeSet::new();
        for text in &spec.federates_with {
            federates_with.extend(read("federatesWith", text, &mut mistakes));
        }
        let (Some(spiffe_id), Some(parent_id)) = (spiffe_id, parent_id) else { return Err(mistakes.join("; ")) };
        let registration = Registration {
            id: self.entry(object.uid()),
            spiffe_id,
            parent_id,
            selectors,
            x509_ttl: spec.x509_ttl_seconds,
            jwt_ttl: spec.jwt_ttl_seconds,
            federates_with,
            dns_names: spec.dns_names,
            hint: spec.hint.unwrap_or_default(),
            admin: spec.admin,
            downstream: false,
            expires_at: spec.expires_at,
            jwt_claims: spec.jwt_claims,
            include_jti: spec.include_jti,
            created_at: Timestamp::UNIX_EPOCH,
            revision: 0,
        };
        mistakes.extend(registration.check().err().into_iter().flatten().map(|mistake| shown(&mistake)));
        if mistakes.is_empty() { Ok(registration) } else { Err(mistakes.join("; ")) }
    }
}

/// Whoever may write in a namespace gives identities of that namespace to pods of that namespace, and no others.
fn confine(spec: &EntrySpec, namespace: &str, mistakes: &mut Vec<String>) {
    let mut wrong = |field: &str, what: &str| mistakes.push(format!("{field}: {what}"));
    let path = spec.spiffe_id.strip_prefix("spiffe://").and_then(|rest| rest.find('/').and_then(|at| rest.get(at..)));
    let path = path.unwrap_or_default();
    // What fills `{k8s:ns}` is the namespace of the pod, which the selector says is this one.
    let below = |start: &str| path.strip_prefix(start).is_some_and(|rest| !rest.is_empty());
    if !below(&format!("/ns/{namespace}/")) && !below("/ns/{k8s:ns}/") {
        wrong("spiffeId", &format!("stands below /ns/{namespace}/ in a RegistrationEntry of this namespace"));
    }
    if spec.parent_id.is_some() {
        wrong("parentId", "is for a ClusterRegistrationEntry");
    }
    if spec.admin {
        wrong("admin", "is for a ClusterRegistrationEntry");
    }
    if spec.pods.namespace.as_ref().is_some_and(|named| named != namespace) {
        wrong("pods.namespace", "is another than that of this RegistrationEntry");
    }
    for name in spec.dns_names.iter().filter(|name| !is_of_service(name, namespace)) {
        let what = format!("{name:?} is no name of a service of this namespace, NAME.{namespace}.svc");
        wrong("dnsNames", &what);
    }
    // Whom others believe, and what else a token says, is decided for the whole trust domain.
    if !spec.federates_with.is_empty() {
        wrong("federatesWith", "is for a ClusterRegistrationEntry");
    }
    if !spec.jwt_claims.is_empty() {
        wrong("jwtClaims", "is for a ClusterRegistrationEntry");
    }
}

/// Whether it is `[POD.]SERVICE.NAMESPACE.svc`, with or without the name of the cluster's domain behind it ("DNS for Services and Pods").
fn is_of_service(name: &str, namespace: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    // The last one counts: before it stands the namespace that resolvers and people read.
    let service = labels.iter().rposition(|label| *label == "svc");
    service.is_some_and(|at| (2..=3).contains(&at) && labels.get(at - 1) == Some(&namespace))
}

fn read<T: FromStr<Err: Display>>(field: &str, text: &str, mistakes: &mut Vec<String>) -> Option<T> {
    text.parse().map_err(|error| mistakes.push(format!("{field}: {error}"))).ok()
}

fn shown(mistake: &Mistake) -> String {
    let field = match mistake.field.as_str() {
        "spiffe_id" => "spiffeId",
        "parent_id" => "parentId",
        "x509_ttl" => "x509TtlSeconds",
        "jwt_ttl" => "jwtTtlSeconds",
        "federates_with" => "federatesWith",
        other => other,
    };
    format!("{field}: {}", mistake.message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::CLUSTER_REGISTRATION_ENTRIES;

    fn naming() -> Naming {
        Naming::new("m".to_owned(), "spiffe://example.org/nodes/prod".parse().unwrap())
    }

    #[test]
    fn a_finalizer_is_a_qualified_name_whatever_the_trust_domain() {
        let of = |domain: &str| {
            let naming = Naming::new("m".to_owned(), format!("spiffe://{domain}/nodes/prod").parse().unwrap());
            naming.finalizer().to_owned()
        };
        assert_eq!(of("example.org"), "registrar.carnet.dev/example.org");
        for domain in ["_example.org".to_owned(), format!("{}.org", "a".repeat(60))] {
            let name = of(&domain).strip_prefix("registrar.carnet.dev/").unwrap().to_owned();
            assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        }
    }

    #[test]
    fn what_is_of_another_trust_domain_is_told_by_its_identity() {
        let foreign = |of: &Resource, spec: Value| {
            let object = Object(json!({"metadata": {"name": "api", "uid": "u-1"}, "spec": spec}));
            naming().foreign(of, &object).map(|domain| domain.to_string())
        };
        for (spec, domain) in [
            (json!({"spiffeId": "spiffe://other.example/ns/a/sa/b"}), Some("other.example")),
            (json!({"spiffeId": "spiffe://example.org/ns/a/sa/b"}), None),
            (json!({"spiffeId": "spiffe://Not A Domain/ns/a/sa/b"}), None),
        ] {
            assert_eq!(foreign(&CLUSTER_REGISTRATION_ENTRIES, spec.clone()).as_deref(), domain, "{spec}");
        }
        assert_eq!(foreign(&TRUST_RULES, json!({"identity": "/ci"})), None);
        assert_eq!(foreign(&TRUST_RULES, json!({})), None);
        let rule = json!({"identity": "spiffe://other.example/ci"});
        assert_eq!(foreign(&TRUST_RULES, rule).as_deref(), Some("other.example"));
    }

    #[test]
    fn a_name_of_an_earlier_mark_is_believed_only_for_the_object_itself() {
        let former = |id: &str| {
            let object = json!({"metadata": {"name": "api", "uid": "u-1"}, "status": {"id": id}});
            naming().formerly(Some("old".to_owned())).former(&REGISTRATION_ENTRIES, &Object(object))
        };
        assert_eq!(former("k8s.old.u-1").as_deref(), Some("k8s.old.u-1"));
        for id in ["k8s.m.u-1", "k8s.other.u-1", "k8s.old.u-2", "by-hand", "k8s.u-1", "k8s.old.u-1.more"] {
            assert_eq!(former(id), None, "{id}");
        }
    }

    #[test]
    fn a_rule_is_ready_when_all_say_so_who_have_looked_at_it() {
        let other = |status: &str, generation: i64| json!({"type": "Ready.other.example", "status": status, "reason": "Refused", "message": "no", "observedGeneration": generation});
        let said = |other: Value| {
            let object = json!({"metadata": {"name": "ci", "generation": 2}, "status": {"conditions": [other]}});
            let ready = Condition::new(READY, Status::True, "Registered", "yes");
            let said = naming().said(&TRUST_RULES, &Object(object), &ready);
            assert_eq!((said[0].kind.as_ref(), said[1].kind.as_ref()), ("Ready.example.org", "Ready"));
            (said[0].status, said[1].status, said[1].reason.to_string())
        };
        assert_eq!(said(other("False", 2)), (Status::True, Status::False, "Refused".to_owned()));
        assert_eq!(said(other("False", 1)), (Status::True, Status::True, "Registered".to_owned()));
        assert_eq!(said(other("True", 2)), (Status::True, Status::True, "Registered".to_owned()));
    }

    fn entry(spec: &Value) -> Result<Registration, String> {
        let object = json!({"metadata": {"name": "api", "namespace": "pay", "uid": "u-1"}, "spec": spec});
        naming().registration(&REGISTRATION_ENTRIES, &Object(object))
    }

    fn cluster_entry(spec: &Value) -> Result<Registration, String> {
        let object = json!({"metadata": {"name": "api", "uid": "u-1"}, "spec": spec});
        naming().registration(&CLUSTER_REGISTRATION_ENTRIES, &Object(object))
    }

    #[test]
    fn an_entry_is_for_the_pods_of_its_namespace() {
        let spec = json!({
            "spiffeId": "spiffe://example.org/ns/pay/sa/{k8s:sa}",
            "pods": {"serviceAccount": "api", "labels": {"app": "x"}}, "x509TtlSeconds": 600,
        });
        let made = entry(&spec).unwrap();
        let selectors: Vec<&str> = made.selectors.iter().map(Selector::as_str).collect();
        assert_eq!(selectors, ["k8s:ns:pay", "k8s:pod-label:app:x", "k8s:sa:api"]);
        assert_eq!((made.id.as_str(), made.x509_ttl), ("k8s.m.u-1", Some(600)));
        assert_eq!(made.parent_id.as_str(), "spiffe://example.org/nodes/prod");
    }

    #[test]
    fn rejects_an_entry_that_reaches_out_of_its_namespace() {
        let own = "spiffe://example.org/ns/pay/sa/api";
        for (spec, wrong) in [
            (json!({"spiffeId": "spiffe://example.org/ns/other/sa/api"}), "spiffeId"),
            (json!({"spiffeId": "spiffe://example.org/ns/payroll/sa/api"}), "spiffeId"),
            (json!({"spiffeId": "spiffe://example.org/ns/{k8s:sa}/sa/api"}), "spiffeId"),
            (json!({"spiffeId": "spiffe://example.org/bank"}), "spiffeId"),
            (json!({"spiffeId": own, "parentId": "spiffe://example.org/nodes/other"}), "parentId"),
            (json!({"spiffeId": own, "admin": true}), "admin"),
            (json!({"spiffeId": own, "pods": {"namespace": "other"}}), "pods.namespace"),
            (json!({"spiffeId": own, "dnsNames": ["bank.example.org"]}), "dnsNames"),
            (json!({"spiffeId": own, "dnsNames": ["kubernetes.default.svc"]}), "dnsNames"),
            (json!({"spiffeId": own, "dnsNames": ["api.pay"]}), "dnsNames"),
            (json!({"spiffeId": own, "dnsNames": ["pay.svc"]}), "dnsNames"),
            (json!({"spiffeId": own, "dnsNames": ["api.payroll.svc"]}), "dnsNames"),
            (json!({"spiffeId": own, "dnsNames": ["api.other.svc.pay.svc.cluster.local"]}), "dnsNames"),
            (json!({"spiffeId": own, "dnsNames": ["api.pay.svc.other.svc"]}), "dnsNames"),
            (json!({"spiffeId": own, "dnsNames": ["api.pay.svc", "other"]}), "dnsNames"),
            (json!({"spiffeId": own, "federatesWith": ["partner.example"]}), "federatesWith"),
            (json!({"spiffeId": own, "jwtClaims": {"groups": ["admins"]}}), "jwtClaims"),
        ] {
            let error = entry(&spec).unwrap_err();
            assert!(error.starts_with(wrong), "{error}");
        }
    }

    #[test]
    fn an_entry_may_have_the_names_of_services_of_its_namespace() {
        let names = ["api.pay.svc", "api.pay.svc.cluster.local", "api-0.api.pay.svc.clusters.example.org"];
        let spec = json!({"spiffeId": "spiffe://example.org/ns/pay/sa/api", "dnsNames": names});
        assert_eq!(entry(&spec).unwrap().dns_names, names);
    }

    #[test]
    fn an_entry_of_the_cluster_is_not_confined() {
        let spec = json!({
            "spiffeId": "spiffe://example.org/bank", "parentId": "spiffe://example.org/nodes/other", "admin": true,
            "pods": {"namespace": "pay"}, "selectors": ["unix:uid:7"], "dnsNames": ["bank.example.org"],
            "federatesWith": ["partner.example"], "jwtClaims": {"groups": ["admins"]},
        });
        let made = cluster_entry(&spec).unwrap();
        assert!(made.admin && made.selectors.len() == 2);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let spec = json!({
            "spiffeId": "spiffe://example.org/a", "pods": {"namespace": "a"}, "selectors": ["no"],
            "dnsNames": ["*.example"], "federatesWith": ["Not A Domain"],
        });
        let error = cluster_entry(&spec).unwrap_err();
        for field in ["selectors", "dns_names", "federatesWith"] {
            assert!(error.contains(field), "{field} in {error}");
        }
        assert!(cluster_entry(&json!({"spiffeId": "spiffe://example.org/a"})).unwrap_err().contains("selectors"));
    }
}
