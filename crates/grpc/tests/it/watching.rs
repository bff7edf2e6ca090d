use std::sync::Mutex;

use carnet_core::ErrorKind;
use carnet_grpc::{Watch, X509Context, spiffe_workload::X509svidResponse, tonic::Status};
use tokio::sync::mpsc::{self, Sender};

use crate::support::{Desk, Running, stage, x509_answer};

type Answers = Sender<Result<X509svidResponse, Status>>;

async fn watch() -> (Running, Answers, Watch<X509Context>) {
    let (sender, receiver) = mpsc::channel(4);
    let (server, _desk, api) = stage(Desk { x509: Mutex::new(Some(receiver)), ..Desk::default() }).await;
    let watch = api.watch_x509().await.unwrap();
    (server, sender, watch)
}

#[tokio::test]
async fn every_change_arrives_in_order_also_after_the_client_is_gone() {
    let (_server, answers, mut watch) = watch().await;
    for id in ["spiffe://example.org/a", "spiffe://example.org/b"] {
        answers.send(Ok(x509_answer(id))).await.unwrap();
        assert_eq!(watch.next().await.unwrap().svids[0].spiffe_id, id);
    }
}

#[tokio::test]
async fn waiting_may_be_given_up_without_losing_a_state() {
    let (_server, answers, mut watch) = watch().await;
    for _ in 0..3 {
        tokio::select! {
            biased;
            state = watch.next() => panic!("nothing was sent: {state:?}"),
            () = std::future::ready(()) => {}
        }
    }
    answers.send(Ok(x509_answer("spiffe://example.org/a"))).await.unwrap();
    assert_eq!(watch.next().await.unwrap().svids[0].spiffe_id, "spiffe://example.org/a");
}

#[tokio::test]
async fn losing_the_last_identity_ends_the_watch() {
    let (_server, answers, mut watch) = watch().await;
    answers.send(Ok(x509_answer("spiffe://example.org/a"))).await.unwrap();
    watch.next().await.unwrap();
    answers.send(Err(Status::permission_denied("no identity issued"))).await.unwrap();
    assert_eq!(watch.next().await.unwrap_err().kind(), ErrorKind::NotHere);
}

#[tokio::test]
async fn a_state_without_any_svid_is_no_identity() {
    let (_server, answers, mut watch) = watch().await;
    answers.send(Ok(X509svidResponse::default())).await.unwrap();
    assert_eq!(watch.next().await.unwrap_err().kind(), ErrorKind::NotHere);
}

#[tokio::test]
async fn a_stream_that_the_server_ends_may_be_watched_again() {
    let (_server, answers, mut watch) = watch().await;
    drop(answers);
    assert!(watch.next().await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn a_server_that_goes_away_ends_the_watch() {
    let (mut server, answers, mut watch) = watch().await;
    answers.send(Ok(x509_answer("spiffe://example.org/a"))).await.unwrap();
    watch.next().await.unwrap();
    server.stop();
    drop(answers);
    assert!(watch.next().await.unwrap_err().is_retryable());
}
