//! Envoy itself, with certificates and trust from the agent's socket: as a server, and as a client of that server.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    authority::scene::Authority,
    harness::{both, installed, json, output},
    matrix::proven,
};

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// The secret of this name, from the agent.
fn secret(name: &str) -> Value {
    let source = json!({ "api_config_source": { "api_type": "GRPC", "transport_api_version": "V3",
        "grpc_services": [{ "envoy_grpc": { "cluster_name": "agent" } }] }, "resource_api_version": "V3" });
    json!({ "name": name, "sds_config": source })
}

/// The certificate of this workload, and whom it believes: the own trust domain, and of that only this one.
fn tls(id: &str) -> Value {
    let exactly = json!({ "match_typed_subject_alt_names": [{ "san_type": "URI", "matcher": { "exact": id } }] });
    json!({ "tls_certificate_sds_secret_configs": [secret("default")], "combined_validation_context":
        { "default_validation_context": exactly, "validation_context_sds_secret_config": secret("ROOTCA") } })
}

fn listener(name: &str, path: &Path, route: &Value, transport: Option<Value>) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "http_filters": [{ "name": "router", "typed_config":
            { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
    });
    let mut chain = json!({ "filters": [{ "name": "http", "typed_config": manager }] });
    if let Some(config) = transport {
        chain["transport_socket"] = json!({ "name": "tls", "typed_config": config });
    }
    json!({ "name": name, "address": { "pipe": { "path": path } }, "filter_chains": [chain] })
}

fn cluster(name: &str, path: &Path) -> Value {
    json!({ "name": name, "type": "STATIC", "load_assignment": { "cluster_name": name, "endpoints":
        [{ "lb_endpoints": [{ "endpoint": { "address": { "pipe": { "path": path } } } }] }] } })
}

fn bootstrap(folder: &Path, agent: &Path, server: &str, client: &str) -> Value {
    let mut agent = cluster("agent", agent);
    agent["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
        { "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
          "explicit_http_config": { "http2_protocol_options": {} } } });
    let mut inside = cluster("inside", &folder.join("inside"));
    inside["transport_socket"] = json!({ "name": "tls", "typed_config":
        { "@type": format!("{TLS}.UpstreamTlsContext"), "common_tls_context": tls(server) } });
    let downstream = json!({ "@type": format!("{TLS}.DownstreamTlsContext"), "require_client_certificate": true,
        "common_tls_context": tls(client) });
    let replies = json!({ "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "inside" } } });
    let onward = json!({ "match": { "prefix": "/" }, "route": { "cluster": "inside" } });
    json!({
        "node": { "id": "e2e", "cluster": "e2e" },
        "static_resources": {
            "clusters": [agent, inside],
            "listeners": [
                listener("inside", &folder.join("inside"), &replies, Some(downstream)),
                listener("outside", &folder.join("outside"), &onward, None),
            ],
        },
    })
}

/// An Envoy whose listeners have their secrets.
struct Envoy(Child);

impl Envoy {
    fn start(folder: &Path, authority: &Authority, server: &str, client: &str) -> Self {
        let agent = authority.service.says("socket").strip_prefix("unix://").unwrap();
        let config = folder.join("envoy.json");
        std::fs::write(&config, bootstrap(folder, Path::new(agent), server, client).to_string()).unwrap();
        let mut command = installed("envoy");
        command.args(["--disable-hot-restart", "--concurrency", "1", "--config-path"]).arg(&config);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("start Envoy");
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        // It says so when what its listeners wait for has come.
        while !said.contains("starting workers") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "Envoy did not start: {said}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self(child)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn through(folder: &Path) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--write-out", " %{http_code}", "http://inside/", "--unix-socket"]);
    let done = output(curl.arg(folder.join("outside")));
    assert!(done.status.success(), "{}", both(&done));
    String::from_utf8(done.stdout).unwrap()
}

/// OpenSSL in the place of the client, with what py-spiffe got.
fn knock(folder: &Path, with: &[&str]) -> Output {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-verify_return_error", "-CAfile", "bundle.pem", "-unix", "inside"]).args(with);
    openssl.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = openssl.spawn().unwrap();
    // It may have been turned away already.
    drop(child.stdin.as_mut().unwrap().write_all(b"GET / HTTP/1.1\r\nhost: inside\r\nconnection: close\r\n\r\n"));
    child.wait_with_output().unwrap()
}

#[test]
fn envoy_serves_and_calls_with_secrets_of_the_agent() {
    let authority = Authority::shared();
    let folder = tempfile::tempdir().unwrap();
    let user = authority.user();
    let _envoy = Envoy::start(folder.path(), authority, &user, &user);
    assert_eq!(through(folder.path()), "inside 200");
    json(authority.workload("spiffe_py.py").env("PUT_INTO", folder.path()));
    let known = knock(folder.path(), &["-cert", "svid.pem", "-key", "key.pem"]);
    assert!(both(&known).contains("inside"), "{}", both(&known));
    let stranger = knock(folder.path(), &[]);
    assert!(!both(&stranger).contains("200 OK") && both(&stranger).contains("alert"), "{}", both(&stranger));
    proven("spiffe", "authority", "Envoy");
}

#[test]
fn envoy_believes_no_other_identity_of_the_domain() {
    let authority = Authority::shared();
    let folder = tempfile::tempdir().unwrap();
    let other = format!("{}/somebody/else", authority.domain());
    let _envoy = Envoy::start(folder.path(), authority, &other, &authority.user());
    let answer = through(folder.path());
    assert!(answer.ends_with(" 503") && !answer.starts_with("inside"), "{answer}");
}
