//! Folders that cannot be written, disks that are full, and several carnets at once: what was delivered before stays,
//! and a token never stands beside another token's key.

use std::{
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::ExitStatusExt as _,
    },
    path::Path,
    process::{Command, Stdio},
};

use carnet_jose::{Algorithm, Jwk, SigningKey, UnverifiedJwt, private_key_from_pem};

use crate::{
    harness::{Sandbox, both, output},
    scene::{Desk, fails, mode, nowhere, put, works},
};

/// The token of a delivered session; the key beside it must be the one that it is bound to.
fn session(folder: &Path) -> String {
    let (token, pem) = loop {
        let whole = std::fs::canonicalize(folder).unwrap();
        match (std::fs::read_to_string(whole.join("token")), std::fs::read(whole.join("session_key.pem"))) {
            (Ok(token), Ok(pem)) => break (token, pem),
            // Two others have written since the link was followed; what is read is gone then, never mixed.
            _ if std::fs::canonicalize(folder).unwrap() != whole => {}
            (token, pem) => panic!("{token:?} {pem:?}"),
        }
    };
    let key = private_key_from_pem(&pem, None).unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, &key).unwrap();
    let jwt = UnverifiedJwt::parse(&token).unwrap();
    let bound: Jwk = serde_json::from_str(jwt.unverified_claims().str("jwk").unwrap()).unwrap();
    assert_eq!(bound.thumbprint(), key.public_jwk().thumbprint(), "the key is not the token's");
    token
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The command without the rights that let root write everywhere. As anybody else it is the command itself.
fn unprivileged(desk: &Desk<'_>, command: &Command) -> Command {
    if std::fs::metadata(desk.folder()).unwrap().uid() != 0 {
        return wrapped("env", &[], command);
    }
    wrapped("setpriv", &["--bounding-set=-all", "--inh-caps=-all"], command)
}

/// The command in a shell that lets no file grow beyond 512 bytes; `before` runs first.
fn on_a_full_disk(before: &str, command: &Command) -> Command {
    let script = format!("{before}; ulimit -f 1; exec \"$@\"");
    wrapped("sh", &["-c", &script, "sh"], command)
}

fn wrapped(program: &str, words: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer.args(words).arg(command.get_program()).args(command.get_args()).env_clear();
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer
}

#[test]
fn several_at_once_leave_one_whole_session() {
    let desk = Desk::new(Sandbox::shared());
    let shared = desk.path("config");
    put(&shared, "# mine\n[DEFAULT]\nregion=us-phoenix-1\n", 0o600);
    let mut running: Vec<_> = (0..8)
        .map(|_| {
            let mut command = desk.profile();
            command.arg(format!("merge_into={}", shared.display())).stderr(Stdio::piped()).stdout(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for one in running.drain(..) {
        let done = one.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", both(&done));
        // The others are still at it.
        session(&desk.path("oci/current"));
    }
    let left = names(&desk.path("oci"));
    assert_eq!(left.len(), 4, "a lock, a link and two generations: {left:?}");
    let merged = std::fs::read_to_string(&shared).unwrap();
    assert!(merged.starts_with("# mine\n[DEFAULT]\nregion=us-phoenix-1\n"), "{merged}");
    assert_eq!(merged.matches("[CARNET]").count(), 1, "{merged}");
    let mut read = nowhere(desk.folder(), ["get", "--from", "oci-config", "profile=CARNET", "--quiet"]);
    works(read.env("OCI_CLI_CONFIG_FILE", &shared));
    let others: Vec<String> = names(desk.folder()).into_iter().filter(|name| name.contains(".new")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn several_at_once_leave_one_whole_token_file() {
    let desk = Desk::new(Sandbox::shared());
    let path = desk.path("out/token");
    let running: Vec<_> = (0..8)
        .map(|_| {
            let mut command = desk.source("get");
            command.args(["--quiet", "--deliver", "token-file"]).arg(format!("path={}", path.display()));
            command.stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for one in running {
        let done = one.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", both(&done));
        let token = std::fs::read_to_string(&path).unwrap();
        assert_eq!(token, std::fs::read_to_string(desk.path("token.jwt")).unwrap());
    }
    assert_eq!(names(&desk.path("out")), ["token"]);
}

#[test]
fn a_read_only_folder_keeps_the_session_that_is_there() {
    let desk = Desk::new(Sandbox::shared());
    works(&mut desk.profile());
    let before = session(&desk.path("oci/current"));
    let folder = desk.path("oci");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    let mut command = unprivileged(&desk, &desk.profile());
    let place = folder.display().to_string();
    fails(&mut command, 2, &[&place, "Permission denied", "choose a folder that this user may write to"]);
    assert_eq!(session(&desk.path("oci/current")), before);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_read_only_folder_keeps_the_token_that_is_there() {
    let desk = Desk::new(Sandbox::shared());
    let folder = desk.path("out");
    std::fs::create_dir(&folder).unwrap();
    put(&folder.join("token"), "the one before", 0o600);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    let mut command = desk.source("get");
    command.args(["--quiet", "--deliver", "token-file"]).arg(format!("path={}", folder.join("token").display()));
    fails(
        &mut unprivileged(&desk, &command),
        2,
        &["--deliver token-file", "choose a folder that this user may write to"],
    );
    assert_eq!(std::fs::read(folder.join("token")).unwrap(), b"the one before");
    assert_eq!(names(&folder), ["token"]);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_file_that_this_user_may_not_read_is_named() {
    let desk = Desk::new(Sandbox::shared());
    for name in ["token.jwt", "client-secret"] {
        put(&desk.path(name), std::fs::read(desk.path(name)).unwrap(), 0o000);
        let mut command = unprivileged(&desk, &desk.exchange("get"));
        fails(&mut command, 2, &[&desk.path(name).display().to_string(), "Permission denied"]);
        std::fs::set_permissions(desk.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_full_disk_keeps_the_session_that_is_there() {
    let desk = Desk::new(Sandbox::shared());
    works(&mut desk.profile());
    let (before, files) = (session(&desk.path("oci/current")), names(&desk.path("oci")));
    let mut command = on_a_full_disk("trap '' XFSZ", &desk.profile());
    let place = desk.path("oci").display().to_string();
    fails(&mut command, 2, &[&place, "--deliver oci-profile", "free space on that disk"]);
    assert_eq!(session(&desk.path("oci/current")), before);
    assert_eq!(names(&desk.path("oci")), files, "nothing half-written may stay");
}

#[test]
fn a_full_disk_keeps_the_token_that_is_there() {
    let desk = Desk::new(Sandbox::shared());
    std::fs::create_dir(desk.path("out")).unwrap();
    put(&desk.path("out/token"), "the one before", 0o600);
    let mut command = desk.source("get");
    command.args(["--quiet", "--deliver", "token-file"]).arg(format!("path={}", desk.path("out/token").display()));
    fails(&mut on_a_full_disk("trap '' XFSZ", &command), 2, &["--deliver token-file", "free space on that disk"]);
    assert_eq!(std::fs::read(desk.path("out/token")).unwrap(), b"the one before");
    assert_eq!(names(&desk.path("out")), ["token"]);
}

#[test]
fn a_death_in_mid_write_keeps_the_session_that_is_there() {
    const SIGXFSZ: i32 = 25;
    let desk = Desk::new(Sandbox::shared());
    works(&mut desk.profile());
    let before = session(&desk.path("oci/current"));
    let done = output(&mut on_a_full_disk("ulimit -c 0", &desk.profile()));
    assert_eq!(done.status.signal(), Some(SIGXFSZ), "{}", both(&done));
    assert_eq!(session(&desk.path("oci/current")), before);
    // The next one is not held up by what the dead one left, and removes it in time.
    works(&mut desk.profile());
    works(&mut desk.profile());
    assert_ne!(session(&desk.path("oci/current")), before);
    let left = names(&desk.path("oci"));
    assert_eq!(left.len(), 4, "a lock, a link and two generations: {left:?}");
}

#[test]
fn a_shared_file_with_a_profile_twice_is_left_alone() {
    let desk = Desk::new(Sandbox::shared());
    let shared = desk.path("config");
    put(&shared, "[CARNET]\n[CARNET]\n", 0o640);
    let mut command = desk.profile();
    command.arg(format!("merge_into={}", shared.display()));
    fails(&mut command, 2, &[&shared.display().to_string(), "line", "nothing was written"]);
    assert_eq!(std::fs::read(&shared).unwrap(), b"[CARNET]\n[CARNET]\n");
    assert_eq!(mode(&shared), 0o640);
    assert!(!desk.path("oci").exists());
}

#[test]
fn a_folder_that_is_a_file_is_told() {
    let desk = Desk::new(Sandbox::shared());
    put(&desk.path("oci"), "a file", 0o600);
    fails(&mut desk.profile(), 2, &[&desk.path("oci").display().to_string(), "--deliver oci-profile"]);
    assert_eq!(std::fs::read(desk.path("oci")).unwrap(), b"a file");
}

#[test]
fn a_relative_folder_is_refused_before_anything_is_sent() {
    let desk = Desk::new(Sandbox::shared());
    let mut command = desk.exchange("get");
    command.args(["--deliver", "oci-profile", "directory=oci"]);
    fails(&mut command, 2, &["directory", "absolute"]);
}

#[test]
fn everything_delivered_is_private() {
    let desk = Desk::new(Sandbox::shared());
    works(&mut desk.profile());
    let folder = std::fs::canonicalize(desk.path("oci/current")).unwrap();
    for name in ["config", "token", "session_key.pem"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    assert_eq!((mode(&folder), mode(&desk.path("oci"))), (0o700, 0o700));
}
