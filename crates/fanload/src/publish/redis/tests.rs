//! Against a Redis that says what it is told to.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::super::Span;
use super::*;

/// A Redis that takes a connection for each of `scripts`, says that whatever it is asked, and then closes it. What it was
/// asked is handed back at the end.
fn scripted(scripts: &[&str]) -> (Server, JoinHandle<Vec<String>>) {
    let scripts: Vec<String> = scripts.iter().map(|&script| script.to_owned()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let talk = scripts.iter().map(|script| {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(script.as_bytes()).unwrap();
            // Reads to the end, so that the publisher is not reset before it has read the replies.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut asked = Vec::new();
            let _ = stream.read_to_end(&mut asked);
            String::from_utf8(asked).unwrap()
        });
        talk.collect()
    });
    (Server { address, login: None, keys: "sse:x".to_owned(), way: RedisWay::Function }, server)
}

fn connect(server: &Server) -> Redis {
    Redis::connect(server.clone(), &Stage::new(false).unwrap()).unwrap()
}

/// Publishes events 1 and 2 of channel 0.
fn publish_two(redis: &mut Redis) -> Result<()> {
    for number in [1, 2] {
        redis.publish(Event { channel: 0, number }, format!("0 {number} 1 ").as_bytes())?;
    }
    redis.flush()
}

fn refusal(script: &[&str]) -> anyhow::Error {
    let (server, _) = scripted(script);
    publish_two(&mut connect(&server)).unwrap_err()
}

// Seen to fail when an error inside an answer of EXEC is passed over.
#[test]
fn a_refusal_is_an_error_that_says_what_to_do() {
    let missing = refusal(&["+PONG\r\n-ERR Function not found\r\n$3\r\n1-0\r\n"]);
    assert!(missing.to_string().contains("start a node") && !missing.is::<Broken>(), "{missing:#}");
    let inside = refusal(&["+PONG\r\n$3\r\n1-0\r\n*2\r\n-OOM no memory\r\n:0\r\n"]);
    assert!(inside.to_string().contains("OOM no memory") && !inside.is::<Broken>(), "{inside:#}");
    let other = refusal(&["+PONG\r\nHTTP/1.1 400\r\n"]);
    assert!(!other.is::<Broken>(), "there is no point in asking again: {other:#}");
}

// Seen to fail when a function that was there and is gone is an error like one that never was.
#[test]
fn what_passes_by_itself_is_a_break() {
    let closed = refusal(&["+PONG\r\n$3\r\n1-0\r\n"]);
    assert!(closed.is::<Broken>() && format!("{closed:#}").contains("closed"), "{closed:#}");
    let loading = refusal(&["+PONG\r\n-LOADING Redis is loading the dataset in memory\r\n"]);
    assert!(loading.is::<Broken>() && format!("{loading:#}").contains("LOADING"), "{loading:#}");
    let gone = refusal(&["+PONG\r\n$3\r\n1-0\r\n-ERR Function not found\r\n"]);
    assert!(gone.is::<Broken>(), "{gone:#}");
}

// Seen to fail when the Stream is not looked into: event 2, which is there, then counts as not stored.
#[test]
fn a_new_connection_finds_out_what_the_old_one_did_not_answer() {
    let entry = "*2\r\n$3\r\n2-0\r\n*4\r\n$4\r\ndata\r\n$6\r\n0 2 1 \r\n$4\r\nprev\r\n$3\r\n1-0\r\n";
    let second = format!("+PONG\r\n:1\r\n*1\r\n{entry}");
    let (server, asked) = scripted(&["+PONG\r\n$3\r\n1-0\r\n", &second]);
    let mut redis = connect(&server);
    assert!(publish_two(&mut redis).unwrap_err().is::<Broken>());
    assert_eq!(redis.mend().unwrap(), Mended::default());
    drop(redis);
    let asked = asked.join().unwrap();
    assert!(
        asked[1].contains("XREVRANGE\r\n$6\r\nsse:x0\r\n$1\r\n+\r\n$1\r\n-\r\n$5\r\nCOUNT\r\n$1\r\n1\r\n"),
        "{asked:?}"
    );
    assert!(!asked[1].contains("sse_publish"), "nothing is published twice: {asked:?}");
}

// Seen to fail when the events of the old connection are forgotten by an attempt that fails.
#[test]
fn an_attempt_that_fails_can_be_repeated() {
    let (server, _) = scripted(&["+PONG\r\n$3\r\n1-0\r\n", "-LOADING\r\n", "+PONG\r\n:1\r\n*0\r\n"]);
    let mut redis = connect(&server);
    assert!(publish_two(&mut redis).unwrap_err().is::<Broken>());
    assert!(redis.mend().unwrap_err().is::<Broken>());
    let mended = redis.mend().unwrap();
    assert_eq!(mended.unstored, [Span { channel: 0, first: 2, last: 2 }]);
    assert_eq!(mended.forgotten, [Span { channel: 0, first: 1, last: 1 }]);
}

// Seen to fail when a refusal to read is an error.
#[test]
fn who_may_not_read_the_streams_does_not_know() {
    let (server, _) = scripted(&["+PONG\r\n$3\r\n1-0\r\n", "+PONG\r\n:1\r\n-NOPERM no xrevrange\r\n"]);
    let mut redis = connect(&server);
    assert!(publish_two(&mut redis).unwrap_err().is::<Broken>());
    let mended = redis.mend().unwrap();
    assert_eq!((mended.unknown.len(), mended.unstored.len(), mended.forgotten.len()), (1, 0, 0), "{mended:?}");
}
