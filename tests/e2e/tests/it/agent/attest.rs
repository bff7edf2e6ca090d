//! Nodes that are believed by what they already have: an agent, its authority, and whoever vouches for the machine.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Node;
use crate::{
    authority::{scene::admin, site::Site},
    harness::{Sandbox, output},
    scene::put,
};

/// The identity of the agent that attests so, at an authority that believes this. Its row of the audit names it.
fn attested(site: &Site, attest: &str, variables: &[(&str, &str)]) -> String {
    let authority = site.start("one", "127.0.0.1:0");
    Node::fetch_bundle(site, "node", &authority);
    let node = Node::start_by(site, "node", authority.says("nodes"), attest, variables);
    let id = node.agent.says("spiffe_id").to_owned();
    let nodes = admin(&Site::admin_of(&authority), 200, "GET", "/v1/nodes", &Value::Null);
    assert_eq!(nodes["items"][0]["id"], id, "{nodes}");
    id
}

fn openssl(site: &Site, arguments: &str) {
    let mut command = Command::new("openssl");
    let done = output(command.args(arguments.split(' ')).current_dir(site.path("")));
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn an_agent_attests_by_the_certificate_that_the_machine_has() {
    let site = Site::new("");
    put(&site.path("leaf.ext"), "keyUsage = digitalSignature\nextendedKeyUsage = clientAuth\n", 0o600);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&site, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=machines -days 2"));
    openssl(&site, &format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=web-1"));
    openssl(&site, "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 1 -extfile leaf.ext -out leaf.pem");
    let at = |name: &str| site.path(name).display().to_string();
    let attest =
        format!("{{ x509pop = {{ certificate_file = \"{}\", key_file = \"{}\" }} }}", at("leaf.pem"), at("leaf.key"));
    let tables = format!("[authority.attest.x509pop]\nca_file = \"{}\"\n", at("ca.pem"));
    let id = attested(&site.attest(&tables), &attest, &[]);
    let fingerprint = id.strip_prefix("spiffe://e2e.test/carnet/agent/x509pop/").unwrap_or_default();
    assert_eq!(fingerprint.len(), 64, "{id}");
}

#[test]
fn an_agent_attests_by_the_projected_token_of_its_pod() {
    let site = Site::new("");
    let key = SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("cluster");
    let now = Timestamp::now().as_second();
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "aud": ["carnet"], "sub": "system:serviceaccount:carnet:agent",
        "iat": now, "exp": now + 600,
        "kubernetes.io": {
            "namespace": "carnet", "serviceaccount": { "name": "agent", "uid": "s-1" },
            "pod": { "name": "agent-x", "uid": "p-1" }, "node": { "name": "worker-1", "uid": "n-1" },
        },
    });
    let token = encode_jwt(&key, &Map::new(), claims.as_object().unwrap()).unwrap();
    put(&site.path("pod.token"), token.expose(), 0o600);
    put(&site.path("jwks.json"), json!({ "keys": [key.public_jwk()] }).to_string(), 0o600);
    let file = site.path("pod.token").display().to_string();
    let attest = format!("{{ k8s = {{ cluster = \"prod\", token_file = \"{file}\" }} }}");
    let tables = format!(
        "[authority.attest.k8s.prod]\naudience = \"carnet\"\nservice_accounts = [\"carnet:agent\"]\n\
         issuer = \"https://kubernetes.default.svc\"\njwks_file = \"{}\"\n",
        site.path("jwks.json").display(),
    );
    assert_eq!(attested(&site.attest(&tables), &attest, &[]), "spiffe://e2e.test/carnet/agent/k8s/prod/n-1");
}

/// A document of the metadata service.
fn metadata(base: &str, path: &str) -> String {
    let (address, below) = base.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{below}/{path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer Oracle\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
    body.to_owned()
}

#[test]
fn an_agent_attests_by_the_certificate_of_its_oci_instance_wherever_the_metadata_service_is() {
    let sandbox = Sandbox::start();
    let base = sandbox.environment(&[]).into_iter().find(|(name, _)| name == "OCI_METADATA_BASE_URL").unwrap().1;
    let instance: Value = serde_json::from_str(&metadata(&base, "instance")).unwrap();
    let (id, region) = (instance["id"].as_str().unwrap(), instance["canonicalRegionName"].as_str().unwrap());
    let tenancy = instance["tenantId"].as_str().unwrap();
    // As the variable says, and as the configuration does, with the version and without.
    let plain = base.strip_suffix("/opc/v2").unwrap();
    let named = |url: &str| format!("{{ oci = {{ metadata_url = \"{url}\" }} }}");
    for attest in ["{ oci = {} }".to_owned(), named(&base), named(plain)] {
        let site = Site::new("");
        put(&site.path("oci.pem"), metadata(&base, "identity/intermediate.pem"), 0o600);
        let tables = format!(
            "[authority.attest.oci]\ntenancies = [\"{tenancy}\"]\nroots = {{ {region} = \"{}\" }}\n",
            site.path("oci.pem").display(),
        );
        let variables = [("OCI_METADATA_BASE_URL", base.as_str())];
        let agent = attested(&site.attest(&tables), &attest, &variables);
        assert_eq!(agent, format!("spiffe://e2e.test/carnet/agent/oci/{tenancy}/{id}"), "{attest}");
    }
}
