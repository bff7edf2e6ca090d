//! Forced rotation, from the operator's call to the workload's stream: a whole authority, its agent, a client.

use std::{sync::Arc, time::Duration};

use carnet_authority::{DevOptions, open_dev, start_dev_agent};
use carnet_core::{Context, HttpSend as _, Request, SystemFiles, SystemRandom, hex, test_context};
use carnet_grpc::{Watch, WorkloadApi, X509Context};
use carnet_net::{Client, Settings as Network};
use carnet_x509::{Certificate, split_der};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

async fn ask(admin: &Client, method: &str, path: &str) -> Value {
    let mut request = Request::new(method.parse().unwrap(), format!("http://localhost{path}").parse().unwrap());
    if method == "POST" {
        request = request.header(http::header::CONTENT_TYPE, "application/json".parse().unwrap()).body("{}");
    }
    let response = admin.send(request).await.unwrap();
    assert_eq!(response.status.as_u16(), 200, "{method} {path}: {:?}", response.text());
    serde_json::from_slice(response.body.expose()).unwrap()
}

/// The key of the authority that signs now: its name, and its subject key identifier.
async fn active(admin: &Client) -> (String, String) {
    let keys = ask(admin, "GET", "/v1/keys").await;
    let keys = keys["items"].as_array().unwrap().clone();
    let key = keys.into_iter().find(|key| key["purpose"] == "x509" && key["stage"] == "active").unwrap();
    let certificate = Certificate::from_pem(key["certificates"][0].as_str().unwrap().as_bytes()).unwrap();
    (key["kid"].as_str().unwrap().to_owned(), hex(certificate.key_id().unwrap()))
}

fn signed_by(context: &X509Context) -> String {
    let chain = split_der(&context.svids[0].certificates).unwrap();
    hex(Certificate::from_der(&chain[0]).unwrap().authority_key_id().unwrap())
}

fn roots(context: &X509Context) -> Vec<String> {
    let roots = split_der(&context.svids[0].bundle).unwrap();
    roots.iter().map(|root| hex(Certificate::from_der(root).unwrap().key_id().unwrap())).collect()
}

/// The first message of which this is so.
async fn until(stream: &mut Watch<X509Context>, is_so: impl Fn(&X509Context) -> bool) -> X509Context {
    let wait = async {
        loop {
            let message = stream.next().await.unwrap();
            if is_so(&message) {
                return message;
            }
        }
    };
    timeout(Duration::from_secs(20), wait).await.unwrap()
}

#[tokio::test]
async fn a_forced_rotation_reaches_an_open_stream_and_then_the_old_root_goes() {
    let folder = tempfile::tempdir().unwrap();
    // The clock stands still: nothing is replaced for its age.
    let context = Context { random: Arc::new(SystemRandom), files: Arc::new(SystemFiles), ..test_context() };
    let network = Network::default();
    let options = DevOptions { folder: folder.path().to_owned(), ..DevOptions::default() };
    let authority = open_dev(&options, &context, &network).await.unwrap();
    let agent = start_dev_agent(&authority, folder.path(), &context, &network).await.unwrap();
    let admin = Client::unix(&authority.addresses().unwrap().admin);
    let stop = CancellationToken::new();
    let (_reload, reload) = watch::channel(0);
    let running = tokio::spawn(authority.run(reload, stop.clone()));

    let (old, old_id) = active(&admin).await;
    agent.reach(carnet_agent::Phase::Serving).await.unwrap();
    let api = WorkloadApi::connect(&format!("unix://{}", folder.path().join("agent.sock").display())).await.unwrap();
    let mut stream = api.watch_x509().await.unwrap();
    let first = until(&mut stream, |_| true).await;
    assert_eq!((signed_by(&first), roots(&first)), (old_id.clone(), vec![old_id.clone()]));

    ask(&admin, "POST", &format!("/v1/keys/{old}/taint")).await;
    let (new, new_id) = active(&admin).await;
    assert_ne!(old, new);
    let second = until(&mut stream, |message| signed_by(message) == new_id).await;
    assert!(roots(&second).contains(&old_id), "others may still show what the old one signed");

    ask(&admin, "POST", &format!("/v1/keys/{old}/revoke")).await;
    let third = until(&mut stream, |message| !roots(message).contains(&old_id)).await;
    assert_eq!((signed_by(&third), roots(&third)), (new_id.clone(), vec![new_id]));
    // A join token is good once: the agent kept its standing because it had renewed its own SVID before.
    let facts = agent.facts();
    assert_eq!(facts.problem, None, "{facts:?}");

    drop(stream);
    agent.shutdown().await;
    stop.cancel();
    running.await.unwrap().unwrap();
}
