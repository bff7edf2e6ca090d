//! Custom resources and their schemas.

use serde_json::{Value, json};

use crate::support::Clusters;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS: &str = "/apis/things.example/v1/namespaces/example/things";

fn definition() -> Value {
    let spec = json!({
        "type": "object", "required": ["size"],
        "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "it does not shrink"}],
        "properties": {
            "size": {"type": "integer", "format": "int32", "minimum": 1},
            "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
            "name": {"type": "string", "pattern": "^[a-z]+$"},
        },
    });
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": {"type": "object", "properties": {"seen": {"type": "integer"}}}}});
    let version = json!({"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.things.example"},
        "spec": {"group": "things.example", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [version]},
    })
}

async fn defined() -> Clusters {
    let clusters = Clusters::new();
    assert_eq!(clusters.admin("dev", "GET", THINGS, Value::Null).await.0, 404);
    let (status, answer) = clusters.admin("dev", "POST", DEFINITIONS, definition()).await;
    assert_eq!(status, 201, "{answer}");
    clusters
}

fn thing(spec: Value) -> Value {
    json!({"apiVersion": "things.example/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec, "status": {"seen": 7}})
}

#[tokio::test]
async fn what_is_unknown_is_dropped_and_defaults_are_filled_in() {
    let clusters = defined().await;
    let (status, made) = clusters.admin("dev", "POST", THINGS, thing(json!({"size": 1, "unknown": true}))).await;
    assert_eq!((status, &made["spec"]), (201, &json!({"size": 1, "colour": "red"})));
    assert_eq!((&made["status"], &made["metadata"]["generation"]), (&Value::Null, &json!(1)), "the status is apart");
}

#[tokio::test]
async fn rejects_what_is_not_as_the_schema_has_it() {
    let clusters = defined().await;
    for (spec, wrong) in [
        (json!({}), "spec.size: Required value"),
        (json!({"size": 0}), "spec.size"),
        (json!({"size": 4_000_000_000_u64}), "spec.size"),
        (json!({"size": "1"}), "must be of type integer"),
        (json!({"size": 1, "colour": "green"}), "spec.colour: Unsupported value"),
        (json!({"size": 1, "name": "A"}), "spec.name"),
    ] {
        let (status, answer) = clusters.admin("dev", "POST", THINGS, thing(spec)).await;
        assert_eq!(status, 422);
        assert!(answer["message"].as_str().unwrap().contains(wrong), "{answer}");
    }
}

#[tokio::test]
async fn status_and_spec_are_changed_apart_and_only_the_spec_counts() {
    let clusters = defined().await;
    clusters.admin("dev", "POST", THINGS, thing(json!({"size": 1}))).await;
    let (path, merge) = (format!("{THINGS}/a"), "application/merge-patch+json");
    let both = json!({"spec": {"size": 2}, "status": {"seen": 1}});
    let (_, now) = clusters.patch(&format!("{path}/status"), merge, both.clone()).await;
    assert_eq!(
        (&now["spec"]["size"], &now["status"]["seen"], &now["metadata"]["generation"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let (_, now) = clusters.patch(&path, merge, json!({"spec": {"size": 2}, "status": {"seen": 9}})).await;
    assert_eq!(
        (&now["spec"]["size"], &now["status"]["seen"], &now["metadata"]["generation"]),
        (&json!(2), &json!(1), &json!(2))
    );
}

#[tokio::test]
async fn rejects_what_a_rule_of_the_schema_forbids() {
    let clusters = defined().await;
    clusters.admin("dev", "POST", THINGS, thing(json!({"size": 2}))).await;
    let shrunk = json!({"spec": {"size": 1}});
    let (status, answer) = clusters.patch(&format!("{THINGS}/a"), "application/merge-patch+json", shrunk).await;
    assert_eq!(status, 422);
    assert!(answer["message"].as_str().unwrap().contains("it does not shrink"), "{answer}");
}

#[tokio::test]
async fn rejects_a_definition_whose_schema_is_not_structural() {
    let clusters = Clusters::new();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    for (path, value) in [
        ("/properties/size/type", Value::Null),
        ("/properties/size", json!({"$ref": "#/x", "type": "integer"})),
        ("/x-kubernetes-validations/0/rule", json!("self.size >=")),
    ] {
        let mut bent = definition();
        *bent.pointer_mut(&format!("{spec}{path}")).unwrap() = value;
        assert_eq!(clusters.admin("dev", "POST", DEFINITIONS, bent).await.0, 422, "{path}");
    }
}
