//! Who is calling, and that a recycled process number is never believed.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use carnet_agent::{
    Attestation, AttestationLimits, Caller, Container, Executables, Names, Processes, Systemd, Unix, WorkloadAttestor,
};
use carnet_core::{BoxFuture, Error, hex};
use carnet_net::Peer;
use carnet_spiffe::Selector;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

use crate::support::{Told, selectors};

const PID: i32 = 4242;

/// A folder that looks like `/proc` with one process, and `/etc` with its names.
struct World(TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(world.file("")).unwrap();
        world.put("stat", &stat(100));
        world.put("status", "Name:\tapi\nUid:\t0\t1000\t0\t0\nGid:\t0\t100\t0\t0\nGroups:\t24 4242 \n");
        world.put("cgroup", "0::/system.slice/api.service\n");
        carnet_core::replace_files(&[
            carnet_core::NewFile::new(world.0.path().join("passwd"), "root:x:0:0\napi:x:1000:100\n"),
            carnet_core::NewFile::new(world.0.path().join("group"), "users:x:100:\ncdrom:x:24:api\n"),
        ])
        .unwrap();
        world
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(PID.to_string()).join(name)
    }

    fn put(&self, name: &str, text: &str) {
        carnet_core::replace_files(&[carnet_core::NewFile::new(self.file(name), text)]).unwrap();
    }

    fn unix(&self, executables: Executables) -> Arc<dyn WorkloadAttestor> {
        Arc::new(Unix::new(Names::at(self.0.path()), executables))
    }

    async fn attest(&self, attestors: Vec<Arc<dyn WorkloadAttestor>>) -> Result<Vec<String>, Error> {
        attest(Processes::at(self.0.path()), attestors, &peer(PID, (1000, 100))).await
    }
}

fn stat(started: u64) -> String {
    format!("{PID} (a b) c) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {started} 1 2 3\n")
}

fn peer(pid: i32, (uid, gid): (u32, u32)) -> Peer {
    Peer { pid: Some(pid), uid, gid, pidfd: None, pidfd_is_peer: false }
}

async fn attest(
    processes: Processes,
    attestors: Vec<Arc<dyn WorkloadAttestor>>,
    peer: &Peer,
) -> Result<Vec<String>, Error> {
    let limits = AttestationLimits { deadline: Duration::from_secs(5), at_once: 2 };
    let found = Attestation::new(attestors, processes, limits).attest(peer).await;
    let found = found.map_err(|error| Arc::into_inner(error).unwrap())?;
    Ok(found.iter().map(ToString::to_string).collect())
}

/// Does something in the middle of an attestation.
struct Meanwhile<F>(F);

impl<F> std::fmt::Debug for Meanwhile<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl<F: Fn() + Send + Sync> WorkloadAttestor for Meanwhile<F> {
    fn name(&self) -> &'static str {
        "meanwhile"
    }

    fn attest<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(async move {
            (self.0)();
            Ok(selectors(&["told:app:api"]))
        })
    }
}

#[derive(Debug)]
struct Failing;

impl WorkloadAttestor for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn attest<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(async { Err(Error::unreachable("as the test says")) })
    }
}

#[derive(Debug)]
struct Endless;

impl WorkloadAttestor for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }

    fn attest<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn user_and_groups_are_the_effective_ones_with_their_names() {
    let world = World::new();
    let found = world.attest(vec![world.unix(Executables::Ignored)]).await.unwrap();
    assert_eq!(
        found,
        [
            "unix:gid:100",
            "unix:group:users",
            "unix:supplementary_gid:24",
            "unix:supplementary_gid:4242",
            "unix:supplementary_group:cdrom",
            "unix:uid:1000",
            "unix:user:api",
        ]
    );
}

#[tokio::test]
async fn unit_and_container_are_those_of_the_control_group() {
    let world = World::new();
    let both = || vec![Arc::new(Systemd) as Arc<dyn WorkloadAttestor>, Arc::new(Container)];
    assert_eq!(world.attest(both()).await.unwrap(), ["systemd:id:api.service"]);
    let id = "0123456789abcdef".repeat(4);
    world.put("cgroup", &format!("0::/system.slice/docker-{id}.scope\n"));
    let found = world.attest(both()).await.unwrap();
    let unit = format!("systemd:id:docker-{id}.scope");
    assert_eq!(found, [format!("container:id:{id}"), "container:runtime:docker".into(), unit]);
}

#[tokio::test]
async fn a_recycled_number_is_not_believed() {
    let world = World::new();
    let file = world.file("stat");
    let recycle = move || carnet_core::replace_files(&[carnet_core::NewFile::new(&file, stat(200))]).unwrap();
    let error = world.attest(vec![Arc::new(Meanwhile(recycle))]).await.unwrap_err();
    assert!(error.to_string().contains("ended meanwhile"), "{error}");
    assert!(world.attest(vec![Arc::new(Meanwhile(|| ()))]).await.is_ok(), "the same without the change");
}

#[tokio::test]
async fn a_process_that_ends_meanwhile_is_not_believed() {
    let world = World::new();
    let folder = world.file("");
    let end = move || fs::remove_dir_all(&folder).unwrap();
    assert!(world.attest(vec![Arc::new(Meanwhile(end))]).await.is_err());
}

#[tokio::test]
async fn a_process_that_changes_its_user_meanwhile_is_not_believed() {
    let world = World::new();
    let file = world.file("status");
    let text = fs::read_to_string(&file).unwrap().replace("1000", "0");
    let change = move || carnet_core::replace_files(&[carnet_core::NewFile::new(&file, text.clone())]).unwrap();
    let error = world.attest(vec![Arc::new(Meanwhile(change))]).await.unwrap_err();
    assert!(error.to_string().contains("ids have changed"), "{error}");
}

#[tokio::test]
async fn rejects_a_process_with_other_ids_than_the_connection() {
    let world = World::new();
    for ids in [(1001, 100), (1000, 101)] {
        let processes = Processes::at(world.0.path());
        assert!(attest(processes, vec![Arc::new(Meanwhile(|| ()))], &peer(PID, ids)).await.is_err(), "{ids:?}");
    }
}

#[tokio::test]
async fn rejects_a_caller_without_a_number() {
    let world = World::new();
    let nobody = Peer { pid: None, ..peer(PID, (1000, 100)) };
    let told: Arc<dyn WorkloadAttestor> = Arc::new(Told(Mutex::new(selectors(&["told:app:api"]))));
    let error = attest(Processes::at(world.0.path()), vec![told], &nobody).await.unwrap_err();
    assert!(error.hints()[0].contains("hostPID"), "{error:?}");
}

#[tokio::test]
async fn a_real_process_is_believed_until_it_ends() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let pidfd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let peer = Peer { pidfd: Some(Arc::new(pidfd)), ..peer(pid, own) };
    let unix = || vec![Arc::new(Unix::new(Names::of_this_machine(), Executables::Path)) as Arc<dyn WorkloadAttestor>];
    let found = attest(Processes::of_this_machine(), unix(), &peer).await.unwrap();
    assert!(found.contains(&format!("unix:uid:{}", own.0)), "{found:?}");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(attest(Processes::of_this_machine(), unix(), &peer).await.is_err());
    // Somebody has its number now, this very process for instance, and the connection is still the old one's.
    let recycled = Peer { pid: Some(std::process::id().try_into().unwrap()), ..peer };
    let unasked = Arc::new(Meanwhile(|| panic!("somebody else was looked at")));
    assert!(attest(Processes::of_this_machine(), vec![unasked], &recycled).await.is_err());
}

#[tokio::test]
async fn one_attestor_that_fails_is_passed_over_and_all_are_an_error() {
    let world = World::new();
    let found = world.attest(vec![Arc::new(Failing), Arc::new(Meanwhile(|| ()))]).await.unwrap();
    assert_eq!(found, ["told:app:api"]);
    let error = world.attest(vec![Arc::new(Failing), Arc::new(Failing)]).await.unwrap_err();
    assert!(error.to_string().contains("no attestor could look"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn attestation_has_a_deadline_also_for_those_that_wait_for_their_turn() {
    let world = World::new();
    let found = world.attest(vec![Arc::new(Endless), Arc::new(Meanwhile(|| ()))]).await.unwrap();
    assert_eq!(found, ["told:app:api"], "the other one's selectors count");
    let limits = AttestationLimits { deadline: Duration::from_secs(5), at_once: 1 };
    let attestation = Attestation::new(vec![Arc::new(Endless)], Processes::at(world.0.path()), limits);
    let peer = peer(PID, (1000, 100));
    let (one, other) = tokio::join!(attestation.attest(&peer), attestation.attest(&peer));
    assert!(one.unwrap_err().to_string().contains("no attestor could look"));
    assert!(other.is_err());
}

#[tokio::test]
async fn the_executable_is_known_by_path_and_digest() {
    let world = World::new();
    let program = world.0.path().join("api");
    carnet_core::replace_files(&[carnet_core::NewFile::new(&program, "#!program")]).unwrap();
    symlink(&program, world.file("exe")).unwrap();
    let digest = format!("unix:sha256:{}", hex(&carnet_jose::sha256(b"#!program")));
    let path = format!("unix:path:{}", program.display());
    for (executables, wanted) in [
        (Executables::Ignored, vec![]),
        (Executables::Path, vec![path.clone()]),
        (Executables::Digest(9), vec![path.clone(), digest.clone()]),
        (Executables::Digest(8), vec![path.clone()]),
    ] {
        let found = world.attest(vec![world.unix(executables)]).await.unwrap();
        let found: Vec<String> =
            found.into_iter().filter(|one| one.contains(":path:") || one.contains(":sha256:")).collect();
        assert_eq!(found, wanted, "{executables:?}");
    }
    let unix = world.unix(Executables::Digest(1 << 20));
    let has_digest = |found: Vec<String>| found.contains(&digest);
    assert!(has_digest(world.attest(vec![Arc::clone(&unix)]).await.unwrap()));
    assert!(has_digest(world.attest(vec![Arc::clone(&unix)]).await.unwrap()), "remembered");
    carnet_core::replace_files(&[carnet_core::NewFile::new(&program, "#!other")]).unwrap();
    assert!(!has_digest(world.attest(vec![unix]).await.unwrap()), "another file is another digest");
}
