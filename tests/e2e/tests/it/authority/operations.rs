//! What whoever operates an authority sees: systemd's datagrams, signals, probes.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    time::Duration,
};

use super::{
    scene::{Authority, JWT, eventually, exchange, get, uid},
    witness::Witness,
};
use crate::{agent::Watch, scene::put};

/// The next datagram that says one of these.
fn told(socket: &UnixDatagram, wanted: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect("a datagram before the time limit");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.lines().any(|line| line == wanted) {
            return text;
        }
    }
}

#[test]
fn systemd_is_told_of_the_start_a_reload_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    // The test fails rather than waits for ever.
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut authority = Authority::trial_with("", "", |command| {
        command.env("NOTIFY_SOCKET", folder.path().join("notify"));
    });
    told(&socket, "READY=1");
    authority.service.signal("HUP");
    assert!(told(&socket, "RELOADING=1").contains("MONOTONIC_USEC="));
    told(&socket, "READY=1");
    authority.service.signal("TERM");
    told(&socket, "STOPPING=1");
    assert!(authority.service.ended().success(), "{}", authority.service.log());
}

#[test]
fn probes_and_metrics_are_on_a_listener_of_their_own() {
    let authority = Authority::shared();
    let at = authority.service.says("diagnostics");
    assert_eq!(get(&format!("{at}/livez")).status, 200);
    let ready = get(&format!("{at}/readyz?verbose"));
    assert_eq!(ready.status, 200);
    for component in ["store", "rules", "identity"] {
        assert!(ready.body.contains(&format!("{component}: ok")), "{ready:?}");
    }
    let metrics = get(&format!("{at}/metrics"));
    assert_eq!(metrics.status, 200);
    assert!(metrics.head.to_ascii_lowercase().contains("openmetrics-text"), "{metrics:?}");
    assert!(metrics.body.ends_with("# EOF\n"), "{metrics:?}");
    assert!(metrics.body.lines().any(|line| line.starts_with("carnet_")), "there is nothing to see: {metrics:?}");
    // Nobody sees them who only talks to the authority.
    for path in ["livez", "readyz", "metrics"] {
        assert_eq!(get(&format!("{}/{path}", authority.issuer())).status, 404);
    }
}

#[test]
fn an_authority_ends_with_its_standard_input_and_leaves_no_socket() {
    let mut authority = Authority::trial("", "");
    let sockets = [authority.service.says("admin"), authority.service.says("socket").strip_prefix("unix://").unwrap()];
    let sockets = sockets.map(std::path::PathBuf::from);
    assert!(sockets.iter().all(|socket| socket.exists()));
    assert!(authority.service.end().success(), "{}", authority.service.log());
    assert!(sockets.iter().all(|socket| !socket.exists()), "{sockets:?}");
}

#[test]
fn rules_and_entries_are_read_again_when_their_files_change_or_a_signal_says_so() {
    let witness = Witness::start();
    let authority = Authority::trial("", "");
    let exchanged = || authority.token(&exchange(&witness.token("web"), JWT)).status;
    assert_eq!(exchanged(), 400);
    put(&authority.path("rules.toml"), witness.rule(""), 0o600);
    authority.service.signal("HUP");
    // It says nothing when it has: it is asked until it answers otherwise.
    eventually(|| exchanged() == 200);
    let entry = format!(
        "[[entry]]\nid = \"filed\"\nspiffe_id = \"{}/filed\"\nparent_id = \"{}\"\nselectors = [\"unix:uid:{}\"]\n",
        authority.domain(),
        authority.parent(),
        uid(),
    );
    let mut watch = Watch::open(authority.service.says("socket"), &authority.path(""));
    assert_eq!(watch.ids(), [authority.user()]);
    put(&authority.path("entries.toml"), entry, 0o600);
    assert!(watch.ids().contains(&format!("{}/filed", authority.domain())));
    // What cannot be taken changes nothing, and is told.
    put(&authority.path("rules.toml"), "[[rule]]\nname = 1\n", 0o600);
    let ready = format!("{}/readyz", authority.service.says("diagnostics"));
    eventually(|| get(&ready).body.contains("rules: degraded: "));
    assert_eq!(get(&ready).status, 200, "one typo takes no node out of service");
    assert_eq!(exchanged(), 200);
}

#[test]
fn a_request_that_has_begun_is_answered_after_the_signal_to_stop() {
    let witness = Witness::start();
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut authority = Authority::trial_with(&witness.rule(""), "", |command| {
        command.env("NOTIFY_SOCKET", folder.path().join("notify"));
    });
    let form = exchange(&witness.token("web"), JWT).map(|(name, value)| format!("{name}={value}")).join("&");
    let mut caller = TcpStream::connect(authority.service.says("public")).unwrap();
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    caller.write_all(head.as_bytes()).unwrap();
    // The authority waits for the body from here on.
    let mut begun = [0; 12];
    caller.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100");
    authority.service.signal("TERM");
    told(&socket, "STOPPING=1");
    caller.write_all(form.as_bytes()).unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("access_token"), "{answer}");
    assert!(authority.service.ended().success(), "{}", authority.service.log());
}
