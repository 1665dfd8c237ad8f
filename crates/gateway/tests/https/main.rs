//! Services outside, asked over TLS: whom a node believes, and what it takes from them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod service;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Ask as _, AskAnswer, AskError, AskRequest};
use fanfare_gateway::https::{Authorities, HttpsClient, PlainHttp, Resolving};
use http::{HeaderMap, Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::HandshakeKind;
use service::{Authority, Does, Service, acceptor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const MAX_BYTES: usize = 1_000;
/// Longer than any of these answers takes, and shorter than the patience of who runs the tests.
const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_secs(1);

fn request(uri: &str, timeout: Duration) -> AskRequest {
    AskRequest {
        method: Method::GET,
        uri: uri.parse().unwrap(),
        headers: HeaderMap::from_iter([
            (http::header::ACCEPT, "application/json".parse().unwrap()),
            (http::header::HOST, "other.example".parse().unwrap()),
        ]),
        body: bytes::Bytes::new(),
        max_bytes: MAX_BYTES,
        timeout,
    }
}

/// Asks a service with a good certificate that answers so.
async fn ask(does: Does, timeout: Duration) -> (Result<AskAnswer, AskError>, Vec<String>) {
    let authority = Authority::new();
    let service = Service::start(Some(authority.acceptor(2100)), does).await;
    let answer = authority.client().ask(request(&service.https("localhost"), timeout)).await;
    (answer, service.asked())
}

fn failure(answer: Result<AskAnswer, AskError>) -> String {
    match answer.unwrap_err() {
        AskError::Failed(why) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_comes_over_tls_and_the_request_is_what_it_seems() {
    let text = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 2\r\n\r\n{}";
    let (answer, asked) = ask(Does::Answer(text.to_owned()), LONG).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"{}"[..]));
    assert_eq!(answer.headers["cache-control"], "max-age=60");
    let [head] = &asked[..] else { panic!("{asked:?}") };
    assert!(head.starts_with("GET /keys?a=b HTTP/1.1\r\n") && head.contains("accept: application/json\r\n"), "{head}");
    assert!(head.contains("host: localhost:") && !head.contains("other.example"), "{head}");
}

// Fails when certificates are not checked against the name.
#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_nothing_is_sent() {
    let authority = Authority::new();
    let service = Service::start(Some(authority.acceptor(2100)), Does::Nothing).await;
    let answer = authority.client().ask(request(&service.https("127.0.0.1"), LONG)).await;
    assert_eq!(failure(answer), "its certificate is for another name");
    assert_eq!(service.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_and_nothing_is_sent() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let service = Service::start(Some(authority.acceptor(2100)), Does::Nothing).await;
    let answer = stranger.client().ask(request(&service.https("localhost"), LONG)).await;
    let why = failure(answer);
    assert!(why.contains("no authority that is believed here"), "{why}");
    let none = HttpsClient::new(Authorities::none(), PlainHttp::ThisMachine).unwrap();
    assert!(failure(none.ask(request(&service.https("localhost"), LONG)).await).contains("no authority"));
    assert_eq!(service.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_nothing_is_sent() {
    let authority = Authority::new();
    let service = Service::start(Some(authority.acceptor(2021)), Does::Nothing).await;
    let answer = authority.client().ask(request(&service.https("localhost"), LONG)).await;
    assert_eq!(failure(answer), "its certificate has expired");
    assert_eq!(service.asked(), Vec::<String>::new());
}

/// A server of raw sockets, which does this with each.
async fn raw<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Send + Sync + Clone + 'static,
) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = async move {
        loop {
            serve(listener.accept().await.unwrap().0).await;
        }
    };
    (port, tokio::spawn(accept))
}

#[tokio::test]
async fn a_service_that_speaks_no_tls_is_told_from_one_that_is_not_there() {
    let (port, server) = raw(async |mut socket: TcpStream| {
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = socket.read(&mut [0; 1_000]).await;
    })
    .await;
    let client = Authority::new().client();
    let why = failure(client.ask(request(&format!("https://localhost:{port}/"), LONG)).await);
    assert!(why.starts_with("TLS: "), "{why}");
    server.abort();
    let _ = server.await;
    let why = failure(client.ask(request(&format!("https://localhost:{port}/"), LONG)).await);
    assert!(why.starts_with("no connection: "), "{why}");
}

// Fails when the client follows a redirection.
#[tokio::test]
async fn a_redirection_is_an_answer_like_others() {
    let text = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let (answer, asked) = ask(Does::Answer(text.to_owned()), LONG).await;
    assert_eq!((answer.unwrap().status, asked.len()), (StatusCode::FOUND, 1));
}

// Fails when only `Content-Length` is believed.
#[tokio::test]
async fn a_body_is_bounded_whether_or_not_its_length_is_said() {
    for (length, fits) in [(MAX_BYTES, true), (MAX_BYTES + 1, false), (1 << 20, false)] {
        let long = "a".repeat(length);
        for head in [format!("content-length: {length}\r\n"), "transfer-encoding: chunked\r\n".to_owned()] {
            let body =
                if head.starts_with("transfer") { format!("{length:x}\r\n{long}\r\n0\r\n\r\n") } else { long.clone() };
            let (answer, _) = ask(Does::Answer(format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}")), LONG).await;
            match answer {
                Ok(answer) => assert!(fits && answer.body.len() == length, "{head}"),
                Err(error) => assert!(!fits && error == AskError::TooLarge(MAX_BYTES), "{head}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_head_is_bounded_too() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "a".repeat(1 << 20));
    let (answer, _) = ask(Does::Answer(endless), LONG).await;
    assert!(failure(answer).contains("no whole answer"));
}

#[tokio::test]
async fn what_is_no_http_or_ends_too_soon_is_no_answer() {
    for text in ["hello\r\n\r\n", "", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"] {
        let (answer, _) = ask(Does::Answer(text.to_owned()), LONG).await;
        let why = failure(answer);
        assert!(why.contains("no whole answer"), "{text:?}: {why}");
    }
}

// Fails when the time is counted anew for each part of the answer.
#[tokio::test]
async fn one_deadline_is_over_everything() {
    let slow_head = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned();
    for does in [Does::Nothing, Does::Trickle(slow_head)] {
        let (answer, _) = ask(does, SHORT).await;
        assert_eq!(answer.unwrap_err(), AskError::TimedOut(SHORT));
    }
    // No TLS comes about.
    let (port, server) = raw(async |_socket| std::future::pending().await).await;
    let answer = Authority::new().client().ask(request(&format!("https://localhost:{port}/"), SHORT)).await;
    assert_eq!(answer.unwrap_err(), AskError::NotReached("TLS did not come about", SHORT));
    server.abort();
    // The look at the name takes longer than the question may.
    let client = resolving(|_| Box::pin(std::future::pending()));
    let answer = client.ask(request("https://id.example/", SHORT)).await;
    assert_eq!(answer.unwrap_err(), AskError::NotReached("its name was not resolved", SHORT));
}

/// A client for which names mean what this says.
fn resolving(resolve: impl Fn(String) -> Resolving + Send + Sync + 'static) -> HttpsClient {
    HttpsClient::with_resolver(Authorities::none(), PlainHttp::PrivateNetworks, Arc::new(resolve)).unwrap()
}

fn means(addresses: &[&str]) -> HttpsClient {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    resolving(move |_| Box::pin(std::future::ready(Ok(addresses.clone()))))
}

// Fails when only the first address of a name is tried.
#[tokio::test]
async fn the_next_address_of_a_name_is_tried_when_one_refuses() {
    let service = Service::start(None, Does::Answer(NO_CONTENT.to_owned())).await;
    let url = format!("http://app:{}/", service.port);
    let answer = means(&["127.0.0.2", "127.0.0.1"]).ask(request(&url, LONG)).await;
    assert_eq!(answer.unwrap().status, StatusCode::NO_CONTENT);
    let why = failure(means(&["127.0.0.2"]).ask(request(&url, LONG)).await);
    assert!(why.starts_with("no connection: "), "{why}");
}

// Fails when a name that was one of a private network is asked in the clear wherever it leads today.
#[tokio::test]
async fn a_name_of_a_private_network_that_means_an_address_outside_is_not_asked_without_tls() {
    for outside in ["203.0.113.1", "169.254.169.254", "2001:db8::1"] {
        let why = failure(means(&[outside]).ask(request("http://app:3000/", LONG)).await);
        assert!(why.contains("private network"), "{outside}: {why}");
    }
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

// Fails when each question has a connection of its own: each that ends takes a port away for a minute.
#[tokio::test]
async fn one_question_after_the_other_is_asked_over_one_connection() {
    let authority = Authority::new();
    let body = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned();
    let service = Service::start(Some(authority.acceptor(2100)), Does::AnswerSome(100, body)).await;
    let client = authority.client();
    for _ in 0..10 {
        let answer = client.ask(request(&service.https("localhost"), LONG)).await.unwrap();
        assert_eq!(&answer.body[..], b"{}");
    }
    assert_eq!((service.asked().len(), service.connections().len()), (10, 1));
    // And as many as are under way at once.
    let two = (
        client.ask(request(&service.https("localhost"), LONG)),
        client.ask(request(&service.https("localhost"), LONG)),
    );
    let (one, other) = tokio::join!(two.0, two.1);
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(service.connections().len(), 2);
}

// Fails when a service that ends its connections has each question pay for a handshake with certificates.
#[tokio::test]
async fn a_service_that_ends_its_connections_is_asked_over_new_ones_which_resume_the_session() {
    let authority = Authority::new();
    let close = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned();
    let service = Service::start(Some(authority.acceptor(2100)), Does::Answer(close)).await;
    let client = authority.client();
    for _ in 0..3 {
        client.ask(request(&service.https("localhost"), LONG)).await.unwrap();
    }
    let resumed = Some(HandshakeKind::Resumed);
    assert_eq!(service.connections(), [Some(HandshakeKind::Full), resumed, resumed]);
}

// Fails when a question that met a connection's end has no answer, and when one is asked for ever.
#[tokio::test]
async fn a_question_over_a_connection_that_died_unseen_is_asked_once_more_over_a_new_one() {
    let authority = Authority::new();
    let service = Service::start(Some(authority.acceptor(2100)), Does::AnswerSome(1, NO_CONTENT.to_owned())).await;
    let client = authority.client();
    for _ in 0..2 {
        assert!(client.ask(request(&service.https("localhost"), LONG)).await.is_ok());
    }
    assert_eq!((service.asked().len(), service.connections().len()), (3, 2));
    let silent = Service::start(Some(authority.acceptor(2100)), Does::AnswerSome(0, String::new())).await;
    let why = failure(client.ask(request(&silent.https("localhost"), LONG)).await);
    assert!(why.contains("no whole answer") && silent.asked().len() == 1, "{why}");
}

// Fails when what is cut off is asked again as if it had not been answered.
#[tokio::test]
async fn an_answer_that_ends_too_soon_is_none_on_an_old_connection_too() {
    let authority = Authority::new();
    let body = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned();
    let service = Service::start(Some(authority.acceptor(2100)), Does::AnswerOneAndAHalf(body)).await;
    let client = authority.client();
    assert!(client.ask(request(&service.https("localhost"), LONG)).await.is_ok());
    let why = failure(client.ask(request(&service.https("localhost"), LONG)).await);
    assert!(why.contains("no whole answer"), "{why}");
    assert_eq!((service.asked().len(), service.connections().len()), (2, 1));
}

#[tokio::test]
async fn an_address_is_a_name_as_well_if_the_certificate_is_for_it() {
    let authority = Authority::new();
    let acceptor = authority.acceptor_for("127.0.0.1", 2100);
    let service = Service::start(Some(acceptor), Does::Answer(NO_CONTENT.to_owned())).await;
    assert!(authority.client().ask(request(&service.https("127.0.0.1"), LONG)).await.is_ok());
}

// The commonest mistake with certificates that are made by hand. Fails when all there is to read is the name of an error.
#[tokio::test]
async fn an_authority_that_is_used_as_a_server_is_refused_in_words() {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), own.pem()).unwrap();
    let service = Service::start(Some(acceptor(vec![own.der().clone()], &key)), Does::Nothing).await;
    let authorities = Authorities::of_file(file.path()).unwrap();
    let client = HttpsClient::new(authorities, PlainHttp::ThisMachine).unwrap();
    let why = failure(client.ask(request(&service.https("localhost"), LONG)).await);
    assert!(why.contains("its certificate is that of an authority"), "{why}");
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up_at_the_deadline() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = authority.acceptor(2100);
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = acceptor.accept(socket).await.unwrap();
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await;
        while socket.write_all(b"a").await.is_ok() && socket.flush().await.is_ok() {
            tokio::time::sleep(SHORT / 8).await;
        }
    });
    let answer = authority.client().ask(request(&format!("https://localhost:{port}/"), SHORT)).await;
    assert_eq!(answer.unwrap_err(), AskError::TimedOut(SHORT));
    server.await.unwrap();
}

#[tokio::test]
async fn this_machine_is_asked_without_tls_where_the_address_says_so_and_no_other_is() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let service = Service::start(None, Does::Answer(text.to_owned())).await;
    let client = HttpsClient::new(Authorities::none(), PlainHttp::ThisMachine).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let answer = client.ask(request(&format!("http://{host}:{}/", service.port), LONG)).await;
        assert_eq!(&answer.unwrap().body[..], b"{}", "{host}");
    }
    let elsewhere = client.ask(request("http://192.0.2.1/", LONG)).await;
    assert!(failure(elsewhere).contains("without TLS"));
}

// Fails when a question that is given up leaves its connection behind.
#[tokio::test]
async fn a_question_that_is_dropped_ends_its_connection() {
    let (closed, mut ends) = tokio::sync::mpsc::channel(1);
    let (port, server) = raw(move |mut socket: TcpStream| {
        let closed = closed.clone();
        async move {
            while socket.read_u8().await.is_ok() {}
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let client = HttpsClient::new(Authorities::none(), PlainHttp::ThisMachine).unwrap();
    let asking = client.ask(request(&format!("http://127.0.0.1:{port}/"), LONG));
    assert!(tokio::time::timeout(SHORT / 8, asking).await.is_err());
    tokio::time::timeout(SHORT, ends.recv()).await.unwrap().unwrap();
    server.abort();
}
