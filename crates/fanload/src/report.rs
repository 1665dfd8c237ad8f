//! The result of one run, for people.

use crate::latency::Latency;
use crate::reading::Reading;
use crate::scenario::Outcome;
use crate::thousands;

/// The result as lines of `name  value`, with the verdict last.
pub fn table(outcome: &Outcome) -> String {
    let parameters = &outcome.parameters;
    let mut rows = vec![
        ("connections".to_owned(), grouped(parameters.connections as f64)),
        ("channels".to_owned(), grouped(parameters.channels as f64)),
        ("events published".to_owned(), grouped(outcome.published as f64)),
        ("deliveries".to_owned(), grouped(outcome.deliveries as f64)),
        ("measured time".to_owned(), format!("{:.3} s", outcome.elapsed.as_secs_f64())),
    ];
    if outcome.deliveries > 0 {
        let per_second = outcome.deliveries as f64 / outcome.elapsed.as_secs_f64().max(1e-9);
        rows.push(("deliveries a second".to_owned(), grouped(per_second)));
    }
    if let Some(words) = outcome.protocol.words() {
        let shared = outcome.protocol.http2.map(|share| format!(", {share} clients share a connection"));
        rows.insert(1, ("protocol".to_owned(), words.to_owned() + &shared.unwrap_or_default()));
    }
    latency(outcome, &mut rows);
    publisher(outcome, &mut rows);
    cost(outcome, &mut rows);
    for (name, value) in &outcome.numbers {
        rows.push((name.replace('_', " "), short(*value)));
    }
    let troubles = &outcome.disturbances;
    if troubles.total() > 0 {
        rows.push((
            "disturbances".to_owned(),
            format!(
                "{} unreachable, {} refused, {} ended, {} reset, {} too late",
                troubles.unreachable, troubles.refused, troubles.ended, troubles.reset, troubles.timed_out
            ),
        ));
    }
    if let Some(why) = &outcome.cut_short {
        rows.push(("ended early".to_owned(), why.clone()));
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!("{}\n", outcome.scenario.name());
    for (name, value) in rows {
        text.push_str(&format!("  {name:<width$}  {value}\n"));
    }
    text.push_str(&format!("  {:<width$}  {}\n", "integrity", verdict(outcome)));
    text
}

fn latency(outcome: &Outcome, rows: &mut Vec<(String, String)>) {
    let mut row = |name: &str, Latency(histogram): &Latency| {
        if histogram.is_empty() {
            return;
        }
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
        let value =
            format!("p50 {}, p99 {}, p99.9 {}, max {}", at(0.5), at(0.99), at(0.999), milliseconds(histogram.max()));
        rows.push((name.to_owned(), value));
    };
    let Some(compared) = &outcome.compared else { return row("latency", &outcome.latency) };
    row("latency, all well", compared);
    let slow = (outcome.parameters.connections as f64 * outcome.parameters.slow).floor();
    row(&format!("latency, {} slow", grouped(slow)), &outcome.latency);
}

/// What became of the connection to publish over; nothing when it never broke.
fn publisher(outcome: &Outcome, rows: &mut Vec<(String, String)>) {
    let breaks = &outcome.breaks;
    if breaks.reconnects == 0 {
        return;
    }
    let mut text = format!("connected again {} times, {:.1} s in all", breaks.reconnects, breaks.away.as_secs_f64());
    let events = [
        (breaks.unstored, "events not stored"),
        (breaks.forgotten, "stored events lost by Redis"),
        (breaks.unknown, "events stored or not"),
    ];
    for (count, what) in events.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {} {what}", grouped(*count as f64)));
    }
    rows.push(("publisher".to_owned(), text));
}

fn cost(outcome: &Outcome, rows: &mut Vec<(String, String)>) {
    // Without process ids nothing is known of the server.
    if outcome.after.rss > 0 {
        let cpu = &outcome.server_cpu;
        rows.push(("server CPU".to_owned(), format!("{:.2} s user, {:.2} s system", cpu.user, cpu.system)));
        if let Some(cost) = outcome.cpu_per_delivery() {
            rows.push(("server CPU per delivery".to_owned(), format!("{cost:.2} µs")));
        }
        let Reading { rss, peak_rss, .. } = outcome.after;
        rows.push((
            "server memory".to_owned(),
            format!("{} resident, at most {}", mebibytes(rss), mebibytes(peak_rss)),
        ));
    }
    rows.push(("kernel TCP memory".to_owned(), format!("{} on this machine", mebibytes(outcome.after.kernel))));
    if let Some(cost) = outcome.client_cpu_per_delivery() {
        rows.push(("client CPU per delivery".to_owned(), format!("{cost:.2} µs")));
    }
}

fn verdict(outcome: &Outcome) -> String {
    let integrity = &outcome.integrity;
    let mut found = vec![format!("{} events checked", grouped(integrity.delivered as f64))];
    let breaches = [
        (integrity.lost, "lost"),
        (integrity.doubled, "doubled"),
        (integrity.out_of_order, "out of order"),
        (integrity.damaged, "damaged"),
        (integrity.silent, "silent"),
        (integrity.gaps, "$gap"),
        (integrity.announced, "missing but announced"),
        (integrity.excused, "missing with the publisher's connection"),
        (integrity.foreign, "of others"),
    ];
    found.extend(breaches.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")));
    let word = match (integrity.holds(), &outcome.cut_short) {
        (false, _) => "BREACH",
        (true, None) => "ok",
        (true, Some(_)) => "ok so far",
    };
    format!("{word}: {}", found.join(", "))
}

/// A whole number with commas between thousands.
fn grouped(value: f64) -> String {
    thousands::grouped(value, 0)
}

fn short(value: f64) -> String {
    if value.abs() >= 1_000.0 || value.fract().abs() < 1e-9 { grouped(value) } else { format!("{value:.3}") }
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2} ms", microseconds as f64 / 1_000.0)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::disturbances::Disturbances;
    use crate::integrity::Integrity;
    use crate::publish::Breaks;
    use crate::reading::Cpu;
    use crate::scenario::{Parameters, Scenario};
    use crate::target::{Protocol, Trust};

    /// A run of `slow` in which 10 events were delivered, each after `latency` milliseconds.
    fn outcome(latency: u64) -> Outcome {
        let mut latencies = Latency::new();
        latencies.0.record_n(latency * 1_000, 10).unwrap();
        Outcome {
            scenario: Scenario::Slow,
            parameters: Parameters::of(Scenario::Slow),
            protocol: Protocol::default(),
            cut_short: None,
            published: 1,
            deliveries: 10,
            elapsed: Duration::from_secs(1),
            server_cpu: Cpu::default(),
            client_cpu: Cpu::default(),
            latency: latencies,
            compared: None,
            before: Reading::default(),
            after: Reading::default(),
            integrity: Integrity { delivered: 10, ..Integrity::default() },
            disturbances: Disturbances::default(),
            breaks: Breaks::default(),
            numbers: BTreeMap::new(),
        }
    }

    // Seen to fail when both rows have the same name, and when they show the same latency.
    #[test]
    fn what_a_latency_is_to_be_compared_with_stands_above_it() {
        let both = table(&Outcome { compared: Some(outcome(4).latency), ..outcome(9) });
        let (well, slow) = (both.find("latency, all well").unwrap(), both.find("latency, 50 slow").unwrap());
        assert!(both[well..slow].contains("p50 4.0") && both[slow..].contains("p50 9.0"), "{both}");
        assert!(table(&outcome(9)).contains("  latency                  p50 9.0"));
    }

    #[test]
    fn a_protocol_that_is_not_the_usual_one_is_told() {
        let protocol = Protocol { tls: Some(Trust::Anybody), http2: Some(100) };
        let text = table(&Outcome { protocol, ..outcome(9) });
        assert!(text.contains("HTTP/2 over TLS, 100 clients share a connection\n"), "{text}");
        assert!(!table(&outcome(9)).contains("protocol"));
    }

    // Seen to fail when a run that was cut short says "ok" like one that has come to its end.
    #[test]
    fn a_run_that_was_disturbed_says_how() {
        let breaks = Breaks { reconnects: 2, unstored: 3, forgotten: 1_000, ..Breaks::default() };
        let text = table(&Outcome { cut_short: Some("interrupted".to_owned()), breaks, ..outcome(9) });
        assert!(text.contains("connected again 2 times"), "{text}");
        assert!(text.contains("3 events not stored, 1,000 stored events lost by Redis"), "{text}");
        assert!(text.contains("ended early") && text.contains("ok so far: 10 events checked"), "{text}");
        let well = table(&outcome(9));
        assert!(well.contains("ok: 10 events checked") && !well.contains("publisher"), "{well}");
    }
}
