//! The result of one run, for people.

use crate::integrity::Integrity;
use crate::reading::Reading;
use crate::scenario::Outcome;

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
    latency(outcome, &mut rows);
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
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!("{}\n", format!("{:?}", outcome.scenario).to_lowercase());
    for (name, value) in rows {
        text.push_str(&format!("  {name:<width$}  {value}\n"));
    }
    text.push_str(&format!("  {:<width$}  {}\n", "integrity", verdict(&outcome.integrity)));
    text
}

fn latency(outcome: &Outcome, rows: &mut Vec<(String, String)>) {
    let histogram = &outcome.latency.0;
    if histogram.is_empty() {
        return;
    }
    let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
    let value =
        format!("p50 {}, p99 {}, p99.9 {}, max {}", at(0.5), at(0.99), at(0.999), milliseconds(histogram.max()));
    rows.push(("latency".to_owned(), value));
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

fn verdict(integrity: &Integrity) -> String {
    let mut found = vec![format!("{} events checked", grouped(integrity.delivered as f64))];
    let breaches = [
        (integrity.lost, "lost"),
        (integrity.doubled, "doubled"),
        (integrity.out_of_order, "out of order"),
        (integrity.damaged, "damaged"),
        (integrity.silent, "silent"),
        (integrity.gaps, "$gap"),
        (integrity.announced, "missing but announced"),
        (integrity.foreign, "of others"),
    ];
    found.extend(breaches.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")));
    format!("{}: {}", if integrity.holds() { "ok" } else { "BREACH" }, found.join(", "))
}

/// A whole number with commas between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn short(value: f64) -> String {
    if value.abs() >= 1_000.0 || value.fract().abs() < 1e-9 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", grouped(value.abs()))
    } else {
        format!("{value:.3}")
    }
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2} ms", microseconds as f64 / 1_000.0)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
