//! Every command against an authority that runs.

use std::{path::PathBuf, sync::mpsc, thread};

use carnet_authority::{DevOptions, open_dev};
use carnet_core::SystemEnvironment;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{audit::follow::Follower, *};

/// A trial authority in a thread of its own, as commands have their own runtime.
struct Running {
    socket: PathBuf,
    folder: tempfile::TempDir,
    thread: Option<thread::JoinHandle<()>>,
    stop: Option<DropGuard>,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = DevOptions {
            folder: folder.path().to_owned(),
            trust_domain: Some("trial.test".parse().unwrap()),
            ..DevOptions::default()
        };
        let (sender, socket) = mpsc::channel();
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone().drop_guard();
        let thread = thread::spawn(move || {
            let serving = world::block_on(async {
                let network = carnet_net::Settings::from_environment(&SystemEnvironment);
                let authority = open_dev(&options, &world::context(), &network).await?;
                sender.send(authority.addresses()?.admin).unwrap();
                let (_never, reload) = tokio::sync::watch::channel(0);
                authority.run(reload, shutdown).await
            });
            serving.unwrap();
        });
        Self { socket: socket.recv().unwrap(), folder, thread: Some(thread), stop: Some(stop) }
    }

    fn run(&self, line: &str) -> Result<u8, Error> {
        run_line(&format!("{line} --socket {}", self.socket.display()))
    }

    fn ok(&self, line: &str) {
        assert_eq!(self.run(line).unwrap(), 0, "{line}");
    }

    /// Its code and its kind.
    fn refused(&self, line: &str, code: &str, kind: ErrorKind) -> Error {
        let error = self.run(line).unwrap_err();
        assert_eq!((error.provider_code(), error.kind()), (Some(code), kind), "{line}: {error:?}");
        error
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        carnet_core::replace_files(&[carnet_core::NewFile::new(&path, text)]).unwrap();
        path.display().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

const RULE: &str = r#"
[[rule]]
name = "operators"
issuer = "spiffe://trial.test"
subject = "spiffe://trial.test/ops/alice"
identity = "{sub}"
issue = ["access-token"]
audiences = ["https://app.example"]
scopes = ["read"]
"#;

#[test]
fn an_operator_does_everything_from_the_command_line() {
    let authority = Running::start();
    authority.ok("info");
    let entry = "--spiffe-id spiffe://trial.test/a --parent-id spiffe://trial.test/carnet/agent/join-token/x \
                 --selector unix:uid:1";
    authority.ok(&format!("entry create --id a {entry}"));
    authority.refused(&format!("entry create {entry}"), "exists", ErrorKind::Refused);
    authority.refused(&format!("entry create --dry-run {entry}"), "exists", ErrorKind::Refused);
    let other = entry.replace("/a ", "/b ");
    authority.ok(&format!("entry create --dry-run --id b {other}"));
    authority.refused("entry show b", "not-found", ErrorKind::Configuration);
    authority.ok("entry update a --dry-run --hint other");
    authority.ok("entry delete a --dry-run");
    authority.ok("entry list --selector unix:uid:1");
    authority.ok("entry update a --hint label --jwt-ttl 60");
    authority.ok("entry show a");
    let file = authority.file(
        "entries.toml",
        "[[entry]]\nid = \"b\"\nspiffe_id = \"spiffe://trial.test/b\"\n\
        parent_id = \"spiffe://trial.test/carnet/agent/join-token/x\"\nselectors = [\"unix:uid:2\"]\n",
    );
    authority.ok(&format!("entry create -f {file}"));
    authority.ok("entry delete a b");
    authority.refused("entry show a", "not-found", ErrorKind::Configuration);

    let rules = authority.file("rules.toml", RULE);
    authority.ok(&format!("rule put -f {rules} --dry-run"));
    authority.refused("rule show operators", "not-found", ErrorKind::Configuration);
    authority.ok(&format!("rule put -f {rules}"));
    authority.ok("rule list");
    authority.ok("rule show operators");
    let wrong = authority.file("wrong.toml", &format!("{RULE}networks = [\"nowhere\"]\ncondition = \"claims.\"\n"));
    let error = authority.refused(&format!("rule put -f {wrong}"), "invalid", ErrorKind::Configuration);
    let told = carnet_core::chain(&error).join("\n");
    assert!(told.contains("networks: ") && told.contains("condition: "), "all mistakes are told: {told}");
    authority.ok("rule delete operators");

    let issuers = authority.file("issuers.toml", "[[issuer]]\nissuer = \"https://issuer.example/a\"\nleeway = 10\n");
    authority.ok(&format!("issuer put -f {issuers}"));
    authority.ok("issuer show https://issuer.example/a");
    authority.ok("issuer list");
    authority.ok("issuer delete https://issuer.example/a");

    authority.ok("federation put partner.example --bundle-url https://bundle.partner.example/ --dry-run");
    authority.refused("federation show partner.example", "not-found", ErrorKind::Configuration);
    authority.refused("federation refresh partner.example", "not-found", ErrorKind::Configuration);
    authority.ok("federation list");

    authority.ok("key list");
    authority.ok("key rotate jwt:ES256 --now");
    authority.refused("key rotate jwt:PS256", "invalid", ErrorKind::Configuration);
    authority.refused("key revoke nobody", "not-found", ErrorKind::Configuration);

    authority.ok("node list");
    authority.refused(
        "node ban spiffe://trial.test/carnet/agent/join-token/none",
        "not-found",
        ErrorKind::Configuration,
    );
    authority.ok("join-token create --name web --ttl 60");
    authority.ok("join-token list");
    let api = Api::at_socket(authority.socket.clone()).unwrap();
    let made = world::block_on(api.post(&["join-tokens"], &[], &json!({ "agent_path": "gone" }))).unwrap();
    let token = made.pointer("/token").and_then(Value::as_str).unwrap();
    authority.ok(&format!("join-token delete {token}"));
    let digest = made.pointer("/hash").and_then(Value::as_str).unwrap();
    authority.refused(&format!("join-token delete {digest}"), "not-found", ErrorKind::Configuration);
    authority.ok("token list --state active --limit 5");
    authority.ok("token revoke --subject nobody --dry-run");
    authority.ok("token revoke --subject nobody --rule operators");
    authority.refused("token show none", "not-found", ErrorKind::Configuration);
    authority.refused("token revoke none", "not-found", ErrorKind::Configuration);

    authority.ok("store clock");
    authority.ok("store believe-clock");
    authority.ok("store believe-clock --reopen");

    authority.ok("audit list --after 2 --limit 1");
    authority.ok("audit list --action entry.create --limit 1");
    authority.ok("audit verify");
    authority.ok("audit export --action rule.put");
    let noted = format!("1:{}", "00".repeat(32));
    assert_eq!(authority.run(&format!("audit verify --noted {noted}")).unwrap(), 8);
}

#[test]
fn who_follows_the_log_sees_each_row_once_and_in_order() {
    let authority = Running::start();
    for name in ["a", "b", "c"] {
        authority.ok(&format!("join-token create --name {name}"));
    }
    let api = Api::at_socket(authority.socket.clone()).unwrap();
    let made = vec![("action", "join-token.create".to_owned())];
    let names = |rows: Vec<Value>| -> Vec<String> {
        rows.iter().map(|row| row.pointer("/record/subject").and_then(Value::as_str).unwrap().to_owned()).collect()
    };
    let agent = |name: &str| format!("spiffe://trial.test/carnet/agent/join-token/{name}");
    let put = async |name: &str| api.post(&["join-tokens"], &[], &json!({ "agent_path": name })).await.map(drop);
    world::block_on(async {
        let mut follower = Follower::new(&api, made.clone());
        assert_eq!(names(follower.first(None, 2).await?), [agent("b"), agent("c")]);
        assert_eq!(follower.next().await?, [Value::Null; 0]);
        put("d").await?;
        put("e").await?;
        api.post(&["keys", "rotate"], &[], &json!({ "purpose": "jwt:ES256", "when": "now" })).await?;
        assert_eq!(names(follower.next().await?), [agent("d"), agent("e")]);
        assert_eq!(follower.next().await?, [Value::Null; 0]);
        let mut from = Follower::new(&api, made.clone());
        assert_eq!(from.first(Some(0), 1).await?.len(), 5, "from a row on it shows all");
        put("f").await?;
        assert_eq!(names(from.next().await?), [agent("f")]);
        assert_eq!(names(follower.next().await?), [agent("f")]);
        Ok(())
    })
    .unwrap();
}
