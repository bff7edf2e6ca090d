//! What custom resources may not have unless the operator's own configuration allows it: other namespaces, images, folders of nodes.

use serde_json::{Value, json};

use crate::{
    support::{OWN, World, condition},
    workloads::{APPS, agent, authority, discovery, own},
};

/// The configuration with one member more.
fn with(world: &World, member: &str, value: Value) -> Value {
    let mut config = world.config();
    config[member] = value;
    config
}

/// How often this path was listed.
fn lists(world: &World, path: &str) -> usize {
    let wanted = format!("{path}?limit");
    world.gate.count(|_, asked| asked.starts_with(&wanted))
}

/// A custom resource with everything that is bent below.
fn whole(mut object: Value) -> Value {
    object["spec"]["placement"] = json!({});
    if object["spec"].get("bootstrap").is_some() {
        object["spec"]["csi"] = json!({"enabled": true, "registrar": {}});
    }
    object
}

#[tokio::test]
async fn workloads_are_kept_in_the_namespace_of_the_operator_and_entries_in_all() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("agents"), agent()).await;
    world.condition(&format!("{}/main", own("agents")), "Applied", "True", "Applied").await;
    for plural in ["agents", "authorities", "discoveryproviders"] {
        assert_eq!((lists(&world, &own(plural)), lists(&world, &format!("{OWN}/{plural}"))), (1, 0), "{plural}");
    }
    let entries = format!("{OWN}/registrationentries");
    world.until("entries of all namespaces", async |world| lists(world, &entries) == 1).await;
    operator.stop().await;
}

#[tokio::test]
async fn workloads_of_all_namespaces_are_kept_where_that_is_asked_for() {
    let world = World::new().await;
    let operator = World::operator_with(with(&world, "namespaces", json!(["*"])), |_| {});
    let elsewhere = format!("{OWN}/namespaces/example/agents");
    world.made(&elsewhere, agent()).await;
    world.condition(&format!("{elsewhere}/main"), "Applied", "True", "Applied").await;
    operator.stop().await;
}

#[tokio::test]
async fn rejects_images_and_folders_that_nobody_has_allowed() {
    let world = World::new().await;
    let operator = world.operator();
    for (number, (plural, object, field, value)) in [
        ("authorities", authority(), "placement.image", "evil.example/any:1"),
        ("discoveryproviders", discovery(), "placement.image", "evil.example/any:1"),
        ("agents", agent(), "placement.image", "evil.example/any:1"),
        ("agents", agent(), "csi.registrar.image", "evil.example/any:1"),
        ("agents", agent(), "csi.kubeletDirectory", "/etc"),
        ("agents", agent(), "socketDirectory", "/etc/cron.d"),
        ("agents", agent(), "socketDirectory", "/run/carnet/agent/../../../etc/cron.d"),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, mut object) = (format!("bad{number}"), whole(object));
        object["metadata"]["name"] = json!(name);
        let place = field.split('.').fold(&mut object["spec"], |place, name| &mut place[name]);
        *place = json!(value);
        world.made(&own(plural), object).await;
        let object = world.condition(&format!("{}/{name}", own(plural)), "Ready", "False", "Invalid").await;
        let message = condition(&object, "Ready")["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("{field}: ")) && message.contains("operator.allow."), "{message}");
        for (kind, suffix) in [("daemonsets", "agent"), ("statefulsets", "authority"), ("deployments", "discovery")] {
            assert!(world.get(&format!("{APPS}/{kind}/{name}-{suffix}")).await.is_null(), "{name}");
        }
    }
    operator.stop().await;
}

#[tokio::test]
async fn images_and_folders_that_are_allowed_are_taken() {
    let world = World::new().await;
    let allow = json!({
        "images": ["registry.example.org/carnet", "registry.example.org/registrar:2"],
        "socket_directories": ["/run/other"], "kubelet_directories": ["/var/snap/kubelet"],
    });
    let operator = World::operator_with(with(&world, "allow", allow), |_| {});
    let mut object = agent();
    object["spec"]["socketDirectory"] = json!("/run/other/agent");
    object["spec"]["placement"] = json!({"image": "registry.example.org/carnet:9"});
    let registrar = json!({"image": "registry.example.org/registrar:2"});
    object["spec"]["csi"] = json!({"enabled": true, "kubeletDirectory": "/var/snap/kubelet", "registrar": registrar});
    world.made(&own("agents"), object).await;
    world.condition(&format!("{}/main", own("agents")), "Applied", "True", "Applied").await;
    let set = world.get(&format!("{APPS}/daemonsets/main-agent")).await;
    let containers = set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let images: Vec<&str> = containers.iter().map(|one| one["image"].as_str().unwrap()).collect();
    let own = "registry.example.org/carnet:9";
    assert_eq!(images, [own, own, "registry.example.org/registrar:2"]);
    operator.stop().await;
}
