//! The corpus, replayed: what fuzzing has found once is tried in every `cargo test`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use fanfare_fuzz::{TARGETS, Target};

fn corpus_of(target: &Target) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let files = corpus_of(target);
    assert!(!files.is_empty(), "{name} has no corpus");
    for file in files {
        let data = fs::read(&file).unwrap();
        // Says which file it was, since the message of a broken property may not.
        let outcome = std::panic::catch_unwind(|| (target.run)(&data));
        assert!(outcome.is_ok(), "{} breaks a property of {name}, see above", file.display());
    }
    (target.run)(b"");
}

macro_rules! replay {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target));
        }
    )*
        #[test]
        fn every_target_is_replayed_and_has_a_binary() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($target)),*]);
            for name in names {
                let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets").join(format!("{name}.rs"));
                assert!(fs::read_to_string(binary).unwrap().contains(&format!("run(\"{name}\", data)")), "{name}");
            }
        }
    };
}

replay! {
    names position push fields redis_reply redis_push frames proxy_header tls_handshake tls_records forwarded subscribe
    publish history token forward_auth ticket connection config_file config_env
}
