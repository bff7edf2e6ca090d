//! What probes and Prometheus are told.

use std::{net::SocketAddr, sync::Arc};

use carnet_agent::{Agent, AgentParts, Phase, Processes, Settings};
use carnet_attest::protocol::RefusalCode;
use jiff::SignedDuration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Desk, Node, Told, context, entry, settings, until};

async fn ask(at: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn observed(desk: &Arc<Desk>) -> (Node, SocketAddr) {
    let node = Node::start_with(desk, |settings| settings.diagnostics = Some(([127, 0, 0, 1], 0).into()));
    let at = node.agent.diagnostics().unwrap();
    (node, at)
}

#[tokio::test]
async fn probes_are_told_when_workloads_are_served_and_who_the_agent_is() {
    let desk = Desk::new();
    desk.change(|mood| mood.away = true);
    let (node, at) = observed(&desk);
    assert_eq!(ask(at, "/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(ask(at, "/readyz").await.0, 503);
    assert_eq!(ask(at, "/readyz/workloads").await.0, 503);
    desk.change(|mood| mood.away = false);
    node.agent.reach(Phase::Serving).await.unwrap();
    assert_eq!(ask(at, "/readyz").await, (200, "identity: ok\nworkloads: ok\nready\n".to_owned()));
    // What it has is served, so work may come; only the metrics say that the authority is away.
    desk.change(|mood| mood.away = true);
    until("it is away", || node.agent.facts().problem.is_some()).await;
    assert_eq!(ask(at, "/readyz").await.0, 200);
    assert!(ask(at, "/metrics").await.1.contains("\ncarnet_agent_authority_away 1\n"));
    desk.clock.advance(SignedDuration::from_hours(1));
    let (status, text) = ask(at, "/readyz/identity").await;
    assert!(status == 503 && text.contains("expired"), "{text}");
}

#[tokio::test]
async fn an_agent_that_is_turned_away_is_not_ready() {
    let desk = Desk::new();
    let (node, at) = observed(&desk);
    node.agent.reach(Phase::Serving).await.unwrap();
    desk.change(|mood| mood.refuse = Some(RefusalCode::Banned));
    until("it is turned away", || node.agent.facts().phase == Phase::Banned).await;
    let (status, text) = ask(at, "/readyz/workloads").await;
    assert!(status == 503 && text.contains("turned this agent away"), "{text}");
}

#[tokio::test]
async fn metrics_count_what_the_agent_has() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0), entry("b", 1)]);
    let (node, at) = observed(&desk);
    until("both are ready", || node.agent.facts().x509_svids == 2).await;
    node.api().await.fetch_jwt_svid(&["x"], Some("spiffe://example.org/a")).await.unwrap();
    let (status, text) = ask(at, "/metrics").await;
    let end = desk.now() + SignedDuration::from_hours(1);
    let mut wanted = vec![format!("carnet_agent_svid_expires_timestamp_seconds {}", end.as_second())];
    wanted.push(format!("carnet_agent_authority_answered_timestamp_seconds {}", desk.now().as_second()));
    wanted.extend(
        ["entries 2", "x509_svids 2", "jwt_svids 1", "authority_away 0"].map(|line| format!("carnet_agent_{line}")),
    );
    for line in wanted {
        assert!(text.lines().any(|seen| seen == line), "{line}: {text}");
    }
    assert_eq!(status, 200);
}

#[tokio::test]
async fn nothing_listens_unless_asked_for_and_it_ends_with_the_agent() {
    let desk = Desk::new();
    assert_eq!(Node::start(&desk).agent.diagnostics(), None);
    let (node, at) = observed(&desk);
    node.agent.shutdown().await;
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn rejects_an_address_for_probes_that_is_taken() {
    let desk = Desk::new();
    let (_node, at) = observed(&desk);
    let folder = tempfile::tempdir().unwrap();
    let error = Agent::start(AgentParts {
        upstream: Arc::clone(&desk) as _,
        attestors: vec![Arc::new(Told::default())],
        processes: Processes::of_this_machine(),
        context: context(&desk),
        settings: Settings { diagnostics: Some(at), ..settings(folder.path()) },
    });
    let error = error.unwrap_err();
    assert!(error.to_string().contains(&format!("listen for probes at {at}")), "{error}");
}
