//! The task that takes spans from the queue and sends them to the collector, in batches. It sends one batch at a time, so
//! that a slow collector fills the queue and nothing else.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    collector::{Collector, Unanswered},
    message::{Identity, body},
    queue::{Lost, Span, Spans},
};

/// The spans of a request at most.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const GATHERED_WITHIN: Duration = Duration::from_secs(1);
/// How often a batch is sent at most, and the pause before the second attempt. It doubles.
const ATTEMPTS_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// A delivery that goes on.
pub struct Delivery {
    task: JoinHandle<()>,
    closing: CancellationToken,
}

impl Delivery {
    /// Sends what is in the queue and ends, within a limit. Spans that end later are counted as lost.
    pub async fn end(self, within: Duration) {
        self.closing.cancel();
        let abort = self.task.abort_handle();
        if timeout(within, self.task).await.is_err() {
            tracing::warn!("the last spans did not reach the collector within {} s", within.as_secs());
            abort.abort();
        }
    }
}

/// Sends the spans of a queue from now on, in a task of its own.
#[must_use]
pub fn deliver(spans: Spans, collector: Collector, identity: Identity) -> Delivery {
    let closing = CancellationToken::new();
    let sender = Sender { collector, identity, closing: closing.clone(), down: false };
    Delivery { task: tokio::spawn(sender.empty(spans)), closing }
}

struct Sender {
    collector: Collector,
    identity: Identity,
    closing: CancellationToken,
    /// Whether the last batch failed, and a warning was given.
    down: bool,
}

impl Sender {
    async fn empty(mut self, mut spans: Spans) {
        while let Some(batch) = self.gather(&mut spans).await {
            let count = batch.len() as u64;
            match self.send(body(&self.identity, batch)).await {
                Ok(refused) => {
                    let refused = refused.min(count);
                    spans.tally.sent(count - refused);
                    spans.tally.lost(Lost::Refused, refused);
                    self.is_up();
                }
                Err(unanswered) => {
                    let why =
                        if unanswered.status.is_some() && !unanswered.again { Lost::Refused } else { Lost::Unanswered };
                    spans.tally.lost(why, count);
                    self.is_down(&unanswered);
                }
            }
        }
    }

    /// Waits for spans. Returns `None` when the server stops and the queue is empty.
    async fn gather(&self, spans: &mut Spans) -> Option<Vec<Span>> {
        let mut batch = Vec::new();
        let first = tokio::select! {
            count = spans.queue.recv_many(&mut batch, BATCH_MAX) => count,
            () = self.closing.cancelled() => {
                // From now on nothing comes in, and the queue tells when it is empty.
                spans.queue.close();
                spans.queue.recv_many(&mut batch, BATCH_MAX).await
            }
        };
        if first == 0 {
            return None;
        }
        let until = Instant::now() + GATHERED_WITHIN;
        while batch.len() < BATCH_MAX && !self.closing.is_cancelled() {
            let rest = BATCH_MAX - batch.len();
            tokio::select! {
                more = timeout_at(until, spans.queue.recv_many(&mut batch, rest)) => {
                    if !more.is_ok_and(|count| count > 0) {
                        break;
                    }
                }
                () = self.closing.cancelled() => {}
            }
        }
        Some(batch)
    }

    /// Sends a batch, again if that may help. A server that stops makes no further attempt.
    async fn send(&self, body: Vec<u8>) -> Result<u64, Unanswered> {
        let (mut attempt, mut pause) = (0, PAUSE);
        loop {
            attempt += 1;
            let unanswered = match self.collector.send(body.clone()).await {
                Ok(refused) => return Ok(refused),
                Err(unanswered) => unanswered,
            };
            if !unanswered.again || attempt >= ATTEMPTS_MAX || self.closing.is_cancelled() {
                return Err(unanswered);
            }
            tokio::select! {
                () = sleep(unanswered.after.unwrap_or(pause)) => pause *= 2,
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// Warns once, until a batch arrives again.
    fn is_down(&mut self, why: &Unanswered) {
        if !std::mem::replace(&mut self.down, true) {
            let collector = self.collector.origin();
            tracing::warn!(collector, %why, "traces do not reach their collector: spans are dropped and counted until they do");
        }
    }

    fn is_up(&mut self) {
        if std::mem::replace(&mut self.down, false) {
            tracing::info!(collector = self.collector.origin(), "traces reach their collector again");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use uuid::Uuid;

    use super::*;
    use crate::{CollectorSettings, Name, Sampling, Told, Traces};

    /// Answers each request with the next of these answers, and then with none. Returns its address.
    async fn collector(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut bytes = vec![0; 64 << 10];
                let _ = socket.read(&mut bytes).await;
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            // Later requests are taken and never answered.
            let mut open = Vec::new();
            loop {
                open.push(listener.accept().await.unwrap());
            }
        });
        format!("http://{address}/v1/traces")
    }

    /// Sends one span to a collector with these answers, stops after a moment, and returns how it went.
    async fn told(answers: &'static [&'static str]) -> Told {
        let (traces, spans) = Traces::new(Sampling::default(), || 0);
        let settings = CollectorSettings { url: collector(answers).await, headers: Vec::new(), ca_pem: None };
        let identity = Identity { service: "s".to_owned(), version: "1", node: Uuid::nil(), more: Vec::new() };
        let delivery = deliver(spans, Collector::new(&settings).unwrap(), identity);
        let trace = traces.run(Uuid::nil(), Vec::new(), []);
        trace.ended(Name::Vault("read"), Duration::ZERO, Vec::new(), false);
        trace.end(Vec::new(), false);
        let began = Instant::now();
        delivery.end(Duration::from_millis(700)).await;
        assert!(began.elapsed() < Duration::from_secs(5));
        traces.told().unwrap()
    }

    fn lost(told: &Told, why: Lost) -> u64 {
        told.lost.iter().find(|(known, _)| *known == why).map_or(0, |(_, count)| *count)
    }

    #[tokio::test]
    async fn the_end_sends_what_waits_and_counts_what_was_not_taken() {
        let taken = told(&["200 OK"]).await;
        assert_eq!((taken.sent, lost(&taken, Lost::Refused)), (2, 0));
        let refused = told(&["400 Bad Request"]).await;
        assert_eq!((refused.sent, lost(&refused, Lost::Refused)), (0, 2));
        let busy = told(&["503 Busy"]).await;
        assert_eq!((busy.sent, lost(&busy, Lost::Unanswered)), (0, 2));
    }

    #[tokio::test]
    async fn a_collector_that_never_answers_holds_up_the_end_for_no_longer_than_the_limit() {
        let hanging = told(&[]).await;
        assert_eq!(hanging.sent, 0);
    }
}
