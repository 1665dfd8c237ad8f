//! Which crate may depend on which.

use anyhow::{Context, Result};
use serde::Deserialize;

/// One crate of the workspace and what it depends on.
#[derive(Debug, Deserialize)]
pub(crate) struct Crate {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary dependency, else `"dev"` or `"build"`.
    kind: Option<String>,
}

impl Dependency {
    fn for_tests_only(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// What one crate of the workspace may import from the others.
struct Rule {
    name: &'static str,
    may_import: &'static [&'static str],
}

/// Every crate of the workspace is listed; a new crate has to be given its place here.
const RULES: &[Rule] = &[
    Rule { name: "fanfare-protocol", may_import: &[] },
    Rule { name: "fanfare-log", may_import: &["fanfare-protocol"] },
    Rule { name: "fanfare-redis", may_import: &["fanfare-log", "fanfare-protocol"] },
    Rule { name: "fanfare-auth", may_import: &["fanfare-protocol"] },
    Rule { name: "fanfare-tls", may_import: &["fanfare-protocol"] },
    Rule { name: "fanfare-server", may_import: &["fanfare-auth", "fanfare-log", "fanfare-protocol", "fanfare-tls"] },
    Rule {
        name: "fanfare",
        may_import: &[
            "fanfare-auth",
            "fanfare-log",
            "fanfare-protocol",
            "fanfare-redis",
            "fanfare-server",
            "fanfare-tls",
        ],
    },
    // Feeds bytes to every parser.
    Rule {
        name: "fanfare-fuzz",
        may_import: &[
            "fanfare",
            "fanfare-auth",
            "fanfare-log",
            "fanfare-protocol",
            "fanfare-redis",
            "fanfare-server",
            "fanfare-tls",
        ],
    },
    // These look at the product from outside only, so they import nothing of it.
    Rule { name: "fanfare-oracle", may_import: &[] },
    Rule { name: "fanfare-e2e", may_import: &["fanfare-oracle"] },
    Rule { name: "fanfare-chaos", may_import: &["fanfare-e2e", "fanfare-oracle"] },
    Rule { name: "fanload", may_import: &[] },
    // Runs whole nodes, and has what their clients saw judged by a crate that knows nothing of them.
    Rule {
        name: "fanfare-sim",
        may_import: &[
            "fanfare-auth",
            "fanfare-protocol",
            "fanfare-log",
            "fanfare-redis",
            "fanfare-server",
            "fanfare-oracle",
        ],
    },
    Rule { name: "xtask", may_import: &[] },
];

/// A crate from outside that only some crates may use, and why. `deny.toml` says the same (see [`deny`](crate::deny)).
pub(crate) struct Reserved {
    pub(crate) name: &'static str,
    only: &'static [&'static str],
    /// Whether tests of any crate may use it too.
    tests: bool,
    /// Other crates from outside that are built on it, and do not hand it on to those who use them.
    beneath: &'static [&'static str],
    pub(crate) why: &'static str,
}

impl Reserved {
    /// Every crate that may depend on it directly: ours, ours whose tests do so now, and those from outside.
    pub(crate) fn dependents<'a>(&self, crates: &'a [Crate]) -> Vec<&'a str> {
        let tests_use_it = |krate: &&Crate| {
            let uses = |dependency: &Dependency| dependency.name == self.name && dependency.for_tests_only();
            self.tests && !self.only.contains(&krate.name.as_str()) && krate.dependencies.iter().any(uses)
        };
        let mut tests: Vec<&str> = crates.iter().filter(tests_use_it).map(|krate| krate.name.as_str()).collect();
        tests.sort_unstable();
        self.only.iter().copied().chain(tests).chain(self.beneath.iter().copied()).collect()
    }
}

pub(crate) const RESERVED: &[Reserved] = &[
    Reserved {
        name: "config",
        only: &["fanfare"],
        tests: false,
        beneath: &[],
        why: "only the binary reads configuration",
    },
    Reserved {
        name: "toml",
        only: &["fanfare"],
        tests: false,
        beneath: &[],
        why: "only the binary reads configuration",
    },
    Reserved {
        name: "clap",
        only: &["fanfare", "fanload", "fanfare-e2e", "fanfare-chaos"],
        tests: false,
        beneath: &[],
        why: "only binaries have a command line",
    },
    Reserved {
        name: "redis",
        only: &["fanfare-redis"],
        tests: true,
        beneath: &["deadpool-redis"],
        why: "only fanfare-redis speaks Redis",
    },
    Reserved {
        name: "deadpool",
        only: &["fanfare-redis"],
        tests: true,
        beneath: &["deadpool-redis"],
        why: "only fanfare-redis speaks Redis",
    },
    Reserved {
        name: "deadpool-redis",
        only: &["fanfare-redis"],
        tests: true,
        beneath: &[],
        why: "only fanfare-redis speaks Redis",
    },
    Reserved {
        name: "hyper",
        only: &["fanfare-server", "fanfare"],
        tests: true,
        beneath: &["hyper-util"],
        why: "HTTP is spoken by fanfare-server, and by the admin listener of the binary",
    },
    Reserved {
        name: "h2",
        only: &["fanload", "fanfare-e2e", "fanfare-sim"],
        tests: true,
        beneath: &["hyper"],
        why: "the product speaks HTTP/2 through hyper; the load tool and the harness speak it themselves",
    },
    Reserved {
        name: "prometheus",
        only: &["fanfare"],
        tests: false,
        beneath: &[],
        why: "crates count in plain cells; only the binary knows the format of the scrape",
    },
    Reserved {
        name: "jsonwebtoken",
        only: &["fanfare-auth"],
        tests: false,
        beneath: &[],
        why: "only fanfare-auth judges and signs tokens",
    },
    Reserved {
        name: "aws-lc-rs",
        only: &["fanfare-auth", "fanfare-tls"],
        tests: false,
        beneath: &["jsonwebtoken", "rustls", "rustls-webpki", "rcgen"],
        why: "fanfare-auth makes and checks signatures, fanfare-tls protects records; the rest of TLS is rustls'",
    },
    Reserved {
        name: "rustls",
        only: &["fanfare", "fanfare-tls", "fanfare-fuzz", "fanfare-e2e", "fanload"],
        tests: true,
        beneath: &["tokio-rustls"],
        why: "fanfare-tls speaks it with clients, the binary with services outside",
    },
    Reserved {
        name: "tokio-rustls",
        only: &["fanfare", "fanfare-e2e", "fanload"],
        tests: true,
        beneath: &[],
        why: "only the binary asks services outside",
    },
    Reserved {
        name: "tikv-jemallocator",
        only: &["fanfare"],
        tests: false,
        beneath: &[],
        why: "a program has one allocator, and only the binary is a program",
    },
];

/// Crates that a pure crate must not use, because they are input, output, threads or clocks.
const IMPURE: &[&str] = &["tokio", "hyper", "redis", "socket2", "mio"];
const PURE: &str = "fanfare-protocol";

/// Reads the output of `cargo metadata --no-deps --format-version 1`.
pub(crate) fn parse(metadata: &[u8]) -> Result<Vec<Crate>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Crate>,
    }
    let metadata: Metadata = serde_json::from_slice(metadata).context("cargo metadata printed something unexpected")?;
    Ok(metadata.packages)
}

/// Says every edge that must not exist, and every crate that has no rule.
pub(crate) fn check(crates: &[Crate]) -> Vec<String> {
    let mut problems = Vec::new();
    for krate in crates {
        let Some(rule) = RULES.iter().find(|rule| rule.name == krate.name) else {
            problems.push(format!("{} has no rule: add it to xtask/src/edges.rs", krate.name));
            continue;
        };
        for dependency in &krate.dependencies {
            problems.extend(inner_edge(rule, dependency));
            problems.extend(reserved_edge(&krate.name, dependency));
        }
    }
    problems
}

fn inner_edge(rule: &Rule, dependency: &Dependency) -> Option<String> {
    let inside = RULES.iter().any(|other| other.name == dependency.name);
    // Its own tests may use a crate with more features than others do.
    let is_itself = dependency.name == rule.name && dependency.for_tests_only();
    if !inside || is_itself || rule.may_import.contains(&dependency.name.as_str()) {
        return None;
    }
    let allowed = match rule.may_import {
        [] => "nothing of the workspace".to_owned(),
        names => names.join(", "),
    };
    Some(format!("{} must not import {}: it may import {allowed}", rule.name, dependency.name))
}

fn reserved_edge(krate: &str, dependency: &Dependency) -> Option<String> {
    if krate == PURE && !dependency.for_tests_only() && IMPURE.contains(&dependency.name.as_str()) {
        return Some(format!("{krate} must not use {}: it is pure", dependency.name));
    }
    let reserved = RESERVED.iter().find(|reserved| reserved.name == dependency.name)?;
    let allowed = reserved.only.contains(&krate) || (reserved.tests && dependency.for_tests_only());
    (!allowed).then(|| format!("{krate} must not use {}: {}", dependency.name, reserved.why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(name: &str, dependencies: &[(&str, Option<&str>)]) -> Crate {
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: kind.map(str::to_owned) })
            .collect();
        Crate { name: name.to_owned(), dependencies }
    }

    #[test]
    fn the_server_must_not_import_redis() {
        let problems = check(&[krate("fanfare-server", &[("fanfare-log", None), ("fanfare-redis", None)])]);
        assert_eq!(
            problems,
            [
                "fanfare-server must not import fanfare-redis: it may import fanfare-auth, fanfare-log, fanfare-protocol, fanfare-tls"
            ]
        );
    }

    #[test]
    fn tests_are_no_way_around_an_inner_edge() {
        let problems = check(&[krate("fanfare-protocol", &[("fanfare-log", Some("dev"))])]);
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn only_the_binary_reads_configuration() {
        assert!(check(&[krate("fanfare", &[("config", None)])]).is_empty());
        let problems = check(&[krate("fanfare-server", &[("config", None)])]);
        assert_eq!(problems, ["fanfare-server must not use config: only the binary reads configuration"]);
    }

    #[test]
    fn tests_of_the_binary_may_speak_redis_but_the_binary_may_not() {
        assert!(check(&[krate("fanfare", &[("redis", Some("dev"))])]).is_empty());
        assert_eq!(check(&[krate("fanfare", &[("redis", None)])]).len(), 1);
    }

    #[test]
    fn the_protocol_crate_stays_pure() {
        let problems = check(&[krate("fanfare-protocol", &[("tokio", None)])]);
        assert_eq!(problems, ["fanfare-protocol must not use tokio: it is pure"]);
    }

    #[test]
    fn a_crate_without_a_rule_is_a_problem() {
        let problems = check(&[krate("fanfare-surprise", &[])]);
        assert_eq!(problems, ["fanfare-surprise has no rule: add it to xtask/src/edges.rs"]);
    }

    #[test]
    fn the_workspace_as_it_stands_obeys_its_edges() {
        let metadata = crate::cargo_metadata(&crate::root()).expect("cargo metadata");
        let crates = parse(&metadata).expect("metadata");
        assert!(crates.len() >= 6, "only {} crates were found", crates.len());
        assert_eq!(check(&crates), Vec::<String>::new());
    }
}
