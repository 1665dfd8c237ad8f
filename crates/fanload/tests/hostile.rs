//! `fanload hostile` against a node and a Redis that it starts.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `fanload hostile` with these words.
fn hostile(words: &[&str]) -> Output {
    let fanfare = Path::new(env!("CARGO_BIN_EXE_fanload")).with_file_name("fanfare");
    assert!(fanfare.exists(), "no {}: cargo build -p fanfare", fanfare.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanload"));
    command.arg("hostile").args(words).arg("--fanfare").arg(fanfare).output().expect("fanload starts")
}

/// Sockets that send nothing are the quickest attack. Seen to fail when the part under attack is not kept.
#[test]
fn an_attack_is_measured_beside_the_same_node_undisturbed() {
    let output = hostile(&["--quick", "--json", "--case", "silent"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).expect("one object");

    assert!(said["fanfare"].as_str().is_some_and(|text| text.contains("Redis")), "{said}");
    let case = &said["cases"][0];
    assert_eq!((&case["case"], &said["quick"]), (&"silent".into(), &true.into()), "{said}");
    let run = &case["runs"][0];
    for part in ["undisturbed", "attacked"] {
        let seen = &run[part];
        let number = |path: &str| seen.pointer(path).and_then(Value::as_f64);
        assert!(number("/seconds").is_some_and(|seconds| seconds >= 3.0), "{part}: {said}");
        // Two clients on each channel get 100 events a second, less what a busy machine holds up.
        assert!(number("/latency/count").is_some_and(|count| count >= 200.0), "{part}: {said}");
        assert!(number("/openings/known/tries").is_some_and(|tries| tries >= 1.0), "{part}: {said}");
        assert!(number("/rss_most") >= number("/rss_before") && number("/redis_sent") > Some(0.0), "{part}: {said}");
        assert_eq!(number("/feed_cuts"), Some(0.0), "{part}: {said}");
    }
    let figure = &case["figures"][0];
    assert_eq!((&figure["unit"], &figure["bound"]["most"]), (&"bytes".into(), &2_048.0.into()), "{said}");
    let measured = figure["value"]["median"].as_f64().unwrap();
    assert_eq!(figure["reached"].as_bool(), Some(measured <= 2_048.0), "{said}");
    assert_eq!(run["integrity"]["lost"], 0, "{said}");
}

#[test]
fn a_case_that_does_not_exist_is_an_error_that_lists_those_that_do() {
    let output = hostile(&["--case", "storm"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("no case 'storm'") && errors.contains("link-back"), "{errors}");
}
