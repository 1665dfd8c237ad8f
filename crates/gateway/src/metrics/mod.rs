//! Metrics: counted elsewhere in plain cells, described in one table, collected at the scrape.
//!
//! Nothing here is static: each node has its own registry, so that two nodes run in one process.

pub mod docs;
pub mod table;

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::{Encoder as _, Registry, TextEncoder, proto};
use serde_json::{Map, Value};

pub use table::{Kind, Metric};

/// A histogram as it was counted: how many observations fell into each bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    /// Upper bounds in ascending order; what is above the last is counted in `total` alone.
    pub bounds: Vec<f64>,
    /// Observations in each bucket, not cumulated.
    pub counts: Vec<u64>,
    /// All observations.
    pub total: u64,
    /// Their sum.
    pub sum: f64,
}

#[derive(Clone, Debug)]
enum Figure {
    Number(f64),
    Buckets(Buckets),
}

/// One collection of values.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<(&'static Metric, Option<String>, Figure)>);

impl Samples {
    /// Adds the value of a metric without a label.
    pub fn add(&mut self, metric: &'static Metric, value: u64) {
        self.add_f64(metric, float(value));
    }

    /// Adds the value of a metric without a label.
    pub fn add_f64(&mut self, metric: &'static Metric, value: f64) {
        debug_assert!(metric.label.is_none(), "{} has a label", metric.name);
        self.0.push((metric, None, Figure::Number(value)));
    }

    /// Adds one labelled value of a metric.
    pub fn add_labelled(&mut self, metric: &'static Metric, label: &str, value: u64) {
        self.add_labelled_f64(metric, label, float(value));
    }

    /// Adds one labelled value of a metric.
    pub fn add_labelled_f64(&mut self, metric: &'static Metric, label: &str, value: f64) {
        debug_assert!(metric.label.is_some(), "{} has no label", metric.name);
        self.0.push((metric, Some(label.to_owned()), Figure::Number(value)));
    }

    /// Adds a histogram.
    pub fn add_buckets(&mut self, metric: &'static Metric, buckets: Buckets) {
        self.0.push((metric, None, Figure::Buckets(buckets)));
    }

    /// As JSON: numbers by name, labelled ones in an object by label; histograms as their count, sum, two quantiles, and the upper bound
    /// and the count of each bucket.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = Map::new();
        for (metric, label, figure) in &self.0 {
            let value = match figure {
                Figure::Number(number) => json_number(*number),
                Figure::Buckets(buckets) => buckets.to_json(),
            };
            match label {
                None => drop(all.insert(metric.name.to_owned(), value)),
                Some(label) => {
                    let entry = all.entry(metric.name).or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(labels) = entry {
                        labels.insert(label.clone(), value);
                    }
                }
            }
        }
        Value::Object(all)
    }
}

impl Buckets {
    /// The upper bound of the bucket that holds this share of the observations; `None` without observations, infinite
    /// above the last bound.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = float(self.total) * share;
        let mut below = 0;
        let mut buckets = self.bounds.iter().zip(&self.counts);
        let found = buckets.find(|(_, count)| {
            below += **count;
            float(below) >= wanted
        });
        (self.total > 0).then(|| found.map_or(f64::INFINITY, |(bound, _)| *bound))
    }

    fn to_json(&self) -> Value {
        let quantile = |share| self.quantile(share).map_or(Value::Null, json_number);
        serde_json::json!({
            "count": self.total,
            "sum": self.sum,
            "p50_at_most": quantile(0.5),
            "p99_at_most": quantile(0.99),
            "buckets": self.bounds.iter().zip(&self.counts).collect::<Vec<_>>(),
        })
    }

    fn to_proto(&self) -> proto::Histogram {
        let mut histogram = proto::Histogram::default();
        let mut below = 0;
        let buckets = self.bounds.iter().zip(&self.counts).map(|(bound, count)| {
            below += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        });
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(self.total);
        histogram.set_sample_sum(self.sum);
        histogram
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
fn float(value: u64) -> f64 {
    value as f64
}

/// Whole numbers as such: `12`, not `12.0`.
fn json_number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked: whole and within the exact range")]
    if value.fract() == 0.0 && value.abs() < EXACT { Value::from(value as i64) } else { Value::from(value) }
}

/// Where the values come from.
pub trait Source: Send + Sync + 'static {
    /// Adds a value for every metric of the table.
    fn collect(&self, samples: &mut Samples);
}

struct NodeCollector {
    source: Arc<dyn Source>,
    descriptions: Vec<Desc>,
}

impl Collector for NodeCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut samples = Samples::default();
        self.source.collect(&mut samples);
        let family = |metric: &&'static Metric| {
            let values = samples.0.iter().filter(|(of, ..)| of.name == metric.name);
            let values: Vec<_> = values.map(|(_, label, figure)| value(metric, label.as_deref(), figure)).collect();
            let mut family = proto::MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                Kind::Counter => proto::MetricType::COUNTER,
                Kind::Gauge => proto::MetricType::GAUGE,
                Kind::Histogram => proto::MetricType::HISTOGRAM,
            });
            family.set_metric(values);
            family
        };
        // A family without a value is an error for the encoder.
        table::ALL.iter().map(family).filter(|family| !family.get_metric().is_empty()).collect()
    }
}

fn value(metric: &Metric, label: Option<&str>, figure: &Figure) -> proto::Metric {
    let labels = metric.label.zip(label).map(|(name, value)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    let mut out = proto::Metric::from_label(labels.into_iter().collect());
    match figure {
        Figure::Buckets(buckets) => out.set_histogram(buckets.to_proto()),
        Figure::Number(number) if metric.kind == Kind::Counter => {
            let mut counter = proto::Counter::default();
            counter.set_value(*number);
            out.set_counter(counter);
        }
        Figure::Number(number) => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(*number);
            out.set_gauge(gauge);
        }
    }
    out
}

/// A node's registry: the table above and the figures of the process.
///
/// # Errors
/// When the table names a metric twice or uses a name that Prometheus does not know how to spell.
pub fn registry(source: Arc<dyn Source>) -> anyhow::Result<Registry> {
    let registry = Registry::new();
    let describe = |metric: &&Metric| {
        let labels = metric.label.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, std::collections::HashMap::new())
    };
    let descriptions = table::ALL.iter().map(describe).collect::<Result<_, _>>()?;
    registry.register(Box::new(NodeCollector { source, descriptions }))?;
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(registry)
}

/// Everything in the registry in Prometheus' text format.
///
/// # Errors
/// A family without a value, which [`NodeCollector`] leaves out.
pub fn encode(registry: &Registry) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut out)?;
    Ok(out)
}
