use std::{os::unix::net::UnixListener, time::Duration};

use carnet_core::{ErrorKind, chain};
use carnet_grpc::{WorkloadApi, tonic::transport::Server};
use futures_util::stream;
use tokio::net::TcpListener;

use crate::support::{Desk, jwt_svid, routes, stage};

#[tokio::test]
async fn a_socket_that_does_not_exist_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = WorkloadApi::connect(&format!("unix://{}/no.sock", folder.path().display())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hints()[0].contains("no such socket"), "{error:?} {:?}", error.hints());
    assert!(chain(&error)[0].contains("no.sock"), "{error:?}");
}

#[tokio::test]
async fn a_socket_where_nobody_listens_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sock");
    drop(UnixListener::bind(&path).unwrap());
    let error = WorkloadApi::connect(&format!("unix://{}", path.display())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hints()[0].contains("nobody listens"), "{error:?} {:?}", error.hints());
}

#[tokio::test]
async fn rejects_what_is_no_address_before_connecting() {
    let error = WorkloadApi::connect("tcp://localhost:8081").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn a_call_over_tcp_works_like_one_over_a_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let incoming =
        stream::unfold(listener, async |listener| Some((listener.accept().await.map(|(stream, _)| stream), listener)));
    let (_desk, routes) = routes(Desk::with_jwt(vec![jwt_svid("t")]));
    let server = tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));

    let api = WorkloadApi::connect(&address).await.unwrap();
    assert_eq!(api.fetch_jwt_svid(&["a"], None).await.unwrap()[0].token.expose(), "t");
    server.abort();
}

#[tokio::test]
async fn an_agent_that_was_restarted_is_found_again() {
    let (mut server, _desk, api) = stage(Desk::with_jwt(vec![jwt_svid("old")])).await;
    assert_eq!(api.fetch_jwt_svid(&["a"], None).await.unwrap()[0].token.expose(), "old");

    server.replace(routes(Desk::with_jwt(vec![jwt_svid("new")])).1);
    let again = match api.fetch_jwt_svid(&["a"], None).await {
        // The first call may still meet the connection that has just ended.
        Err(error) if error.is_retryable() => api.fetch_jwt_svid(&["a"], None).await,
        other => other,
    };
    assert_eq!(again.unwrap()[0].token.expose(), "new");
}

#[tokio::test]
async fn an_agent_that_is_gone_may_be_asked_again_later() {
    let (mut server, _desk, api) = stage(Desk::with_jwt(vec![jwt_svid("t")])).await;
    server.stop();
    for _ in 0..3 {
        let error = api.fetch_jwt_svid(&["a"], None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let (_server, _desk, api) = stage(Desk { silent: true, ..Desk::default() }).await;
    let api = api.with_deadline(Duration::from_secs(7));
    tokio::time::pause();
    for error in [
        api.fetch_jwt_svid(&["a"], None).await.unwrap_err(),
        api.fetch_x509_svid().await.unwrap_err(),
        api.watch_jwt_bundles().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert_eq!(chain(&error)[1], "no answer within 7s");
    }
}
