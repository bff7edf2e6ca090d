//! Authority, agents and discovery: what they make, and what they say of it.

use serde_json::{Value, json};

use crate::support::{OWN, World, condition};

pub(crate) const APPS: &str = "/apis/apps/v1/namespaces/carnet";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

pub(crate) fn own(plural: &str) -> String {
    format!("{OWN}/namespaces/carnet/{plural}")
}

pub(crate) fn authority() -> Value {
    json!({"metadata": {"name": "main"}, "spec": {
        "trustDomain": "example.org", "issuer": "https://oidc.example.org", "agents": ["carnet:main-agent"], "registers": true,
        "config": {"tokens": {"jwt_svid_seconds": 120}},
    }})
}

pub(crate) fn agent() -> Value {
    let bundle = json!({"configMap": {"name": "bundle", "key": "bundle.json"}});
    json!({"metadata": {"name": "main"}, "spec": {"trustDomain": "example.org", "authority": "main", "bootstrap": bundle}})
}

pub(crate) fn discovery() -> Value {
    json!({"metadata": {"name": "oidc"}, "spec": {
        "trustDomain": "example.org", "issuer": "https://oidc.example.org", "replicas": 1,
        "source": {"configMap": {"name": "bundle", "key": "bundle.json"}},
    }})
}

/// What the controllers of a cluster would say of it.
async fn ready(world: &World, path: &str, replicas: u64) {
    let object = world.get(path).await;
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas,
    });
    world.patch(&format!("{path}/status"), json!({ "status": status })).await;
}

#[tokio::test]
async fn an_authority_is_made_works_and_goes_with_all_that_is_its() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("authorities"), authority()).await;
    let path = format!("{}/main", own("authorities"));
    world.condition(&path, "Available", "False", "Progressing").await;
    let set = world.get(&format!("{APPS}/statefulsets/main-authority")).await;
    let containers = set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let names: Vec<&str> = containers.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["authority", "registrar"]);
    let file = world.get("/api/v1/namespaces/carnet/configmaps/main-authority").await;
    let text = file["data"]["carnet.toml"].as_str().unwrap();
    let read: Value = toml::from_str(text).unwrap();
    let section: carnet_authority::AuthorityConfig = serde_json::from_value(read["authority"].clone()).unwrap();
    carnet_core::SectionConfig::check(section).unwrap();
    assert_eq!(read["authority"]["tokens"]["jwt_svid_seconds"], 120);
    let beside: Value = toml::from_str(file["data"]["operator.toml"].as_str().unwrap()).unwrap();
    let section: carnet_operator::OperatorConfig = serde_json::from_value(beside["operator"].clone()).unwrap();
    carnet_core::SectionConfig::check(section).unwrap();
    let entries = carnet_entries::EntryFile::parse(file["data"]["nodes.toml"].as_str().unwrap()).unwrap();
    assert_eq!(entries.entry.len(), 1);

    ready(&world, &format!("{APPS}/statefulsets/main-authority"), 1).await;
    let object = world.condition(&path, "Ready", "True", "Ready").await;
    assert_eq!(object["status"]["readyReplicas"], 1);

    world.delete(&path).await;
    world
        .until("gone", async |world| {
            world.get(&path).await.is_null()
                && world.get(&format!("{APPS}/statefulsets/main-authority")).await.is_null()
        })
        .await;
    assert!(world.get(&format!("{RBAC}/clusterroles/carnet:main-authority")).await.is_null());
    assert!(world.get("/api/v1/namespaces/carnet/configmaps/main-authority").await.is_null());
    operator.stop().await;
}

#[tokio::test]
async fn what_somebody_changes_in_what_is_made_is_put_right() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("authorities"), authority()).await;
    let path = format!("{APPS}/statefulsets/main-authority");
    world.until("made", async |world| !world.get(&path).await.is_null()).await;
    world.patch(&path, json!({"spec": {"replicas": 5}})).await;
    world.until("put right", async |world| world.get(&path).await["spec"]["replicas"] == 1).await;
    operator.stop().await;
}

#[tokio::test]
async fn agents_run_with_a_configuration_that_they_take() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("agents"), agent()).await;
    let path = format!("{}/main", own("agents"));
    world.condition(&path, "Applied", "True", "Applied").await;
    let file = world.get("/api/v1/namespaces/carnet/configmaps/main-agent").await;
    let text = file["data"]["carnet.toml"].as_str().unwrap().replace("${NODE_ADDRESS}", "127.0.0.1");
    let read: Value = toml::from_str(&text).unwrap();
    assert_eq!(read["agent"]["authority"], "https://main-authority.carnet.svc:8443");
    let set = world.get(&format!("{APPS}/daemonsets/main-agent")).await;
    assert_eq!(set["spec"]["template"]["spec"]["hostPID"], true);
    let status = json!({"observedGeneration": set["metadata"]["generation"], "desiredNumberScheduled": 2, "numberReady": 1, "updatedNumberScheduled": 2});
    world.patch(&format!("{APPS}/daemonsets/main-agent/status"), json!({"status": status})).await;
    let object = world.condition(&path, "Available", "False", "PodsNotReady").await;
    assert_eq!(condition(&object, "Available")["message"], "1 of 2 pods are ready");
    operator.stop().await;
}

#[tokio::test]
async fn a_route_is_managed_while_it_is_wanted() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&own("discoveryproviders"), discovery()).await;
    let path = format!("{}/oidc", own("discoveryproviders"));
    world.condition(&path, "Exposed", "False", "NotManaged").await;
    ready(&world, &format!("{APPS}/deployments/oidc-discovery"), 1).await;
    world.condition(&path, "Ready", "True", "Ready").await;

    let exposure = json!({"managed": true, "kind": "Route", "externalCertificate": "web-tls"});
    world.patch(&path, json!({"spec": {"exposure": exposure}})).await;
    world.condition(&path, "SecretsPresent", "False", "SecretMissing").await;
    let route = "/apis/route.openshift.io/v1/namespaces/carnet/routes/oidc-discovery";
    let made = world.get(route).await;
    assert_eq!(
        (&made["spec"]["host"], &made["spec"]["tls"]["externalCertificate"]["name"]),
        (&json!("oidc.example.org"), &json!("web-tls"))
    );
    assert!(!world.get(&format!("{RBAC}/namespaces/carnet/roles/oidc-discovery-certificate")).await.is_null());

    world.made("/api/v1/namespaces/carnet/secrets", json!({"metadata": {"name": "web-tls"}})).await;
    let admitted = json!({"ingress": [{"conditions": [{"type": "Admitted", "status": "True"}]}]});
    world.patch(&format!("{route}/status"), json!({"status": admitted})).await;
    world.patch(&path, json!({"metadata": {"annotations": {"look": "again"}}})).await;
    world.condition(&path, "Exposed", "True", "Admitted").await;
    world.condition(&path, "Ready", "True", "Ready").await;

    world.patch(&path, json!({"spec": {"exposure": {"managed": false}}})).await;
    world.condition(&path, "Exposed", "False", "NotManaged").await;
    assert!(world.get(route).await.is_null());
    operator.stop().await;
}

#[tokio::test]
async fn an_ingress_that_somebody_else_has_made_is_left_alone() {
    let world = World::new().await;
    let ingresses = "/apis/networking.k8s.io/v1/namespaces/carnet/ingresses";
    world.made(ingresses, json!({"metadata": {"name": "oidc-discovery"}, "spec": {"own": true}})).await;
    let operator = world.operator();
    let mut wanted = discovery();
    wanted["spec"]["exposure"] = json!({"managed": true, "className": "nginx"});
    world.made(&own("discoveryproviders"), wanted).await;
    let path = format!("{}/oidc", own("discoveryproviders"));
    let object = world.condition(&path, "Applied", "False", "ApplyFailed").await;
    assert!(condition(&object, "Applied")["message"].as_str().unwrap().contains("somebody else has made"));
    world.delete(&format!("{ingresses}/oidc-discovery")).await;
    world.condition(&path, "Applied", "True", "Applied").await;
    let made = world.get(&format!("{ingresses}/oidc-discovery")).await;
    assert_eq!(made["spec"]["ingressClassName"], "nginx");
    operator.stop().await;
}

#[tokio::test]
async fn rejects_what_the_schema_forbids() {
    let world = World::new().await;
    let bent = |path: &str, value: Value| {
        let mut bent = authority();
        bent["spec"][path] = value;
        bent
    };
    for bad in [
        bent("replicas", json!(2)),
        bent("issuer", json!("http://oidc.example.org")),
        bent("issuer", json!("https://oidc.example.org/")),
        bent("store", json!({"postgres": {"url": "postgres://carnet@db/carnet"}})),
        bent("store", json!({"postgres": {"url": "postgres://carnet:secret@db/carnet"}})),
        bent("trustDomain", json!("Example.org")),
    ] {
        assert_eq!(world.ask("POST", &own("authorities"), bad.clone()).await.0, 422, "{bad}");
    }
    world.made(&own("authorities"), authority()).await;
    let changed = json!({"spec": {"trustDomain": "other.org"}});
    assert_eq!(world.ask("PATCH", &format!("{}/main", own("authorities")), changed).await.0, 422);
}
