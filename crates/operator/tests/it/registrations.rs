//! Entries and rules: every outcome, and what survives what.

use serde_json::{Value, json};

use crate::{
    gate::Act,
    support::{OWN, World, condition, entries, entry},
};

const API: &str = "spiffe://example.org/ns/example/sa/api";

#[tokio::test]
async fn an_entry_comes_changes_and_goes_with_its_object() {
    let world = World::new().await;
    let operator = world.operator();
    world.made(&entries(), entry("api")).await;
    let path = format!("{}/api", entries());
    let object = world.condition(&path, "Ready", "True", "Registered").await;
    assert_eq!(world.registry.ids(), [API]);
    let id = object["status"]["id"].as_str().unwrap();
    assert_eq!(id, format!("k8s.m.{}", object["metadata"]["uid"].as_str().unwrap()));
    assert_eq!(condition(&object, "Ready")["observedGeneration"], object["metadata"]["generation"]);
    let there = world.registry.entries.get(id).unwrap();
    let selectors: Vec<&str> = there.entry.selectors.iter().map(carnet_spiffe::Selector::as_str).collect();
    assert_eq!(selectors, ["k8s:ns:example", "k8s:sa:api"]);

    world.patch(&path, json!({"spec": {"x509TtlSeconds": 600}})).await;
    let id = id.to_owned();
    world.until("changed", async |world| world.registry.entries.get(&id).unwrap().entry.x509_ttl == Some(600)).await;

    world.delete(&path).await;
    world.until("gone", async |world| world.get(&path).await.is_null()).await;
    assert!(world.registry.ids().is_empty(), "the authority forgets it before the object goes");
    operator.stop().await;
}

#[tokio::test]
async fn an_entry_that_cannot_be_says_why_and_is_taken_once_it_can() {
    let world = World::new().await;
    let operator = world.operator();
    let mut bad = entry("api");
    bad["spec"]["spiffeId"] = json!("spiffe://example.org/ns/other/sa/api");
    world.made(&entries(), bad).await;
    let path = format!("{}/api", entries());
    let object = world.condition(&path, "Ready", "False", "Invalid").await;
    assert!(condition(&object, "Ready")["message"].as_str().unwrap().contains("/ns/example/"));
    world
        .until("an event", async |world| {
            let events = world.get("/api/v1/namespaces/example/events").await;
            events["items"]
                .as_array()
                .unwrap()
                .iter()
                .any(|event| event["reason"] == "Invalid" && event["type"] == "Warning")
        })
        .await;
    assert!(world.registry.ids().is_empty());
    world.patch(&path, json!({"spec": {"spiffeId": API}})).await;
    world.condition(&path, "Ready", "True", "Registered").await;
    operator.stop().await;
}

#[tokio::test]
async fn an_entry_that_the_authority_refuses_is_tried_again() {
    let world = World::new().await;
    let like = json!({"id": "by-hand", "spiffe_id": API, "parent_id": crate::support::PARENT, "selectors": ["k8s:ns:example", "k8s:sa:api"]});
    world.registry.put(like).await;
    let operator = world.operator();
    world.made(&entries(), entry("api")).await;
    let path = format!("{}/api", entries());
    world.condition(&path, "Ready", "False", "Conflict").await;
    world.registry.entries.delete("by-hand", &carnet_entries::By::itself("test")).await.unwrap();
    world.condition(&path, "Ready", "True", "Registered").await;
    operator.stop().await;
}

#[tokio::test]
async fn entries_of_the_cluster_and_rules_are_kept_as_well() {
    let world = World::new().await;
    let operator = world.operator();
    let spec = json!({"spiffeId": "spiffe://example.org/bank", "pods": {"namespace": "pay"}, "admin": true});
    let (wide, rules) = (format!("{OWN}/clusterregistrationentries"), format!("{OWN}/trustrules"));
    world.made(&wide, json!({"metadata": {"name": "bank"}, "spec": spec})).await;
    let spec = json!({
        "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:example/app:ref:refs/heads/main",
        "expectedAudiences": ["https://authority.example"], "identity": "/ci/app", "issue": ["jwt-svid"],
        "audiences": ["https://vault.example"], "lifetime": 300,
    });
    world.made(&rules, json!({"metadata": {"name": "ci"}, "spec": spec})).await;
    world.condition(&format!("{wide}/bank"), "Ready", "True", "Registered").await;
    world.condition(&format!("{rules}/ci"), "Ready", "True", "Registered").await;
    assert_eq!(world.registry.rules().await, ["k8s.m.ci"]);
    world.patch(&format!("{rules}/ci"), json!({"spec": {"issuer": "https://gitlab.example", "subject": null}})).await;
    world
        .until("refused", async |world| {
            condition(&world.get(&format!("{rules}/ci")).await, "Ready")["status"] == "False"
        })
        .await;
    world.delete(&format!("{rules}/ci")).await;
    world.until("gone", async |world| world.get(&format!("{rules}/ci")).await.is_null()).await;
    assert!(world.registry.rules().await.is_empty());
    operator.stop().await;
}

#[tokio::test]
async fn an_entry_deleted_while_the_authority_is_away_waits_for_it() {
    let world = World::new().await;
    let operator = world.operator();
    let path = format!("{}/api", entries());
    world.made(&entries(), entry("api")).await;
    world.condition(&path, "Ready", "True", "Registered").await;
    world.registry.leave().await;
    world.delete(&path).await;
    let object = world.condition(&path, "Ready", "False", "AuthorityUnreachable").await;
    assert_eq!(object["metadata"]["finalizers"], json!(["registrar.carnet.dev/example.org"]));
    world.registry.serve();
    world.until("gone", async |world| world.get(&path).await.is_null()).await;
    assert!(world.registry.ids().is_empty());
    operator.stop().await;
}

#[tokio::test]
async fn an_entry_made_while_the_authority_is_away_comes_later() {
    let world = World::new().await;
    world.registry.leave().await;
    let operator = world.operator();
    world.made(&entries(), entry("api")).await;
    let path = format!("{}/api", entries());
    world.condition(&path, "Ready", "False", "AuthorityUnreachable").await;
    assert!(operator.health.report().ready, "it works, but not as it should");
    world.registry.serve();
    world.condition(&path, "Ready", "True", "Registered").await;
    operator.stop().await;
}

#[tokio::test]
async fn what_is_ours_and_has_no_object_goes_and_what_is_of_others_stays() {
    let world = World::new().await;
    let made = |id: &str, name: &str| json!({"id": id, "spiffe_id": format!("spiffe://example.org/{name}"), "parent_id": crate::support::PARENT, "selectors": ["unix:uid:7"]});
    world.registry.put(made("k8s.m.gone", "orphan")).await;
    world.registry.put(made("k8s.other.gone", "of-another-cluster")).await;
    world.registry.put(made("k8s.m-x.gone", "of-a-longer-mark")).await;
    world.registry.put(made("k8s.m-x-1", "of-nobody")).await;
    world.registry.put(made("by-hand", "by-hand")).await;
    let operator = world.operator();
    let others = ["by-hand", "of-a-longer-mark", "of-another-cluster", "of-nobody"]
        .map(|name| format!("spiffe://example.org/{name}"));
    world.until("the orphan goes", async |world| world.registry.ids() == others).await;
    operator.stop().await;
}

#[tokio::test]
async fn what_somebody_takes_away_at_the_authority_comes_back() {
    let world = World::new().await;
    let operator = World::operator_with(world.config(), |timing| timing.resync = std::time::Duration::from_millis(200));
    world.made(&entries(), entry("api")).await;
    let object = world.condition(&format!("{}/api", entries()), "Ready", "True", "Registered").await;
    let id = object["status"]["id"].as_str().unwrap();
    world.registry.entries.delete(id, &carnet_entries::By::itself("somebody")).await.unwrap();
    world.until("it is back", async |world| world.registry.ids() == [API]).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_finalizer_meets_a_conflict_and_the_object_is_read_again() {
    let world = World::new().await;
    // Whoever is first to write finds that somebody else has been there in the meantime.
    let mut left = 3;
    world.gate.judge(move |method, path| {
        let own = method == "PATCH" && path.contains("/registrationentries/");
        if own && left > 0 {
            left -= 1;
            return Act::Answer(409, &[]);
        }
        Act::Pass
    });
    let operator = world.operator();
    world.made(&entries(), entry("api")).await;
    world.condition(&format!("{}/api", entries()), "Ready", "True", "Registered").await;
    assert!(world.gate.count(|method, path| method == "GET" && path.ends_with("/registrationentries/api")) >= 3);
    operator.stop().await;
}

#[tokio::test]
async fn an_operator_killed_before_it_could_say_so_finds_its_entry_again() {
    let world = World::new().await;
    // The authority has it, and the status is never written.
    world.gate.judge(|method, path| {
        if method == "PATCH" && path.contains("/registrationentries/api/status") { Act::Hang } else { Act::Pass }
    });
    let operator = world.operator();
    world.made(&entries(), entry("api")).await;
    world.until("made", async |world| world.registry.ids() == [API]).await;
    operator.kill().await;
    let revision = world.registry.entries.revision();
    world.gate.open();
    let next = world.operator();
    world.condition(&format!("{}/api", entries()), "Ready", "True", "Registered").await;
    assert_eq!(world.registry.entries.revision(), revision, "nothing is written twice");
    next.stop().await;
}

#[tokio::test]
async fn an_operator_that_is_away_catches_up() {
    let world = World::new().await;
    let operator = world.operator();
    for name in ["api", "old"] {
        world.made(&entries(), entry(name)).await;
        world.condition(&format!("{}/{name}", entries()), "Ready", "True", "Registered").await;
    }
    operator.stop().await;
    world.delete(&format!("{}/old", entries())).await;
    world.made(&entries(), entry("new")).await;
    let operator = world.operator();
    world.condition(&format!("{}/new", entries()), "Ready", "True", "Registered").await;
    world
        .until("caught up", async |world| world.registry.ids() == [API, "spiffe://example.org/ns/example/sa/new"])
        .await;
    operator.stop().await;
}

#[tokio::test]
async fn rejects_entries_of_a_namespace_that_the_schema_knows_better_about() {
    let world = World::new().await;
    for (member, value) in [
        ("parentId", json!("spiffe://example.org/nodes/x")),
        ("admin", json!(true)),
        ("spiffeId", json!("x")),
        ("dnsNames", json!(["bank.example.org"])),
        ("dnsNames", json!(["api.example.svc", "bank.example.org"])),
        ("federatesWith", json!(["partner.example"])),
        ("jwtClaims", json!({"groups": ["admins"]})),
    ] {
        let mut bad = entry("api");
        bad["spec"][member] = value;
        let (status, answer) = world.ask("POST", &entries(), bad).await;
        assert_eq!(status, 422, "{member}: {answer}");
    }
    let mut good = entry("api");
    good["spec"]["dnsNames"] = json!(["api.example.svc", "api.example.svc.cluster.local"]);
    world.made(&entries(), good).await;
    assert_eq!(world.ask("POST", &entries(), json!({"metadata": {"name": "x"}, "spec": Value::Null})).await.0, 422);
}
