//! The metrics: the table, its document, and what a scrape says.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use fanfare_gateway::metrics::{self, Buckets, Kind, Samples, Source, table};
use support::assert_golden;

struct Everything;

impl Source for Everything {
    fn collect(&self, samples: &mut Samples) {
        for (metric, value) in table::ALL.iter().zip(1..) {
            match (metric.kind, metric.label) {
                (Kind::Histogram, _) => samples
                    .add_buckets(metric, Buckets { bounds: vec![0.001, 0.01], counts: vec![2, 3], total: 6, sum: 0.5 }),
                (_, Some(_)) => samples.add_labelled(metric, "some", value),
                (_, None) => samples.add(metric, value),
            }
        }
    }
}

fn scrape() -> String {
    let registry = metrics::registry(Arc::new(Everything)).unwrap();
    String::from_utf8(metrics::encode(&registry).unwrap()).unwrap()
}

#[test]
fn names_are_unique_and_say_their_kind() {
    let mut seen = HashSet::new();
    for metric in table::ALL {
        assert!(seen.insert(metric.name), "{} twice", metric.name);
        assert!(metric.name.starts_with("fanfare_"), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}: help is a sentence", metric.name);
    }
}

#[test]
fn a_scrape_has_every_metric_of_the_table_and_the_process() {
    let scrape = scrape();
    for metric in table::ALL {
        let kind = format!("# TYPE {} {}\n", metric.name, metric.kind.as_str());
        assert!(scrape.contains(&kind), "no {kind}");
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"] {
        assert!(scrape.contains(&format!("\n{name} ")), "no {name}");
    }
}

#[test]
fn two_nodes_in_one_process_have_their_own_registries() {
    let (one, two) = (metrics::registry(Arc::new(Everything)), metrics::registry(Arc::new(Everything)));
    assert!(one.is_ok() && two.is_ok());
}

#[test]
fn the_reference_document_is_what_the_code_says() {
    assert_golden("../../docs/metrics.md", &metrics::docs::markdown());
}
