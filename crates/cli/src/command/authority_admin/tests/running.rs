//! Every command against an authority that runs.

use std::{path::PathBuf, sync::mpsc, thread};

use carnet_authority::{DevOptions, open_dev};
use carnet_core::SystemEnvironment;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;

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
    authority.refused("token revoke none", "not-found", ErrorKind::Configuration);

    authority.ok("audit list --action entry.create --limit 1");
    authority.ok("audit verify");
    authority.ok("audit export --action rule.put");
    let noted = format!("1:{}", "00".repeat(32));
    assert_eq!(authority.run(&format!("audit verify --noted {noted}")).unwrap(), 8);
}
