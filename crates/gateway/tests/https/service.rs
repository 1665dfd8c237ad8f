//! A service outside, and the authority that it has its certificate from.

use std::sync::{Arc, Mutex};

use fanfare_gateway::https::{Authorities, HttpsClient, PlainHttp};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::SHORT;

/// An authority that signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// A server with a certificate for `localhost` that ends in this year.
    pub(crate) fn acceptor(&self, until: i32) -> TlsAcceptor {
        self.acceptor_for("localhost", until)
    }

    pub(crate) fn acceptor_for(&self, host: &str, until: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        acceptor(chain, &key)
    }

    /// A client that believes this authority and no other.
    pub(crate) fn client(&self) -> HttpsClient {
        HttpsClient::new(Authorities::of_file(self.file.path()).unwrap(), PlainHttp::ThisMachine).unwrap()
    }
}

pub(crate) fn acceptor(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

/// What a service does with a request.
#[derive(Clone)]
pub(crate) enum Does {
    Answer(String),
    /// Answers this many requests of a connection so, and does not wait for another longer than it takes to arrive.
    AnswerSome(usize, String),
    /// Answers the first request of a connection so, and the next with a part of it.
    AnswerOneAndAHalf(String),
    /// The same, a byte now and then.
    Trickle(String),
    Nothing,
}

/// A service on this machine. Gone with its handle.
pub(crate) struct Service {
    pub(crate) port: u16,
    task: JoinHandle<()>,
    /// The heads of the requests that it got.
    asked: Arc<Mutex<Vec<String>>>,
    /// How TLS came about on each connection; `None`: there is none.
    connections: Arc<Mutex<Vec<Option<HandshakeKind>>>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service {
    pub(crate) async fn start(tls: Option<TlsAcceptor>, does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, connections) = (Arc::default(), Arc::<Mutex<Vec<_>>>::default());
        let (heads, kinds) = (Arc::clone(&asked), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (tls, does, heads, kinds) = (tls.clone(), does.clone(), Arc::clone(&heads), Arc::clone(&kinds));
                tokio::spawn(async move {
                    match tls {
                        None => {
                            kinds.lock().unwrap().push(None);
                            answer(socket, &does, &heads).await;
                        }
                        Some(tls) => {
                            let Ok(socket) = tls.accept(socket).await else { return };
                            kinds.lock().unwrap().push(socket.get_ref().1.handshake_kind());
                            answer(socket, &does, &heads).await;
                        }
                    }
                });
            }
        });
        Self { port, task, asked, connections }
    }

    pub(crate) fn https(&self, host: &str) -> String {
        format!("https://{host}:{}/keys?a=b", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> Vec<Option<HandshakeKind>> {
        self.connections.lock().unwrap().clone()
    }
}

/// Reads the head of a request. `None`: there is none.
async fn head(socket: &mut (impl AsyncRead + Unpin), heads: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    Some(())
}

async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin, does: &Does, heads: &Mutex<Vec<String>>) {
    let Some(()) = head(&mut socket, heads).await else { return };
    // Who has read enough hangs up.
    match does {
        Does::AnswerSome(times, text) => {
            for _ in 0..*times {
                let _ = socket.write_all(text.as_bytes()).await;
                let _ = socket.flush().await;
                let Some(()) = head(&mut socket, heads).await else { return };
            }
        }
        Does::AnswerOneAndAHalf(text) => {
            let _ = socket.write_all(text.as_bytes()).await;
            let _ = socket.flush().await;
            let Some(()) = head(&mut socket, heads).await else { return };
            let _ = socket.write_all(&text.as_bytes()[..text.len() - 1]).await;
            let _ = socket.shutdown().await;
        }
        Does::Answer(text) => {
            let _ = socket.write_all(text.as_bytes()).await;
            let _ = socket.shutdown().await;
        }
        Does::Trickle(text) => {
            for byte in text.bytes() {
                if socket.write_all(&[byte]).await.is_err() || socket.flush().await.is_err() {
                    return;
                }
                tokio::time::sleep(SHORT / 8).await;
            }
        }
        Does::Nothing => std::future::pending().await,
    }
}
