//! `fanfare serve` as an operating system and an operator meet it: signals, logs, a Redis that is not there.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStderr, Command};
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Process, eventually, get};
use tokio::time::Instant;

/// Taken and given back: nobody listens there now, and the kernel does not hand it out again soon.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// `fanfare serve` for clients on a free port, with Redis on a port where nobody listens.
fn command(admin: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.env_clear().arg("serve").args(["--listen", "127.0.0.1:0", "--admin-listen", admin]);
    command.env("FANFARE__REDIS__URL", format!("redis://ada:hunter2@{}", nobody())).args(arguments);
    command
}

/// The same, running, with its admin listener on a free port.
fn serve(arguments: &[&str]) -> Process {
    Process::start(&mut command("127.0.0.1:0", arguments))
}

#[test]
fn without_redis_a_node_starts_says_so_once_and_is_not_ready() {
    let node = serve(&[]);
    let admin = node.address("listening for operators");
    assert_eq!(get(admin, "/livez").0, 200);

    // The reason is there as soon as the first attempt has failed.
    let reason = eventually("a reason", || {
        let (status, body) = get(admin, "/readyz");
        assert_eq!(status, 503);
        let body: Value = serde_json::from_str(&body).unwrap();
        body["reasons"][0].as_str().filter(|reason| reason.contains("refused")).map(ToOwned::to_owned)
    });
    assert!(reason.starts_with("no round trip through Redis Pub/Sub yet: "), "{reason}");

    let attempts = |node: &Process| node.log().matches("cannot connect to Redis").count();
    eventually("the line in the log", || (attempts(&node) == 1).then_some(()));
    // Several more attempts later it is still the only line.
    eventually("time for more attempts", || {
        let (_, metrics) = get(admin, "/metrics");
        let uptime = metrics.lines().find_map(|line| line.strip_prefix("fanfare_uptime_seconds "))?;
        (uptime.parse::<f64>().unwrap() > 2.0).then_some(())
    });
    assert_eq!(attempts(&node), 1, "a flood:\n{}", node.log());
    let everything = node.log() + &get(admin, "/status").1 + &get(admin, "/metrics").1;
    assert!(!everything.contains("hunter2"), "the password leaked");
}

#[test]
fn one_signal_drains_and_the_process_succeeds() {
    for signal in ["TERM", "INT"] {
        let mut node = serve(&[]);
        node.logged("listening for operators");
        node.signal(signal);
        let status = node.ended();
        assert_eq!(status.code(), Some(0), "{signal}: {}", node.log());
        assert!(node.log().contains("draining") && node.log().contains("ended"), "{}", node.log());
    }
}

/// Seen to end the process at once, whatever its clients were doing.
#[test]
fn a_signal_that_means_nothing_to_a_node_is_ignored_with_a_line() {
    let mut node = serve(&[]);
    node.logged("listening for operators");
    for signal in ["USR1", "USR2", "ALRM", "XCPU", "XFSZ", "VTALRM", "PROF", "IO", "PWR"] {
        node.signal(signal);
        let line = node.logged(&format!("SIG{signal}"));
        assert!(line.contains("WARN") && line.contains("ignored a signal that means nothing to a node"), "{line}");
    }
    node.signal("TERM");
    assert_eq!(node.ended().code(), Some(0), "{}", node.log());
    assert!(node.log().contains("draining"), "{}", node.log());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut node = serve(&["--set", "drain.window=5m"]);
    let listen = node.address("listening for clients");
    node.logged("listening for operators");
    // Waits for its channel to open, and keeps the drain waiting.
    let mut client = TcpStream::connect(listen).unwrap();
    client.write_all(b"GET /events?channel=a HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    node.signal("TERM");
    node.logged("a second signal ends at once");
    node.signal("TERM");
    assert_eq!(node.ended().code(), Some(128 + 15), "{}", node.log());
    let _ = client.read(&mut [0; 64]);
}

#[test]
fn hanging_up_applies_what_can_be_applied_and_names_the_rest() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, "[log]\nlevel = \"info\"\n").unwrap();
    let node = serve(&["--config", path]);
    node.logged("listening for operators");

    std::fs::write(path, "[log]\nlevel = \"loud\"\n").unwrap();
    node.signal("HUP");
    let line = node.logged("the configuration was not reloaded");
    assert!(line.contains(&format!("{path}:2:9")), "{line}");

    std::fs::write(path, "[log]\nlevel = \"warn\"\n[tail]\nbudget = \"1GiB\"\n").unwrap();
    node.signal("HUP");
    let line = node.logged("these changes wait for a restart");
    assert!(line.contains("keys=\"tail.budget\""), "{line}");
    assert!(!node.log().contains("reloaded the configuration applied"), "the new level hides it: {}", node.log());

    std::fs::write(path, "[log]\nlevel = \"info\"\n").unwrap();
    node.signal("HUP");
    let line = node.logged("reloaded the configuration");
    assert!(line.contains("applied=\"log.level\""), "{line}");
}

#[test]
fn json_logs_are_one_object_a_line() {
    let mut node = serve(&["--log-format", "json"]);
    node.logged("listening for operators");
    node.signal("TERM");
    node.ended();
    let log = node.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let listening = lines.iter().find(|line| line["message"] == "listening for operators").unwrap();
    assert!(listening["level"] == "INFO" && listening["address"].is_string(), "{listening}");
}

/// A node whose log nobody reads, though it has had more to say than the pipe and its queue hold. With its admin listener.
fn serve_unread(arguments: &[&str]) -> (Process, ChildStderr, SocketAddr) {
    let (admin, file) = (nobody(), tempfile::NamedTempFile::new().unwrap());
    let arguments = [arguments, &["--config", file.path().to_str().unwrap()]].concat();
    let (node, pipe) = Process::start_unread(&mut command(&admin.to_string(), &arguments));
    eventually("the admin listener", || TcpStream::connect(admin).ok());
    // A line for each.
    let mistakes: String = (0..1_500).map(|number| format!("x{number} = 1\n")).collect();
    std::fs::write(file.path(), format!("[log]\n{mistakes}")).unwrap();
    eventually("a full pipe", || {
        node.signal("HUP");
        (dropped(admin) > 0).then_some(())
    });
    (node, pipe, admin)
}

fn dropped(admin: SocketAddr) -> u64 {
    let (_, metrics) = get(admin, "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("fanfare_log_lines_dropped_total "));
    line.unwrap().parse().unwrap()
}

/// Freezes one thread of a child process by its name, as a deadlock or an endless loop would. Returns its id.
fn freeze(process: u32, thread: &str) -> Pid {
    let named = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread);
    // A thread has its name only when it has begun to run.
    let task = eventually("the thread", || {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
        tasks.filter_map(|task| Some(task.ok()?.path())).find(named)
    });
    let thread = Pid::from_raw(task.file_name().unwrap().to_str().unwrap().parse().unwrap());
    ptrace::seize(thread, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(thread).unwrap();
    waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
    thread
}

// Seen to hang for ever, with each of these threads, when the main thread waits for the signal and then for the others.
#[test]
fn whatever_thread_is_stuck_a_signal_ends_the_process_by_its_deadline() {
    for name in ["fanfare", "fanfare-ingest", "fanfare-accept", "fanfare-core-0"] {
        let node = serve(&["--set", "drain.window=0s", "--set", "drain.deadline=1s"]);
        node.logged("listening for operators");
        let frozen = freeze(node.id(), name);
        let start = Instant::now();
        node.signal("TERM");
        // A frozen thread ends with its process, and that only its tracer can see.
        eventually("the end of the process", || {
            match waitpid(frozen, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => Some(()),
                _ => None,
            }
        });
        assert!(start.elapsed() < Duration::from_secs(8), "{name}: {:?}", start.elapsed());
        node.logged("some threads have not ended in time");
    }
}

// Seen to hang when whoever logs writes.
#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let quick = ["--set", "drain.window=0s", "--set", "drain.deadline=5s"];
    let (mut node, pipe, admin) = serve_unread(&quick);
    assert_eq!((get(admin, "/livez").0, get(admin, "/readyz").0), (200, 503));
    node.signal("TERM");
    assert_eq!(node.ended().code(), Some(0));
    drop(pipe);
}

#[test]
fn once_the_log_is_read_again_one_line_tells_how_many_are_missing() {
    let (_node, pipe, admin) = serve_unread(&[]);
    let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
    let told = lines.find(|line| line.contains("lines were dropped")).unwrap();
    assert!(told.contains("WARN") && told.contains(&format!("lines={}", dropped(admin))), "{}", dropped(admin));
}
