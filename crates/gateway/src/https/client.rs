//! Asks services questions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_auth::{Answering, Ask, AskAnswer, AskError, AskRequest};
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::authorities::Authorities;
use super::connection::Connection;
use super::dial::{self, PlainHttp, Reach};
use super::idle::IdleConnections;
use super::names::{Names, Resolve};
use super::service::Service;
use super::silent_addresses::SilentAddresses;
use super::tls_failure::tls_failure;

/// What a node calls itself.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("fanfare/", env!("CARGO_PKG_VERSION")));

/// Asks over TLS, and without it where that is allowed. Whoever asks bounds how many questions are under way. A connection serves one question
/// after the other for a while; the sessions of TLS are resumed where the service agrees.
#[derive(Clone)]
pub struct HttpsClient(Arc<Shared>);

struct Shared {
    tls: TlsConnector,
    plain: PlainHttp,
    names: Names,
    silent: SilentAddresses,
    idle: IdleConnections,
}

/// Why no service can be asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpsClientError {
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl HttpsClient {
    /// Believes certificates of these authorities.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(authorities: Authorities, plain: PlainHttp) -> Result<Self, HttpsClientError> {
        Self::with_names(authorities, plain, Names::of_system())
    }

    /// The same, with another way to look names up.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn with_resolver(
        authorities: Authorities,
        plain: PlainHttp,
        resolve: Arc<Resolve>,
    ) -> Result<Self, HttpsClientError> {
        Self::with_names(authorities, plain, Names::new(resolve))
    }

    fn with_names(authorities: Authorities, plain: PlainHttp, names: Names) -> Result<Self, HttpsClientError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities.into_roots())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tls = TlsConnector::from(Arc::new(config));
        let (silent, idle) = (SilentAddresses::default(), IdleConnections::default());
        Ok(Self(Arc::new(Shared { tls, plain, names, silent, idle })))
    }
}

impl Ask for HttpsClient {
    fn ask(&self, request: AskRequest) -> Answering {
        let client = Arc::clone(&self.0);
        Box::pin(async move { client.question(request).await })
    }
}

impl Shared {
    /// A connection that served before may have died unseen. A question changes nothing, so it is asked once more, over a new one, if the old
    /// one ended before a byte of an answer came.
    async fn question(&self, request: AskRequest) -> Result<AskAnswer, AskError> {
        let deadline = Deadline::new(request.timeout);
        let service = Service::of(&request.uri, self.plain)?;
        let max_bytes = request.max_bytes;
        let request = head(request)?;
        if let Some(mut connection) = self.idle.take(&service) {
            let answer = timeout_at(deadline.at, connection.ask(request.clone(), max_bytes)).await;
            match answer.map_err(|_| deadline.passed())? {
                Ok(answer) => {
                    self.idle.put(service, connection);
                    return Ok(answer);
                }
                Err(why) if !why.is_untouched => return Err(why.error),
                Err(_) => {}
            }
        }
        let mut connection = self.connect(&service, deadline).await?;
        let answer = timeout_at(deadline.at, connection.ask(request, max_bytes)).await;
        let answer = answer.map_err(|_| deadline.passed())?.map_err(|why| why.error)?;
        self.idle.put(service, connection);
        Ok(answer)
    }

    async fn connect(&self, service: &Service, deadline: Deadline) -> Result<Connection, AskError> {
        let found = deadline.keep("its name was not resolved", self.names.addresses(&service.host)).await?;
        let addresses = dial::usable(&found, service.port, service.reach, &self.silent)?;
        let socket = deadline.keep("there was no connection", dial::dial(addresses, &self.silent)).await?;
        if service.reach != Reach::Anywhere {
            return Connection::over(socket).await;
        }
        let name = ServerName::try_from(service.host.clone()).map_err(|error| failed(&error))?;
        let tls = async { self.tls.connect(name, socket).await.map_err(|error| tls_failure(&error)) };
        Connection::over(deadline.keep("TLS did not come about", tls).await?).await
    }
}

/// When a question is given up.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    fn new(timeout: Duration) -> Self {
        Self { at: Instant::now() + timeout, timeout }
    }

    fn passed(self) -> AskError {
        AskError::TimedOut(self.timeout)
    }

    /// The outcome of a step; `otherwise` says what is missing if it has none in time.
    async fn keep<T>(
        self,
        otherwise: &'static str,
        step: impl Future<Output = Result<T, AskError>>,
    ) -> Result<T, AskError> {
        let outcome = timeout_at(self.at, Box::pin(step)).await;
        outcome.unwrap_or(Err(AskError::NotReached(otherwise, self.timeout)))
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
    head.headers_mut().insert(USER_AGENT, AGENT);
    Ok(head)
}

fn failed(error: &(impl ToString + ?Sized)) -> AskError {
    AskError::Failed(error.to_string().into())
}
