//! Tables of the configuration file: channels, listeners and issuers.

use std::path::PathBuf;

use fanfare_gateway::config::{self, Layered, Sources, Span};

use super::{directory, env, load_file};

#[test]
fn tables_of_channels_keep_their_order_and_stand_in_the_file_only() {
    let config = load_file(&directory("good/production.toml")).unwrap().config;
    let rules: Vec<_> = config.channels.iter().map(|rule| (rule.pattern.as_str(), rule.min_life)).collect();
    let [once, week] = [Span::secs(120), Span::secs(7 * 86_400)].map(Some);
    assert_eq!(rules, [("user:*:once", once), ("user:*", week), ("chat:*", None)]);
    let error = env(&[("FANFARE__CHANNELS__MIN_LIFE", "7d")]).unwrap_err().to_string();
    assert_eq!(
        error,
        "environment FANFARE__CHANNELS__MIN_LIFE: tables [[channels]] stand in the configuration file only"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[[channels]]\nmatch = \"a*\"\nmin_life = \"7d\"\n".repeat(65)).unwrap();
    let error = load_file(file.path()).unwrap_err().to_string();
    assert!(error.contains(":193:1: expected at most 64 tables [[channels]]"), "{error}");
}

// Fails when the first table that matches counts, whatever it says.
#[test]
fn of_each_key_the_first_table_counts_that_matches_a_channel_and_has_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tables = [
        "match = \"chat:quiet\"\noccupancy = false",
        "match = \"chat:*\"\noccupancy = true",
        "match = \"*\"\nmin_life = \"7d\"",
    ];
    std::fs::write(file.path(), tables.map(|table| format!("[[channels]]\n{table}\n")).concat()).unwrap();
    let config = load_file(file.path()).unwrap().config;
    let name = |name: &str| fanfare_protocol::ChannelName::parse(name).unwrap();
    let (occupancy, min_lives) = (config.occupancy(), config.min_lives());
    for (channel, is_counted) in [("chat:1", true), ("chat:quiet", false), ("news", false)] {
        assert_eq!(occupancy.counts(&name(channel)), is_counted, "{channel}");
        assert!(min_lives.covers(&fanfare_protocol::LogName::from(&name(channel))), "{channel}");
    }
}

fn listeners(layered: &Layered) -> Vec<String> {
    layered.config.listeners().iter().map(|rule| rule.address.to_string()).collect()
}

// Seen to fail where the file's tables count beside a variable, and where what is printed has the key and the tables.
#[test]
fn several_listeners_stand_in_the_file_and_one_of_the_environment_or_of_a_flag_in_their_place() {
    let path = directory("good/listeners.toml");
    let layered = load_file(&path).unwrap();
    let all = ["0.0.0.0:8080", "[::1]:8081", "unix:/run/fanfare/nginx.sock", "unix:/run/fanfare/clients.sock"];
    assert_eq!(listeners(&layered), all);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config::print(&layered)).unwrap();
    assert_eq!(load_file(file.path()).unwrap().config, layered.config);

    let env = vec![("FANFARE__SERVER__LISTEN".to_owned(), "unix:/run/one.sock".to_owned())];
    let flags = vec![("--listen".to_owned(), "server.listen".to_owned(), "127.0.0.1:1".to_owned())];
    let of_env = Sources { file: Some(path.clone()), env: env.clone(), ..Sources::default() };
    assert_eq!(listeners(&config::load(&of_env).unwrap()), ["unix:/run/one.sock"]);
    let of_flag = Sources { file: Some(path), env, flags, ..Sources::default() };
    assert_eq!(listeners(&config::load(&of_flag).unwrap()), ["127.0.0.1:1"]);
    assert_eq!(listeners(&Layered::default()), ["127.0.0.1:8080"]);
}

// A certificate that counts for nothing would be plain HTTP where TLS was meant.
#[test]
fn the_certificate_of_one_listener_stands_in_the_environment_and_goes_with_its_address_only() {
    let pair = [("FANFARE__SERVER__CERTIFICATE", "/tls/tls.crt"), ("FANFARE__SERVER__KEY", "/tls/tls.key")];
    let one = |layered: &Layered| {
        let [rule] = &layered.config.listeners()[..] else { panic!("one listener") };
        (rule.address.to_string(), rule.certificates.clone())
    };
    let files = |certificate: &str, key: Option<&str>| {
        vec![config::CertificateFiles { certificate: certificate.into(), key: key.map(PathBuf::from) }]
    };
    let found = one(&env(&pair).unwrap());
    assert_eq!(found, ("127.0.0.1:8080".to_owned(), files("/tls/tls.crt", Some("/tls/tls.key"))));
    let found = one(&env(&pair[..1]).unwrap());
    assert_eq!(found.1, files("/tls/tls.crt", None));

    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let beside = Sources { file: Some(directory("good/listeners.toml")), env: pair.clone(), ..Sources::default() };
    let error = config::load(&beside).unwrap_err().to_string();
    assert!(
        error.starts_with("environment FANFARE__SERVER__CERTIFICATE: `server.certificate`: is for the key"),
        "{error}"
    );
    let listen = ("FANFARE__SERVER__LISTEN".to_owned(), "0.0.0.0:8443".to_owned());
    let env = pair.into_iter().chain([listen]).collect();
    let over = Sources { file: Some(directory("good/listeners.toml")), env, ..Sources::default() };
    let found = one(&config::load(&over).unwrap());
    assert_eq!(found, ("0.0.0.0:8443".to_owned(), files("/tls/tls.crt", Some("/tls/tls.key"))));
}

#[test]
fn listeners_with_certificates_are_read_again_as_they_were_printed() {
    for name in ["good/tls.toml", "good/tls-one.toml"] {
        let layered = load_file(&directory(name)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config::print(&layered)).unwrap();
        assert_eq!(load_file(file.path()).unwrap().config, layered.config, "{name}");
    }
}

#[test]
fn tables_of_issuers_are_read_again_as_they_were_printed_and_show_no_secret() {
    let layered = load_file(&directory("good/tokens.toml")).unwrap();
    let printed = config::print(&layered);
    assert!(!printed.contains("hunter2") && !format!("{layered:?}").contains("hunter2"), "{printed}");
    // What is redacted cannot be read back, on purpose.
    let mut readable = layered;
    for rule in &mut readable.config.issuers {
        rule.secret = config::Secret::UNSET;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config::print(&readable)).unwrap();
    assert_eq!(load_file(file.path()).unwrap().config, readable.config);
    let error = env(&[("FANFARE__AUTH__ISSUERS", "x")]).unwrap_err().to_string();
    assert!(error.ends_with("tables [[auth.issuers]] stand in the configuration file only"), "{error}");
}
