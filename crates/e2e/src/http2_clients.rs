//! Clients that share connections of HTTP/2, as the tabs of a browser do.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::client::ClientConfig;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::http2_connection::{Driver, Http2Connection, Place};

/// Clients of HTTP/2, and the connections that they share: up to eight streams to one address have one. Whoever asks for a socket of
/// its own has it.
#[derive(Debug)]
pub struct Http2Clients {
    tls: Option<Arc<ClientConfig>>,
    open: Mutex<Vec<Shared>>,
    /// Which connection gets the next stream, so that they are mixed.
    turn: AtomicUsize,
    /// Streams that were given a shared connection, and those connections.
    shared: (AtomicUsize, AtomicUsize),
    /// Of the thread that drives what is shared.
    driver: Handle,
    /// That thread ends when this goes.
    _driven: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    connection: Weak<Http2Connection>,
}

impl Http2Clients {
    /// Clients over TLS, with a configuration that offers HTTP/2, or in the clear.
    pub(crate) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        let (driver, driven) = start_driver();
        Self {
            tls,
            open: Mutex::default(),
            turn: AtomicUsize::new(0),
            shared: Default::default(),
            driver,
            _driven: driven,
        }
    }

    /// Streams on shared connections so far, and those connections.
    #[must_use]
    pub fn shared(&self) -> (usize, usize) {
        (self.shared.0.load(Ordering::Relaxed), self.shared.1.load(Ordering::Relaxed))
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// A place on a connection of its own.
    pub(crate) fn alone(&self, tcp: TcpStream) -> io::Result<Place> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        enter(&Http2Connection::new(Driver::Own(runtime), tcp, self.tls.clone())?)
    }

    /// A place on a connection to this address that has one, or on a new one.
    pub(crate) fn share(
        &self,
        address: SocketAddr,
        connect: impl FnOnce() -> io::Result<TcpStream>,
    ) -> io::Result<Place> {
        self.shared.0.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.find(address) {
            return Ok(place);
        }
        let driver = Driver::Shared(self.driver.clone());
        let connection = Http2Connection::new(driver, connect()?, self.tls.clone())?;
        let place = enter(&connection)?;
        self.shared.1.fetch_add(1, Ordering::Relaxed);
        self.open().push(Shared { address, connection: Arc::downgrade(&connection) });
        Ok(place)
    }

    fn find(&self, address: SocketAddr) -> Option<Place> {
        let mut open = self.open();
        open.retain(|shared| shared.connection.strong_count() > 0);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % open.len().max(1);
        let (later, first) = open.split_at(turn);
        let theirs = first.iter().chain(later).filter(|shared| shared.address == address);
        theirs.filter_map(|shared| shared.connection.upgrade()).find_map(|connection| connection.enter())
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Shared>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that drives what is spawned on this handle, until the sender is dropped. Not tokio's runtime of many threads: with its feature,
/// which the whole workspace would get, each socket of a node takes 8 bytes more.
fn start_driver() -> (Handle, oneshot::Sender<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (handle, (sender, dropped)) = (runtime.handle().clone(), oneshot::channel());
    std::thread::Builder::new()
        .name("http2-clients".into())
        .spawn(move || runtime.block_on(dropped))
        .expect("a thread");
    (handle, sender)
}

fn enter(connection: &Arc<Http2Connection>) -> io::Result<Place> {
    // It may have ended already.
    connection.enter().ok_or_else(|| io::ErrorKind::ConnectionReset.into())
}
