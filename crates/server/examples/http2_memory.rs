//! What an idle stream of HTTP/2 costs, in bytes of resident memory: that of bare hyper, whose body never says anything, and that of
//! this server. `cargo run --release -p fanfare-server --example http2_memory -- bare|fanfare [connections] [streams]`
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // A measurement: a surprise is its end.

#[path = "../tests/http2/raw.rs"]
#[allow(dead_code, unreachable_pub)]
mod raw;
#[path = "../tests/support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, LocalOptions};

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}

/// A body that has begun and says nothing more.
struct Silent(Option<Bytes>);

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

async fn answer(_: Request<Incoming>) -> Result<Response<Silent>, Infallible> {
    Ok(Response::new(Silent(Some(Bytes::from_static(b"retry: 2000\n\n")))))
}

fn serve_bare() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let mut builder = http2::Builder::new(Local);
                builder.max_concurrent_streams(10_000);
                let connection = builder.serve_connection(TokioIo::new(socket), service_fn(answer));
                drop(tokio::task::spawn_local(async { drop(connection.await) }));
            }
        });
    });
    address
}

fn resident() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
}

fn main() {
    let mut args = std::env::args().skip(1);
    let which = args.next().unwrap_or_else(|| "fanfare".to_owned());
    let mut number = |default: u32| args.next().map_or(default, |text| text.parse().unwrap());
    let (connections, streams) = (number(50), number(100));
    let node = (which == "fanfare").then(|| {
        support::Node::start(|options| {
            options.cores = 1;
            options.requests.streams = 10_000;
            options.admission.connects_per_second = None;
            options.admission.address_connects_per_second = None;
            options.admission.address_channels_per_second = None;
        })
    });
    let address = node.as_ref().map_or_else(serve_bare, support::Node::address);
    let mut peers: Vec<_> = (0..connections).map(|_| raw::Raw::open(address, &[])).collect();
    let mut next = 1;
    let mut measured = Vec::new();
    for upto in [1, 10, streams / 2, streams] {
        while next <= upto {
            for peer in &mut peers {
                peer.send(raw::get(2 * next - 1, "/events?channel=a"));
                while peer.wait_for(raw::DATA).stream != 2 * next - 1 {}
            }
            next += 1;
        }
        // Whatever is put away is.
        std::thread::park_timeout(std::time::Duration::from_secs(2));
        measured.push((upto, resident()));
        println!("{which}: {connections} connections of {upto} streams: {} KiB resident", resident() / 1024);
    }
    for pair in measured.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        let more = i64::from(after.0 - before.0) * i64::from(connections);
        println!("{which}: {} to {} streams: {} bytes a stream", before.0, after.0, (after.1 - before.1) / more.max(1));
    }
}
