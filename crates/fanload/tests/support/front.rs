//! Puts TLS, HTTP/2 or both in front of a server that speaks HTTP/1.1 in cleartext.

use std::net::SocketAddr;
use std::sync::Arc;

use h2::server::SendResponse;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The options of `fanload` with which it speaks to such a front, and the scheme of the URL.
pub(crate) struct Wire {
    pub(crate) scheme: &'static str,
    pub(crate) options: &'static str,
}

/// All but HTTP/1.1 in cleartext.
pub(crate) const WIRES: [Wire; 3] = [
    Wire { scheme: "https", options: "--insecure" },
    Wire { scheme: "http", options: "--http2" },
    Wire { scheme: "https", options: "--insecure --http2" },
];

impl Wire {
    fn tls(&self) -> bool {
        self.scheme == "https"
    }

    fn http2(&self) -> bool {
        self.options.contains("--http2")
    }
}

/// Where a front of `server` listens. It ends with the test's process.
pub(crate) fn start(server: SocketAddr, wire: &Wire) -> SocketAddr {
    let acceptor = wire.tls().then(|| acceptor(wire.http2()));
    let http2 = wire.http2();
    let (say, hear) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            say.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else { return serve(socket, server, http2).await };
                    // A connection that only finds out whether somebody listens shakes no hands.
                    if let Ok(socket) = acceptor.accept(socket).await {
                        serve(socket, server, http2).await;
                    }
                });
            }
        });
    });
    hear.recv().unwrap()
}

fn acceptor(http2: bool) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    TlsAcceptor::from(Arc::new(config))
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, server: SocketAddr, http2: bool) {
    if !http2 {
        let mut behind = TcpStream::connect(server).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut socket, &mut behind).await;
        return;
    }
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(async move {
            // Either end may go at any time.
            let _ = relay(&request, respond, server).await;
        });
    }
}

/// One stream as one connection, whose answer ends when it is closed.
async fn relay<B>(
    request: &Request<B>,
    mut respond: SendResponse<bytes::Bytes>,
    server: SocketAddr,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut behind = TcpStream::connect(server).await?;
    let mut text = format!("GET {} HTTP/1.1\r\n", request.uri().path_and_query().ok_or("no path")?);
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str()?));
    }
    behind.write_all(format!("{text}\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(behind.read_u8().await?);
    }
    let (head, _) = fanload::wire::head::read(&head)?.ok_or("half a head")?;
    let mut answer = Response::builder().status(head.status).header("content-type", head.content_type);
    if let Some(length) = head.length {
        answer = answer.header("content-length", length);
    }
    let mut stream = respond.send_response(answer.body(())?, false)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = behind.read(&mut buffer).await?;
        stream.send_data(buffer[..count].to_vec().into(), count == 0)?;
        if count == 0 {
            return Ok(());
        }
    }
}
