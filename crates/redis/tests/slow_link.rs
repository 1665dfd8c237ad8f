//! A link so slow that a large answer does not arrive within `command_timeout`.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use fanfare_log::{Archive, ArchiveError, Newest, ReadRequest, Tip};
use fanfare_protocol::{EntryId, LogName, Position};
use fanfare_redis::{Options, RedisArchive, RedisStore};
use support::streams::*;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// Bytes that a connection carries towards the node in one [`STEP`]: 4 MB/s.
const STEP_BYTES: usize = 40_000;
const STEP: Duration = Duration::from_millis(10);
/// At most 2.4 MB come within it.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(600);

/// The options of a node that reaches the server over the slow link, which lives as long as the test.
async fn over_slow_link(server: &Server, options: &Options) -> Options {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, target) = (listener.local_addr().unwrap().port(), server.port);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from_node, mut to_node) = client.into_split();
                let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let (mut from_server, mut to_server) = server.into_split();
                let asking = async { copy(&mut from_node, &mut to_server).await.map(|_| ()) };
                let answering = async {
                    let mut bytes = vec![0; STEP_BYTES];
                    loop {
                        let read = from_server.read(&mut bytes).await?;
                        if read == 0 {
                            return Ok::<_, std::io::Error>(());
                        }
                        to_node.write_all(&bytes[..read]).await?;
                        tokio::time::sleep(STEP * u32::try_from(read).unwrap() / STEP_BYTES as u32).await;
                    }
                };
                tokio::select! { _ = asking => {}, _ = answering => {} }
            });
        }
    });
    let url = options.url.replace(&format!(":{target}"), &format!(":{port}"));
    Options { url, command_timeout: COMMAND_TIMEOUT, ..options.clone() }
}

async fn server_with_library() -> Server {
    let server = Server::start().await;
    server.load_library().await;
    server
}

/// Publishes one event of so many bytes, which is both the oldest and the newest, to each of so many channels.
async fn publish_to_each(server: &Server, prefix: &str, channels: usize, bytes: usize) -> Vec<LogName> {
    let mut connection = server.connection().await;
    let data = "x".repeat(bytes);
    let mut names = Vec::new();
    for number in 0..channels {
        let channel = format!("{prefix}{number}");
        let mut command = redis::cmd("XADD");
        command.arg(format!("sse:{channel}")).arg("*").arg("data").arg(&data);
        command.query_async::<()>(&mut connection).await.unwrap();
        names.push(name(&channel));
    }
    names
}

fn answered(tips: &[Result<Tip, ArchiveError>]) -> usize {
    tips.iter().filter(|tip| tip.is_ok()).count()
}

// Seen to fail when nothing is learnt from an answer that does not arrive: no attempt ever succeeds.
#[tokio::test]
async fn a_channel_that_was_never_opened_and_has_large_ends_opens_at_the_second_attempt() {
    let server = server_with_library().await;
    let names = publish_to_each(&server, "a", 1, 4 << 20).await;
    let archive = archive(&over_slow_link(&server, &server.options()).await);
    assert_eq!(archive.tips(names.clone()).await, Err(ArchiveError::Timeout));
    assert_eq!(answered(&archive.tips(names).await.unwrap()), 1);
}

// Seen to fail when one batch that does not arrive fails the request.
#[tokio::test]
async fn an_answer_too_large_to_arrive_fails_its_batch_only_and_the_next_attempt_gets_all() {
    let server = server_with_library().await;
    let mut names = publish_to_each(&server, "large", 64, 128 << 10).await;
    names.extend(publish_to_each(&server, "small", 40, 10).await);
    let archive = archive(&over_slow_link(&server, &server.options()).await);
    let first = archive.tips(names.clone()).await.unwrap();
    assert_eq!((answered(&first[..64]), answered(&first[64..])), (0, 40));
    assert_eq!(answered(&archive.tips(names.clone()).await.unwrap()), names.len());
}

#[tokio::test]
async fn where_no_function_runs_batches_shrink_until_their_answers_arrive() {
    let server = server_with_library().await;
    let names = publish_to_each(&server, "a", 12, 400 << 10).await;
    let options = user_without(&server, &["-@scripting"]).await;
    let archive = archive(&over_slow_link(&server, &options).await);
    let mut attempts = 0;
    while archive.tips(names.clone()).await.map_or(0, |tips| answered(&tips)) < names.len() {
        attempts += 1;
        assert!(attempts < 8, "no attempt gets them all");
    }
    assert!(attempts > 0, "a link that is too fast for this test");
}

// Seen to fail when each batch is waited for.
#[tokio::test]
async fn a_request_waits_for_two_answers_that_do_not_arrive_and_no_more() {
    let server = server_with_library().await;
    let names = publish_to_each(&server, "a", 10, 1_600_000).await;
    let options = user_without(&server, &["-@scripting"]).await;
    let archive = archive(&over_slow_link(&server, &options).await);
    // The later ones ask for each channel alone.
    for _ in 0..6 {
        let before = tokio::time::Instant::now();
        assert_eq!(archive.tips(names.clone()).await, Err(ArchiveError::Timeout));
        assert!(before.elapsed() < COMMAND_TIMEOUT * 4);
    }
}

// Seen to fail when what is left of the time after the wait counts.
#[tokio::test]
async fn nothing_is_learnt_of_a_channel_that_waited_for_the_connection_of_another() {
    let server = server_with_library().await;
    let names = publish_to_each(&server, "a", 2, 4 << 20).await;
    for (wait, asked) in [(COMMAND_TIMEOUT / 4, 0), (COMMAND_TIMEOUT * 4 / 5, 1)] {
        let options = Options { pool_size: 1, ..over_slow_link(&server, &server.options()).await };
        let archive = archive(&options);
        archive.tips(vec![name("none")]).await.unwrap();
        let second = async {
            tokio::time::sleep(wait).await;
            archive.tips(names[1..].to_vec()).await
        };
        let failed = tokio::join!(archive.tips(names[..1].to_vec()), second);
        assert_eq!(failed, (Err(ArchiveError::Timeout), Err(ArchiveError::Timeout)));
        let before = calls(&server, "fcall_ro").await;
        let _ = archive.tips(names[1..].to_vec()).await;
        assert_eq!(calls(&server, "fcall_ro").await - before, asked, "{wait:?}");
    }
}

// Seen to fail when a failure does not say how much was asked for, and when what is read elsewhere makes the page large again.
#[tokio::test]
async fn a_single_entry_that_does_not_arrive_is_told_apart_while_its_tip_and_other_places_are_read() {
    let server = server_with_library().await;
    let first = xadd(&server, &["sse:a", "*", "data", "small"]).await;
    xadd(&server, &["sse:a", "*", "data", &"x".repeat(4 << 20)]).await;
    let last = xadd(&server, &["sse:a", "*", "data", "small"]).await;
    let options = Options { event_bytes: 6 << 20, ..over_slow_link(&server, &server.options()).await };
    let archive = archive(&options);
    let mut failures = Vec::new();
    for _ in 0..8 {
        failures.push(archive.read(request("a", Position::At(first))).await.unwrap_err());
        assert!(archive.read(request("a", Position::At(last))).await.unwrap().complete);
        assert_eq!(tip(&archive).await, Position::At(last));
    }
    let singles = failures.iter().filter(|failure| matches!(failure, ArchiveError::SingleEntry(_))).count();
    assert!(singles >= 3 && failures[0] == ArchiveError::Timeout, "{failures:?}");
    assert!(matches!(failures[7], ArchiveError::SingleEntry(_)), "{failures:?}");
}

// Seen to fail when the look at the oldest entry brings its data.
#[tokio::test]
async fn the_newest_entries_are_found_behind_an_oldest_one_that_does_not_arrive() {
    let server = server_with_library().await;
    let oldest = xadd(&server, &["sse:a", "*", "data", &"x".repeat(4 << 20)]).await;
    let mut small = Vec::new();
    for _ in 0..20 {
        small.push(xadd(&server, &["sse:a", "*", "data", "small"]).await);
    }
    let options = Options { event_bytes: 6 << 20, ..over_slow_link(&server, &server.options()).await };
    let archive = archive(&options);
    for attempt in 0..3 {
        let newest = archive.newest(name("a"), 10).await.map(|read| read.newest);
        assert_eq!(newest, Ok(Newest::After(Position::At(small[9]))), "{attempt}");
    }
    // The oldest entry is among those asked for.
    let all = archive.newest(name("a"), 21).await.map(|read| read.newest);
    assert_eq!(all, Ok(Newest::From(oldest)));
}

// Seen to fail when history shares the connections of streams: they wait for its page.
#[tokio::test]
async fn streams_do_not_wait_for_the_connections_of_history_nor_history_for_theirs() {
    let server = server_with_library().await;
    let large = publish_to_each(&server, "large", 1, 250_000).await.remove(0);
    publish_to_each(&server, "large", 1, 250_000).await;
    let small = publish_to_each(&server, "small", 1, 10).await.remove(0);
    let options = Options { pool_size: 1, ..over_slow_link(&server, &server.options()).await };
    let store = RedisStore::new(&options).unwrap();
    let page = |log: &LogName| ReadRequest {
        log: log.clone(),
        after: Position::At(EntryId::ZERO),
        max_entries: 2,
        max_bytes: 4 << 20,
    };
    for (paging, other) in [(store.history(), store.archive()), (store.archive(), store.history())] {
        // Both have their connection.
        let warm = tokio::join!(paging.read(page(&small)), other.read(page(&small)));
        assert!(warm.0.is_ok() && warm.1.is_ok());
        let began = tokio::time::Instant::now();
        let read = |archive: &RedisArchive, log: &LogName| {
            let (archive, request) = (archive.clone(), page(log));
            async move { (archive.read(request).await.unwrap().entries.len(), began.elapsed()) }
        };
        let (slow, quick) = tokio::join!(read(&paging, &large), read(&other, &small));
        assert_eq!((slow.0, quick.0), (2, 1));
        assert!(quick.1 * 2 < slow.1, "{quick:?} while {slow:?}");
    }
}
