//! The CSI driver beside agents: what it is given, and what becomes of it in the cluster.

use serde_json::{Value, json};

use crate::{
    support::{World, condition},
    workloads::{APPS, agent, own},
};

const DRIVERS: &str = "/apis/storage.k8s.io/v1/csidrivers";

fn with_driver() -> Value {
    let mut agent = agent();
    agent["spec"]["csi"] = json!({"enabled": true});
    agent
}

/// The containers of the agents' pods.
async fn containers(world: &World) -> Vec<Value> {
    let set = world.get(&format!("{APPS}/daemonsets/main-agent")).await;
    set["spec"]["template"]["spec"]["containers"].as_array().cloned().unwrap_or_default()
}

fn named(all: &[Value], name: &str) -> Value {
    all.iter().find(|one| one["name"] == name).cloned().unwrap_or_default()
}

fn mounted(container: &Value, volume: &str) -> Value {
    let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
    named(&mounts, volume)
}

#[tokio::test]
async fn a_driver_is_beside_the_agent_and_known_to_the_cluster() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("agents"), with_driver()).await;
    world.condition(&format!("{}/main", own("agents")), "Applied", "True", "Applied").await;
    let driver = world.get(&format!("{DRIVERS}/csi.spiffe.io")).await;
    let wanted = json!({
        "attachRequired": false, "podInfoOnMount": true, "fsGroupPolicy": "None", "volumeLifecycleModes": ["Ephemeral"],
    });
    assert_eq!(driver["spec"], wanted);
    assert_eq!(driver["metadata"]["labels"]["security.openshift.io/csi-ephemeral-volume-profile"], "restricted");

    let all = containers(&world).await;
    let csi = named(&all, "csi");
    let words: Vec<&str> = csi["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let wanted = [
        "csi",
        "--endpoint",
        "unix:///csi/csi.sock",
        "--driver-name",
        "csi.spiffe.io",
        "--node-id",
        "$(NODE_NAME)",
        "--workload-socket",
        "/run/carnet/agent/api.sock",
        "--kubelet-dir",
        "/var/lib/kubelet",
    ];
    assert_eq!(words, wanted);
    assert_eq!((&csi["image"], &csi["securityContext"]["privileged"]), (&named(&all, "agent")["image"], &json!(true)));
    let pods = mounted(&csi, "pods");
    // Mounts reach the pods only from the kubelet's own path.
    assert_eq!(
        (&pods["mountPath"], &pods["mountPropagation"]),
        (&json!("/var/lib/kubelet/pods"), &json!("Bidirectional"))
    );
    assert_eq!(mounted(&csi, "sockets")["readOnly"], true);

    let registrar = named(&all, "registrar");
    assert_eq!(registrar["image"], "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.13.0");
    let path = "--kubelet-registration-path=/var/lib/kubelet/plugins/csi.spiffe.io/csi.sock";
    assert!(registrar["args"].as_array().unwrap().contains(&json!(path)), "{registrar}");

    let set = world.get(&format!("{APPS}/daemonsets/main-agent")).await;
    let volumes = set["spec"]["template"]["spec"]["volumes"].as_array().unwrap().clone();
    for (name, path) in [
        ("plugin", "/var/lib/kubelet/plugins/csi.spiffe.io"),
        ("registration", "/var/lib/kubelet/plugins_registry"),
        ("pods", "/var/lib/kubelet/pods"),
        ("sockets", "/run/carnet/agent"),
    ] {
        assert_eq!(named(&volumes, name)["hostPath"]["path"], path, "{name}");
    }
    for container in &all {
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert!(!named(&volumes, mount["name"].as_str().unwrap()).is_null(), "{mount}");
        }
    }
    operator.stop().await;
}

#[tokio::test]
async fn without_one_there_is_none() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("agents"), agent()).await;
    world.condition(&format!("{}/main", own("agents")), "Applied", "True", "Applied").await;
    assert_eq!(containers(&world).await.len(), 1);
    assert_eq!(world.get(DRIVERS).await["items"], json!([]));
    operator.stop().await;
}

#[tokio::test]
async fn a_driver_goes_with_its_name_its_switch_and_its_agent() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("agents"), with_driver()).await;
    let path = format!("{}/main", own("agents"));
    let drivers = async |world: &World| -> Vec<String> {
        let all = world.get(DRIVERS).await;
        let names =
            all["items"].as_array().unwrap().iter().map(|one| one["metadata"]["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    world.until("made", async |world| drivers(world).await == ["csi.spiffe.io"]).await;
    world.patch(&path, json!({"spec": {"csi": {"driverName": "csi.example.org"}}})).await;
    world.until("renamed", async |world| drivers(world).await == ["csi.example.org"]).await;
    world.patch(&path, json!({"spec": {"csi": {"enabled": false}}})).await;
    world.until("off", async |world| drivers(world).await.is_empty() && containers(world).await.len() == 1).await;
    world.patch(&path, json!({"spec": {"csi": {"enabled": true}}})).await;
    world.until("on", async |world| drivers(world).await.len() == 1).await;
    world.delete(&path).await;
    world.until("gone", async |world| world.get(&path).await.is_null()).await;
    assert_eq!(drivers(&world).await, Vec::<String>::new(), "before its agent, which nothing else would know it by");
    operator.stop().await;
}

#[tokio::test]
async fn a_driver_that_somebody_else_has_made_is_left_alone() {
    let world = World::new().await;
    let theirs = json!({"metadata": {"name": "csi.spiffe.io"}, "spec": {"attachRequired": true}});
    world.made(DRIVERS, theirs).await;
    let operator = world.operator();
    world.made(&own("agents"), with_driver()).await;
    let path = format!("{}/main", own("agents"));
    let object = world.condition(&path, "Applied", "False", "ApplyFailed").await;
    let message = condition(&object, "Applied")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("CSIDriver csi.spiffe.io: ") && message.contains("somebody else"), "{message}");
    // Their driver's folder of the node is theirs, too: no pod of ours is there.
    assert!(world.get(&format!("{APPS}/daemonsets/main-agent")).await.is_null());
    assert!(world.get("/api/v1/namespaces/carnet/configmaps/main-agent").await.is_null());
    world.delete(&path).await;
    world.until("gone", async |world| world.get(&path).await.is_null()).await;
    assert_eq!(world.get(&format!("{DRIVERS}/csi.spiffe.io")).await["spec"]["attachRequired"], true);
    operator.stop().await;
}

#[tokio::test]
async fn agents_that_run_go_on_as_they_are_where_a_driver_would_be_somebody_elses() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("agents"), agent()).await;
    let path = format!("{}/main", own("agents"));
    world.condition(&path, "Applied", "True", "Applied").await;
    world.made(DRIVERS, json!({"metadata": {"name": "csi.spiffe.io"}, "spec": {"attachRequired": true}})).await;
    world.patch(&path, json!({"spec": {"csi": {"enabled": true}}})).await;
    world.condition(&path, "Applied", "False", "ApplyFailed").await;
    assert_eq!(containers(&world).await.len(), 1, "without the driver");
    world.delete(&format!("{DRIVERS}/csi.spiffe.io")).await;
    world.condition(&path, "Applied", "True", "Applied").await;
    assert_eq!(containers(&world).await.len(), 3);
    operator.stop().await;
}
