//! Registrars of several authorities in one cluster.

use serde_json::{Value, json};

use crate::{
    authority::Registry,
    support::{OWN, Running, World, condition, entries, entry},
};

const OTHER: &str = "other.example";
const WIDE: &str = "/apis/carnet.dev/v1alpha1/clusterregistrationentries";
const RULES: &str = "/apis/carnet.dev/v1alpha1/trustrules";

/// A second authority, with a registrar of its own.
async fn another(world: &World, domain: &str) -> (Registry, Running) {
    let folder = world.path("another");
    std::fs::create_dir(&folder).unwrap();
    let registry = Registry::start(&folder, domain).await;
    let operator = running(world, domain, &registry);
    (registry, operator)
}

fn running(world: &World, domain: &str, registry: &Registry) -> Running {
    let members = json!({
        "manage": ["registrations"], "lease": "other", "parent_id": format!("spiffe://{domain}/nodes/test"),
        "authority": {"socket": registry.socket()},
    });
    World::operator_with(world.config_with(members), |_| {})
}

/// How often the status of this object was written.
fn told(world: &World, path: &str) -> usize {
    let path = format!("{path}/status?");
    world.gate.count(|method, asked| method == "PATCH" && asked.starts_with(&path))
}

fn rule(spec: &Value) -> Value {
    let mut whole = json!({"issue": ["jwt-svid"], "audiences": ["https://vault.example"], "lifetime": 300});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"metadata": {"name": "ci"}, "spec": whole})
}

/// Has both look at everything again, and waits until they have.
async fn both_at_work(world: &World) {
    for (name, domain) in [("one", "example.org"), ("other", OTHER)] {
        let spec = json!({"spiffeId": format!("spiffe://{domain}/late"), "selectors": ["unix:uid:9"]});
        world.made(WIDE, json!({"metadata": {"name": format!("late-{name}")}, "spec": spec})).await;
        world.condition(&format!("{WIDE}/late-{name}"), "Ready", "True", "Registered").await;
    }
}

#[tokio::test]
async fn each_keeps_the_identities_of_its_own_trust_domain() {
    let world = World::new().await;
    let first = world.operator();
    let (registry, second) = another(&world, OTHER).await;
    first.lead().await;
    second.lead().await;
    let (ours, theirs) = (format!("{}/api", entries()), format!("{WIDE}/theirs"));
    world.made(&entries(), entry("api")).await;
    let spec = json!({"spiffeId": format!("spiffe://{OTHER}/x"), "selectors": ["unix:uid:7"]});
    world.made(WIDE, json!({"metadata": {"name": "theirs"}, "spec": spec})).await;
    for (path, domain) in [(&ours, "example.org"), (&theirs, OTHER)] {
        let object = world.condition(path, "Ready", "True", "Registered").await;
        assert_eq!(object["metadata"]["finalizers"], json!([format!("registrar.carnet.dev/{domain}")]));
    }
    assert_eq!((world.registry.ids().len(), registry.ids().len()), (1, 1));
    for number in 0..10 {
        world.patch(&ours, json!({"metadata": {"annotations": {"look": number.to_string()}}})).await;
    }
    both_at_work(&world).await;
    for path in [&ours, &theirs] {
        // Once by each at most: who keeps the other trust domain may have been first to say that it is not its own.
        assert!(told(&world, path) <= 3, "{path}: {}", told(&world, path));
        assert_eq!(condition(&world.get(path).await, "Ready")["status"], "True");
    }
    for path in [&ours, &theirs] {
        world.delete(path).await;
        world.until("gone", async |world| world.get(path).await.is_null()).await;
    }
    assert!(registry.ids().iter().all(|id| id.ends_with("/late")), "{:?}", registry.ids());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn an_identity_that_changes_its_trust_domain_changes_its_authority() {
    let world = World::new().await;
    let first = world.operator();
    let (registry, second) = another(&world, OTHER).await;
    let path = format!("{WIDE}/bank");
    let spec = json!({"spiffeId": "spiffe://example.org/bank", "selectors": ["unix:uid:7"]});
    world.made(WIDE, json!({"metadata": {"name": "bank"}, "spec": spec})).await;
    world.condition(&path, "Ready", "True", "Registered").await;
    world.patch(&path, json!({"spec": {"spiffeId": format!("spiffe://{OTHER}/bank")}})).await;
    world
        .until("moved", async |world| {
            let object = world.get(&path).await;
            let held = object["metadata"]["finalizers"] == json!([format!("registrar.carnet.dev/{OTHER}")]);
            held && condition(&object, "Ready")["observedGeneration"] == 2
                && condition(&object, "Ready")["status"] == "True"
        })
        .await;
    world.until("and not there", async |world| world.registry.ids().is_empty()).await;
    assert_eq!(registry.ids(), [format!("spiffe://{OTHER}/bank")]);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn an_identity_that_no_registrar_keeps_says_so() {
    let world = World::new().await;
    let operator = world.operator();
    let mut strange = entry("api");
    strange["spec"]["spiffeId"] = json!("spiffe://exmaple.org/ns/example/sa/api");
    world.made(&entries(), strange).await;
    let path = format!("{}/api", entries());
    let object = world.condition(&path, "Ready", "Unknown", "OtherTrustDomain").await;
    let message = condition(&object, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("exmaple.org") && message.contains("example.org"), "{message}");
    assert!(object["metadata"]["finalizers"].is_null(), "nobody has to let it go");
    let spec = json!({"spec": {"spiffeId": "spiffe://example.org/ns/example/sa/api"}});
    world.patch(&path, spec).await;
    world.condition(&path, "Ready", "True", "Registered").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_rule_is_held_and_told_of_by_each_authority() {
    let world = World::new().await;
    let first = world.operator();
    let (registry, second) = another(&world, OTHER).await;
    let path = format!("{RULES}/ci");
    // Only of its own trust domain an authority hands on identities.
    world
        .made(
            RULES,
            rule(&json!({"issuer": "spiffe://example.org", "subject": "spiffe://example.org/ops/alice", "identity": "{sub}"})),
        )
        .await;
    world.until("told", async |world| !condition(&world.get(&path).await, "Ready.example.org").is_null()).await;
    let own = condition(&world.get(&path).await, "Ready.example.org");
    assert_eq!(own["status"], "True", "{own}");
    world
        .until("refused", async |world| {
            condition(&world.get(&path).await, &format!("Ready.{OTHER}"))["status"] == "False"
        })
        .await;
    both_at_work(&world).await;
    world.until("together", async |world| condition(&world.get(&path).await, "Ready")["status"] == "False").await;
    assert!(told(&world, &path) <= 4, "{}", told(&world, &path));

    let spec = json!({"spec": {"issuer": "https://token.actions.githubusercontent.com", "subject": "repo:a/b:x", "identity": "/ci"}});
    world.patch(&path, spec).await;
    world
        .until("both have it", async |world| {
            let object = world.get(&path).await;
            let done = |kind: &str| {
                let one = condition(&object, kind);
                one["status"] == "True" && one["observedGeneration"] == 2
            };
            done("Ready") && done("Ready.example.org") && done(&format!("Ready.{OTHER}"))
        })
        .await;
    assert_eq!((world.registry.rules().await.len(), registry.rules().await.len()), (1, 1));

    // While one authority is away, its registrar holds the rule, and the other has forgotten it already.
    registry.leave().await;
    world.delete(&path).await;
    world
        .until("held by one", async |world| {
            world.get(&path).await["metadata"]["finalizers"] == json!([format!("registrar.carnet.dev/{OTHER}")])
        })
        .await;
    assert_eq!(world.registry.rules().await, Vec::<String>::new());
    registry.serve();
    world.until("gone", async |world| world.get(&path).await.is_null()).await;
    assert_eq!(registry.rules().await, Vec::<String>::new());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn two_of_one_trust_domain_that_do_not_agree_write_no_more_than_they_must() {
    let world = World::new().await;
    let (registry, second) = another(&world, "example.org").await;
    let like = json!({
        "id": "by-hand", "spiffe_id": "spiffe://example.org/ns/example/sa/api", "parent_id": crate::support::PARENT,
        "selectors": ["k8s:ns:example", "k8s:sa:api"],
    });
    registry.put(like).await;
    let first = world.operator();
    first.lead().await;
    second.lead().await;
    let path = format!("{}/api", entries());
    world.made(&entries(), entry("api")).await;
    world.until("both have spoken", async |world| told(world, &path) >= 2).await;
    for number in 0..5 {
        let name = format!("more-{number}");
        world.made(&entries(), entry(&name)).await;
        let more = format!("{OWN}/namespaces/example/registrationentries/{name}");
        world.condition(&more, "Ready", "True", "Registered").await;
        world.until("both have it", async |_| registry.ids().len() == number + 2).await;
    }
    // It changes three times for them: made, held, and held by whom.
    assert!(told(&world, &path) <= 8, "{}", told(&world, &path));
    first.stop().await;
    second.stop().await;
}
