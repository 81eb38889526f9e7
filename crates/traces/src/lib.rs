//! OpenTelemetry traces: spans of runs and requests, and their way to a collector (OTLP over HTTP, protobuf).
//!
//! A span carries facts of one table (`fact.rs`), and the types of that table leave no place for a path, a name of a secret,
//! a person or the text of an error. [`Traces`] makes spans and puts them into a bounded queue without waiting; [`deliver`]
//! empties the queue. A collector that is slow or down costs spans, which are counted, and nothing else.
//!
//! `tracing-opentelemetry` is not used: it exports what any line of any crate logs on the way, texts of errors included.
//! The exporter and the batch processor of the SDK are not used either. They do not count what they drop, and the
//! processor sends from a thread without the runtime that the client needs.
//!
//! Start reading at `fact.rs`, then `trace.rs`, then `delivery.rs`.

mod collector;
mod delivery;
mod fact;
mod id;
mod message;
mod name;
mod pairs;
mod parent;
mod queue;
mod sampling;
mod trace;

pub use collector::{Collector, CollectorError, CollectorSettings, Unanswered};
pub use delivery::{Delivery, deliver};
pub use fact::{FACTS, Fact, FactRow, Form, Route, What};
pub use message::Identity;
pub use name::Name;
pub use pairs::{NotPairs, pairs};
pub use queue::{Lost, Span, Spans, Told};
pub use sampling::{Sampler, Sampling};
pub use trace::{Clock, Link, Trace, Traces, current, in_current};
