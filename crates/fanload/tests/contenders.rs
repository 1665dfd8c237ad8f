//! Contenders as real processes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use fanload::contender::{Contender as _, Floor, Place, Wire};
use fanload::reading::Reading;

// Seen to fail when `Running` is dropped without its processes.
#[test]
fn the_floor_serves_while_it_is_held_and_not_longer() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place {
        server_core: None,
        helper_core: None,
        directory: directory.path().to_owned(),
        settings: &[],
        wire: Wire::default(),
    };
    let running = Floor::new(env!("CARGO_BIN_EXE_fanload").into()).start(&place).unwrap();
    assert!(Reading::take(&running.server_pids).unwrap().rss > 0);

    let address = running.target.addresses[0];
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(b"GET /events?channel=c1 HTTP/1.1\r\nHost: floor\r\n\r\n").unwrap();
    let mut head = [0; 15];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    drop(running);
    assert!(TcpStream::connect(address).is_err(), "it must have ended");
}
