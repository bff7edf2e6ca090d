//! Which namespaces an operator keeps: what becomes of what it kept in others, and of what others keep there.

use carnet_core::hex;
use carnet_jose::sha256;
use serde_json::{Value, json};

use crate::support::{OWN, Running, World, condition, entries, entry};

const RULES: &str = "/apis/carnet.dev/v1alpha1/trustrules";
const HERE: &str = "spiffe://example.org/ns/example/sa/api";
const THERE: &str = "spiffe://example.org/ns/default/sa/api";

/// An operator of these namespaces, by the mark that the cluster gives.
fn keeping(world: &World, namespaces: &[&str]) -> Running {
    let members = json!({"manage": ["registrations"], "mark": null, "namespaces": namespaces});
    World::operator_with(world.config_with(members), |_| {})
}

fn elsewhere() -> String {
    format!("{OWN}/namespaces/default/registrationentries")
}

fn entry_elsewhere() -> Value {
    let mut entry = entry("api");
    entry["spec"]["spiffeId"] = json!(THERE);
    entry
}

fn rule() -> Value {
    let spec = json!({
        "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:example/app:ref:refs/heads/main",
        "identity": "/ci/app", "issue": ["jwt-svid"], "audiences": ["https://vault.example"], "lifetime": 300,
    });
    json!({"metadata": {"name": "ci"}, "spec": spec})
}

/// The mark of the operators of a cluster that keep these namespaces, as earlier versions made it.
async fn former_mark(world: &World, namespaces: &str) -> String {
    let uid = world.get("/api/v1/namespaces/kube-system").await["metadata"]["uid"].as_str().unwrap().to_owned();
    hex(&sha256(format!("{uid}\n{namespaces}").as_bytes())[..8])
}

async fn registered(world: &World, path: &str) -> Value {
    world.condition(path, "Ready", "True", "Registered").await
}

#[tokio::test]
async fn nothing_is_left_of_a_namespace_that_is_kept_no_more() {
    let world = World::new().await;
    let (here, there, ci) = (format!("{}/api", entries()), format!("{}/api", elsewhere()), format!("{RULES}/ci"));
    let operator = keeping(&world, &["default", "example"]);
    world.made(&entries(), entry("api")).await;
    world.made(&elsewhere(), entry_elsewhere()).await;
    world.made(RULES, rule()).await;
    let mut names = Vec::new();
    for path in [&here, &there, &ci] {
        names.push(registered(&world, path).await["status"]["id"].clone());
    }
    operator.stop().await;

    let operator = keeping(&world, &["example"]);
    let object = world.condition(&there, "Ready", "Unknown", "NamespaceNotKept").await;
    let held = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    assert_eq!((held, &object["status"]["id"]), (false, &Value::Null));
    assert_eq!(world.registry.ids(), [HERE]);
    assert_eq!(world.get(&here).await["status"]["id"], names[0], "the mark is that of the cluster, whatever is kept");
    assert_eq!(world.registry.rules().await, [names[2].as_str().unwrap()]);
    for path in [&here, &there, &ci] {
        world.delete(path).await;
        world.until("gone", async |world| world.get(path).await.is_null()).await;
    }
    assert_eq!((world.registry.ids(), world.registry.rules().await), (Vec::new(), Vec::new()));
    operator.stop().await;
}

#[tokio::test]
async fn what_is_deleted_between_two_lists_goes_as_well() {
    let world = World::new().await;
    let there = format!("{}/api", elsewhere());
    let operator = keeping(&world, &["*"]);
    world.made(&elsewhere(), entry_elsewhere()).await;
    registered(&world, &there).await;
    operator.stop().await;
    world.delete(&there).await;
    assert_eq!(world.registry.ids(), [THERE], "it is held");
    let operator = keeping(&world, &["example"]);
    world.until("gone", async |world| world.get(&there).await.is_null()).await;
    assert!(world.registry.ids().is_empty());
    operator.stop().await;
}

#[tokio::test]
async fn two_operators_leave_each_others_namespaces_alone() {
    let world = World::new().await;
    let (here, there, ci) = (format!("{}/api", entries()), format!("{}/api", elsewhere()), format!("{RULES}/ci"));
    let members = |lease: &str, namespace: &str| {
        let members = json!({"manage": ["registrations"], "mark": null, "namespaces": [namespace], "lease": lease});
        world.config_with(members)
    };
    let first = World::operator_with(members("first", "example"), |_| {});
    world.made(&entries(), entry("api")).await;
    world.made(&elsewhere(), entry_elsewhere()).await;
    world.made(RULES, rule()).await;
    registered(&world, &here).await;
    registered(&world, &ci).await;
    // One that begins looks at everything that is there.
    let second = World::operator_with(members("second", "default"), |_| {});
    registered(&world, &there).await;
    assert_eq!(world.registry.ids(), [THERE, HERE]);
    first.stop().await;
    let swept = |count: usize| {
        let is = |method: &str, path: &str| method == "GET" && path.starts_with(&format!("{OWN}/registrationentries?"));
        let seen = world.gate.count(is);
        move |world: &World| world.gate.count(is) >= seen + count
    };
    let done = swept(1);
    let first = World::operator_with(members("first", "example"), |_| {});
    world.patch(&here, json!({"spec": {"x509TtlSeconds": 600}})).await;
    world
        .until("the first is at work again", async |world| {
            done(world) && world.get(&here).await["status"]["observedGeneration"] == 2
        })
        .await;
    assert_eq!(
        (world.registry.ids(), world.registry.rules().await.len()),
        (vec![THERE.to_owned(), HERE.to_owned()], 1)
    );
    for (path, operator) in [(&here, "carnet/first"), (&there, "carnet/second")] {
        let object = world.get(path).await;
        assert_eq!(object["metadata"]["annotations"]["carnet.dev/kept-by"], operator);
        assert_eq!(condition(&object, "Ready")["status"], "True");
    }
    for path in [&here, &there, &ci] {
        world.delete(path).await;
        world.until("gone", async |world| world.get(path).await.is_null()).await;
    }
    assert_eq!((world.registry.ids(), world.registry.rules().await), (Vec::new(), Vec::new()));
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_namespace_goes_from_one_operator_to_another() {
    let world = World::new().await;
    let there = format!("{}/api", elsewhere());
    let of = |lease: &str, namespaces: Value| {
        let members = json!({"manage": ["registrations"], "namespaces": namespaces, "lease": lease});
        World::operator_with(world.config_with(members), |_| {})
    };
    let kept_by = async |operator: &str| {
        let what = format!("kept by {operator}");
        world
            .until(&what, async |world| {
                world.get(&there).await["metadata"]["annotations"]["carnet.dev/kept-by"] == operator
            })
            .await;
    };
    let first = of("first", json!(["example", "default"]));
    world.made(&elsewhere(), entry_elsewhere()).await;
    registered(&world, &there).await;
    kept_by("carnet/first").await;
    let second = of("second", json!(["default"]));
    kept_by("carnet/second").await;
    first.stop().await;
    let first = of("first", json!(["example"]));
    world.made(&entries(), entry("api")).await;
    registered(&world, &format!("{}/api", entries())).await;
    assert_eq!(world.registry.ids(), [THERE, HERE], "what another keeps by now is its");
    second.stop().await;
    let second = of("second", json!(["kube-system"]));
    world.until("let go", async |world| world.registry.ids() == [HERE]).await;
    // Whoever takes it when nobody has it makes it anew.
    first.stop().await;
    let first = of("first", json!(["example", "default"]));
    world.until("there again", async |world| world.registry.ids() == [THERE, HERE]).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn what_had_another_mark_is_taken_over() {
    let world = World::new().await;
    let old = former_mark(&world, "example").await;
    let before = World::operator_with(world.config_with(json!({"mark": old, "manage": ["registrations"]})), |_| {});
    let (here, ci) = (format!("{}/api", entries()), format!("{RULES}/ci"));
    world.made(&entries(), entry("api")).await;
    world.made(RULES, rule()).await;
    registered(&world, &here).await;
    assert_eq!(registered(&world, &ci).await["status"]["id"], format!("k8s.{old}.ci"));
    // One whose object went while nobody looked for its old name.
    let mut gone = rule();
    gone["metadata"]["name"] = json!("gone");
    world.made(RULES, gone).await;
    registered(&world, &format!("{RULES}/gone")).await;
    before.stop().await;
    world.patch(&format!("{RULES}/gone"), json!({"metadata": {"finalizers": null}})).await;
    world.delete(&format!("{RULES}/gone")).await;

    let operator = keeping(&world, &["example"]);
    let mark = former_mark(&world, "").await;
    assert_ne!(mark, old);
    let (entry, rule) = (format!("k8s.{mark}."), format!("k8s.{mark}.ci"));
    world
        .until("by the new mark only", async |world| {
            let keys = world.registry.keys();
            keys.len() == 1 && keys[0].starts_with(&entry) && world.registry.rules().await == [rule.as_str()]
        })
        .await;
    world.until("told", async |world| world.get(&ci).await["status"]["id"] == rule.as_str()).await;
    for path in [&here, &ci] {
        world.delete(path).await;
        world.until("gone", async |world| world.get(path).await.is_null()).await;
    }
    assert_eq!((world.registry.ids(), world.registry.rules().await), (Vec::new(), Vec::new()));
    operator.stop().await;
}

#[tokio::test]
async fn what_another_operator_has_made_by_its_mark_is_left_alone() {
    let world = World::new().await;
    let theirs = World::operator_with(world.config_with(json!({"mark": "blue", "manage": ["registrations"]})), |_| {});
    let ci = format!("{RULES}/ci");
    world.made(RULES, rule()).await;
    let mut gone = rule();
    gone["metadata"]["name"] = json!("gone");
    world.made(RULES, gone).await;
    registered(&world, &ci).await;
    registered(&world, &format!("{RULES}/gone")).await;
    theirs.stop().await;
    world.patch(&format!("{RULES}/gone"), json!({"metadata": {"finalizers": null}})).await;
    world.delete(&format!("{RULES}/gone")).await;
    assert_eq!(world.get(&ci).await["status"]["id"], "k8s.blue.ci");

    let operator = keeping(&world, &["example"]);
    let own = format!("k8s.{}.ci", former_mark(&world, "").await);
    world.until("told", async |world| world.get(&ci).await["status"]["id"] == own.as_str()).await;
    world.delete(&ci).await;
    world.until("gone", async |world| world.get(&ci).await.is_null()).await;
    assert_eq!(world.registry.rules().await, ["k8s.blue.ci", "k8s.blue.gone"]);
    operator.stop().await;
}

#[tokio::test]
async fn what_an_earlier_version_held_is_held_by_the_trust_domain() {
    let world = World::new().await;
    let mut held = entry("api");
    held["metadata"]["finalizers"] = json!(["carnet.dev/operator", "example.org/theirs"]);
    world.made(&entries(), held).await;
    let operator = keeping(&world, &["example"]);
    let path = format!("{}/api", entries());
    let object = registered(&world, &path).await;
    assert_eq!(object["metadata"]["finalizers"], json!(["example.org/theirs", "registrar.carnet.dev/example.org"]));
    world.delete(&path).await;
    world.until("let go", async |world| world.registry.ids().is_empty()).await;
    world
        .until("theirs stays", async |world| {
            world.get(&path).await["metadata"]["finalizers"] == json!(["example.org/theirs"])
        })
        .await;
    operator.stop().await;
}
