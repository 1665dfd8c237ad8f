//! One connection's subscriptions, with a server that is played by hand.

use std::sync::Mutex;
use std::time::Duration;

use fanfare_protocol::ChannelName;
use redis::{ConnectionInfo, IntoConnectionInfo};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::timeout;

use super::*;
use crate::connect;

fn info() -> ConnectionInfo {
    connect::resp3("redis://localhost/".into_connection_info().unwrap())
}

fn options() -> FeedOptions {
    FeedOptions { keyspace_notifications: false, ..FeedOptions::offline(10) }
}

fn name(text: &str) -> LogName {
    LogName::from(ChannelName::parse(text).unwrap())
}

/// The number in a line after its first byte.
async fn number(stream: &mut BufReader<DuplexStream>) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}

async fn command(stream: &mut BufReader<DuplexStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream).await? {
        let mut word = vec![0; number(stream).await? + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8(word).unwrap());
    }
    Some(words)
}

/// Answers what a client asks. Takes a while for each SUBSCRIBE, refuses those with a forbidden name, and writes down the names.
async fn serve(stream: DuplexStream, asked: Arc<Mutex<Vec<Vec<String>>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(words) = command(&mut stream).await {
        let mut answer = String::new();
        match words[0].as_str() {
            "HELLO" => answer += "%1\r\n$5\r\nproto\r\n:3\r\n",
            "SUBSCRIBE" => {
                tokio::time::sleep(WORK).await;
                let names = &words[1..];
                asked.lock().unwrap().push(names.to_vec());
                if names.iter().any(|name| name.contains("closed")) {
                    answer += "-NOPERM No permissions to access a channel\r\n";
                } else {
                    for (count, name) in names.iter().enumerate() {
                        answer += &format!(">3\r\n$9\r\nsubscribe\r\n${}\r\n{name}\r\n:{}\r\n", name.len(), count + 1);
                    }
                }
            }
            _ => answer += "+OK\r\n",
        }
        stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
    }
}

/// How long the server takes for one SUBSCRIBE.
const WORK: Duration = Duration::from_millis(100);

/// When all was subscribed to, and how much at each turn.
#[derive(Default)]
struct Watching {
    counts: Mutex<Vec<usize>>,
    caught_up: Mutex<Option<(Instant, usize)>>,
}

impl FeedObserver for Watching {
    fn connected(&self) {}
    fn disconnected(&self, _: &str) {}
    fn probed(&self) {}
    fn subscribed(&self, count: usize) {
        self.counts.lock().unwrap().push(count);
    }
    fn caught_up(&self) {
        let count = self.counts.lock().unwrap().last().copied().unwrap();
        self.caught_up.lock().unwrap().get_or_insert((Instant::now(), count));
    }
}

/// A connection to a server that is played by [`serve`], and what it was asked.
async fn connection() -> (MultiplexedConnection, Arc<Mutex<Vec<Vec<String>>>>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let asked = Arc::default();
    tokio::spawn(serve(far, Arc::clone(&asked)));
    let config = connect::config(Duration::from_secs(1));
    let info = info();
    let made = MultiplexedConnection::new_with_config(info.redis_settings(), near, config).await;
    let (connection, driver) = made.unwrap();
    tokio::spawn(driver);
    (connection, asked)
}

// Seen to fail when the first batch counts as all of them.
#[tokio::test(start_paused = true)]
async fn a_connection_has_caught_up_once_everything_that_was_desired_is_answered() {
    const OPEN: usize = 3 * limits::SUBSCRIBE_BATCH_MAX;
    let (connection, asked) = connection().await;
    let (sink, _source) = fanfare_log::feed(1 << 20);
    let (desired, watching, began) = (Desired::new(), Watching::default(), Instant::now());
    (0..OPEN).for_each(|number| desired.insert(&name(&format!("open{number:05}"))));
    desired.insert(&name("closed"));
    let (options, mut refusals) = (options(), Refusals::new(began));
    let kept = keep(&options, connection, &desired, &sink, &watching, &mut refusals);
    assert!(timeout(Duration::from_secs(4), kept).await.is_err());
    let (at, count) = watching.caught_up.lock().unwrap().unwrap();
    assert!(watching.counts.lock().unwrap()[0] < OPEN);
    let commands = u32::try_from(asked.lock().unwrap().len()).unwrap();
    assert_eq!((count, at - began), (OPEN, WORK * commands), "after {commands} commands");
}

// Seen to fail when each connection begins with refusals of its own.
#[tokio::test(start_paused = true)]
async fn a_name_that_was_refused_is_tried_apart_on_the_next_connection_if_it_is_still_desired() {
    let (sink, mut source) = fanfare_log::feed(1 << 20);
    let (desired, options, mut refusals) = (Desired::new(), options(), Refusals::new(Instant::now()));
    (0..100).for_each(|number| desired.insert(&name(&format!("open{number}"))));
    ["closed1", "closed2", "closed3"].iter().for_each(|closed| desired.insert(&name(closed)));
    let mut commands = Vec::new();
    for _ in 0..2 {
        let (connection, asked) = connection().await;
        let watching = Watching::default();
        let kept = keep(&options, connection, &desired, &sink, &watching, &mut refusals);
        assert!(timeout(Duration::from_secs(4), kept).await.is_err());
        assert_eq!(watching.caught_up.lock().unwrap().unwrap().1, 100);
        let refused = source.take().events.into_iter().map(|(_, event)| match event {
            FeedEvent::Refused { channels, .. } => channels.len(),
            _ => 0,
        });
        assert_eq!(refused.sum::<usize>(), desired.len() - 100, "all that are desired are told of");
        commands = std::mem::take(&mut *asked.lock().unwrap());
        desired.remove(&name("closed3"));
    }
    commands.iter_mut().for_each(|names| names.sort());
    commands.sort_by_key(|names| std::cmp::Reverse(names.len()));
    assert_eq!((commands[0].len(), commands.len()), (100, 4), "{commands:?}");
    assert_eq!(commands[1], ["sse:closed1", "sse:closed2"]);
}
