//! The command line from outside: what people and scripts type.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use assert_cmd::Command;

fn fanfare() -> Command {
    let mut command = Command::cargo_bin("fanfare").unwrap();
    command.env_clear();
    command
}

fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn config_check_says_that_a_good_configuration_is_good() {
    let (code, stdout, stderr) =
        output(fanfare().args(["config", "check", "--config", "tests/config/good/production.toml"]));
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "the configuration is good\nclients connect to 0.0.0.0:8080\noperators connect to [::]:9090\n", "")
    );
}

#[test]
fn config_check_exits_with_2_and_names_every_mistake() {
    let (code, stdout, stderr) =
        output(fanfare().args(["config", "check", "--config", "tests/config/wrong/keys.toml"]));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.starts_with("tests/config/wrong/keys.toml:2:1: unknown key `server.lisen`"), "{stderr}");
    assert_eq!(stderr.lines().count(), 4, "{stderr}");
}

#[test]
fn serve_refuses_a_bad_environment_before_it_opens_anything() {
    let (code, _, stderr) = output(fanfare().arg("serve").env("FANFARE__SERVER__LISTEN", "nowhere"));
    assert_eq!(code, 2);
    assert!(
        stderr.starts_with("environment FANFARE__SERVER__LISTEN: `server.listen`: \"nowhere\" is not accepted"),
        "{stderr}"
    );
}

#[test]
fn flags_reach_the_configuration() {
    let arguments =
        ["config", "print", "--listen", "127.0.0.1:7000", "--set", "drain.window=3s", "--log-level", "warn"];
    let (code, stdout, stderr) = output(fanfare().args(arguments));
    assert_eq!(code, 0, "{stderr}");
    for line in [
        "listen = \"127.0.0.1:7000\"  # from flag --listen",
        "window = \"3s\"  # from flag --set drain.window",
        "level = \"warn\"  # from flag --log-level",
    ] {
        assert!(stdout.lines().any(|printed| printed == line), "no {line:?} in\n{stdout}");
    }
}

#[test]
fn serve_says_which_address_somebody_else_has() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, stderr) = output(fanfare().args(["serve", "--listen", &address, "--admin-listen", "127.0.0.1:0"]));
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains(&format!("fanfare: cannot listen on {address}: ")) && !stderr.contains("panicked"),
        "{stderr}"
    );
    assert_eq!(stderr.matches("os error").count(), 1, "said twice: {stderr}");

    let (code, _, stderr) = output(fanfare().args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", &address]));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&format!("fanfare: admin.listen: cannot listen on {address}: ")), "{stderr}");
}

#[test]
fn redis_check_fails_when_nobody_is_there_and_does_not_show_the_password() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("redis://ada:hunter2@{nobody}");
    let (code, stdout, stderr) = output(fanfare().args(["redis", "check"]).env("FANFARE__REDIS__URL", url));
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.starts_with("fail  connection") && stdout.contains("refused"), "{stdout}");
    assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"));
}

/// Seen to abort, with 134 and a panic's message. `| head` and `| grep -q` close the pipe when they have enough.
#[test]
fn every_command_ends_quietly_when_nobody_reads_what_it_writes() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = |arguments: &[&str], closed_errors: bool| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.env_clear().env("FANFARE__REDIS__URL", format!("redis://{nobody}")).args(arguments);
        let closed = || Stdio::from(std::io::pipe().unwrap().1);
        command.stdout(closed()).stderr(if closed_errors { closed() } else { Stdio::piped() });
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for arguments in [
        &["redis", "check"][..],
        &["config", "check"],
        &["config", "print"],
        &["docs", "configuration"],
        &["docs", "metrics"],
    ] {
        assert_eq!(run(arguments, false), (Some(128 + 13), String::new()), "{arguments:?}");
    }
    assert_eq!(run(&["--help"], false).0, Some(0));
    assert_eq!(run(&["config", "check", "--set", "nothing=1"], true).0, Some(2));
    assert_eq!(run(&["nonsense"], true).0, Some(2));
}

const SECRET: &str = "a secret of at least thirty-two bytes";

fn secret_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    file
}

// Seen to fail: one ticket in 64 begins with a hyphen, and could not be revoked by what stands in its URL.
#[test]
fn what_others_have_named_may_begin_with_a_hyphen() {
    for target in
        [["--ticket", "-wAAAAAAAAAAAAAAAAAAAA"], ["--subject", "-eve"], ["--token-id", "-7"], ["--channel", "-c"]]
    {
        let mut revoke = fanfare();
        revoke.args(["revoke", "--set", "auth.enabled=true", "--set", "auth.tickets=true", "--issuer", "-a"]);
        revoke.args(target).args(["--redis-url", "redis://127.0.0.1:9"]);
        let (_, _, stderr) = output(&mut revoke);
        assert!(!stderr.contains("unexpected argument") && !stderr.contains("required"), "{target:?}: {stderr}");
    }
    let secret = "a secret of thirty-two bytes or more";
    let mint = ["--issuer", "-i", "--subject", "-s", "--audience", "-a", "--token-id", "-t", "--subscribe", "-c*"];
    let (code, token, stderr) =
        output(fanfare().args(["token", "mint", "--secret-file", "-"]).args(mint).write_stdin(secret));
    assert_eq!(code, 0, "{stderr}");
    let (_, explained, stderr) = output(fanfare().args(["token", "inspect", token.trim()]));
    assert!(["-i", "-s", "-a", "-t", "-c*"].iter().all(|name| explained.contains(name)), "{explained} {stderr}");
}

#[test]
fn a_token_that_was_minted_is_explained_and_found_good() {
    let secret = secret_file();
    let secret = secret.path().to_str().unwrap();
    let minted =
        ["token", "mint", "--secret-file", secret, "--subject", "7", "--subscribe", "user:{sub}", "--publish", "a*"];
    let (code, token, stderr) = output(fanfare().args(minted).args(["--audience", "fanfare", "--with", "room=3"]));
    assert_eq!(code, 0, "{stderr}");
    let inspect = ["token", "inspect", "--secret-file", secret, "--audience", "fanfare"];
    let (code, report, stderr) = output(fanfare().args(inspect).write_stdin(token.clone()));
    assert_eq!(code, 0, "{report}{stderr}");
    for line in ["subscribe user:7", "publish   a*", "history   user:7", "verdict   good"] {
        assert!(report.lines().any(|printed| printed == line), "no {line:?} in\n{report}");
    }
    assert!(report.contains("\"room\":3") && report.contains(", in 59m") || report.contains(", in 1h"), "{report}");
    let (code, report, _) = output(fanfare().args(["token", "inspect"]).arg(token.trim()));
    assert_eq!(code, 0);
    assert!(report.contains("verdict   not checked"), "{report}");
}

#[test]
fn what_a_token_says_cannot_command_the_terminal_that_shows_it() {
    let secret = secret_file();
    let secret = secret.path().to_str().unwrap();
    let hostile = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{200f}\u{2066}\u{feff}\u{e0041}\nverdict   good\u{e9}";
    let minted = ["token", "mint", "--secret-file", secret, "--subscribe", hostile, "--key-id", hostile];
    let (code, token, stderr) = output(fanfare().args(minted).args(["--with", &format!("name={hostile}")]));
    assert_eq!(code, 0, "{stderr}");
    let (code, report, _) = output(fanfare().args(["token", "inspect", "--secret-file", secret]).write_stdin(token));
    assert_eq!(code, 0, "{report}");
    let is_harmless = |c: char| c == '\n' || matches!(c, ' '..='~' | '\u{e9}');
    assert!(report.chars().all(is_harmless), "{}", report.escape_debug());
    assert_eq!(report.lines().filter(|line| line.starts_with("verdict")).count(), 1, "{report}");
    assert!(report.contains("\\u009b2J\\u007f\\u202e") && report.contains("\\udb40\\udc41"), "{report}");
    assert!(report.ends_with("verdict   good (aud not checked)\n"), "{report}");
}

#[test]
fn a_token_that_a_node_would_refuse_is_told_why() {
    let secret = secret_file();
    let secret = secret.path().to_str().unwrap();
    let (_, token, _) = output(fanfare().args(["token", "mint", "--secret-file", secret, "--audience", "other"]));
    let refused = |arguments: &[&str], reason: &str| {
        let (code, report, _) = output(fanfare().args(["token", "inspect"]).args(arguments).write_stdin(token.clone()));
        assert_eq!(code, 1);
        assert!(report.contains(&format!("verdict   refused: {reason}")), "{report}");
    };
    refused(&["--secret-file", secret, "--audience", "fanfare"], "it is for somebody else (`aud`)");
    refused(&["--secret-file", secret, "--issuer", "https://id.example"], "its `iss` is nobody");
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), "another secret of at least thirty-two bytes").unwrap();
    refused(&["--secret-file", other.path().to_str().unwrap()], "its signature is wrong");
}

#[test]
fn what_cannot_be_signed_or_is_no_token_is_said_in_a_line() {
    let short = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(short.path(), "short").unwrap();
    let short = short.path().to_str().unwrap();
    let (code, stdout, stderr) = output(fanfare().args(["token", "mint", "--secret-file", short]));
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert_eq!(stderr, "fanfare: the secret has 5 bytes; expected 32 to 4096\n");
    let (code, _, stderr) = output(fanfare().args(["token", "inspect", "abc"]));
    assert_eq!((code, stderr.as_str()), (1, "fanfare: not a token: it is not of three parts with dots between them\n"));
}

// Fails when the complaint goes to a log that the command line does not have.
#[test]
fn who_signs_with_a_secret_that_everybody_can_read_is_told() {
    let secret = secret_file();
    let mint = || output(fanfare().args(["token", "mint", "--secret-file"]).arg(secret.path()));
    assert_eq!(mint().2, "");
    secret.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, token, stderr) = mint();
    assert!(code == 0 && token.starts_with("ey"), "{token}");
    assert!(stderr.contains("chmod 600") && stderr.lines().count() == 1, "{stderr}");
}
