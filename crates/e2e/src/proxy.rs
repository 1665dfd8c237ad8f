//! A TCP proxy that can misbehave: hold bytes back without closing anything, as a firewall that forgot a connection or a
//! frozen peer does; let them trickle; or cut. Each direction has a flow of its own. It can be a long way, too.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    Pass,
    /// They wait: nothing arrives, nothing is closed, and nothing is lost if they pass again later.
    Hold,
    /// So many of them pass in a second, on each connection.
    Slow(u32),
    /// So many of them pass in a second, on all connections together, as on a wire that they share.
    Shared(u32),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected to the target.
    ToTarget,
    /// From the target back.
    ToClient,
}

/// Forwards connections to a target until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    generation: Arc<AtomicU64>,
    /// `None` while it is dropped: the forwarding thread ends with its sender.
    rules: Option<watch::Sender<Rules>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    /// Where connections that come from now on lead.
    target: SocketAddr,
    to_target: Flow,
    to_client: Flow,
    /// Connections made before this generation hold everything, for ever.
    silent_before: u64,
    /// Connections made before this generation are closed.
    cut_before: u64,
}

/// Bytes moved at once.
const PIECE: usize = 16 * 1024;

/// How far a shared wire may be ahead of its rate: a timer is not more exact than that.
const AHEAD_MAX: Duration = Duration::from_millis(2);

/// When a wire that several connections share is free again, for each direction.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<Mutex<[Option<Instant>; 2]>>);

impl Wire {
    /// Takes its turn for so many bytes. Returns when they have passed.
    fn pass(&self, direction: Direction, bytes: usize, rate: u32) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = &mut free[usize::from(direction == Direction::ToClient)];
        let now = Instant::now();
        let begin = free.map_or(now, |free| free.max(now));
        let end = begin + Duration::from_secs_f64(bytes as f64 / f64::from(rate.max(1)));
        *free = Some(end);
        end
    }
}

impl Proxy {
    /// A proxy in front of `target`.
    pub fn to(target: SocketAddr) -> Self {
        Self::far_from(target, Duration::ZERO)
    }

    /// The same, and bytes take so long in each direction, however many are under way. They always flow.
    pub fn far_from(target: SocketAddr, delay: Duration) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that need not block");
        let address = listener.local_addr().expect("an address");
        let generation = Arc::new(AtomicU64::new(1));
        let rules = Rules { target, to_target: Flow::Pass, to_client: Flow::Pass, silent_before: 0, cut_before: 0 };
        let (sender, receiver) = watch::channel(rules);
        let current = Arc::clone(&generation);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, &current, receiver, delay));
        });
        Self { address, generation, rules: Some(sender), thread: Some(thread) }
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Later connections lead to another target; those that exist stay with theirs.
    pub fn retarget(&self, target: SocketAddr) {
        self.change(|rules| rules.target = target);
    }

    /// From now on nothing passes on the connections that exist; later ones work.
    pub fn silence(&self) {
        let next = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        self.change(|rules| rules.silent_before = next);
    }

    /// Closes the connections that exist; later ones work.
    pub fn cut(&self) {
        let next = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        self.change(|rules| rules.cut_before = next);
    }

    /// Sets what happens to the bytes of one direction, on all connections, present and future.
    pub fn set(&self, direction: Direction, flow: Flow) {
        self.change(|rules| match direction {
            Direction::ToTarget => rules.to_target = flow,
            Direction::ToClient => rules.to_client = flow,
        });
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        self.rules.as_ref().expect("present until dropped").send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.rules = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed, and the connections that it ended fail whoever needs them.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: StdListener, generation: &Arc<AtomicU64>, mut rules: watch::Receiver<Rules>, delay: Duration) {
    let listener = TcpListener::from_std(listener).expect("a listener within the runtime");
    // Ends all connections when it is dropped.
    let mut connections = JoinSet::new();
    let wire = Wire::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else {
                    // Out of descriptors, most likely: others may close some.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let made = generation.load(Ordering::Acquire);
                connections.spawn(forward(client, made, rules.clone(), wire.clone(), delay));
            }
            changed = rules.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(client: TcpStream, made: u64, rules: watch::Receiver<Rules>, wire: Wire, delay: Duration) {
    let target = rules.borrow().target;
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Without it pushes would wait for acknowledgements, which no network asks for.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = rules.clone();
    if !delay.is_zero() {
        tokio::select! {
            () = carry(from_client, to_server, delay) => {}
            () = carry(from_server, to_client, delay) => {}
            _ = cut.wait_for(|rules| made < rules.cut_before) => {}
        }
        return;
    }
    tokio::select! {
        () = pump(from_client, to_server, Direction::ToTarget, made, rules.clone(), wire.clone()) => {}
        () = pump(from_server, to_client, Direction::ToClient, made, rules, wire) => {}
        _ = cut.wait_for(|rules| made < rules.cut_before) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    made: u64,
    mut rules: watch::Receiver<Rules>,
    wire: Wire,
) {
    let mut buffer = vec![0; PIECE];
    let flow = |rules: &Rules| match direction {
        _ if made < rules.silent_before => Flow::Hold,
        Direction::ToTarget => rules.to_target,
        Direction::ToClient => rules.to_client,
    };
    loop {
        let Ok(now) = rules.wait_for(|rules| flow(rules) != Flow::Hold).await.map(|rules| flow(&rules)) else { return };
        let piece = if let Flow::Slow(rate) = now { (rate as usize / 10).clamp(1, PIECE) } else { PIECE };
        let count = tokio::select! {
            read = from.read(&mut buffer[..piece]) => read.unwrap_or(0),
            changed = rules.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        // What was read before the flow stopped waits with the rest.
        let open = rules.wait_for(|rules| flow(rules) != Flow::Hold).await.is_ok();
        if count == 0 || !open || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        match now {
            Flow::Slow(rate) => {
                tokio::time::sleep(Duration::from_secs_f64(count as f64 / f64::from(rate.max(1)))).await;
            }
            Flow::Shared(rate) => {
                let passed = wire.pass(direction, count, rate);
                if passed > Instant::now() + AHEAD_MAX {
                    tokio::time::sleep_until(passed - AHEAD_MAX / 2).await;
                }
            }
            Flow::Pass | Flow::Hold => {}
        }
    }
}

/// Carries bytes for so long. More than a few megabytes under way wait before it.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(256);
    let load = async move {
        loop {
            let mut buffer = vec![0; PIECE];
            let count = from.read(&mut buffer).await.unwrap_or(0);
            buffer.truncate(count);
            if count == 0 || sender.send((Instant::now() + delay, buffer)).await.is_err() {
                return;
            }
        }
    };
    let unload = async move {
        while let Some((at, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    // What was under way when one end closed arrives at the other.
    tokio::join!(load, unload);
}
