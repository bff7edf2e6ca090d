//! The definitions of the custom resources, made of the types.

mod structural;
mod yaml;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::api::{self, AgentSpec, AuthoritySpec, DiscoverySpec, EntrySpec, GROUP, Resource, VERSION, camel};

/// A column of `kubectl get`: name, type, path.
type Column = (&'static str, &'static str, &'static str);
/// A rule of the schema: condition in CEL over `self` and `oldSelf`, and what is said when it does not hold.
type Rule = (&'static str, &'static str);

const READY: Column = ("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status");
const REASON: Column = ("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason");
const AGE: Column = ("Age", "date", ".metadata.creationTimestamp");
const SAME_DOMAIN: Rule = ("self.trustDomain == oldSelf.trustDomain", "trustDomain cannot be changed");

/// Each definition, as the name of its file and its text in YAML.
pub fn definitions() -> Vec<(String, String)> {
    all().iter()
        .map(|definition| {
            let name = definition.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let head = "# Made of the types in crates/operator/src/api. `cargo test -p carnet-operator` tells when it is behind.\n";
            (format!("{name}.yaml"), format!("{head}{}", yaml::text(definition)))
        })
        .collect()
}

/// Each definition as an object.
pub fn all() -> Vec<Value> {
    let replicas = ("Replicas", "integer", ".spec.replicas");
    let domain = ("Trust domain", "string", ".spec.trustDomain");
    let id = ("SPIFFE ID", "string", ".spec.spiffeId");
    let hidden: &[Column] = &[("Entry", "string", ".status.id")];
    vec![
        definition(
            &api::AGENTS,
            &schema::<AgentSpec>(&[
                SAME_DOMAIN,
                ("has(self.authority) != has(self.authorityUrl)", "one of authority and authorityUrl must be given"),
                (
                    "has(self.bootstrap.configMap) != (has(self.bootstrap.insecure) && self.bootstrap.insecure)",
                    "one of bootstrap.configMap and bootstrap.insecure must be given",
                ),
            ]),
            &[domain, ("Nodes", "integer", ".status.readyReplicas")],
            &[],
        ),
        definition(
            &api::AUTHORITIES,
            &schema::<AuthoritySpec>(&[
                SAME_DOMAIN,
                (
                    "self.replicas <= 1 || (has(self.store) && has(self.store.postgres))",
                    "more than one replica needs store.postgres",
                ),
                (
                    "!(has(self.store) && has(self.store.postgres)) || has(self.sealSecret)",
                    "with store.postgres there is no volume for a key: sealSecret is needed",
                ),
            ]),
            &[domain, ("Issuer", "string", ".spec.issuer"), replicas],
            &[],
        ),
        definition(&api::CLUSTER_REGISTRATION_ENTRIES, &schema::<EntrySpec>(&[]), &[id], hidden),
        definition(
            &api::DISCOVERY_PROVIDERS,
            &schema::<DiscoverySpec>(&[
                SAME_DOMAIN,
                (
                    "!has(self.source) || [has(self.source.workloadApi), has(self.source.bundleEndpoint), \
                     has(self.source.configMap)].filter(given, given).size() <= 1",
                    "one of source.workloadApi, source.bundleEndpoint and source.configMap may be given",
                ),
            ]),
            &[("Issuer", "string", ".spec.issuer"), replicas],
            &[],
        ),
        definition(
            &api::REGISTRATION_ENTRIES,
            &schema::<EntrySpec>(&[
                ("!has(self.parentId)", "parentId is for a ClusterRegistrationEntry"),
                ("!has(self.admin) || !self.admin", "admin is for a ClusterRegistrationEntry"),
                (
                    "!has(self.pods) || !has(self.pods.namespace)",
                    "pods.namespace is for a ClusterRegistrationEntry: this one is for pods of its own namespace",
                ),
                (
                    // Whose namespace it is, no rule of a definition can see: the operator looks at that.
                    "!has(self.dnsNames) || self.dnsNames.all(name, name.matches('^([a-z0-9-]+[.]){2,3}svc([.][a-z0-9-]+)*$'))",
                    "dnsNames are names of services of its own namespace, NAME.NAMESPACE.svc; others are for a ClusterRegistrationEntry",
                ),
                (
                    "!has(self.federatesWith) || self.federatesWith.size() == 0",
                    "federatesWith is for a ClusterRegistrationEntry",
                ),
                ("!has(self.jwtClaims)", "jwtClaims is for a ClusterRegistrationEntry"),
            ]),
            &[id],
            hidden,
        ),
        definition(
            &api::TRUST_RULES,
            &rule_schema(),
            &[("Issuer", "string", ".spec.issuer"), ("Subject", "string", ".spec.subject")],
            &[],
        ),
    ]
}

/// The structural schema of a type, with these rules.
fn schema<T: JsonSchema>(rules: &[Rule]) -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let made = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = structural::of(made.as_value());
    let rules: Vec<Value> = rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect();
    if let (Some(members), false) = (schema.as_object_mut(), rules.is_empty()) {
        members.insert("x-kubernetes-validations".to_owned(), rules.into());
    }
    schema
}

/// That of a trust rule: its members in Kubernetes' spelling, without the name, which is the object's.
fn rule_schema() -> Value {
    let mut schema = schema::<carnet_issuer::Rule>(&[]);
    let Some(members) = schema.as_object_mut() else { return schema };
    if let Some(Value::Object(properties)) = members.remove("properties") {
        let renamed: Map<String, Value> =
            properties.into_iter().filter(|(name, _)| name != "name").map(|(name, one)| (camel(&name), one)).collect();
        members.insert("properties".to_owned(), renamed.into());
    }
    members.insert("required".to_owned(), json!(["issuer"]));
    schema
}

fn definition(of: &Resource, spec: &Value, columns: &[Column], hidden: &[Column]) -> Value {
    let mut listed: Vec<Value> = Vec::new();
    let mut list = |columns: &[Column], priority: u8| {
        for (name, kind, path) in columns {
            let mut column = json!({ "name": name, "type": kind, "jsonPath": path });
            if let (Some(column), true) = (column.as_object_mut(), priority > 0) {
                column.insert("priority".to_owned(), priority.into());
            }
            listed.push(column);
        }
    };
    list(columns, 0);
    list(&[READY, REASON], 0);
    list(hidden, 1);
    list(&[AGE], 0);
    let about = spec.get("description").cloned().unwrap_or_default();
    let text = |about: &str| json!({ "type": "string", "description": about });
    let root = json!({
        "type": "object",
        "description": about,
        "required": ["spec"],
        "properties": {
            "apiVersion": text("Group and version."),
            "kind": text("The kind."),
            "metadata": { "type": "object" },
            "spec": spec,
            "status": status(of),
        },
    });
    let singular = of.kind.to_ascii_lowercase();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{GROUP}", of.plural) },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": of.kind, "listKind": format!("{}List", of.kind), "plural": of.plural, "singular": singular,
                "categories": ["carnet"],
            },
            "scope": if of.namespaced { "Namespaced" } else { "Cluster" },
            "versions": [{
                "name": VERSION, "served": true, "storage": true, "subresources": { "status": {} },
                "additionalPrinterColumns": listed, "schema": { "openAPIV3Schema": root },
            }],
        },
    })
}

fn status(of: &Resource) -> Value {
    let time = json!({ "type": "string", "format": "date-time", "description": "When the status changed last." });
    let text = |about: &str| json!({ "type": "string", "description": about });
    let number = |about: &str| json!({ "type": "integer", "format": "int64", "description": about });
    let condition = json!({
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": text("Which condition."),
            "status": { "type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds." },
            "observedGeneration": number("The generation of the object that this is about."),
            "lastTransitionTime": time,
            "reason": text("Why, for programs."),
            "message": text("Why, for people."),
        },
    });
    let mut properties = json!({
        "observedGeneration": number("The generation of the object that was seen last."),
        "conditions": {
            "type": "array", "description": "What holds, and why not.", "items": condition,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
        },
    });
    if let Some(members) = properties.as_object_mut() {
        if *of == api::REGISTRATION_ENTRIES || *of == api::CLUSTER_REGISTRATION_ENTRIES || *of == api::TRUST_RULES {
            members.insert("id".to_owned(), text("Its name at the authority."));
        } else {
            members.insert("replicas".to_owned(), number("How many pods are wanted."));
            members.insert("readyReplicas".to_owned(), number("How many are ready."));
        }
    }
    json!({ "type": "object", "description": "What the operator has seen.", "properties": properties })
}
