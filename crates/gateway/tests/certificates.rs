//! Files of certificates: read at the start, read again when they change, judged by `fanfare config check`.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use fanfare_gateway::config::{self, Sources};
use fanfare_gateway::tls::{Certificates, TlsStatus, Why};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, RootCertStore, ServerConnection};
use support::{Process, eventually, get};

/// Within the validity of certificates that say nothing else.
const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;

struct Issued {
    certificate: String,
    key: String,
}

/// A certificate for this name, which signs itself.
fn issue(name: &str) -> Issued {
    issue_with(name, |_| {})
}

fn issue_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    Issued { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A directory with `tls.crt` and `tls.key`.
struct Files(tempfile::TempDir);

impl Files {
    fn new(issued: &Issued) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("tls.crt", &issued.certificate);
        files.write("tls.key", &issued.key);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Puts a file in the place of another in one step, as certbot does.
    fn write(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    fn env(&self) -> Vec<(String, String)> {
        vec![
            ("FANFARE__SERVER__CERTIFICATE".to_owned(), self.named("tls.crt")),
            ("FANFARE__SERVER__KEY".to_owned(), self.named("tls.key")),
        ]
    }

    fn load(&self) -> anyhow::Result<Certificates> {
        let layered = config::load(&Sources { env: self.env(), ..Sources::default() }).unwrap();
        Ok(Certificates::load(&layered.config, NOW)?.unwrap())
    }
}

/// A client that believes this certificate alone.
fn believer(issued: &Issued) -> Arc<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Whether a client that believes this certificate alone, and asks for this name, is shown it by the first listener.
fn shows(certificates: &Certificates, issued: &Issued, name: &str) -> bool {
    let identity = certificates.identities()[0].clone().unwrap();
    let mut server = ServerConnection::new(identity.current()).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(believer(issued), name).unwrap();
    let (mut hello, mut answer) = (Vec::new(), Vec::new());
    client.write_tls(&mut hello).unwrap();
    server.read_tls(&mut &hello[..]).unwrap();
    server.process_new_packets().unwrap();
    while server.wants_write() {
        server.write_tls(&mut answer).unwrap();
    }
    let mut read = &answer[..];
    while !read.is_empty() {
        client.read_tls(&mut read).unwrap();
        if client.process_new_packets().is_err() {
            return false;
        }
    }
    true
}

/// The file and the names of each certificate that listeners show.
fn shown(status: &TlsStatus) -> Vec<String> {
    let of = status.shown().into_iter().flat_map(|shown| shown.certificates);
    of.map(|(_, facts)| facts.names.join(" ")).collect()
}

fn counts(certificates: &Certificates) -> (u64, u64) {
    (certificates.status().replaced.get(), certificates.status().failed.get())
}

/// What is logged while `run` runs, line by line.
fn logged(run: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    text.lines().filter(|line| line.contains(" WARN ")).map(ToOwned::to_owned).collect()
}

#[test]
fn a_certificate_that_was_replaced_is_shown_from_the_next_look_on_and_one_that_was_not_is_left_alone() {
    let (old, new) = (issue("old.example"), issue("new.example"));
    let files = Files::new(&old);
    let mut certificates = files.load().unwrap();
    certificates.look(Why::Time, NOW);
    assert_eq!((shown(certificates.status()), counts(&certificates)), (vec!["old.example".to_owned()], (0, 0)));
    assert!(shows(&certificates, &old, "old.example"));

    files.write("tls.crt", &new.certificate);
    files.write("tls.key", &new.key);
    certificates.look(Why::Time, NOW);
    assert_eq!((shown(certificates.status()), counts(&certificates)), (vec!["new.example".to_owned()], (1, 0)));
    assert!(shows(&certificates, &new, "new.example") && !shows(&certificates, &old, "old.example"));
    certificates.look(Why::Time, NOW);
    assert_eq!(counts(&certificates), (1, 0), "nothing has changed since");
    certificates.look(Why::Asked, NOW);
    assert_eq!(counts(&certificates), (2, 0), "who asks has them read in any case");
}

// Kubernetes mounts a secret as links to `..data/…`, which is a link itself, and sets only that one anew.
#[test]
fn a_link_on_the_way_to_a_file_may_be_what_changes() {
    let (old, new) = (issue("old.example"), issue("new.example"));
    let (first, second) = (Files::new(&old), Files::new(&new));
    let mount = tempfile::tempdir().unwrap();
    let data = mount.path().join("..data");
    symlink(first.0.path(), &data).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), mount.path().join(name)).unwrap();
    }
    let files = Files(mount);
    let mut certificates = files.load().unwrap();
    assert!(shows(&certificates, &old, "old.example"));
    let next = data.with_file_name("..data_tmp");
    symlink(second.0.path(), &next).unwrap();
    std::fs::rename(next, data).unwrap();
    certificates.look(Why::Time, NOW);
    assert!(shows(&certificates, &new, "new.example"));
}

#[test]
fn files_that_do_not_fit_leave_what_is_shown_and_are_told_of_once_until_they_fit() {
    let (old, new) = (issue("old.example"), issue("new.example"));
    let files = Files::new(&old);
    let mut certificates = files.load().unwrap();
    let looks = |certificates: &mut Certificates, times: usize| {
        logged(|| (0..times).for_each(|_| certificates.look(Why::Time, NOW)))
    };
    let mut failed = 0;
    for (name, text, expected) in [
        ("tls.key", &*new.key, "tls.key: the private key does not belong to the certificate in "),
        ("tls.crt", "", "tls.crt: it has no certificate"),
        ("tls.crt", "-----BEGIN CERTIFICATE-----\n", "tls.crt: it ends before"),
    ] {
        files.write(name, text);
        let warnings = looks(&mut certificates, 3);
        failed += 3;
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
        assert_eq!(counts(&certificates), (0, failed));
        assert!(shows(&certificates, &old, "old.example"));
        let failure = certificates.status().shown()[0].failure.clone().unwrap();
        assert!(failure.contains(expected), "{failure}");
    }
    std::fs::remove_file(files.path("tls.key")).unwrap();
    files.write("tls.crt", &new.certificate);
    let warnings = looks(&mut certificates, 2);
    assert!(warnings[0].contains("No such file") && warnings.len() == 1, "{warnings:?}");
    let asked = logged(|| certificates.look(Why::Asked, NOW));
    assert_eq!(asked.len(), 1, "who asks is told again: {asked:?}");

    files.write("tls.key", &new.key);
    assert_eq!(looks(&mut certificates, 2), Vec::<String>::new());
    assert_eq!(counts(&certificates), (1, failed + 3));
    assert!(shows(&certificates, &new, "new.example"));
    assert_eq!(certificates.status().shown()[0].failure, None);
}

#[test]
fn a_certificate_that_expires_while_it_is_shown_goes_on_being_shown_and_is_told_of_once_a_day() {
    let until = |year| move |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let short = issue_with("a.example", until(2028));
    let ends = 1_830_297_600;
    let files = Files::new(&short);
    let mut certificates = files.load().unwrap();
    assert_eq!(certificates.status().ends().into_values().collect::<Vec<_>>(), [ends]);
    let mut warnings = |now| logged(|| certificates.look(Why::Time, now));
    assert_eq!(warnings(ends), Vec::<String>::new());
    let first = warnings(ends + 1);
    assert!(first.len() == 1 && first[0].contains("has expired on Sat, 01 Jan 2028 00:00:00 GMT"), "{first:?}");
    assert_eq!(warnings(ends + DAY).len(), 0);
    assert_eq!(warnings(ends + DAY + 1).len(), 1);
    assert_eq!(warnings(ends + DAY + 2).len(), 0);
    assert_eq!(counts(&certificates), (0, 0));
    assert_eq!(shown(certificates.status()), ["a.example"]);
    let renewed = issue_with("a.example", until(2030));
    files.write("tls.crt", &renewed.certificate);
    files.write("tls.key", &renewed.key);
    assert_eq!(logged(|| certificates.look(Why::Time, ends + 2 * DAY)), Vec::<String>::new());
}

#[test]
fn a_certificate_that_has_expired_or_is_not_valid_yet_is_a_warning_and_no_reason_not_to_start() {
    let expired = issue_with("a.example", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let early = issue_with("a.example", |params| params.not_before = rcgen::date_time_ymd(2040, 1, 1));
    for (issued, expected) in [(expired, "has expired on"), (early, "is not valid before")] {
        let files = Files::new(&issued);
        let warnings = logged(|| drop(files.load().unwrap()));
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    }
}

#[test]
fn a_key_that_everybody_can_read_is_told_of() {
    let files = Files::new(&issue("a.example"));
    std::fs::set_permissions(files.path("tls.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = logged(|| drop(files.load().unwrap()));
    assert!(warnings.len() == 1 && warnings[0].contains("can read this private key"), "{warnings:?}");
}

#[test]
fn each_listener_has_its_own_files_and_one_that_fails_holds_up_no_other() {
    let (one, two, authority) = (issue("one.example"), issue("two.example"), issue("authority"));
    let (first, second) = (Files::new(&one), Files::new(&two));
    second.write("ca.pem", &authority.certificate);
    let file = tempfile::NamedTempFile::new().unwrap();
    let table = |port: u16, files: &Files, more: &str| {
        let (certificate, key) = (files.named("tls.crt"), files.named("tls.key"));
        format!(
            "[[server.listen]]\naddress = \"127.0.0.1:{port}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n{more}\n"
        )
    };
    let plain = "[[server.listen]]\naddress = \"127.0.0.1:3\"\n";
    let authorities = format!("client_ca = \"{}\"", second.named("ca.pem"));
    std::fs::write(file.path(), format!("{}{plain}{}", table(1, &first, ""), table(2, &second, &authorities))).unwrap();
    let layered = config::load(&Sources { file: Some(file.path().to_owned()), ..Sources::default() }).unwrap();
    let mut certificates = Certificates::load(&layered.config, NOW).unwrap().unwrap();
    let are_there: Vec<_> = certificates.identities().iter().map(Option::is_some).collect();
    assert_eq!(are_there, [true, false, true]);

    let new = issue("new.example");
    first.write("tls.crt", &new.certificate);
    first.write("tls.key", &new.key);
    second.write("ca.pem", "");
    certificates.look(Why::Time, NOW);
    assert_eq!(counts(&certificates), (1, 1));
    assert_eq!(shown(certificates.status()), ["new.example", "two.example"]);
    let failure = certificates.status().shown()[1].failure.clone().unwrap();
    assert!(failure.contains("ca.pem: it has no certificate; expected those of the authorities"), "{failure}");
}

/// The head of the answer to a request over TLS.
fn ask_by_tls(address: SocketAddr, issued: &Issued, name: &str) -> std::io::Result<String> {
    let mut client = ClientConnection::new(believer(issued), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
    let mut stream = rustls::Stream::new(&mut client, &mut socket);
    write!(stream, "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split("\r\n\r\n").next().unwrap_or_default().to_lowercase())
}

fn fanfare(files: &Files, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.env_clear().args(arguments).envs(files.env());
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn config_check_judges_the_files_of_certificates() {
    let files = Files::new(&issue_with("a.example", |params| params.not_after = rcgen::date_time_ymd(2999, 1, 1)));
    let (code, stdout, stderr) = output(&mut fanfare(&files, &["config", "check"]));
    let certificate = files.named("tls.crt");
    let expected = format!(
        "the configuration is good\nclients connect to 127.0.0.1:8080 by TLS\n  {certificate}: a.example, until Tue, 01 Jan 2999 00:00:00 GMT\n\
         operators connect to 127.0.0.1:9090\n"
    );
    assert_eq!((code, stdout, stderr), (Some(0), expected, String::new()));

    std::fs::set_permissions(files.path("tls.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let expired = issue_with("a.example", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    files.write("tls.crt", &expired.certificate);
    let (code, stdout, stderr) = output(&mut fanfare(&files, &["config", "check"]));
    let expected = format!(
        "environment FANFARE__SERVER__CERTIFICATE: {}: the private key does not belong to the certificate in {certificate}; name two files that were \
         issued together\n",
        files.named("tls.key")
    );
    assert_eq!((code, stdout, stderr), (Some(2), String::new(), expected));

    std::fs::write(files.path("tls.key"), &expired.key).unwrap();
    let (code, _, stderr) = output(&mut fanfare(&files, &["config", "check"]));
    assert_eq!(code, Some(0));
    assert!(stderr.contains("can read this private key") && stderr.contains("has expired on"), "{stderr}");
}

// Seen to fail when nothing is said, and when it is said of a listener whose certificates count, or where none gives anything.
#[test]
fn config_check_names_a_listener_behind_a_proxy_whose_clients_certificates_give_nothing() {
    let files = Files::new(&issue("a.example"));
    let (certificate, key) = (files.named("tls.crt"), files.named("tls.key"));
    let listener = |port: u16, more: &str| {
        format!(
            "[[server.listen]]\naddress = \"127.0.0.1:{port}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\nclient_ca = \"{certificate}\"\n{more}\n"
        )
    };
    let check = |behind: &str, grants: &str| {
        let server = "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
        let file = format!("{server}{}{}{grants}", listener(8443, ""), listener(9443, behind));
        files.write("fanfare.toml", &file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        let (code, stdout, stderr) =
            output(command.env_clear().args(["config", "check", "--config", &files.named("fanfare.toml")]));
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.starts_with("the configuration is good\n"), "{stdout}");
        stderr
    };
    let grants = "[auth]\nenabled = true\n[auth.client_certificates]\nsubject = \"san_dns\"\nsubscribe = [\"{sub}\"]\n";
    let said = check("proxy_protocol = \"on\"", grants);
    let place = format!("{}:9:1: ", files.named("fanfare.toml"));
    assert!(said.starts_with(&place) && said.lines().count() == 1, "{said}");
    for part in ["`server.listen.tls_passthrough`", "127.0.0.1:9443", "give no grants"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(check("proxy_protocol = \"on\"\ntls_passthrough = true", grants), "");
    assert_eq!(check("", grants), "");
    assert_eq!(check("proxy_protocol = \"on\"", ""), "", "certificates only decide who may connect");
}

#[test]
fn a_node_does_not_start_without_its_certificate() {
    let files = Files::new(&issue("a.example"));
    std::fs::remove_file(files.path("tls.key")).unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let (code, _, stderr) = output(&mut fanfare(&files, &arguments));
    assert_eq!(code, Some(1));
    let last = stderr.lines().last().unwrap_or_default();
    let expected = format!("fanfare: the listener 127.0.0.1:0: cannot read: {}: No such file", files.named("tls.key"));
    assert!(last.starts_with(&expected), "{last}");
}

#[test]
fn a_node_looks_by_itself_and_when_it_is_hung_up_and_operators_see_what_it_shows() {
    let old = issue("old.example");
    let files = Files::new(&old);
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--set", "server.hsts=max-age=60"];
    let node = Process::start(&mut fanfare(&files, &arguments));
    let (clients, admin) = (node.address("listening for clients"), node.address("listening for operators"));
    let head = ask_by_tls(clients, &old, "old.example").unwrap();
    assert!(head.starts_with("http/1.1 200 ") && head.contains("\r\nstrict-transport-security: max-age=60"), "{head}");
    let metric = |name: &str| {
        let (_, metrics) = get(admin, "/metrics");
        metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
    };
    let replaced = || metric("fanfare_tls_reloads_total{result=\"replaced\"}").unwrap();
    let expiry = format!("fanfare_tls_certificate_expiry_seconds{{certificate=\"{}\"}}", files.named("tls.crt"));
    assert!(metric(&expiry).unwrap() > 1e9);
    assert_eq!(replaced(), 0.0);

    let new = issue_with("new.example", |params| params.not_after = rcgen::date_time_ymd(2028, 1, 1));
    files.write("tls.crt", &new.certificate);
    files.write("tls.key", &new.key);
    eventually("a look", || (metric(&expiry) == Some(1_830_297_600.0)).then_some(()));
    assert!(ask_by_tls(clients, &new, "new.example").unwrap().starts_with("http/1.1 200 "));
    assert!(ask_by_tls(clients, &old, "old.example").is_err());
    let (before, lines) = (replaced(), node.log().matches("the listener shows").count());
    node.signal("HUP");
    eventually("another look", || (replaced() > before).then_some(()));
    eventually("its line", || (node.log().matches("the listener shows").count() > lines).then_some(()));
    let text = get(admin, "/status").1;
    assert!(text.contains("new.example") && !text.contains("old.example"), "{text}");
}
