//! Asks one service one question.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use fanfare_auth::{Answering, Ask, AskAnswer, AskError, AskRequest};
use fanfare_protocol::limits::ASK_HEAD_BYTES_MAX;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::authorities::Authorities;
use super::dial::{Reach, dial};
use super::tls_failure::tls_failure;

/// What a node calls itself.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("fanfare/", env!("CARGO_PKG_VERSION")));

/// Asks over TLS, and without it on this machine. Each question has a connection of its own, which ends with it; the sessions of TLS are
/// resumed where the service agrees.
#[derive(Clone)]
pub struct HttpsClient {
    tls: TlsConnector,
    /// A place for each question that may be under way. What finds none waits, within its time.
    places: Arc<Semaphore>,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpsClientError {
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl HttpsClient {
    /// Believes certificates of these authorities, and asks so many questions at once.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(authorities: Authorities, at_once: usize) -> Result<Self, HttpsClientError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities.into_roots())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), places: Arc::new(Semaphore::new(at_once)) })
    }

    async fn question(self, request: AskRequest) -> Result<AskAnswer, AskError> {
        let _place = self.places.acquire().await.map_err(|_| AskError::Failed("the node is stopping".into()))?;
        let host = request.uri.host().ok_or_else(|| failed("the address has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (reach, usual_port) = match request.uri.scheme_str() {
            Some("https") => (Reach::Anybody, 443),
            Some("http") => (Reach::ThisMachine, 80),
            _ => return Err(failed("the address is not one of https")),
        };
        let port = request.uri.port_u16().unwrap_or(usual_port);
        let socket = dial(&host, port, reach, request.timeout).await?;
        if reach == Reach::ThisMachine {
            return exchange(socket, request).await;
        }
        let name = ServerName::try_from(host).map_err(|error| failed(&error))?;
        let socket = self.tls.connect(name, socket).await.map_err(|error| tls_failure(&error))?;
        exchange(socket, request).await
    }
}

impl Ask for HttpsClient {
    fn ask(&self, request: AskRequest) -> Answering {
        let client = self.clone();
        Box::pin(async move {
            let most = request.timeout;
            let answer = tokio::time::timeout(most, Box::pin(client.question(request))).await;
            answer.unwrap_or(Err(AskError::TimedOut(most)))
        })
    }
}

/// One question and its answer. The connection ends with the future.
async fn exchange(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: AskRequest,
) -> Result<AskAnswer, AskError> {
    let begin = http1::Builder::new().max_buf_size(ASK_HEAD_BYTES_MAX).handshake(TokioIo::new(socket));
    let (mut sender, connection) = begin.await.map_err(|error| broken(&error))?;
    let max_bytes = request.max_bytes;
    let request = head(request)?;
    let answer = async move {
        let answered = sender.send_request(request).await.map_err(|error| broken(&error))?;
        answer(answered, max_bytes).await
    };
    let mut answer = pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // What arrived before the connection ended is there for the answer.
        _ = connection => answer.await,
    }
}

/// The request as it is sent. What belongs to the connection is said here, whatever the request says of it.
fn head(request: AskRequest) -> Result<Request<Full<Bytes>>, AskError> {
    let authority = request.uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).map_err(|error| failed(&error))?;
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut head = Request::new(Full::new(request.body));
    *head.method_mut() = request.method;
    *head.uri_mut() = target.parse::<Uri>().map_err(|error| failed(&error))?;
    *head.headers_mut() = request.headers;
    head.headers_mut().insert(HOST, host);
    head.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    head.headers_mut().insert(USER_AGENT, AGENT);
    Ok(head)
}

async fn answer(answer: Response<Incoming>, max_bytes: usize) -> Result<AskAnswer, AskError> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return AskError::TooLarge(max_bytes);
        }
        match error.downcast_ref::<hyper::Error>() {
            Some(error) => broken(error),
            None => failed(&*error),
        }
    })?;
    Ok(AskAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
}

fn failed(error: &(impl ToString + ?Sized)) -> AskError {
    AskError::Failed(error.to_string().into())
}

/// hyper's own words for what went wrong, and what lies beneath them.
fn broken(error: &hyper::Error) -> AskError {
    let beneath = std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default();
    AskError::Failed(format!("no whole answer: {error}{beneath}").into())
}
