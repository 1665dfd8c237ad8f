//! Many subscribers at once, each on a thread of its own, behind a balancer that knows which nodes are ready.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fanfare_oracle::{ConnectionEnd, Observed};

use crate::client::Client;
use crate::http::request;
use crate::node::Node;
use crate::subscribe::Subscribe;
use crate::wait::pace;

/// Picks nodes as a load balancer does: round robin over those whose `/readyz` said 200 when it last looked.
#[derive(Debug)]
pub struct Balancer {
    shared: Arc<Shared>,
    poller: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    nodes: Vec<(SocketAddr, SocketAddr)>,
    ready: Vec<AtomicBool>,
    turn: AtomicUsize,
    stop: AtomicBool,
}

impl Balancer {
    /// Looks at the health of `nodes` every `interval`; in between it knows nothing new, as real ones do.
    pub fn over(nodes: &[&Node], interval: Duration) -> Self {
        let shared = Arc::new(Shared {
            nodes: nodes.iter().map(|node| (node.address(), node.admin_address())).collect(),
            ready: nodes.iter().map(|_| AtomicBool::new(true)).collect(),
            turn: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let polled = Arc::clone(&shared);
        let poller = std::thread::spawn(move || {
            while !polled.stop.load(Ordering::Relaxed) {
                for (index, (_, admin)) in polled.nodes.iter().enumerate() {
                    let reply = request(*admin, "GET", "/readyz", &[], b"");
                    polled.ready[index].store(reply.is_ok_and(|reply| reply.status() == 200), Ordering::Relaxed);
                }
                pace(interval);
            }
        });
        Self { shared, poller: Some(poller) }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(poller) = self.poller.take() {
            let _ = poller.join();
        }
    }
}

impl Shared {
    /// The index of the next ready node, or of the next node at all.
    fn pick(&self) -> usize {
        let count = self.nodes.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let ready = |index: &usize| self.ready[*index].load(Ordering::Relaxed);
        (0..count).map(|step| (turn + step) % count).find(ready).unwrap_or(turn % count)
    }
}

/// One connection of one member.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Which node of the balancer.
    pub node: usize,
    /// When it connected.
    pub since: Instant,
    /// When the stream ended.
    pub until: Instant,
    /// How it ended.
    pub ending: ConnectionEnd,
    /// Whether the stream had told a position, that is, whether it was more than a polite refusal.
    pub served: bool,
    /// The reconnection time told, if any.
    pub retry: Option<Duration>,
}

/// Members that subscribe and reconnect by themselves until each has seen the final event.
#[derive(Debug)]
pub struct Crowd {
    balancer: Arc<Shared>,
    last: Arc<Mutex<Option<String>>>,
    deadline: Instant,
    primed: Arc<AtomicUsize>,
    members: Vec<JoinHandle<(Client, Vec<Visit>)>>,
}

impl Crowd {
    /// An empty crowd whose members give up at the deadline.
    pub fn new(balancer: &Balancer, patience: Duration) -> Self {
        Self {
            balancer: Arc::clone(&balancer.shared),
            last: Arc::default(),
            deadline: Instant::now() + patience,
            primed: Arc::default(),
            members: Vec::new(),
        }
    }

    /// One more member.
    pub fn join(&mut self, subscribe: Subscribe) {
        let member = Member {
            client: Client::new(subscribe),
            balancer: Arc::clone(&self.balancer),
            last: Arc::clone(&self.last),
            deadline: self.deadline,
            primed: Arc::clone(&self.primed),
            visits: Vec::new(),
        };
        let thread = std::thread::Builder::new().stack_size(512 * 1024);
        self.members.push(thread.spawn(move || member.run()).expect("a thread for a member"));
    }

    /// How many members have been told a position.
    pub fn primed(&self) -> usize {
        self.primed.load(Ordering::Relaxed)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody has joined.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Tells the data of the final event and waits until every member has seen it (or given up).
    pub fn finish(self, last: &str) -> Vec<(Client, Vec<Visit>)> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last.to_owned());
        self.members.into_iter().map(|member| member.join().expect("a member that did not panic")).collect()
    }
}

struct Member {
    client: Client,
    balancer: Arc<Shared>,
    last: Arc<Mutex<Option<String>>>,
    deadline: Instant,
    primed: Arc<AtomicUsize>,
    visits: Vec<Visit>,
}

impl Member {
    fn run(mut self) -> (Client, Vec<Visit>) {
        while !self.finished() && Instant::now() < self.deadline {
            self.visit();
            // What the server asked for, as an EventSource does; the default of browsers is some seconds.
            let pause = self.client.retry().unwrap_or(Duration::from_secs(3));
            if !self.finished() {
                pace(pause.min(self.deadline.saturating_duration_since(Instant::now())));
            }
        }
        self.client.disconnect();
        (self.client, self.visits)
    }

    fn visit(&mut self) {
        let node = self.balancer.pick();
        let since = Instant::now();
        let first = self.client.last_event_id().is_empty();
        let events = self.client.seen().len();
        if let Err(error) = self.client.connect(self.balancer.nodes[node].0) {
            let ending = ConnectionEnd::Reset(error.kind());
            self.visits.push(Visit { node, since, until: Instant::now(), ending, served: false, retry: None });
            return;
        }
        let mut told = !first;
        while !self.finished() && Instant::now() < self.deadline {
            let observed = self.client.next(Duration::from_millis(200));
            if !told && !self.client.last_event_id().is_empty() {
                told = true;
                self.primed.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(Observed::Ended(ending)) = observed {
                let served = self.client.seen().len() > events + 2;
                let retry = self.client.retry();
                self.visits.push(Visit { node, since, until: Instant::now(), ending, served, retry });
                return;
            }
        }
    }

    fn finished(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = last.as_deref() else { return false };
        self.client.events().last().is_some_and(|event| event.data == last)
    }
}
