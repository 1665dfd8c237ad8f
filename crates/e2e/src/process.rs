//! Child processes that do not outlive this one, signals by pid, and the binary under test.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::wait::pace;

/// A command for `program`, to be started with [`spawn`]. The kernel kills the process when the thread that started it
/// ends, so that none is left when this process is killed and cannot end its children itself (`setpriv` of util-linux,
/// PR_SET_PDEATHSIG in prctl(2)).
pub(crate) fn bound(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// Starts a [`bound`] command on a thread that lasts as long as this process: whoever calls this may end before the child.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, SyncSender<io::Result<Child>>);
    static SPAWNER: OnceLock<SyncSender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = sync_channel::<Order>(1);
        std::thread::spawn(move || {
            for (mut command, reply) in orders {
                // Whoever gave the order waits below, so somebody takes this.
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, child) = sync_channel(1);
    spawner.send((command, reply)).expect("the spawning thread never ends");
    child.recv().expect("the spawning thread answers every order")
}

/// Lets this process open as many files as its hard limit says (`ulimit -Hn`), and says how many those are.
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    raised.expect("a process may have what its hard limit says");
    limit.maximum.unwrap_or(u64::MAX)
}

/// The signals that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks for a drain.
    Term,
    /// Asks for a reload.
    Hup,
    /// Interrupts, as Ctrl-C does.
    Int,
    /// Freezes the process; its sockets stay open and silent.
    Stop,
    /// Thaws a frozen process.
    Cont,
}

/// Sends `signal` to exactly one process. Goes through the shell's `kill`, which every system has.
pub fn signal(pid: u32, signal: Signal) {
    let name = match signal {
        Signal::Term => "TERM",
        Signal::Hup => "HUP",
        Signal::Int => "INT",
        Signal::Stop => "STOP",
        Signal::Cont => "CONT",
    };
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).stderr(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "no process {pid} to send {name} to");
}

/// The `fanfare` binary: `FANFARE_BIN`, or built once, in the profile and target directory of the running test.
pub fn fanfare_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("FANFARE_BIN") {
        Some(path) => PathBuf::from(path),
        None => build("fanfare", "fanfare"),
    })
}

/// The `fanload` binary: `FANLOAD_BIN`, or built once, as `fanfare` is.
pub fn fanload_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("FANLOAD_BIN") {
        Some(path) => PathBuf::from(path),
        None => build("fanload", "fanload"),
    })
}

/// Runs `fanfare` with `arguments` and extra environment to its end; panics if it has not ended after ten seconds.
#[track_caller]
pub fn run_fanfare(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = bound(fanfare_binary());
    command.args(arguments).envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command).expect("setpriv (util-linux) is installed");
    let deadline = Instant::now() + Duration::from_secs(10);
    // What it writes before it ends fits into the pipes.
    while child.try_wait().expect("a child to wait for").is_none() {
        if Instant::now() >= deadline {
            child.kill().expect("fanfare can be killed");
            let output = child.wait_with_output().expect("fanfare ends");
            panic!("fanfare {arguments:?} went on running: {}", String::from_utf8_lossy(&output.stderr));
        }
        pace(Duration::from_millis(10));
    }
    child.wait_with_output().expect("fanfare ends")
}

fn build(package: &str, binary: &str) -> PathBuf {
    // The test runs from <target>/<profile>/deps/<name>, a binary from <target>/<profile>/<name>.
    let me = std::env::current_exe().expect("the path of the test");
    let mut profile = me.parent().expect("a parent directory");
    if profile.ends_with("deps") {
        profile = profile.parent().expect("a profile directory");
    }
    let target = profile.parent().expect("a target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package, "--bin", binary, "--target-dir"]).arg(target);
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "{binary} does not build");
    profile.join(binary)
}
