//! A pod asks proxymux over TLS, as it does in a cluster: with the cluster's authority and no other.

use std::{io::Write as _, sync::Arc};

use carnet_core::{Context, ErrorKind, MapEnvironment, NoCommands, SystemClock, SystemFiles, SystemRandom};
use carnet_jose::Algorithm;
use carnet_net::{Client, Settings};
use carnet_oci::source::oke::OkeConfig;
use carnet_sandbox::{Flavour, Options, Sandbox, kubernetes};
use carnet_x509::Authority;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::find;

/// A sandbox whose certificates are good by the clock that TLS looks at, and a pod of its cluster `prod`.
async fn pod() -> (Sandbox, Context) {
    let sandbox = Sandbox::start(Options::default(), Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    // Writes the files.
    sandbox.environment(Flavour::Direct).await.unwrap();
    let port = sandbox.urls()["oke-proxymux-prod"].tls.port().unwrap().to_string();
    let variables = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT_PROXYMUX", port.as_str())];
    let context = Context {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        http: Arc::new(Client::new(Settings::default())),
        environment: Arc::new(MapEnvironment::of(&variables)),
        files: Arc::new(SystemFiles),
        commands: Arc::new(NoCommands),
    };
    (sandbox, context)
}

#[tokio::test]
async fn only_a_server_of_the_cluster_gets_the_token() {
    let (sandbox, context) = pod().await;
    let file = |name: &str| sandbox.folder().join(name).display().to_string();
    let token = file(&format!("kubernetes/prod/{}/admin-0/token", kubernetes::NAMESPACE));
    let good = json!({"token_file": token, "ca_file": file("ca.pem")});
    let session = find::<OkeConfig>(good, &context).await.unwrap();
    assert_eq!(session.facts["principal-type"], "workload");

    let now = context.now();
    let other = Authority::root(
        "another cluster",
        Algorithm::Es256,
        now - SignedDuration::from_hours(1),
        now + SignedDuration::from_hours(1),
    );
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(other.unwrap().certificate_pem().as_bytes()).unwrap();
    let strange = json!({"token_file": token, "ca_file": ca.path()});
    let decided = sandbox.world().decisions.count();
    let error = find::<OkeConfig>(strange, &context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(sandbox.world().decisions.count(), decided, "nobody was asked");
    sandbox.stop().await;
}
