//! `fanfare config check`: whether a node would start with a configuration, the files of its certificates included.

use std::process::ExitCode;

use fanfare_server::Clock;

use super::config_args::{ConfigArgs, EXIT_USAGE, load};
use crate::config::{Config, Layered, ListenerRule, Problem};
use crate::output::{complain, print};
use crate::tls::{self, ListenerFiles};

/// Runs the command.
pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let layered = match load(&args.sources()) {
        Ok(layered) => layered,
        Err(code) => return Ok(code),
    };
    let Layered { config, .. } = &layered;
    let (mut clients, mut is_good) = (String::new(), true);
    for (index, rule) in config.listeners().iter().enumerate() {
        if let Some(message) = config.idle_certificates(rule) {
            complain(Problem { place: layered.place_of_listener(index), message });
        }
        match listener(config, rule) {
            Ok(line) => clients.push_str(&line),
            Err(error) => {
                is_good = false;
                complain(Problem { place: layered.place_of_listener(index), message: format!("{error:#}") });
            }
        }
    }
    if !is_good {
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    let operators = format!("operators connect to {}\n", config.admin.listen);
    print(format!("the configuration is good\n{clients}{operators}"), ExitCode::SUCCESS)
}

/// What clients find at a listener. What is not as it should be, though a node starts with it, is said at once.
fn listener(config: &Config, rule: &ListenerRule) -> anyhow::Result<String> {
    let address = &rule.address;
    if let Some(redirect) = &rule.redirect {
        return Ok(format!("clients of {address} are sent to {redirect}\n"));
    }
    let Some(files) = ListenerFiles::of(config, rule)? else {
        return Ok(format!("clients connect to {address}\n"));
    };
    let loaded = files.load()?;
    files.complaints().iter().for_each(complain);
    let mut line = format!("clients connect to {address} by TLS\n");
    let now = Clock::system().wall_ms() / 1_000;
    for (path, facts) in &loaded.certificates {
        if let Some(complaint) = tls::complaint(path, facts, now) {
            complain(complaint);
        }
        let names = if facts.names.is_empty() { "no name".to_owned() } else { facts.names.join(", ") };
        line.push_str(&format!("  {path}: {names}, until {}\n", tls::date(facts.ends)));
    }
    Ok(line)
}
