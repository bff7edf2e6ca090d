//! Trust rules from files and store: taken when good, kept out when not.

use std::{path::PathBuf, sync::Arc, time::Duration};

use carnet_authority::{AuthorityConfig, Ground, Rules};
use carnet_core::{Context, NewFile, SectionConfig as _, SystemFiles, replace_files, test_context};
use carnet_ops::Health;
use carnet_spiffe::TrustDomain;
use carnet_store::{Options, Store};
use tokio_util::sync::CancellationToken;

const RULE: &str = r#"
[[rule]]
name = "deploy"
issuer = "https://issuer.example"
subject = "job:main"
identity = "spiffe://example.org/ci"
issue = ["jwt-svid"]
audiences = ["https://target.example"]
"#;

struct World {
    folder: tempfile::TempDir,
    context: Context,
    store: Arc<dyn Store>,
}

impl World {
    async fn new() -> Self {
        let context = Context { files: Arc::new(SystemFiles), ..test_context() };
        let store = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), context, store }
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("rules.toml");
        replace_files(&[NewFile::new(&path, text)]).unwrap();
        path
    }

    async fn open(&self, path: PathBuf) -> Result<Arc<Rules>, carnet_core::Error> {
        let domain: TrustDomain = "example.org".parse().unwrap();
        Rules::open(vec![path], Arc::clone(&self.store), self.context.clone(), domain).await
    }
}

#[tokio::test]
async fn a_changed_file_counts_and_a_broken_one_does_not() {
    let world = World::new().await;
    let path = world.write(RULE);
    let rules = world.open(path).await.unwrap();
    let mut sets = rules.watch();
    assert_eq!(sets.borrow_and_update().len(), 1);
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    let component = health.component("rules");
    let running = tokio::spawn({
        let (rules, shutdown) = (Arc::clone(&rules), shutdown.clone());
        async move { rules.run(component, shutdown).await }
    });

    world.write(&format!("{RULE}{}", RULE.replace("deploy", "other").replace("job:main", "job:other")));
    rules.reload();
    tokio::time::timeout(Duration::from_secs(10), sets.changed()).await.unwrap().unwrap();
    assert_eq!(sets.borrow_and_update().len(), 2);

    world.write("[[rule]]\nname = 1\n");
    rules.reload();
    let degraded = || matches!(health.of("rules"), Some(carnet_ops::State::Degraded(_)));
    let failing = async {
        while !degraded() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), failing).await.unwrap();
    assert_eq!(sets.borrow().len(), 2, "the last good ones count");
    assert!(health.report().ready, "one typo must not take every node out of service");

    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn rejects_a_start_with_rules_that_cannot_be_held_to() {
    let world = World::new().await;
    for text in ["[[rule]]\nname = 1\n", "[[rules]]\n", &RULE.replace("example.org/ci", "other.example/ci")] {
        let path = world.write(text);
        assert_eq!(world.open(path).await.unwrap_err().kind(), carnet_core::ErrorKind::Configuration, "{text}");
    }
}

#[tokio::test]
async fn a_mistake_is_told_of_the_rule_by_its_name_and_file() {
    let world = World::new().await;
    let path = world.write(&RULE.replace("example.org/ci", "other.example/ci"));
    let error = world.open(path.clone()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("rule `deploy` of {}", path.display())), "{error}");
}

#[tokio::test]
async fn networks_of_rules_are_told_of_where_all_callers_have_the_address_of_a_proxy() {
    let world = World::new().await;
    let told = |more: &str, listen: serde_json::Value| {
        let path = world.write(&format!("{RULE}{more}"));
        let config = serde_json::json!({
            "issuer": "https://oidc.example.org", "trust_domain": "example.org", "rules": [path], "listen": listen,
        });
        let config: AuthorityConfig = serde_json::from_value(config).unwrap();
        config.check().unwrap().check_files(&world.context).unwrap().warnings
    };
    let networks = "networks = [\"10.0.0.0/8\"]\n";
    let behind = serde_json::json!({ "public": "0.0.0.0:8080", "behind_proxy": true });
    let warnings = told(networks, behind.clone());
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert_eq!(warning.field, "rule `deploy` networks");
    assert!(warning.hint.as_deref().unwrap().contains("trusted_proxies"), "{warning:?}");
    assert!(told("", behind.clone()).is_empty(), "a rule for all networks");
    let mut named = behind;
    named["trusted_proxies"] = serde_json::json!(["10.0.0.7"]);
    assert!(told(networks, named).is_empty());
    assert!(told(networks, serde_json::json!({ "public": "127.0.0.1:0" })).is_empty());
}

#[tokio::test]
async fn rejects_an_issuer_that_is_a_cluster_of_the_configuration() {
    let world = World::new().await;
    let path = world.write(&format!("{RULE}\n[[issuer]]\nissuer = \"https://issuer.example\"\n"));
    let open = |cluster: &str| {
        let domain: TrustDomain = "example.org".parse().unwrap();
        let ground = Ground { cluster_issuers: vec![cluster.to_owned()], ..Ground::from(domain) };
        Rules::open(vec![path.clone()], Arc::clone(&world.store), world.context.clone(), ground)
    };
    let error = open("https://issuer.example").await.unwrap_err();
    let told = &error.file_mistakes()[0];
    assert_eq!((told.field.as_str(), told.file.as_ref()), ("issuer `https://issuer.example` issuer", Some(&path)));
    assert!(error.to_string().contains("the configuration has a cluster of this issuer"), "{error}");
    open("https://another.example").await.unwrap();
}

#[tokio::test]
async fn a_mistake_says_where_and_no_value_that_stands_there() {
    let world = World::new().await;
    for (line, says) in [
        ("client_secret = \"HUNTER2\"", "line 3, column 1: unknown field `client_secret`"),
        ("token = \"HUNTER2", "line 3, column "),
        ("leeway = [\"HUNTER2\"]", "line 3, column "),
        ("issuer = { secret = \"HUNTER2\" }", "line 3, column "),
    ] {
        let path = world.write(&format!("[[rule]]\nname = \"deploy\"\n{line}\n"));
        let error = world.open(path).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error:?} {:?}", error.file_mistakes()).contains("HUNTER2"), "{error:?}");
    }
}

#[tokio::test]
async fn rejects_a_path_that_does_not_exist() {
    let world = World::new().await;
    let error = world.open(world.folder.path().join("missing")).await.unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn rejects_a_file_that_every_user_may_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let path = world.write(RULE);
    assert!(world.open(path.clone()).await.is_ok());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let error = world.open(path).await.unwrap_err();
    assert!(error.to_string().contains("every user may change it"), "{error}");
}

#[tokio::test]
async fn rejects_a_file_that_was_cut_to_nothing() {
    let world = World::new().await;
    let path = world.write(" \n");
    assert!(world.open(path).await.unwrap_err().to_string().contains("it is empty"));
    let path = world.write("# nothing is allowed\n");
    assert!(world.open(path).await.is_ok());
}
