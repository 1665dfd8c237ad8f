//! One `redis-server`, owned by one test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use fanfare_oracle::resp::Connection;
use tempfile::TempDir;

use crate::ports::Lease;
use crate::process::{Signal, bound, signal, spawn};
use crate::wait::{eventually, pace};

/// A Redis server on a leased port with its files in a temporary directory. Killed, and the directory removed, on drop.
#[derive(Debug)]
pub struct RedisServer {
    lease: Lease,
    directory: TempDir,
    options: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// A running server that persists nothing.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A running server that survives a kill with every acknowledged write (append-only file, fsync always).
    pub fn start_persistent() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// A running server with extra command-line options (`--name value`).
    pub fn start_with(options: &[&str]) -> Self {
        let mut server = Self::absent(options);
        server.launch();
        server
    }

    /// A leased port with nobody behind it yet; see [`launch`](Self::launch).
    pub fn absent(options: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("fanfare-e2e-redis").tempdir().expect("a temporary directory");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { lease: Lease::take(), directory, options, child: None }
    }

    /// Starts the server (again) with the files that are there, and waits until it answers.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "redis-server runs already");
        println!("on {}", version());
        let mut command = bound(binary());
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--port")
            .arg(self.lease.port().to_string())
            .arg("--dir")
            .arg(self.directory.path())
            // After the directory: Redis 6.2 tries to open it at once.
            .args(["--logfile", "redis.log"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.child = Some(spawn(command).expect("setpriv (util-linux) is installed"));
        eventually("redis-server to answer PING", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "redis-server is not installed or ended at once: {ended:?}\n{}", self.log());
            let mut connection = Connection::open(self.address()).ok()?;
            (connection.try_command(&[b"PING"]).ok()?.error().is_none()).then_some(())
        });
    }

    /// Whether it has functions, by its own word. If not, says that something is left out.
    #[track_caller]
    pub fn has_functions(&self) -> bool {
        let reply = self.connection().try_words(&["FUNCTION", "STATS"]).expect("Redis answers");
        let lacks = reply.error().is_some_and(is_unknown_command);
        if lacks {
            println!("skipped: no functions on this server");
        }
        !lacks
    }

    /// Whether a stream tells how many entries were ever added to it. Where it does not, nobody knows whether a plain producer's first
    /// entry is the first one that there was.
    #[track_caller]
    pub fn counts_entries(&self) -> bool {
        let mut connection = self.connection();
        connection.command(["XADD", "test:counted", "*", "data", "d"]);
        let look = "for _, known in ipairs(redis.call('XINFO', 'STREAM', KEYS[1])) do \
                    if known == 'entries-added' then return 1 end end return 0";
        let counts = connection.command(["EVAL", look, "1", "test:counted"]).integer() == 1;
        connection.command(["DEL", "test:counted"]);
        counts
    }

    /// Kills the server (SIGKILL) and waits for its end. Its files stay.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("redis-server can be killed");
            child.wait().expect("redis-server ends");
        }
    }

    /// Asks the server to end (SIGTERM), which saves what is to be saved, and waits for its end. Its files stay.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A server that writes its first append-only file does not end when asked, and has to be asked again.
            eventually("redis-server to end", || {
                signal(child.id(), Signal::Term);
                pace(Duration::from_millis(50));
                child.try_wait().expect("a child to wait for")
            });
        }
    }

    /// The part of the append-only file that is written now, and its length in bytes.
    pub fn append_only_end(&self) -> Option<(PathBuf, u64)> {
        let files = fs::read_dir(self.directory.path().join("appendonlydir")).ok()?.flatten();
        let parts = files.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
        // The name holds a number; a longer one is greater.
        let newest = parts.max_by_key(|path| (path.as_os_str().len(), path.clone()))?;
        let length = fs::metadata(&newest).ok()?.len();
        Some((newest, length))
    }

    /// Bytes of all its files.
    pub fn disk_bytes(&self) -> u64 {
        bytes_below(self.directory.path())
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.path().join("redis.log")).unwrap_or_default()).into_owned()
    }

    /// Removes the files of a stopped server, so that the next [`launch`](Self::launch) starts empty.
    pub fn wipe(&mut self) {
        assert!(self.child.is_none(), "wipe needs a stopped server");
        for entry in fs::read_dir(self.directory.path()).expect("the directory of Redis") {
            let path = entry.expect("a directory entry").path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.expect("a file of Redis can be removed");
        }
    }

    /// Freezes the process: connections stay open, nothing answers.
    pub fn freeze(&self) {
        signal(self.pid(), Signal::Stop);
    }

    /// Thaws a frozen process.
    pub fn thaw(&self) {
        signal(self.pid(), Signal::Cont);
    }

    /// Its process id; panics when it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("redis-server runs").id()
    }

    /// Copies everything from `primary`, which may be a [`Proxy`](crate::Proxy) in front of it, and follows it.
    #[track_caller]
    pub fn follow(&self, primary: SocketAddr) {
        self.connection().command(["REPLICAOF", &primary.ip().to_string(), &primary.port().to_string()]);
    }

    /// Follows nobody any more, and takes writes.
    #[track_caller]
    pub fn lead(&self) {
        self.connection().command(["REPLICAOF", "NO", "ONE"]);
    }

    /// Whether it has all that its primary had when the link was last heard of.
    pub fn is_in_step(&self) -> bool {
        self.info("replication", "master_link_status").is_some_and(|status| status == "up")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.lease.address()
    }

    /// `redis://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// A new connection for the test's own commands.
    #[track_caller]
    pub fn connection(&self) -> Connection {
        Connection::open(self.address()).expect("redis-server accepts")
    }

    /// The value of `field` in `INFO section`.
    pub fn info(&self, section: &str, field: &str) -> Option<String> {
        let text = self.connection().command(["INFO", section]).text();
        text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Redis' word for a command that it does not have.
pub(crate) fn is_unknown_command(error: &str) -> bool {
    error.contains("unknown command")
}

/// The server that tests run on: `FANFARE_TEST_REDIS_SERVER`, or the one that is installed.
fn binary() -> String {
    std::env::var("FANFARE_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// What it says of itself.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let said = Command::new(binary()).arg("--version").output();
        said.map_or_else(|_| binary(), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    })
}

fn bytes_below(directory: &Path) -> u64 {
    // A file may vanish while it is looked at.
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}
