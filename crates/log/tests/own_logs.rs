//! Logs of the gateway's own: written through the publisher, followed as channels are, and confirmed.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

use std::time::Duration;

use fanfare_log::memory::{Bell, MemoryStore};
use fanfare_log::{
    AppendRequest, CoreLog, Cursor, Item, Next, Options, Payer, PublishError, Random, Start, ViewKey, assemble,
};
use fanfare_protocol::{EntryId, Event, LogName, Position};
use std::sync::Arc;

/// A node's logs over a store, and a reader of the log of revocations from its beginning.
struct Reader {
    log: CoreLog,
    view: ViewKey,
    cursor: Cursor,
    seen: Vec<String>,
}

impl Reader {
    #[expect(clippy::disallowed_methods, reason = "tasks end with the test's runtime")]
    fn start(store: &MemoryStore) -> Self {
        let assembly = assemble(Options::default(), 1, Random::seeded(1));
        drop(tokio::spawn(store.attach(assembly.desired, assembly.sink).run()));
        drop(tokio::spawn(assembly.ingest.run(store.clone(), std::future::pending())));
        let log = CoreLog::new(Arc::clone(&assembly.hub), 0);
        let beginning = Some(Start::Before(EntryId { ms: 0, seq: 1 }));
        let (view, cursor) = log.open(LogName::revoked(), beginning, 0, Payer::NODE).unwrap();
        Self { log, view, cursor, seen: Vec::new() }
    }

    /// Takes what is there. Whether that is all.
    fn look(&mut self) -> bool {
        self.log.sync(|_, _| {}, |_| {});
        let Self { log, view, cursor, seen } = self;
        loop {
            let is_all = log.next(*view, cursor, |cursor, _, next| match next {
                Next::Tail(tail, from) => {
                    let Some(Item::Entry { id, frame }) = tail.get(from) else { panic!("no entry") };
                    seen.push(String::from_utf8(frame.data()).unwrap());
                    cursor.advance_tail(from, Some(Position::At(*id)));
                    None
                }
                Next::Page(served) => {
                    assert!(served.seam.is_none(), "{served:?}");
                    for entry in served.entries() {
                        seen.push(String::from_utf8(entry.frame.data()).unwrap());
                        cursor.advance_to(Position::At(entry.id));
                    }
                    None
                }
                Next::Begins(position) => {
                    cursor.advance_to(position);
                    None
                }
                Next::Live => Some(true),
                Next::Waiting | Next::Refused(_) => Some(false),
            });
            if let Some(is_all) = is_all {
                return is_all;
            }
        }
    }

    /// Looks until everything is there and confirmed. Returns the link.
    async fn confirmed(&mut self) -> u64 {
        loop {
            if self.look()
                && let Some(link) = self.log.coverage(self.view).link
            {
                return link;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn request(data: &str, keep: Duration) -> AppendRequest {
    let log = LogName::revoked().name().clone();
    AppendRequest { log, data: data.to_owned().into(), keep, max_entries: 3 }
}

fn append(store: &MemoryStore, data: &str) -> Result<EntryId, PublishError> {
    store.append_now(&request(data, Duration::from_secs(60)))
}

// Fails when a reader begins at the end, and when a log without a stream is never confirmed.
#[tokio::test(start_paused = true)]
async fn a_reader_from_the_beginning_has_everything_before_the_log_is_confirmed_and_all_that_comes() {
    let store = MemoryStore::default();
    let mut first = Reader::start(&store);
    first.confirmed().await;
    append(&store, "1").unwrap();
    append(&store, "2").unwrap();
    let mut second = Reader::start(&store);
    for reader in [&mut first, &mut second] {
        reader.confirmed().await;
        while reader.seen.len() < 2 {
            reader.look();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    append(&store, "3").unwrap();
    for reader in [&mut first, &mut second] {
        while reader.seen.len() < 3 {
            reader.look();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(reader.seen, ["1", "2", "3"]);
    }
}

// Fails when what was confirmed stays so, when a head that is not the stream's is, and when the next link is the same.
#[tokio::test(start_paused = true)]
async fn a_log_is_confirmed_on_each_link_anew_and_only_with_all_that_its_stream_has() {
    let store = MemoryStore::default();
    append(&store, "1").unwrap();
    let mut reader = Reader::start(&store);
    let link = reader.confirmed().await;
    store.set_offline(true);
    while reader.log.link().is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(reader.log.coverage(reader.view).link, None);
    let event = Event { name: None, data: "2".into() };
    let id = store.xadd(LogName::revoked(), event, Bell::Silent);
    store.set_unreadable(LogName::revoked(), id, true);
    store.set_offline(false);
    while reader.log.link().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    reader.look();
    assert_eq!((reader.log.coverage(reader.view).link, reader.seen.len()), (None, 1));
    store.set_unreadable(LogName::revoked(), id, false);
    let next = reader.confirmed().await;
    assert!(next > link && reader.seen == ["1", "2"], "{next} after {link}: {:?}", reader.seen);
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_it_is_kept_leaves_the_log_and_a_full_one_takes_nothing() {
    let store = MemoryStore::default();
    for data in ["1", "2", "3"] {
        append(&store, data).unwrap();
    }
    assert!(matches!(append(&store, "4"), Err(PublishError::Rejected(_))));
    tokio::time::sleep(Duration::from_secs(10)).await;
    store.append_now(&request("4", Duration::from_secs(5))).unwrap();
    assert_eq!(store.entries(LogName::revoked()).len(), 1);
    assert_eq!(store.entries(LogName::from(LogName::revoked().name())).len(), 0, "no channel of this name");
}
