//! Many subscribers at once, each on a thread of its own, behind a balancer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fanfare_oracle::{ConnectionEnd, Observed};

use crate::balancer::{Backends, Balancer};
use crate::client::Client;
use crate::subscribe::Subscribe;
use crate::wait::pace;

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
    balancer: Arc<Backends>,
    last: Arc<Mutex<Option<String>>>,
    deadline: Instant,
    primed: Arc<AtomicUsize>,
    members: Vec<JoinHandle<(Client, Vec<Visit>)>>,
}

impl Crowd {
    /// An empty crowd whose members give up at the deadline.
    pub fn new(balancer: &Balancer, patience: Duration) -> Self {
        Self {
            balancer: Arc::clone(&balancer.backends),
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
    balancer: Arc<Backends>,
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
        if let Err(error) = self.client.connect(self.balancer.address(node)) {
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
