//! One `fanfare serve` process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::http::{Response, request, request_over};
use crate::log_pipe::LogPipe;
use crate::ports::Lease;
use crate::process::{Signal, bound, fanfare_binary, signal, spawn};
use crate::redis_server::RedisServer;
use crate::transport::Transport;
use crate::wait::{eventually, eventually_within};

/// The files of a certificate and its key, in the directory of a node that speaks TLS.
const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";

/// How a node is to be started.
#[derive(Debug)]
pub struct NodeBuilder {
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// The most files that it may open.
    descriptors: Option<usize>,
    /// Whether it logs into a pipe, not into a file.
    log_pipe: bool,
    /// What it shows clients, who speak TLS then.
    certificate: Option<Certificate>,
    /// A table `[[server.listen]]` without its address, and what else is in the configuration file.
    listener: Option<(String, String)>,
}

/// A running (or ended) node. Killed on drop; its log is printed if the test is failing then.
#[derive(Debug)]
pub struct Node {
    builder: NodeBuilder,
    listen: Lease,
    admin: Lease,
    directory: TempDir,
    transport: Transport,
    log_pipe: Option<LogPipe>,
    child: Option<Child>,
}

impl NodeBuilder {
    /// A configuration key as in the reference (`redis.reconcile_interval`), passed through the environment.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// An extra command-line argument of `fanfare serve`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A variable of its environment that is no configuration key.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The most files that the node may open (`ulimit -n`, hard and soft).
    pub fn descriptors(mut self, most: usize) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// The node logs into a pipe, which a thread reads until it is told to leave it: see [`Node::leave_log`].
    pub fn log_pipe(mut self) -> Self {
        self.log_pipe = true;
        self
    }

    /// Clients of the node speak TLS, and are shown a certificate of its own.
    pub fn tls(self) -> Self {
        self.tls_with(&Certificate::new())
    }

    /// Clients of the node speak TLS, and are shown this certificate. It and its key are files in the directory of the node.
    pub fn tls_with(mut self, certificate: &Certificate) -> Self {
        self.certificate = Some(certificate.clone());
        self.set("server.certificate", CERTIFICATE_FILE).set("server.key", KEY_FILE)
    }

    /// The node listens as a table `[[server.listen]]` says, which has these keys beside its address and its certificate. `rest` is what else
    /// stands in the configuration file, behind it.
    pub fn listener(mut self, keys: &str, rest: &str) -> Self {
        let certificate = Certificate::new();
        let files = format!("certificate = {CERTIFICATE_FILE:?}\nkey = {KEY_FILE:?}\n");
        self.listener = Some((format!("{files}{keys}"), rest.to_owned()));
        self.certificate = Some(certificate);
        self
    }

    /// Starts the node and waits until `/readyz` says 200.
    pub fn start(self) -> Node {
        let node = self.launch();
        node.wait_ready();
        node
    }

    /// Starts the node and waits only until its admin listener answers.
    pub fn start_unready(self) -> Node {
        let node = self.launch();
        eventually("the admin listener to answer", || node.admin("/livez").filter(|reply| reply.status() == 200));
        node
    }

    /// Starts the process and waits for nothing.
    pub fn launch(self) -> Node {
        let directory = tempfile::Builder::new().prefix("fanfare-e2e-node").tempdir().expect("a temporary directory");
        let (listen, admin) = (Lease::take(), Lease::take());
        let certificate = self.certificate.clone();
        let transport = certificate.as_ref().map_or(Transport::Plain, |certificate| Transport::tls(&[certificate]));
        let mut node = Node { builder: self, listen, admin, directory, transport, log_pipe: None, child: None };
        if let Some(certificate) = certificate {
            node.replace_certificate(&certificate);
        }
        if node.builder.log_pipe {
            node.log_pipe = Some(LogPipe::into(&node.log_path()).expect("a pipe"));
        }
        node.spawn();
        node
    }
}

impl Node {
    /// A ready node on `redis` with default settings.
    pub fn start(redis: &RedisServer) -> Self {
        Self::builder(redis).start()
    }

    /// A node on `redis`, to be configured further.
    pub fn builder(redis: &RedisServer) -> NodeBuilder {
        Self::builder_at(&redis.url())
    }

    /// A node on whatever answers at a URL, for example a [`Proxy`](crate::Proxy) in front of Redis.
    pub fn builder_at(redis_url: &str) -> NodeBuilder {
        let (settings, arguments, environment) = (Vec::new(), Vec::new(), Vec::new());
        let (descriptors, log_pipe, certificate, listener) = (None, false, None, None);
        let builder = NodeBuilder { settings, arguments, environment, descriptors, log_pipe, certificate, listener };
        builder.set("redis.url", redis_url)
    }

    /// Starts the ended process again, with the same settings on the same ports.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the node runs already");
        self.spawn();
        self.wait_ready();
    }

    /// Starts the ended process again and waits for nothing.
    pub fn relaunch(&mut self) {
        assert!(self.child.is_none(), "the node runs already");
        self.spawn();
    }

    fn spawn(&mut self) {
        let mut command = match self.builder.descriptors {
            None => bound(fanfare_binary()),
            Some(most) => {
                let mut command = bound("sh");
                command.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\" \"$@\"")).arg(fanfare_binary());
                command
            }
        };
        command.arg("serve").args(&self.builder.arguments);
        match &self.builder.listener {
            // The variable would stand in place of the table.
            Some((keys, rest)) => {
                let text = format!("[[server.listen]]\naddress = \"{}\"\n{keys}\n{rest}", self.address());
                fs::write(self.config_file(), text).expect("a file in the node's directory");
                command.arg("--config").arg(self.config_file());
            }
            None => {
                command.env("FANFARE__SERVER__LISTEN", self.address().to_string());
            }
        }
        command.env("FANFARE__ADMIN__LISTEN", self.admin_address().to_string());
        for (key, value) in &self.builder.settings {
            command.env(format!("FANFARE__{}", key.replace('.', "__").to_uppercase()), value);
        }
        command.envs(self.builder.environment.iter().cloned());
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command.stdout(self.log_end()).stderr(self.log_end());
        self.child = Some(spawn(command).expect("setpriv (util-linux) is installed"));
    }

    /// Where a process of this node logs.
    fn log_end(&self) -> Stdio {
        match &self.log_pipe {
            Some(pipe) => pipe.writer().expect("a second handle"),
            None => File::options().create(true).append(true).open(self.log_path()).expect("a log file").into(),
        }
    }

    /// From now on nobody reads what the node logs, and its pipe is full. Panics when it has none.
    pub fn leave_log(&mut self) {
        self.log_pipe.as_mut().expect("a node with a pipe").leave().expect("a pipe that can be filled");
    }

    /// The node's log is read again.
    pub fn read_log(&self) {
        self.log_pipe.as_ref().expect("a node with a pipe").read();
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listen.address()
    }

    /// Where each of its listeners listens, in the order of the configuration. Panics where one has no IP address.
    #[track_caller]
    pub fn listeners(&self) -> Vec<SocketAddr> {
        let status = self.admin("/status").expect("an answer").json();
        let listeners = status["node"]["listeners"].as_array().expect("a list");
        listeners
            .iter()
            .map(|address| address.as_str().and_then(|text| text.parse().ok()).expect("an address"))
            .collect()
    }

    /// How clients connect; over TLS they believe the certificate with which the node was built.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The configuration file of a node with [a listener of its own](NodeBuilder::listener).
    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("fanfare.toml")
    }

    /// What it shows clients; panics when they do not speak TLS.
    pub fn certificate(&self) -> &Certificate {
        self.builder.certificate.as_ref().expect("the node speaks TLS")
    }

    /// Where the node, when it speaks TLS, finds its certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.directory.path().join(CERTIFICATE_FILE)
    }

    /// Writes another certificate and its key in place of those that are there. The node is not told.
    pub fn replace_certificate(&self, certificate: &Certificate) {
        let key = self.directory.path().join(KEY_FILE);
        certificate.write(&self.certificate_file(), &key).expect("files in the node's directory");
    }

    /// Where metrics and health are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Its process id; panics when it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the node runs").id()
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Bytes that it has logged.
    pub fn log_bytes(&self) -> u64 {
        fs::metadata(self.log_path()).map_or(0, |data| data.len())
    }

    fn log_path(&self) -> std::path::PathBuf {
        self.directory.path().join("node.log")
    }

    /// `GET` on the admin listener; `None` when nobody answers.
    pub fn admin(&self, path: &str) -> Option<Response> {
        request(self.admin_address(), "GET", path, &[], b"").ok()
    }

    /// `GET` on the public listener; panics when nobody answers.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        let within = Duration::from_secs(5);
        request_over(&self.transport, within, self.address(), "GET", path, &[], b"").expect("the node answers")
    }

    /// Whether `/readyz` says 200 now.
    pub fn is_ready(&self) -> bool {
        self.admin("/readyz").is_some_and(|reply| reply.status() == 200)
    }

    /// Waits until `/readyz` says 200.
    #[track_caller]
    pub fn wait_ready(&self) {
        eventually("the node to be ready", || {
            assert!(!self.has_ended(), "the node ended instead of becoming ready");
            self.is_ready().then_some(())
        });
    }

    /// Whether the process has ended by itself and nobody has waited for it yet.
    fn has_ended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        !stat.is_empty() && stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
    }

    /// Waits until `/readyz` says 503.
    #[track_caller]
    pub fn wait_unready(&self) {
        eventually("the node to say that it is not ready", || {
            self.admin("/readyz").filter(|reply| reply.status() == 503)
        });
    }

    /// The sum of all samples of a metric whose label text contains `labels`; `None` when there is no such sample.
    pub fn metric(&self, name: &str, labels: &str) -> Option<f64> {
        let text = self.admin("/metrics")?.text();
        let samples = text.lines().filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            let (found, label_text) = key.split_once('{').unwrap_or((key, ""));
            (found == name && label_text.contains(labels)).then(|| value.parse::<f64>().ok())?
        });
        samples.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// Waits until a metric has this value. What a client has seen is counted a moment later, such as the end of its session.
    #[track_caller]
    pub fn await_metric(&self, name: &str, labels: &str, value: f64) {
        eventually(&format!("{name}{{{labels}}} to be {value}"), || {
            (self.metric(name, labels)? == value).then_some(())
        });
    }

    /// Its resident memory, in bytes (`VmRSS`).
    #[track_caller]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the node runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says VmRSS");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib * 1024
    }

    /// Sends a signal.
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// How the process has ended by itself, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("a child to ask about")?;
        self.child = None;
        Some(status)
    }

    /// Waits until the process has ended by itself.
    #[track_caller]
    pub fn wait_exit(&mut self, within: Duration) -> ExitStatus {
        let child = self.child.as_mut().expect("the node runs");
        let status = eventually_within(within, "the node to exit", || child.try_wait().expect("a child to wait for"));
        self.child = None;
        status
    }

    /// Ends the process at once (SIGKILL), as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; both calls are then harmless.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(6_000);
            let tail = log.get(start..).unwrap_or(&log);
            eprintln!("--- log of the node at {} ---\n{tail}\n---", self.address());
        }
    }
}
