//! Limits, broken answers, kept connections.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use carnet_core::{HttpErrorKind, HttpSend, Request, chain};
use http::{HeaderValue, Method, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{SHORT, answers, client, get, raw, read_request};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test: yes\r\n\r\nhello";

#[tokio::test]
async fn one_request_one_answer() {
    let (seen, server) = recording(HELLO).await;
    let url = format!("http://{server}/a%2Fb/c?q=%20x");
    let answer = client().send(Request::post_form(url.parse().unwrap(), &[("k", "a b+c")])).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text()), (200, Some("hello")));
    assert_eq!(answer.header("x-test"), Some("yes"));
    let request = seen.lock().unwrap().remove(0);
    assert!(request.starts_with("POST /a%2Fb/c?q=%20x HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: {server}\r\n")), "{request}");
    assert!(request.contains("\r\nuser-agent: carnet/"), "{request}");
    assert!(request.ends_with("\r\n\r\nk=a+b%2Bc"), "{request}");
}

#[tokio::test]
async fn an_empty_post_has_a_length_and_a_get_has_none() {
    let (seen, server) = recording(HELLO).await;
    client().send(Request::new(Method::POST, format!("http://{server}/").parse().unwrap())).await.unwrap();
    client().send(get(&format!("http://{server}/"))).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen[0].contains("\r\ncontent-length: 0\r\n"), "{}", seen[0]);
    assert!(!seen[1].contains("content-length"), "{}", seen[1]);
}

#[tokio::test]
async fn a_callers_wrong_length_is_not_sent() {
    let (seen, server) = recording(HELLO).await;
    let request = Request::new(Method::PUT, format!("http://{server}/").parse().unwrap())
        .header(header::CONTENT_LENGTH, HeaderValue::from_static("999"))
        .header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))
        .body("four");
    client().send(request).await.unwrap();
    let request = seen.lock().unwrap().remove(0);
    assert!(request.contains("\r\ncontent-length: 4\r\n") && !request.contains("transfer-encoding"), "{request}");
}

#[tokio::test]
async fn gives_up_on_a_server_that_never_answers() {
    let (server, _) = raw(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let error = client().send(get(&format!("http://{server}/x")).timeout(SHORT)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Timeout);
}

#[tokio::test]
async fn gives_up_on_a_server_that_drips() {
    let (server, _) = raw(|mut stream, _| async move {
        read_request(&mut stream).await;
        // As large as may be read, a byte at a time: there is always progress, and it must not move the deadline.
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n").await);
        while stream.write_all(b".").await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let error = client().send(get(&format!("http://{server}/x")).timeout(SHORT)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Timeout);
}

#[tokio::test]
async fn refuses_a_body_whose_length_is_announced_as_too_large() {
    let (server, _) = answers("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n").await;
    let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::TooLarge);
}

#[tokio::test]
async fn refuses_a_body_that_grows_too_large() {
    let (server, _) = raw(|mut stream, _| async move {
        read_request(&mut stream).await;
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await);
        let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
        for _ in 0..160 {
            if stream.write_all(&chunk).await.is_err() {
                return;
            }
        }
        drop(stream.write_all(b"0\r\n\r\n").await);
    })
    .await;
    let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::TooLarge);
    let whole = get(&format!("http://{server}/")).max_response(10 << 20);
    assert_eq!(client().send(whole).await.unwrap().body.len(), 10 << 20);
}

#[tokio::test]
async fn reports_an_answer_that_is_cut() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
    ] {
        let (server, _) = answers(cut).await;
        let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Protocol, "{cut:?}");
    }
}

#[tokio::test]
async fn reports_a_connection_that_is_cut_before_the_answer() {
    let (server, _) = answers("").await;
    let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Connect);
}

#[tokio::test]
async fn reports_a_port_where_nobody_listens() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Connect);
}

#[tokio::test]
async fn reports_a_server_that_does_not_speak_http() {
    for noise in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let (server, _) = answers(noise).await;
        let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::NotHttp, "{noise:?}");
        assert!(error.message.ends_with("what answers there does not speak HTTP/1.1"), "{noise:?}: {}", error.message);
    }
}

#[tokio::test]
async fn reports_chunks_that_are_not_http() {
    for chunks in ["zz\r\nhello\r\n0\r\n\r\n", "11111111111111111\r\n", "5\r\nhello!\r\n0\r\n\r\n"] {
        let (server, _) = answers(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")).await;
        let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::NotHttp, "{chunks:?}: {:?}", error.cause);
        assert!(error.message.ends_with("the chunks of the answer are not those of HTTP/1.1"), "{}", error.message);
    }
}

#[tokio::test]
async fn refuses_too_many_headers_and_too_long_ones() {
    let many = "X-Header: 1\r\n".repeat(500);
    let long = format!("X-Long: {}\r\n", "x".repeat(1 << 20));
    for bomb in [many, long] {
        let (server, _) = answers(format!("HTTP/1.1 200 OK\r\n{bomb}\r\n")).await;
        let error = client().send(get(&format!("http://{server}/"))).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn follows_no_redirect() {
    let (other, visits) = answers(HELLO).await;
    let (server, _) =
        answers(format!("HTTP/1.1 302 Found\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n")).await;
    let answer = client().send(get(&format!("http://{server}/"))).await.unwrap();
    assert_eq!(answer.status.as_u16(), 302);
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn errors_name_the_place_and_nothing_secret() {
    let (server, _) = answers("").await;
    let url = format!("http://{server}/secret-path?secret-query");
    let error = client().send(Request::post_form(url.parse().unwrap(), &[("t", "secret-body")])).await.unwrap_err();
    let text = chain(&error).join(": ");
    assert!(text.starts_with(&format!("POST http://{server}: ")), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (server, connections) = keeps(usize::MAX).await;
    let client = client();
    for _ in 0..3 {
        client.send(get(&format!("http://{server}/"))).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_for_one_kind_of_destination_is_not_used_for_another() {
    let (server, connections) = keeps(usize::MAX).await;
    let client = client();
    client.send(get(&format!("http://{server}/"))).await.unwrap();
    let near = get(&format!("http://{server}/")).destination(carnet_core::Destination::Metadata);
    client.send(near).await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_costs_nothing() {
    let (server, connections) = keeps(1).await;
    let client = client();
    for _ in 0..3 {
        client.send(Request::post_form(format!("http://{server}/").parse().unwrap(), &[])).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn no_more_than_eight_connections_of_one_origin_are_kept() {
    let together = Arc::new(tokio::sync::Barrier::new(10));
    let (server, connections) = raw(move |mut stream, _| {
        let together = Arc::clone(&together);
        async move {
            while read_request(&mut stream).await.is_some() {
                together.wait().await;
                drop(stream.write_all(HELLO).await);
            }
        }
    })
    .await;
    let client = client();
    for _ in 0..2 {
        let all = std::array::from_fn::<_, 10, _>(|_| client.send(get(&format!("http://{server}/"))));
        for answer in futures_util::future::join_all(all).await {
            answer.unwrap();
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 10 + 2);
}

/// The first connection answers once, then takes a request and closes without a word.
async fn forgets_the_second() -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&seen);
    let (server, _) = raw(move |mut stream, number| {
        let seen = Arc::clone(&recorded);
        async move {
            for round in 0.. {
                let Some(request) = read_request(&mut stream).await else { return };
                seen.lock().unwrap().push(request.split(' ').next().unwrap().to_owned());
                if number == 0 && round == 1 {
                    return;
                }
                drop(stream.write_all(HELLO).await);
            }
        }
    })
    .await;
    (server, seen)
}

#[tokio::test]
async fn a_post_that_may_have_arrived_is_not_sent_again() {
    let (server, seen) = forgets_the_second().await;
    let client = client();
    client.send(get(&format!("http://{server}/"))).await.unwrap();
    let post = Request::post_form(format!("http://{server}/").parse().unwrap(), &[("subject_token", "once")]);
    let error = client.send(post).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Connect);
    assert_eq!(*seen.lock().unwrap(), ["GET", "POST"]);
}

#[tokio::test]
async fn a_get_on_a_kept_connection_is_sent_again_once() {
    let (server, seen) = forgets_the_second().await;
    let client = client();
    client.send(get(&format!("http://{server}/"))).await.unwrap();
    client.send(get(&format!("http://{server}/"))).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["GET", "GET", "GET"]);
}

#[tokio::test]
async fn informational_answers_are_skipped_and_empty_ones_are_empty() {
    let (server, _) = answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await;
    let answer = client().send(get(&format!("http://{server}/"))).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
}

#[tokio::test]
async fn an_answer_without_length_ends_with_the_connection() {
    let (server, _) = answers("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    assert_eq!(client().send(get(&format!("http://{server}/"))).await.unwrap().text(), Some("until the end"));
}

#[tokio::test]
async fn a_dropped_request_closes_its_connection() {
    let (told, hears) = tokio::sync::oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let (server, _) = raw(move |mut stream, _| {
        let told = Arc::clone(&told);
        async move {
            read_request(&mut stream).await;
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            told.lock().unwrap().take().unwrap().send(()).unwrap();
        }
    })
    .await;
    let client = client();
    drop(client.send(get(&format!("http://{server}/")).timeout(SHORT)).await);
    tokio::time::timeout(Duration::from_secs(5), hears).await.unwrap().unwrap();
}

/// A server that writes down what it was sent and answers the same each time, one request for each connection.
async fn recording(answer: &'static [u8]) -> (Arc<Mutex<Vec<String>>>, std::net::SocketAddr) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&seen);
    let (server, _) = raw(move |mut stream, _| {
        let seen = Arc::clone(&recorded);
        async move {
            while let Some(request) = read_request(&mut stream).await {
                seen.lock().unwrap().push(request);
                drop(stream.write_all(answer).await);
            }
        }
    })
    .await;
    (seen, server)
}

/// A server that answers so many requests on each connection and then closes it.
async fn keeps(requests: usize) -> (std::net::SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    raw(move |mut stream, _| async move {
        for _ in 0..requests {
            if read_request(&mut stream).await.is_none() {
                return;
            }
            drop(stream.write_all(HELLO).await);
        }
    })
    .await
}
