//! A client that behaves: that of the `h2` crate.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::Node;

/// Waits for what must come, for less than a heartbeat.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(12), future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Polls until the condition holds, and lets the clients of this thread do their part meanwhile.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub async fn sessions(node: &Node, wanted: usize) {
    let admission = node.server().admission();
    eventually(&format!("{wanted} sessions"), || admission.sessions() == wanted).await;
}

pub struct Peer {
    requests: SendRequest<Bytes>,
    /// Ends with the connection.
    pub connection: JoinHandle<Result<(), h2::Error>>,
}

impl Peer {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::with(address, |_| {}).await
    }

    pub async fn with(address: SocketAddr, change: impl FnOnce(&mut Builder)) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self::over(socket, change).await
    }

    pub async fn over<S>(socket: S, change: impl FnOnce(&mut Builder)) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = Builder::new();
        change(&mut builder);
        let (requests, connection) = soon("a handshake", builder.handshake(socket)).await.unwrap();
        Self { requests, connection: tokio::spawn(connection) }
    }

    pub async fn send(&mut self, request: Request<()>, body: Option<&str>) -> Response<Body> {
        let mut requests = soon("a free stream", self.requests.clone().ready()).await.unwrap();
        let (response, mut stream) = requests.send_request(request, body.is_none()).unwrap();
        if let Some(body) = body {
            stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
        }
        soon("an answer", response).await.unwrap().map(|stream| Body { stream, seen: Vec::new() })
    }

    pub async fn get(&mut self, path: &str) -> Response<Body> {
        self.send(request("GET", path), None).await
    }

    /// Asks for a stream that says nothing but its place at first.
    pub async fn ask(&mut self, query: &str) -> Response<Body> {
        let mut request = request("GET", &format!("/events?ready=0&{query}"));
        request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
        self.send(request, None).await
    }

    /// A stream that has begun.
    pub async fn subscribe(&mut self, query: &str) -> Body {
        let response = self.ask(query).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        body.until("\n\n").await;
        body
    }
}

pub fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://node.example{path}")).body(()).unwrap()
}

pub struct Body {
    pub stream: RecvStream,
    seen: Vec<u8>,
}

impl Body {
    /// Reads up to and including `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|window| window == end.as_bytes()) {
                let rest = self.seen.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            let more = self.more().await.unwrap();
            assert!(more, "ended before {end:?}: {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Everything up to the end of the stream; the error is that of a reset.
    pub async fn rest(&mut self) -> (String, Option<Reason>) {
        let error = loop {
            match self.more().await {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error.reason().unwrap()),
            }
        };
        (String::from_utf8(std::mem::take(&mut self.seen)).unwrap(), error)
    }

    async fn more(&mut self) -> Result<bool, h2::Error> {
        let Some(data) = soon("more of a body", self.stream.data()).await else { return Ok(false) };
        let data = data?;
        self.stream.flow_control().release_capacity(data.len())?;
        self.seen.extend_from_slice(&data);
        Ok(true)
    }
}
