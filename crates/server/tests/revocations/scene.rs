//! A node whose grants may be revoked, and its clients.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fanfare_auth::{Grant, RevocationEntry, RevocationTarget, Right, UnixSeconds};
use fanfare_log::memory::{Bell, MemoryStore};
use fanfare_log::occupancy::{NodeLife, Occupancy, OccupancyAnswer};
use fanfare_log::{AppendRequest, Archive, ArchiveError, Hub, NewestRead, OccupancyStore, ReadRequest, Snapshot, Tip};
use fanfare_protocol::{ChannelName, EntryId, Event, LogName, Pattern};
use fanfare_server::{
    Authorized, Authorizer, Clock, DeliveryOptions, Denied, KnownRevocations, OccupancyOptions, Options, Question, Soon,
};
use tokio::sync::Semaphore;

use super::support::{Client, Node, eventually, without_digits};

const LIFETIME: Duration = Duration::from_secs(3_600);
const LEEWAY: Duration = Duration::from_secs(5);
/// A second is promised; a machine that builds something beside the tests may take half of one more.
pub(crate) const SOON: Duration = Duration::from_millis(1_500);

/// Gives each token a grant for everything; what it says is the subject. It does not ask what is revoked before it gives one.
#[derive(Debug)]
struct Generous(Known);

/// What the node knows, once it is wired.
type Known = Arc<OnceLock<Arc<KnownRevocations>>>;

impl Authorizer for Generous {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        let token = question.headers.get("authorization").map(|value| value.to_str().unwrap());
        let grant = token.map(|token| {
            let subject = token.strip_prefix("Bearer ").unwrap();
            // Those of later have a token that was given a while from now.
            let given = Clock::system().wall_ms() / 1_000 + if subject.starts_with("late") { 60 } else { 0 };
            let token_id = Some(format!("token of {subject}").into());
            let (subject, issued_at) = (Some(subject.into()), Some(UnixSeconds(given)));
            Box::new(Grant { issuer: Some("a".into()), subject, token_id, issued_at, ..Grant::default() })
        });
        Soon::Now(Ok(grant))
    }

    fn still(&self, grant: &Grant, right: Right, channels: &[ChannelName]) -> Result<(), Denied> {
        self.0.get().unwrap().still(grant, right, channels)
    }
}

pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) known: Arc<KnownRevocations>,
}

pub(crate) fn scene_on(store: MemoryStore) -> Scene {
    let history = store.clone();
    scene_with(store, history, |known| known.note_may_vanish(false))
}

pub(crate) fn scene_with(
    store: MemoryStore,
    history: impl Archive,
    asked_store: impl FnOnce(&KnownRevocations),
) -> Scene {
    let counted = Arc::new(store.clone());
    scene_within(fanfare_log::Options::default(), (store, history, counted), asked_store)
}

pub(crate) fn scene_within(
    bounds: fanfare_log::Options,
    (store, history, counted): (MemoryStore, impl Archive, Arc<dyn OccupancyStore>),
    asked_store: impl FnOnce(&KnownRevocations),
) -> Scene {
    let known = Known::default();
    let (asked, wired) = (Arc::clone(&known), Arc::clone(&known));
    let change = move |options: &mut Options| {
        options.authorizer = Some(Arc::new(Generous(asked)));
        options.history.enabled = true;
        options.admission.proxies.trusted = vec!["127.0.0.1".parse().unwrap()];
        options.publish_tokens = true;
        let occupancy = Occupancy::new([(Pattern::parse("*").unwrap(), true)]);
        options.occupancy = Some(OccupancyOptions { occupancy, store: counted });
    };
    let wire = move |options: &mut Options, hub: &Arc<Hub>| {
        let revocations = Arc::new(KnownRevocations::new(Arc::clone(hub), Clock::system(), LIFETIME, LEEWAY));
        asked_store(&revocations);
        drop(wired.set(Arc::clone(&revocations)));
        options.revocations = Some(revocations);
    };
    let delivery = DeliveryOptions { heartbeat: Duration::from_secs(1), ..DeliveryOptions::default() };
    let node = Node::with_log(bounds, (store, history), change, delivery, wire);
    Scene { node, known: Arc::clone(known.get().unwrap()) }
}

/// An archive whose pages arrive when they are let through, one by one.
#[derive(Clone)]
pub(crate) struct SlowArchive(pub(crate) MemoryStore, pub(crate) Arc<Semaphore>);

impl Archive for SlowArchive {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        self.0.tips(logs).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        self.1.acquire().await.unwrap().forget();
        Archive::read(&self.0, request).await
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        self.0.newest(log, count).await
    }
}

/// A store of counts that tells them when it may, one by one.
#[derive(Debug)]
pub(crate) struct SlowCounts(pub(crate) MemoryStore, pub(crate) Arc<Semaphore>);

impl OccupancyStore for SlowCounts {
    fn begin(&self, life: NodeLife, former: Option<NodeLife>) -> OccupancyAnswer<()> {
        self.0.begin(life, former)
    }

    fn renew(&self, life: NodeLife) -> OccupancyAnswer<bool> {
        self.0.renew(life)
    }

    fn write(&self, life: NodeLife, counts: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        self.0.write(life, counts)
    }

    fn keep(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        self.0.keep(channels)
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        let (answer, turns) = (OccupancyStore::read(&self.0, channels), Arc::clone(&self.1));
        Box::pin(async move {
            turns.acquire().await.unwrap().forget();
            answer.await
        })
    }

    fn end(&self, life: NodeLife, channels: Vec<ChannelName>) -> OccupancyAnswer<()> {
        self.0.end(life, channels)
    }
}

pub(crate) fn scene() -> Scene {
    let scene = scene_on(MemoryStore::default());
    scene.is_complete();
    scene
}

impl Scene {
    pub(crate) fn is_complete(&self) {
        eventually("what is revoked to be known", || self.known.unknown().is_none());
    }

    /// A stream of somebody, from its head to its first place.
    pub(crate) fn stream(&self, subject: &str, channel: &str) -> Client {
        let token = if subject.is_empty() { String::new() } else { format!("Authorization: Bearer {subject}\r\n") };
        let mut client = self.node.send(format!(
            "GET /events?channel={channel}&ready=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{token}\r\n"
        ));
        let head = client.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        client.until("id: ");
        client.until("\n\n\r\n");
        client
    }

    /// Deletes the log of revocations, with this last entry. Within a millisecond the next one could have the same id.
    pub(crate) fn delete_log(&self, last: EntryId) {
        self.node.store.delete(LogName::revoked());
        eventually("another millisecond", || Clock::system().wall_ms() > last.ms);
    }

    pub(crate) fn answer(&self, subject: &str, channel: &str) -> (String, String) {
        let request =
            format!("GET /events?channel={channel} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {subject}\r\n\r\n");
        self.node.send(request).response()
    }

    pub(crate) fn revoke(&self, target: &RevocationTarget) -> EntryId {
        self.append(json_of(target, KEEP))
    }

    pub(crate) fn append(&self, data: String) -> EntryId {
        let log = LogName::revoked().name().clone();
        let request = AppendRequest { log, data: data.into(), keep: KEEP, max_entries: 1_000 };
        self.node.store.append_now(&request).unwrap()
    }

    pub(crate) fn revoke_many(&self, store: &MemoryStore, number: usize) {
        let event = Event { name: None, data: json_of(&subject(&number.to_string()), KEEP).into() };
        store.xadd(LogName::revoked(), event, Bell::Silent);
    }
}

/// For how long this node keeps entries, and so do others.
pub(crate) const KEEP: Duration = Duration::from_secs(LIFETIME.as_secs() + 2 * LEEWAY.as_secs());

pub(crate) fn json_of(target: &RevocationTarget, keep: Duration) -> String {
    RevocationEntry { target: target.clone(), keep: Some(keep) }.to_json()
}

pub(crate) fn subject(name: &str) -> RevocationTarget {
    RevocationTarget::subject(Some("a"), name).unwrap()
}

pub(crate) fn history_of(channel: &str, subject: &str) -> String {
    let head = format!("GET /channels/{channel}/history HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let token = if subject.is_empty() { String::new() } else { format!("Authorization: Bearer {subject}\r\n") };
    format!("{head}{token}\r\n")
}

/// Ends within a second, with the farewell and a last chunk.
pub(crate) fn is_revoked(client: &mut Client, since: Instant) {
    let rest = client.rest();
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    // On a busy machine a heartbeat may come first.
    let rest = rest.rsplit(":\n\n\r\n").next().unwrap_or(&rest);
    let chunk = without_digits(rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()).trim_start());
    assert_eq!(chunk, "retry: #\nevent: $revoked\ndata: {}\nid: ~#.#\n\n\r\n#\r\n\r\n".replace("~#.#", place(&chunk)));
}

/// The place in a farewell, whatever it is.
fn place(chunk: &str) -> &str {
    chunk.split("id: ").nth(1).and_then(|rest| rest.split('\n').next()).unwrap_or("no place")
}
