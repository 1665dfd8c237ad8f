use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use super::*;

fn at(directory: &Path) -> PathBuf {
    directory.join("a.sock")
}

/// A directory that is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fanfare-socket-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn listen(directory: &Path) -> io::Result<(SocketFile, Socket)> {
    SocketFile::listen(&at(directory), 0o640, 8)
}

#[test]
fn a_socket_has_the_permissions_that_were_asked_for_and_its_file_goes_with_it() {
    let scratch = Scratch::new("mode");
    let (file, socket) = listen(&scratch.0).unwrap();
    assert_eq!(fs::metadata(at(&scratch.0)).unwrap().permissions().mode() & 0o777, 0o640);
    UnixStream::connect(at(&scratch.0)).unwrap();
    file.remove().unwrap();
    assert_eq!(UnixStream::connect(at(&scratch.0)).unwrap_err().kind(), ErrorKind::NotFound);
    socket.accept().expect("whoever had come is there");
    drop((file, socket));
    drop(listen(&scratch.0).unwrap());
    assert!(!at(&scratch.0).exists());
}

#[test]
fn what_a_dead_process_left_is_taken_over_and_what_a_living_one_has_is_not() {
    let scratch = Scratch::new("stale");
    drop(UnixListener::bind(at(&scratch.0)).unwrap());
    assert!(at(&scratch.0).exists(), "nobody has removed it");
    let _first = listen(&scratch.0).unwrap();
    let second = listen(&scratch.0).unwrap_err();
    assert_eq!((second.kind(), second.to_string().as_str()), (ErrorKind::AddrInUse, "a process listens there"));
    UnixStream::connect(at(&scratch.0)).expect("the first one still listens");
}

#[test]
fn a_listener_whose_queue_is_full_is_alive() {
    let scratch = Scratch::new("full");
    let (_file, _socket) = SocketFile::listen(&at(&scratch.0), 0o600, 0).unwrap();
    let _waiting = UnixStream::connect(at(&scratch.0)).unwrap();
    assert_eq!(listen(&scratch.0).unwrap_err().kind(), ErrorKind::AddrInUse);
}

// Seen to fail where whatever refuses a connection is removed.
#[test]
fn a_file_that_is_no_socket_of_this_kind_is_left_alone() {
    let scratch = Scratch::new("file");
    fs::write(at(&scratch.0), "precious").unwrap();
    assert_eq!(listen(&scratch.0).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(at(&scratch.0)).unwrap(), "precious");
    fs::remove_file(at(&scratch.0)).unwrap();
    std::os::unix::fs::symlink("nowhere", at(&scratch.0)).unwrap();
    assert_eq!(listen(&scratch.0).unwrap_err().kind(), ErrorKind::AlreadyExists);
    fs::remove_file(at(&scratch.0)).unwrap();
    let _other = UnixDatagram::bind(at(&scratch.0)).unwrap();
    listen(&scratch.0).unwrap_err();
    assert!(at(&scratch.0).exists());
}

// Seen to fail where whatever stands at the path is removed.
#[test]
fn another_file_at_the_same_path_is_not_removed() {
    let scratch = Scratch::new("other");
    let (file, _socket) = listen(&scratch.0).unwrap();
    fs::remove_file(at(&scratch.0)).unwrap();
    fs::write(at(&scratch.0), "another").unwrap();
    drop(file);
    assert!(at(&scratch.0).exists());
}

// Seen to fail without the lock.
#[test]
fn of_many_nodes_that_find_a_dead_socket_at_once_one_gets_its_place() {
    let scratch = Scratch::new("race");
    for _ in 0..20 {
        drop(UnixListener::bind(at(&scratch.0)).unwrap());
        let (barrier, directory) = (std::sync::Barrier::new(8), &scratch.0);
        let start = || {
            barrier.wait();
            listen(directory)
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        UnixStream::connect(at(directory)).expect("it can be reached");
    }
}

#[test]
fn what_is_wrong_with_the_path_is_said() {
    let scratch = Scratch::new("wrong");
    let missing = SocketFile::listen(&scratch.0.join("no/a.sock"), 0o600, 8).unwrap_err();
    assert!(missing.to_string().starts_with("its directory: No such file"), "{missing}");
    let held = File::open(&scratch.0).unwrap();
    held.lock().unwrap();
    let locked = listen(&scratch.0).unwrap_err();
    assert_eq!(locked.to_string(), "its directory: another process keeps it locked");
}
