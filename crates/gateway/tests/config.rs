//! The configuration: golden files, layers, and the generated reference.
#![allow(clippy::unwrap_used)]

#[path = "config/tables.rs"]
mod tables;

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fanfare_gateway::config::{self, ConfigError, Layered, OffOr, Size, Sources, Span};
use support::assert_golden;

fn directory(name: &str) -> PathBuf {
    Path::new("tests/config").join(name)
}

fn load_file(path: &Path) -> Result<Layered, ConfigError> {
    config::load(&Sources { file: Some(path.to_owned()), ..Sources::default() })
}

fn env(variables: &[(&str, &str)]) -> Result<Layered, ConfigError> {
    let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    config::load(&Sources { env, ..Sources::default() })
}

fn toml_files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn every_good_file_prints_as_its_golden_says() {
    for path in toml_files("good") {
        let layered = load_file(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_golden(path.with_extension("printed"), &config::print(&layered));
    }
}

#[test]
fn every_wrong_file_is_refused_with_line_column_and_what_was_expected() {
    for path in toml_files("wrong") {
        let error = load_file(&path).expect_err("a wrong file was accepted");
        assert_golden(path.with_extension("refused"), &format!("{error}\n"));
    }
}

#[test]
fn what_print_writes_means_the_same_when_it_is_read_again() {
    let mut layered = load_file(&directory("good/production.toml")).unwrap();
    // A redacted key cannot be read back, on purpose.
    layered.config.publish = config::Publish::default();
    layered.config.redis.url = config::Redis::default().url;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config::print(&layered)).unwrap();
    assert_eq!(load_file(file.path()).unwrap().config, layered.config);
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let sources = Sources {
        file: Some(directory("good/production.toml")),
        env: vec![
            ("FANFARE__DRAIN__WINDOW".into(), "20s".into()),
            ("FANFARE__TAIL__BUDGET".into(), "2GiB".into()),
            ("HOME".into(), "/root".into()),
        ],
        flags: vec![("--set tail.budget".into(), "tail.budget".into(), "3GiB".into())],
        ..Sources::default()
    };
    let config = config::load(&sources).unwrap().config;
    assert_eq!(config.server.cores, 2, "the file's");
    assert_eq!(config.drain.window, Span(Duration::from_secs(20)), "the environment's");
    assert_eq!(config.tail.budget, Size(3 << 30), "the flag's");
}

#[test]
fn every_value_names_the_layer_it_came_from() {
    let sources = Sources {
        file: Some(directory("good/production.toml")),
        env: vec![
            ("FANFARE__DRAIN__WINDOW".into(), "20s".into()),
            ("FANFARE__TAIL__BUDGET".into(), "2GiB".into()),
            ("FANFARE__LOG__LEVEL".into(), "debug".into()),
        ],
        flags: vec![
            ("--set tail.budget".into(), "tail.budget".into(), "3GiB".into()),
            ("--log-level".into(), "log.level".into(), "trace".into()),
            ("--log-level".into(), "log.level".into(), "warn".into()),
        ],
        ..Sources::default()
    };
    let printed = config::print(&config::load(&sources).unwrap());
    for line in [
        "cores = 2  # from tests/config/good/production.toml:3:9",
        "window = \"20s\"  # from environment FANFARE__DRAIN__WINDOW",
        "budget = \"3GiB\"  # from flag --set tail.budget",
        "level = \"warn\"  # from flag --log-level",
        "coalesce_ms = 0",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing from:\n{printed}");
    }
}

#[test]
fn a_bad_value_is_refused_at_its_place_even_where_a_later_layer_overrides_it() {
    let sources = Sources {
        file: Some(directory("wrong/no-table.toml")),
        env: vec![
            ("FANFARE__TAIL__BUDGET".into(), "much".into()),
            ("FANFARE__DRAIN__WINDOW".into(), "20s".into()),
            ("FANFARE__SERVER__CORES".into(), "-1".into()),
        ],
        flags: vec![
            ("--set tail.budget".into(), "tail.budget".into(), "3GiB".into()),
            ("--set server.cores".into(), "server.cores".into(), "2".into()),
        ],
        ..Sources::default()
    };
    let error = config::load(&sources).unwrap_err();
    let places: Vec<String> = error.problems.iter().map(|problem| problem.place.to_string()).collect();
    assert_eq!(
        places,
        [
            "tests/config/wrong/no-table.toml:1:10",
            "environment FANFARE__SERVER__CORES",
            "environment FANFARE__TAIL__BUDGET"
        ]
    );
}

#[test]
fn setting_one_key_of_a_pair_is_enough() {
    let config = env(&[("FANFARE__DRAIN__WINDOW", "1m"), ("FANFARE__TAIL__BUDGET", "2MiB")]).unwrap().config;
    assert_eq!(config.drain.deadline, Span(Duration::from_secs(67)));
    assert_eq!(config.tail.channel_bytes, Size(2 << 20));
    // A URL of 8 KiB, 36 bytes for each channel and one more, 2 KiB of other fields.
    let config = env(&[("FANFARE__LIMITS__CHANNELS_PER_CONNECTION", "256")]).unwrap().config;
    assert_eq!(config.limits.header_bytes, Size(8192 + 256 * 36 + 1 + 2048));
    let config = env(&[("FANFARE__LIMITS__CHANNELS_PER_NODE", "10")]).unwrap().config;
    assert_eq!(config.limits.channels_per_connection, 10);
    let config = env(&[("FANFARE__REDIS__POOL_SIZE", "2"), ("FANFARE__REDIS__PROBE_INTERVAL", "10s")]).unwrap().config;
    assert_eq!(config.admin.ready_probe_age, Span::secs(23));
    // What the default number of channels leaves for a URL: 36 bytes for each channel and one more, 2 KiB of other fields.
    let config = env(&[("FANFARE__LIMITS__HEADER_BYTES", "8KiB")]).unwrap().config;
    assert_eq!(config.limits.url_bytes, Size(8192 - (64 * 36 + 1 + 2048)));
}

/// Only what costs a client its stream is refused: what an operator wrote yesterday starts a node today.
#[test]
fn relations_that_only_make_a_node_slower_are_not_asked() {
    for pair in [
        [("FANFARE__REDIS__POOL_SIZE", "4"), ("FANFARE__ARCHIVE__CONCURRENCY", "8")],
        [("FANFARE__ARCHIVE__BYTES_PER_SECOND", "1MiB"), ("FANFARE__ARCHIVE__PAGE_BYTES", "256KiB")],
        [("FANFARE__DELIVERY__HEARTBEAT", "5s"), ("FANFARE__DELIVERY__SUBSCRIBE_TIMEOUT", "15s")],
        [("FANFARE__REDIS__PROBE_INTERVAL", "10s"), ("FANFARE__ADMIN__READY_PROBE_AGE", "15s")],
    ] {
        assert!(env(&pair).is_ok(), "{pair:?}");
    }
    assert!(env(&[("FANFARE__LIMITS__URL_BYTES", "1KiB")]).is_ok());
}

/// Seen to be accepted: a stream could be opened, and its client was answered 431 when it came back with its position, for which an
/// `EventSource` gives up for good.
#[test]
fn a_client_that_could_open_a_stream_can_come_back_with_its_position() {
    let error = env(&[
        ("FANFARE__LIMITS__CHANNELS_PER_CONNECTION", "256"),
        ("FANFARE__LIMITS__HEADER_BYTES", "8KiB"),
        ("FANFARE__LIMITS__URL_BYTES", "6KiB"),
    ])
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("environment FANFARE__LIMITS__HEADER_BYTES: `limits.header_bytes`: must be at least"),
        "{error}"
    );
    assert!(error.contains("limits.channels_per_connection (256)") && error.contains("limits.url_bytes"), "{error}");
}

// A section that stands within another one.
#[test]
fn what_certificates_give_is_set_in_the_environment_and_by_flags_as_well() {
    let good = std::fs::read_to_string(directory("good/certificates.toml")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), good).unwrap();
    let (name, flag) = ("FANFARE__AUTH__CLIENT_CERTIFICATES__SUBSCRIBE", "auth.client_certificates.max_lifetime");
    let sources = Sources {
        file: Some(file.path().to_owned()),
        env: vec![(name.to_owned(), "device/{sub},news".to_owned())],
        flags: vec![("--set".to_owned(), flag.to_owned(), "2d".to_owned())],
        ..Sources::default()
    };
    let layered = config::load(&sources).unwrap();
    let grants = &layered.config.client_certificates;
    let subscribe: Vec<String> = grants.subscribe.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        (subscribe, grants.max_lifetime),
        (vec!["device/{sub}".to_owned(), "news".to_owned()], Span::secs(172_800))
    );
    assert_eq!(layered.config.auth.max_token_lifetime, Span::secs(86_400), "the section around it is left alone");
    let again = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(again.path(), config::print(&layered)).unwrap();
    assert_eq!(load_file(again.path()).unwrap().config, layered.config);
    let error = env(&[("FANFARE__AUTH__CLIENT_CERTIFICATES__SUBJET", "cn")]).unwrap_err().to_string();
    assert!(error.contains("unknown key `auth.client_certificates.subjet` (did you mean `subject`?)"), "{error}");
}

/// Seen to be refused, with a message that asks for exactly that.
#[test]
fn a_list_is_read_as_people_write_it() {
    for (text, wanted) in [
        (r#"["*"]"#, &["*"][..]),
        ("*", &["*"]),
        ("", &[]),
        ("[]", &[]),
        (r#" [ "https://a.example" , 'http://b.example:3000', ] "#, &["https://a.example", "http://b.example:3000"]),
        ("[https://a.example,http://b.example:3000]", &["https://a.example", "http://b.example:3000"]),
        ("https://a.example, http://b.example:3000", &["https://a.example", "http://b.example:3000"]),
    ] {
        let flags = vec![("--cors-origins".into(), "server.cors_origins".into(), text.into())];
        for layered in
            [env(&[("FANFARE__SERVER__CORS_ORIGINS", text)]), config::load(&Sources { flags, ..Sources::default() })]
        {
            let origins = layered.unwrap_or_else(|error| panic!("{text}: {error}")).config.server.cors_origins;
            let origins: Vec<&str> = origins.iter().map(|origin| origin.0.as_str()).collect();
            assert_eq!(origins, wanted, "{text}");
        }
    }
    let networks = env(&[("FANFARE__SERVER__TRUSTED_PROXIES", r#"["10.0.0.0/8", "::1"]"#)]).unwrap();
    assert_eq!(networks.config.server.trusted_proxies.len(), 2);
    for wrong in [r#"["*""#, r#""*"]"#, r#"["*]"#, r#"['*"]"#, "\"", "[[]]"] {
        assert!(env(&[("FANFARE__SERVER__CORS_ORIGINS", wrong)]).is_err(), "{wrong}");
    }
}

// Seen to fail when the reason is left out, and when more than the names below one domain can be a pattern.
#[test]
fn a_pattern_of_origins_that_would_match_too_much_or_nothing_is_refused_with_the_reason() {
    let place = "`*` stands once, for whole labels, right behind the scheme";
    let domain = "behind `*.` stands a domain of two labels or more";
    for (text, reason) in [
        ("*.example.com", "a pattern begins with `https://` or `http://`"),
        ("https://*", place),
        ("https://*example.com", place),
        ("https://a.*.com", place),
        ("https://*.example.com:*", place),
        ("https://*.com", domain),
        ("https://*.0.0.1", domain),
        ("https://*.example.com/", domain),
        ("https://*.example.com/app", domain),
        ("https://*.Example.com", domain),
        ("https://*.example.com:443", "is left out where it is the scheme's own"),
        ("https://app.example.com/", "is not an origin: expected scheme://host[:port]"),
        ("https://*.example.com, *", "admits every origin"),
    ] {
        let error = env(&[("FANFARE__SERVER__CORS_ORIGINS", text)]).expect_err(text).to_string();
        assert!(error.contains("`server.cors_origins`") && error.contains(reason), "{text}: {error}");
    }
    let good = "https://*.example.com:8443, http://*.localhost:3000, https://app.example.com";
    let (auth, cookie) = (("FANFARE__AUTH__ENABLED", "true"), ("FANFARE__AUTH__COOKIE", "session"));
    let (origins, public) = (("FANFARE__SERVER__CORS_ORIGINS", good), ("FANFARE__AUTH__PUBLIC", "news"));
    let layered = env(&[origins, auth, public, cookie]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(layered.config.server.cors_origins.len(), 3);
}

/// Seen to be left out in silence, and the default used.
#[test]
fn a_variable_that_is_not_utf8_is_refused_by_its_name() {
    let unreadable = vec!["FANFARE__PUBLISH__KEY".into(), "LS_COLORS".into()];
    let error = config::load(&Sources { unreadable, ..Sources::default() }).unwrap_err().to_string();
    assert_eq!(error, "environment FANFARE__PUBLISH__KEY: the value is not UTF-8");
}

/// Seen to be refused: what the documents tell people to set.
#[test]
fn every_variable_that_a_document_sets_is_accepted() {
    let documents = std::fs::read_dir("../../docs").unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for path in documents.chain(["../../README.md", "../../deploy/README.md"].map(PathBuf::from)) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for setting in text.match_indices("FANFARE__").map(|(at, _)| &text[at..]) {
            let Some((name, rest)) = setting.split_once('=') else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                continue;
            }
            let value = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next().unwrap(),
                _ => rest.split(|c: char| c.is_whitespace() || c == '`').next().unwrap(),
            };
            // Another variable's value, or a place for one's own.
            if !value.contains(['$', '<', '…']) && !value.is_empty() {
                seen += 1;
                // A key belongs to a certificate.
                let certificate =
                    (name == "FANFARE__SERVER__KEY").then_some(("FANFARE__SERVER__CERTIFICATE", "/tls/tls.crt"));
                let variables: Vec<_> = certificate.into_iter().chain([(name, value)]).collect();
                env(&variables).unwrap_or_else(|error| panic!("{}: {name}={value}: {error}", path.display()));
            }
        }
    }
    assert!(seen > 0);
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    let error = env(&[("FANFARE__SERVER__LISEN", "0.0.0.0:1")]).unwrap_err().to_string();
    assert!(
        error.starts_with("environment FANFARE__SERVER__LISEN: unknown key `server.lisen` (did you mean `listen`?)"),
        "{error}"
    );
    let error = env(&[("FANFARE__LISTEN", "0.0.0.0:1")]).unwrap_err().to_string();
    assert!(error.contains("two underscores between levels"), "{error}");
}

// Seen to fail when a head has no room for a token.
#[test]
fn a_node_that_asks_for_tokens_has_room_for_them_in_a_request() {
    let least = |enabled| {
        let variables =
            [("FANFARE__AUTH__ENABLED", enabled), ("FANFARE__AUTH__PUBLIC", if enabled == "true" { "a" } else { "" })];
        env(&variables).unwrap().config.limits.header_bytes
    };
    assert_eq!(least("false"), config::Limits::default().header_bytes);
    assert!(least("true") > least("false"));
}

#[test]
fn a_missing_file_is_named() {
    let error = load_file(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: cannot be read: "), "{error}");
}

#[test]
fn no_secret_appears_in_errors_debug_or_print() {
    for (url, shown) in [
        // Seen to be shown, as the name of a user.
        ("redis://hunter2@example.com", "redis://********@example.com"),
        ("redis://hunter2:@example.com:6379/3", "redis://********@example.com:6379/3"),
        ("redis://:hunter2@example.com", "redis://:********@example.com"),
        ("unix:///run/redis.sock?db=2&user=hunter2", "unix:///run/redis.sock?db=2&user=********"),
        ("unix:///run/redis.sock?user=hunter2&pass=", "unix:///run/redis.sock?user=********&pass=********"),
    ] {
        let layered = env(&[("FANFARE__REDIS__URL", url)]).unwrap();
        assert_eq!(layered.config.redis.url.redacted(), shown);
        assert!(!format!("{layered:?}{}", config::print(&layered)).contains("hunter2"), "{url}");
    }
    let layered = env(&[
        ("FANFARE__PUBLISH__KEY", "hunter2-hunter2-hunter2"),
        ("FANFARE__REDIS__URL", "redis://me:hunter2@example.com:6379/3"),
    ])
    .unwrap();
    let printed = config::print(&layered);
    assert!(!printed.contains("hunter2") && printed.contains("redis://me:********@example.com:6379/3"), "{printed}");
    assert!(!format!("{layered:?}").contains("hunter2"));
    let error =
        env(&[("FANFARE__PUBLISH__KEY", "hunter2"), ("FANFARE__REDIS__URL", "http://me:hunter2@host")]).unwrap_err();
    assert_eq!(error.problems.len(), 2);
    assert!(!error.to_string().contains("hunter2"));
}

/// Seen to fail when only what stands before the host was redacted.
#[test]
fn the_password_of_a_socket_is_shown_nowhere() {
    for (url, shown) in [
        ("unix:///run/redis.sock?db=2&user=me&pass=hunter2", "unix:///run/redis.sock?db=2&user=me&pass=********"),
        ("unix:///run/redis.sock?p%61ss=hunter2", "unix:///run/redis.sock?p%61ss=********"),
        ("unix:///run/redis.sock?pass=hunter2@home", "unix:///run/redis.sock?pass=********"),
        ("unix://me:hunter2@localhost/run/a@b.sock", "unix://me:********@localhost/run/a@b.sock"),
    ] {
        let layered = env(&[("FANFARE__REDIS__URL", url)]).unwrap();
        let redacted = layered.config.redis.url.redacted();
        assert!(!format!("{redacted}{layered:?}{}", config::print(&layered)).contains("hunter2"), "{redacted}");
        assert_eq!(redacted, shown);
    }
    // Taken apart at its first `://`, this one shows its password.
    let error = env(&[("FANFARE__REDIS__URL", "unix:/run/redis.sock?pass=hunter2&x=:///")]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn durations_and_sizes_are_read_as_written_and_shown_shortest() {
    let layered = env(&[
        ("FANFARE__DELIVERY__HEARTBEAT", "20s500ms"),
        ("FANFARE__TAIL__BUDGET", "1048577"),
        ("FANFARE__CHANNEL__LINGER", "45m"),
        ("FANFARE__DELIVERY__MAX_BEHIND", "90m"),
        ("FANFARE__ADMISSION__PER_ADDRESS", "off"),
    ])
    .unwrap();
    assert_eq!(layered.config.delivery.heartbeat, Span(Duration::from_millis(20_500)));
    assert_eq!(layered.config.tail.budget, Size(1_048_577));
    assert_eq!(layered.config.admission.per_address, OffOr(None));
    let printed = config::print(&layered);
    assert!(printed.contains("heartbeat = \"20s500ms\"  # from environment FANFARE__DELIVERY__HEARTBEAT"), "{printed}");
    assert!(printed.contains("budget = \"1048577B\""), "{printed}");
    assert!(printed.contains("max_behind = \"1h30m\""), "{printed}");
    for bad in ["", "s", "5", "5 s", "5x", "-5s", "1s1", "99999999999999999999s", "18446744073709551615d"] {
        assert!(env(&[("FANFARE__DELIVERY__HEARTBEAT", bad)]).is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn text_is_read_by_the_type_of_its_key_wherever_it_stands() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let read = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        load_file(file.path()).unwrap().config
    };
    let bare = "[server]\ncores = 0x2\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n[history]\nenabled = true\n[tail]\nbudget = 16_777_216\n";
    let text = "[server]\ncores = \"2\"\ntrusted_proxies = \"10.0.0.0/8, ::1\"\n[history]\nenabled = \"true\"\n[tail]\nbudget = \"16777216\"\n";
    assert_eq!(read(bare), read(text));
    let env = env(&[
        ("FANFARE__SERVER__CORES", "2"),
        ("FANFARE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8,::1"),
        ("FANFARE__HISTORY__ENABLED", "true"),
        ("FANFARE__TAIL__BUDGET", "16777216"),
    ]);
    assert_eq!(read(bare), env.unwrap().config);
}

#[test]
fn the_reference_document_is_what_the_code_says() {
    assert_golden("../../docs/configuration.md", &config::docs::markdown());
}

/// Apart from the reference document: there every change of a sentence is a change, here only one that breaks somebody's
/// file, environment or expectation.
#[test]
fn every_key_keeps_its_name_type_default_bounds_and_environment_variable() {
    let keys = config::all_keys();
    let bare = |literal: &str| if literal == "[]" { String::new() } else { literal.trim_matches('"').to_owned() };
    let defaults = keys.iter().map(|key| (key.env(), bare(&key.default))).collect();
    let layered = config::load(&Sources { env: defaults, ..Sources::default() }).unwrap();
    assert_eq!(layered.config, config::Config::default(), "each variable was set to its key's default");
    let printed = config::print(&layered);

    let mut golden = String::new();
    for key in &keys {
        let line = format!("{} = {}  # from environment {}", key.name, key.default, key.env());
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing from:\n{printed}");
        let bounds = key.bounds.as_ref().map_or_else(String::new, |(low, high)| format!(", from {low} to {high}"));
        golden += &format!("{} = {}  # {}{bounds}; {}\n", key.path(), key.default, key.kind, key.env());
    }
    assert_golden("tests/golden/configuration.txt", &golden);
}
