//! An agent in a process of its own, while its authority is there, killed, and there again.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Watch;
use crate::{
    authority::{
        scene::{Running, admin, uid},
        site::Site,
    },
    harness::{json, python},
    scene::{nowhere, put},
};

/// An agent that joined by token, and its socket.
pub(crate) struct Node {
    pub(crate) agent: Running,
    pub(crate) socket: String,
}

impl Node {
    /// Joins this authority of the site. Its files are called after its name.
    pub(crate) fn join(site: &Site, name: &str, authority: &Running) -> Self {
        let socket = Site::admin_of(authority);
        let token = admin(&socket, 201, "POST", "/v1/join-tokens", &json!({ "agent_path": name }));
        put(&site.path(&format!("{name}.token")), token["token"].as_str().unwrap(), 0o600);
        Self::fetch_bundle(site, name, authority);
        Self::start(site, name, authority.says("nodes"))
    }

    /// What it knows the authority by at first.
    pub(super) fn fetch_bundle(site: &Site, name: &str, authority: &Running) {
        let bundle = crate::authority::scene::get(&format!("http://{}/spiffe-bundle", authority.says("public")));
        put(&site.path(&format!("{name}.bundle")), bundle.body, 0o600);
    }

    /// Starts it with what it has.
    pub(crate) fn start(site: &Site, name: &str, nodes: &str) -> Self {
        let file = site.path(&format!("{name}.token")).display().to_string();
        Self::start_by(site, name, nodes, &format!("{{ join-token = {{ file = \"{file}\" }} }}"), &[])
    }

    /// The same with another method, and these variables.
    pub(super) fn start_by(site: &Site, name: &str, nodes: &str, attest: &str, variables: &[(&str, &str)]) -> Self {
        let at = |suffix: &str| site.path(&format!("{name}.{suffix}")).display().to_string();
        for (folder, mode) in [("state", 0o700), ("sockets", 0o755)] {
            let folder = site.path(&format!("{name}.{folder}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        let config = format!(
            "version = 1\n[agent]\ntrust_domain = \"e2e.test\"\nauthority = \"https://{nodes}\"\n\
             attest = {attest}\nbootstrap_bundle = \"{}\"\nsocket = \"{}\"\nstate_directory = \"{}\"\n",
            at("bundle"),
            at("sockets/api.sock"),
            at("state"),
        );
        let file = site.path(&format!("{name}.toml"));
        put(&file, config, 0o600);
        let mut command = nowhere(&site.path(""), ["--output", "json", "agent", "--stop-with-stdin"]);
        command.envs(variables.iter().copied()).arg("--config").arg(&file);
        let agent = Running::start(&mut command, &PathBuf::from(at("log")));
        Self { agent, socket: format!("unix://{}", at("sockets/api.sock")) }
    }

    fn call(&self, arguments: &[&str]) -> Value {
        json(python("spiffe_calls.py").args(arguments).env("SPIFFE_ENDPOINT_SOCKET", &self.socket))
    }
}

/// What this user's processes are on the node of this name.
pub(crate) fn entry(id: &str, node: &str, path: &str) -> Value {
    json!({ "id": id, "spiffe_id": format!("spiffe://e2e.test{path}"), "selectors": [format!("unix:uid:{}", uid())],
        "parent_id": format!("spiffe://e2e.test/carnet/agent/join-token/{node}") })
}

#[test]
fn an_agent_serves_what_it_has_while_the_authority_is_away_and_takes_up_with_it_again() {
    let site = Site::new("");
    let authority = site.start("one", "127.0.0.1:0");
    let socket = Site::admin_of(&authority);
    admin(&socket, 201, "POST", "/v1/entries", &entry("first", "web", "/first"));
    let node = Node::join(&site, "web", &authority);
    assert_eq!(node.agent.says("spiffe_id"), "spiffe://e2e.test/carnet/agent/join-token/web");
    let mut watch = Watch::open(&node.socket, &site.path(""));
    assert_eq!(watch.ids(), ["spiffe://e2e.test/first"]);
    let before = node.call(&["good"]);
    assert_eq!(before["jwt"]["code"], "OK", "{before}");

    let nodes = authority.says("nodes").to_owned();
    authority.kill();
    let away = node.call(&["good"]);
    for method in ["x509", "x509_bundles", "jwt_bundles", "validated"] {
        assert_eq!(away[method]["code"], "OK", "{method}: {away}");
    }
    assert_eq!(away["jwt"]["token"], before["jwt"]["token"], "the token that it has is good for half of its life");
    let fresh = node.call(&["jwt", "https://not-asked-before.test"]);
    assert_eq!(fresh["code"], "UNAVAILABLE", "{fresh}");
    assert!(fresh["text"].as_str().is_some_and(|text| text.starts_with("could not fetch JWT-SVID: ")), "{fresh}");

    let authority = site.start("one", &nodes);
    // It would ask again soon; now it does at once.
    node.agent.signal("HUP");
    admin(&Site::admin_of(&authority), 201, "POST", "/v1/entries", &entry("second", "web", "/second"));
    let ids = watch.ids();
    assert!(ids.len() == 2 && ids.contains(&"spiffe://e2e.test/second".to_owned()), "{ids:?}");
    assert_eq!(node.call(&["jwt", "https://not-asked-before.test"])["code"], "OK");
}

#[test]
fn an_agent_that_is_started_again_needs_no_new_join_token() {
    let site = Site::new("");
    let authority = site.start("one", "127.0.0.1:0");
    admin(&Site::admin_of(&authority), 201, "POST", "/v1/entries", &entry("first", "web", "/first"));
    let mut node = Node::join(&site, "web", &authority);
    assert!(node.agent.end().success(), "{}", node.agent.log());
    std::fs::remove_file(site.path("web.token")).unwrap();
    let again = Node::start(&site, "web", authority.says("nodes"));
    assert_eq!(Watch::open(&again.socket, &site.path("")).ids(), ["spiffe://e2e.test/first"]);
}
