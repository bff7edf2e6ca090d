//! The CSI driver: a node with a kubelet's folder that driver and host share, an agent, and pods. The tests mount, so they run as
//! root; where that is not permitted they fail.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{Node, entry};
use crate::{
    authority::{
        scene::{Running, admin},
        site::Site,
    },
    harness::{carnet, json, python},
    scene::{fails, nowhere},
};

/// A node of a cluster, on which an agent and a driver run.
struct Cluster {
    driver: Running,
    /// A process in the mount namespace of the host, where the kubelet and the container runtime are. The driver has another.
    host: Running,
    node: Node,
    authority: Running,
    site: Site,
}

impl Cluster {
    fn start() -> Self {
        let site = Site::new("");
        let authority = site.start("one", "127.0.0.1:0");
        admin(&Site::admin_of(&authority), 201, "POST", "/v1/entries", &entry("pod", "web", "/pod"));
        let node = Node::join(&site, "web", &authority);
        std::fs::create_dir_all(target(&site).parent().unwrap()).unwrap();
        let host = host(&site);
        Self { driver: driver(&site, &host), host, node, authority, site }
    }

    fn target(&self) -> PathBuf {
        target(&self.site)
    }

    /// What a kubelet is answered.
    fn kubelet(&self, action: &str) -> Value {
        json(python("csi_kubelet.py").arg(self.site.path("csi.sock")).arg(action).arg(self.target()))
    }

    /// What a workload sees that has the volume.
    fn pod(&self) -> Value {
        json(&mut within(&self.host, &[], python("csi_pod.py").arg(self.target())))
    }

    /// How many mounts the host has below the kubelet's folder.
    fn mounts(&self) -> usize {
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", self.host.pid())).unwrap();
        let pods = self.site.path("kubelet/pods");
        mounts
            .lines()
            .filter(|line| line.split(' ').nth(4).is_some_and(|path| Path::new(path).starts_with(&pods)))
            .count()
    }
}

/// The path of the volume. It is short, because a socket's path is.
fn target(site: &Site) -> PathBuf {
    site.path("kubelet/pods/0/volumes/kubernetes.io~csi/spiffe/mount")
}

/// Starts the host: a mount namespace in which the kubelet's folder is shared, as it is on nodes.
fn host(site: &Site) -> Running {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "sh", "-c"]);
    command.arg("mount --bind \"$0\" \"$0\" && mount --make-shared \"$0\" && echo '{}' && exec cat");
    Running::start(command.arg(site.path("kubelet")), &site.path("host.log"))
}

/// Starts the driver in a mount namespace of its own, which shares the kubelet's folder with the host, as a container has it with
/// `mountPropagation: Bidirectional`.
fn driver(site: &Site, host: &Running) -> Running {
    let apart = ["unshare", "--mount", "--propagation", "unchanged", "--"];
    Running::start(&mut within(host, &apart, &csi(site)), &site.path("csi.log"))
}

/// The same program in the mount namespace of another, behind these words.
fn within(host: &Running, words: &[&str], program: &Command) -> Command {
    let mut command = Command::new("nsenter");
    command.arg("--target").arg(host.pid().to_string()).arg("--mount").args(words);
    command.arg(program.get_program()).args(program.get_args()).env_clear();
    for (name, value) in program.get_envs() {
        command.env(name, value.expect("no variable is taken away"));
    }
    command
}

fn csi(site: &Site) -> Command {
    let mut command = nowhere(&site.path(""), ["--output", "json", "csi", "--stop-with-stdin", "--node-id", "node-1"]);
    command.arg("--endpoint").arg(format!("unix://{}", site.path("csi.sock").display()));
    command.arg("--kubelet-dir").arg(site.path("kubelet"));
    command.arg("--workload-socket").arg(site.path("web.sockets/api.sock"));
    command
}

fn ok() -> Value {
    json!({ "code": "OK" })
}

#[test]
fn a_pod_gets_its_identity_through_a_volume_and_cannot_write_there() {
    let cluster = Cluster::start();
    assert_eq!(cluster.driver.says("driver"), "csi.spiffe.io");
    assert_eq!(cluster.kubelet("publish"), ok());
    let pod = cluster.pod();
    assert_eq!(pod["ids"], json!(["spiffe://e2e.test/pod"]));
    assert_eq!(pod["found"], json!(["api.sock"]), "nothing but the socket");
    for what in ["write", "make", "remove", "rename", "mode"] {
        assert_eq!(pod[what], "EROFS", "{what}: {pod}");
    }
    let options = pod["options"].as_array().unwrap();
    assert_eq!(options.len(), 1, "{pod}");
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(options[0].as_str().unwrap().split(',').any(|one| one == option), "{option}: {pod}");
    }

    assert_eq!(cluster.kubelet("publish"), ok(), "the kubelet may ask again");
    assert_eq!(cluster.mounts(), 1);
    assert_eq!(cluster.kubelet("unpublish"), ok());
    assert_eq!(cluster.kubelet("unpublish"), ok(), "the kubelet may ask again");
    assert!(cluster.mounts() == 0 && !cluster.target().exists());
}

#[test]
fn a_kubelet_is_told_what_is_wrong() {
    let cluster = Cluster::start();
    let answers = cluster.kubelet("refused");
    let wanted = [
        ("no_volume", "request missing required volume id"),
        ("no_target", "request missing required target path"),
        ("no_capability", "request missing required volume capability"),
        ("no_access_type", "request missing required volume capability access type"),
        ("block", "request volume capability access type must be a simple mount"),
        ("file_system", "request volume capability access type must be a simple mount"),
        ("options", "request volume capability access type must be a simple mount"),
        ("no_access_mode", "request missing required volume capability access mode"),
        ("reader", "request volume capability access mode is not valid"),
        ("many_nodes", "request volume capability access mode is not valid"),
        ("writable", "pod.spec.volumes[].csi.readOnly must be set to 'true'"),
        ("persistent", "only ephemeral volumes are supported"),
        ("no_pod_info", "only ephemeral volumes are supported"),
        ("outside", "target path \"/etc/carnet/mount\" is refused: it must be below the kubelet's folder"),
        ("detour", "target path"),
    ];
    for (name, text) in wanted {
        assert_eq!(answers[name]["code"], "INVALID_ARGUMENT", "{name}: {answers}");
        assert!(answers[name]["text"].as_str().unwrap().starts_with(text), "{name}: {answers}");
    }
    assert_eq!(answers["stage"]["code"], "UNIMPLEMENTED", "{answers}");
    assert_eq!(answers.as_object().unwrap().len(), wanted.len() + 1);
    assert!(cluster.mounts() == 0 && !cluster.target().exists());
}

#[test]
fn a_driver_is_ready_while_its_agent_serves() {
    let mut cluster = Cluster::start();
    let look = cluster.kubelet("look");
    let version = json(&mut carnet(["--output", "json", "version"]));
    let wanted = json!({ "name": "csi.spiffe.io", "version": version["carnet"], "ready": true, "node": "node-1",
        "capabilities": 0 });
    assert_eq!(look, wanted, "{version}");
    assert!(cluster.node.agent.end().success());
    assert_eq!(cluster.kubelet("look")["ready"], false);
}

#[test]
fn a_volume_outlives_its_agent() {
    let mut cluster = Cluster::start();
    assert_eq!(cluster.kubelet("publish"), ok());
    assert!(cluster.node.agent.end().success());
    cluster.node = Node::start(&cluster.site, "web", cluster.authority.says("nodes"));
    assert_eq!(cluster.pod()["ids"], json!(["spiffe://e2e.test/pod"]), "the socket is another one, in the same folder");
}

#[test]
fn a_volume_outlives_its_driver_and_the_next_one_knows_it() {
    let mut cluster = Cluster::start();
    assert_eq!(cluster.kubelet("publish"), ok());
    assert!(cluster.driver.end().success(), "{}", cluster.driver.log());
    assert_eq!(cluster.pod()["ids"], json!(["spiffe://e2e.test/pod"]));
    cluster.driver = driver(&cluster.site, &cluster.host);
    assert_eq!(cluster.kubelet("publish"), ok());
    assert_eq!(cluster.mounts(), 1);
    assert_eq!(cluster.kubelet("unpublish"), ok());
    assert!(cluster.mounts() == 0 && !cluster.target().exists());
}

#[test]
fn a_driver_that_cannot_work_does_not_start_and_says_why() {
    let site = Site::new("");
    fails(&mut csi(&site), 2, &["kubelet", "--kubelet-dir"]);
    std::fs::create_dir(site.path("kubelet")).unwrap();
    let nowhere_to_listen = ["csi", "--node-id", "node-1"];
    fails(&mut nowhere(&site.path(""), nowhere_to_listen), 2, &["CSI_ENDPOINT", "--endpoint unix:///csi/csi.sock"]);
    // As root, without the one right that is wanted.
    let program = csi(&site);
    let mut powerless = Command::new("setpriv");
    powerless.args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]);
    powerless.arg(program.get_program()).args(program.get_args());
    fails(&mut powerless, 2, &["mount below the kubelet's folder", "CAP_SYS_ADMIN"]);
}
