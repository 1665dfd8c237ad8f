use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use super::*;
use crate::listen_address::ListenAddress;
use crate::options::{ListenOptions, SocketOptions};

/// An acceptor with two listeners whose inboxes hold so many sockets, and these inboxes.
fn acceptor(inboxes: &[usize]) -> (Acceptor, Vec<mpsc::Receiver<Accepted>>) {
    let options = crate::options::AdmissionOptions::default();
    let random = fanfare_log::Random::seeded(1);
    let admission = Arc::new(Admission::new(options, inboxes.len(), random, Instant::now()));
    let (cores, inboxes) = inboxes.iter().map(|size| mpsc::channel(*size)).unzip();
    let listen = ListenOptions::from(ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    let listeners = (0..2).map(|_| Bound::new(0, &listen, &SocketOptions::default()).unwrap()).collect();
    (Acceptor::new(listeners, cores, admission, Arc::default()).unwrap(), inboxes)
}

/// Where the first listener is.
fn address(acceptor: &Acceptor) -> SocketAddr {
    acceptor.listeners[0].address().tcp().unwrap()
}

async fn take_next(acceptor: &mut Acceptor) {
    let (listener, accepted) = acceptor.accept().await;
    acceptor.take(listener, accepted).await;
}

// Seen to wait for ever when a socket is for one core whatever its inbox holds.
#[tokio::test]
async fn a_core_that_is_stuck_with_a_full_inbox_keeps_no_connection_from_the_others() {
    let (acceptor, mut inboxes) = acceptor(&[1, 10]);
    let here = address(&acceptor);
    let _clients: Vec<_> = (0..6).map(|_| TcpStream::connect(here).unwrap()).collect();
    let all_handed_over = async {
        while inboxes[1].len() < 5 {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = acceptor.run(std::future::pending()) => {}
        handed_over = tokio::time::timeout(Duration::from_secs(10), all_handed_over) => handed_over.unwrap(),
    }
    assert_eq!(inboxes.iter_mut().map(|inbox| inbox.len()).collect::<Vec<_>>(), [1, 5]);
}

// Seen to fail where only its inbox says whether a core takes a socket: the core that has ended is always the emptiest.
#[tokio::test]
async fn a_core_that_has_ended_takes_no_connection() {
    let (mut acceptor, mut inboxes) = acceptor(&[10, 10]);
    drop(inboxes.remove(0));
    let here = address(&acceptor);
    let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(here).unwrap()).collect();
    take_next(&mut acceptor).await;
    assert_eq!(inboxes[0].len(), 3);
    inboxes.clear();
    let _late = TcpStream::connect(here).unwrap();
    tokio::time::timeout(Duration::from_secs(10), take_next(&mut acceptor)).await.expect("no core is waited for");
}

// Seen to fail where the spare descriptor answers every error.
#[tokio::test]
async fn only_the_lack_of_descriptors_costs_somebody_the_connection() {
    let (mut acceptor, _inboxes) = acceptor(&[1]);
    let mut client = TcpStream::connect(address(&acceptor)).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    acceptor.take(0, Err(io::Error::from_raw_os_error(nix::libc::ENOMEM))).await;
    assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    acceptor.take(0, Err(io::Error::from_raw_os_error(EMFILE))).await;
    assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap(), 0);
    acceptor.take(0, Err(io::Error::from_raw_os_error(nix::libc::ECONNABORTED))).await;
    assert_eq!(acceptor.stats.errors.get(), 2, "a client that left is no error");
}

#[tokio::test]
async fn without_a_descriptor_those_who_wait_are_closed_and_do_not_wait_for_ever() {
    let (mut acceptor, _inboxes) = acceptor(&[1]);
    let mut client = TcpStream::connect(address(&acceptor)).unwrap();
    assert!(acceptor.spare.drop_one(&acceptor.listeners[0]) && acceptor.spare.0.is_some());
    assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap(), 0);
    assert!(!acceptor.spare.drop_one(&acceptor.listeners[0]), "nobody waits");
}

// Seen to fail where the first listener is always asked first.
#[tokio::test]
async fn a_crowd_at_one_listener_keeps_nobody_at_another_waiting() {
    let (mut acceptor, inboxes) = acceptor(&[1_000]);
    let [crowded, other] = [0, 1].map(|number: usize| acceptor.listeners[number].address().tcp().unwrap());
    let _crowd: Vec<_> = (0..ACCEPTED_AT_ONCE + 2).map(|_| TcpStream::connect(crowded).unwrap()).collect();
    let _client = TcpStream::connect(other).unwrap();
    take_next(&mut acceptor).await;
    assert_eq!(inboxes[0].len(), ACCEPTED_AT_ONCE + 1, "one more of the crowd waits");
    assert_eq!(acceptor.accept().await.0, 1);
}
