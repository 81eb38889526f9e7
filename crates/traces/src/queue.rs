//! The bounded queue of spans that have ended. Whoever puts a span in never waits: a span that finds no place is counted and
//! dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use opentelemetry::trace::SpanId;
use tokio::sync::mpsc;
use vaultterm_names::names;

use crate::{fact::Fact, id::Ids, name::Name};

/// Spans that wait at most. One takes about a kilobyte.
const QUEUE_MAX: usize = 4_096;

names!(
    /// Why a span did not reach the collector.
    Lost, "reason" {
        /// More spans ended than were sent, so that the queue was full.
        QueueFull = "queue_full",
        /// The collector did not answer, or told to come again later too often.
        Unanswered = "unanswered",
        /// The collector refused the span.
        Refused = "refused",
    }
);

/// The place of a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) span: SpanId,
    /// Whether another program has the parent.
    pub(crate) is_remote: bool,
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// The name.
    pub name: Name,
    /// What it tells.
    pub facts: Vec<Fact>,
    /// Whether what it is about went wrong.
    pub failed: bool,
    pub(crate) ids: Ids,
    pub(crate) parent: Option<Parent>,
    pub(crate) links: Vec<Ids>,
    pub(crate) began: SystemTime,
    pub(crate) took: Duration,
}

impl Span {
    /// Returns the id of its trace, as a log line has it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.ids.trace.to_string()
    }

    /// Returns the traces that it links to.
    #[must_use]
    pub fn linked_traces(&self) -> Vec<String> {
        self.links.iter().map(|ids| ids.trace.to_string()).collect()
    }

    /// Returns whether another span is its parent.
    #[must_use]
    pub fn is_child_of(&self, other: &Self) -> bool {
        self.ids.trace == other.ids.trace && self.parent.is_some_and(|parent| parent.span == other.ids.span)
    }
}

/// How many spans went which way.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    sent: AtomicU64,
    lost: [AtomicU64; Lost::ALL.len()],
}

impl Tally {
    pub(crate) fn sent(&self, spans: u64) {
        self.sent.fetch_add(spans, Relaxed);
    }

    pub(crate) fn lost(&self, why: Lost, spans: u64) {
        self.lost[why as usize].fetch_add(spans, Relaxed);
    }

    pub(crate) fn told(&self) -> Told {
        let lost = Lost::ALL.iter().map(|why| (*why, self.lost[*why as usize].load(Relaxed))).collect();
        Told { sent: self.sent.load(Relaxed), lost }
    }
}

/// How many spans went which way, for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Spans that the collector took.
    pub sent: u64,
    /// Spans that it did not take, by the reason.
    pub lost: Vec<(Lost, u64)>,
}

/// The end of the queue into which spans are put.
pub(crate) struct Entrance {
    queue: mpsc::Sender<Span>,
    pub(crate) tally: Arc<Tally>,
}

impl Entrance {
    /// Puts a span in, if there is room.
    pub(crate) fn put(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.tally.lost(Lost::QueueFull, 1);
        }
    }
}

/// The end of the queue from which spans are taken.
pub struct Spans {
    pub(crate) queue: mpsc::Receiver<Span>,
    pub(crate) tally: Arc<Tally>,
}

impl Spans {
    /// Takes the next span, if one waits.
    pub fn next_now(&mut self) -> Option<Span> {
        self.queue.try_recv().ok()
    }
}

/// Makes a queue.
pub(crate) fn queue() -> (Entrance, Spans) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let tally = Arc::<Tally>::default();
    (Entrance { queue: sender, tally: Arc::clone(&tally) }, Spans { queue: receiver, tally })
}
