//! Values of metrics, and the text in which they are told. Only this file and `mod.rs` know the library for metrics.

use std::collections::BTreeMap;

use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder, core::Collector};

use super::table::{Metric, MetricKind};

/// A set of metrics with their values.
#[derive(Default)]
pub(crate) struct Sheet {
    registry: Registry,
    gauges: BTreeMap<&'static str, GaugeVec>,
    counters: BTreeMap<&'static str, CounterVec>,
}

/// Why nothing here can fail: the table has each metric once, and a test holds that its names are valid.
const SOUND: &str = "the table of metrics is sound";

impl Sheet {
    /// Adds a counter to which something is added later.
    pub(crate) fn counter(&self, metric: &Metric) -> CounterVec {
        debug_assert_eq!(metric.kind, MetricKind::Counter, "{}", metric.name);
        let made = CounterVec::new(Opts::new(metric.name, metric.meaning), &labels(metric)).expect(SOUND);
        self.register(made)
    }

    /// Adds a histogram of durations.
    pub(crate) fn histogram(&self, metric: &Metric) -> HistogramVec {
        let MetricKind::Histogram(bounds) = metric.kind else { panic!("{} is no histogram", metric.name) };
        let options = HistogramOpts::new(metric.name, metric.meaning).buckets(bounds.to_vec());
        self.register(HistogramVec::new(options, &labels(metric)).expect(SOUND))
    }

    /// Adds a value that was read at this moment, with the values of the metric's labels.
    pub(crate) fn put(&mut self, metric: &'static Metric, values: &[&str], value: f64) {
        if metric.kind == MetricKind::Counter {
            let counter = match self.counters.get(metric.name) {
                Some(counter) => counter.clone(),
                None => self.counter(metric),
            };
            counter.with_label_values(values).inc_by(value);
            self.counters.insert(metric.name, counter);
            return;
        }
        let gauge = match self.gauges.get(metric.name) {
            Some(gauge) => gauge.clone(),
            None => self.register(GaugeVec::new(Opts::new(metric.name, metric.meaning), &labels(metric)).expect(SOUND)),
        };
        gauge.with_label_values(values).set(value);
        self.gauges.insert(metric.name, gauge);
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.registry.register(Box::new(collector.clone())).expect(SOUND);
        collector
    }

    /// Returns all metrics in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("texts and numbers always encode")
    }
}

fn labels(metric: &Metric) -> Vec<&'static str> {
    metric.labels.iter().map(|label| label.as_str()).collect()
}
