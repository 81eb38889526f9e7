//! The loop: reads the log, gathers changes for a moment, and tells VaultTerm. What it cannot tell waits, within bounds.
//!
//! The place that is remembered for the next start is that up to which VaultTerm was told everything. So a kill at any moment
//! repeats hints, and loses none.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use crate::{
    audit_line::{self, Told},
    follow::Follower,
    lines::{Gap, Piece},
    pipe::Pipe,
    place::Place,
    scopes::{Scope, Scopes},
    state::{self, State},
    waiting::{Batch, Hint, Waiting},
};

/// How often the log is looked at. A look that finds nothing costs two requests to the kernel.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long changes are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(200);
/// How often the connections are asked for.
const SCOPES_EVERY: Duration = Duration::from_secs(60);
/// How often VaultTerm is asked to look at everything, at most.
const EVERYTHING_EVERY: Duration = Duration::from_secs(60);
/// How often the place is remembered while nothing is sent.
const REMEMBER_EVERY: Duration = Duration::from_secs(10);
/// How long to wait after VaultTerm could not be reached: at first, and at most.
const AWAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long the end may take in which what waits is sent.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Where the log comes from.
pub enum Source {
    /// A file, and the file in which the place in it is remembered.
    File {
        /// The log.
        path: PathBuf,
        /// The memory. Without one, every start is a gap.
        state: Option<PathBuf>,
    },
    /// A pipe. Every start is a gap.
    Pipe(Box<dyn Read + Send>),
}

/// Why VaultTerm did not take a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It cannot be reached, or is busy. The same request may succeed later.
    Away(String),
    /// The token is not accepted, or may not send hints.
    NotAllowed(String),
    /// There is no such connection for this token.
    NoConnection(String),
    /// The request is wrong.
    Invalid(String),
}

/// The server that is told.
pub trait Receiver: Send + Sync + 'static {
    /// Asks for the connections for which hints may be sent.
    fn scopes(&self) -> impl Future<Output = Result<Vec<Scope>, Refused>> + Send;

    /// Sends hints for a connection.
    fn send(&self, connection: Uuid, batch: Batch) -> impl Future<Output = Result<(), Refused>> + Send;
}

/// Why a feed cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The log cannot be opened.
    #[error("cannot read the audit log {path}")]
    Log {
        /// The log.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The memory cannot be read or written.
    #[error("cannot use the state file {path}")]
    State {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The token was refused at the start.
    #[error("VaultTerm refuses the token of the feed: {0}")]
    NotAllowed(String),
}

enum Log {
    File(Follower),
    Pipe(Pipe),
}

/// What became of requests.
struct Sent {
    unsent: Waiting,
    paths: usize,
    trouble: Option<Refused>,
    /// A connection was not known, or a request was wrong.
    is_misled: bool,
}

/// A feed that runs.
pub struct Feed<R> {
    receiver: Arc<R>,
    log: Log,
    state: Option<PathBuf>,
    scopes: Option<Scopes>,
    asking: Option<JoinHandle<Result<Vec<Scope>, Refused>>>,
    asked: Option<Instant>,
    waiting: Waiting,
    waiting_since: Option<Instant>,
    /// Why VaultTerm must be asked to look at everything.
    gap: bool,
    gap_told: Option<Instant>,
    sending: Option<(JoinHandle<Sent>, Option<Place>)>,
    pause: Duration,
    not_before: Instant,
    remembered: (State, Instant),
    unreadable: Option<Instant>,
}

impl<R: Receiver> Feed<R> {
    /// Opens the log at the place that was remembered.
    ///
    /// # Errors
    /// [`FeedError::Log`] and [`FeedError::State`].
    pub fn open(source: Source, receiver: R) -> Result<Self, FeedError> {
        let (log, state, gap) = match source {
            Source::Pipe(input) => (Log::Pipe(Pipe::new(input)), None, Some(Gap::Begin)),
            Source::File { path, state } => {
                let before = match &state {
                    Some(file) => {
                        state::load(file).map_err(|source| FeedError::State { path: file.clone(), source })?
                    }
                    None => State::default(),
                };
                let opened = Follower::open(&path, before.place.as_ref());
                let (follower, gap) = opened.map_err(|source| FeedError::Log { path, source })?;
                (Log::File(follower), state, gap.or(before.gap.then_some(Gap::Lost)))
            }
        };
        let mut feed = Self {
            receiver: Arc::new(receiver),
            log,
            state,
            scopes: None,
            asking: None,
            asked: None,
            waiting: Waiting::default(),
            waiting_since: None,
            gap: false,
            gap_told: None,
            sending: None,
            pause: Duration::ZERO,
            not_before: Instant::now(),
            remembered: (State::default(), Instant::now()),
            unreadable: None,
        };
        if let Some(gap) = gap {
            feed.lost(gap);
        }
        // A state file that cannot be written is better found out now than after hints were sent.
        feed.remember(None)?;
        Ok(feed)
    }

    /// Runs until `stop` is done, or the pipe has ended. Then it sends what waits, within ten seconds.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), FeedError> {
        let mut stop = pin!(stop);
        loop {
            let more = self.read();
            self.hear().await?;
            self.ask();
            self.tell();
            if self.is_done() {
                break;
            }
            let pause = if more { Duration::ZERO } else { LOOK_EVERY };
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = sleep(pause) => {}
            }
        }
        self.end().await;
        Ok(())
    }

    /// Takes what came into the log. Returns whether there is more.
    fn read(&mut self) -> bool {
        let mut pieces = Vec::new();
        // Reading a local file takes less time than handing the work to another thread.
        let more = match &mut self.log {
            // What is read before the connections are known could be told to none. A file waits.
            Log::File(_) if self.scopes.is_none() => false,
            Log::File(follower) => match follower.poll(&mut pieces) {
                Ok(more) => {
                    self.unreadable = None;
                    more
                }
                Err(error) => {
                    // For example: the new file may be read only after somebody has corrected its permissions.
                    if self.unreadable.is_none_or(|told| told.elapsed() > SCOPES_EVERY) {
                        tracing::error!(%error, "the audit log cannot be read; trying again");
                        self.unreadable = Some(Instant::now());
                    }
                    false
                }
            },
            Log::Pipe(pipe) => pipe.poll(&mut pieces),
        };
        for piece in pieces {
            match piece {
                Piece::Gap(gap) => self.lost(gap),
                Piece::Line(line) => match audit_line::read(&line) {
                    Ok(None) => {}
                    Ok(Some(Told::Change(change))) => self.note(&change),
                    Ok(Some(Told::Upheaval)) => self.lost(Gap::Upheaval),
                    Err(_) => self.lost(Gap::Unreadable),
                },
            }
        }
        more
    }

    fn note(&mut self, change: &audit_line::Change) {
        // A pipe is read before the connections are known. The gap at its begin covers what comes until then.
        let Some(scopes) = &self.scopes else { return };
        for found in scopes.find(change) {
            let hint = if found.is_of_versions {
                Hint { writer: change.writer.clone(), version: change.version, at: change.at }
            } else {
                Hint::default()
            };
            if self.waiting.note(found.connection, found.path, hint) {
                tracing::warn!(connection = %found.connection, "{}: a run will look at everything", Gap::TooMany);
            }
            self.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    fn lost(&mut self, gap: Gap) {
        if !self.gap {
            tracing::warn!("{gap}: VaultTerm is asked to look at everything once");
        }
        self.gap = true;
    }

    /// Hears what became of requests.
    async fn hear(&mut self) -> Result<(), FeedError> {
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            match asking.await.unwrap_or_else(|_| Err(Refused::Away("the request broke off".to_owned()))) {
                Ok(scopes) => self.know(scopes),
                Err(Refused::NotAllowed(why)) if self.scopes.is_none() => return Err(FeedError::NotAllowed(why)),
                Err(refused) => self.wait_a_while(&refused),
            }
        }
        if let Some((sending, place)) = self.sending.take_if(|(sending, _)| sending.is_finished()) {
            match sending.await {
                Ok(sent) => self.sent(sent, place),
                // What was sent is not known, so everything must be looked at.
                Err(_) => self.lost(Gap::Lost),
            }
        }
        Ok(())
    }

    fn know(&mut self, scopes: Vec<Scope>) {
        self.asked = Some(Instant::now());
        let count = scopes.len();
        let scopes = Scopes::new(scopes);
        if self.scopes.as_ref() != Some(&scopes) {
            if count == 0 {
                tracing::warn!("the token may send hints for no connection: nothing is told until it may");
            } else {
                tracing::info!(connections = count, "changes are told for these connections");
            }
            let known: BTreeSet<_> = scopes.connections().collect();
            self.waiting.retain(|id| known.contains(&id));
            self.scopes = Some(scopes);
        }
        self.reached();
    }

    fn reached(&mut self) {
        (self.pause, self.not_before) = (Duration::ZERO, Instant::now());
    }

    fn wait_a_while(&mut self, refused: &Refused) {
        self.pause = (self.pause * 2).clamp(AWAY.0, AWAY.1);
        self.not_before = Instant::now() + self.pause;
        let (Refused::Away(why) | Refused::NotAllowed(why) | Refused::NoConnection(why) | Refused::Invalid(why)) =
            refused;
        let seconds = self.pause.as_secs_f32();
        tracing::warn!(why, seconds, "VaultTerm did not take a request; trying again after this time");
    }

    fn sent(&mut self, sent: Sent, place: Option<Place>) {
        let Sent { unsent, paths, trouble, is_misled } = sent;
        tracing::debug!(paths, "hints sent");
        if is_misled {
            self.asked = None;
        }
        if let Some(refused) = trouble {
            self.wait_a_while(&refused);
            self.waiting.give_back(unsent);
            self.waiting_since.get_or_insert_with(Instant::now);
            return;
        }
        self.reached();
        self.note_place(place);
    }

    /// Remembers up to where VaultTerm was told everything. If that fails, the next start repeats hints, or begins with a gap.
    fn note_place(&mut self, place: Option<Place>) {
        if let Err(error) = self.remember(place) {
            tracing::error!(error = &error as &dyn std::error::Error, "the place in the audit log is not remembered");
        }
    }

    /// Asks for the connections, if it is time.
    fn ask(&mut self) {
        let is_due = self.asked.is_none_or(|asked| asked.elapsed() >= SCOPES_EVERY);
        if self.asking.is_some() || !is_due || Instant::now() < self.not_before {
            return;
        }
        // Until the connections are known, only the pause between two attempts counts.
        self.asked = self.scopes.is_some().then(Instant::now);
        let receiver = Arc::clone(&self.receiver);
        self.asking = Some(tokio::spawn(async move { receiver.scopes().await }));
    }

    /// Sends what waits, if it is time.
    fn tell(&mut self) {
        let Some(scopes) = &self.scopes else { return };
        if self.sending.is_some() || Instant::now() < self.not_before {
            return;
        }
        let tells_gap = self.gap && self.gap_told.is_none_or(|told| told.elapsed() >= EVERYTHING_EVERY);
        let is_ripe = self.waiting_since.is_some_and(|since| since.elapsed() >= GATHER);
        if !tells_gap && !is_ripe {
            if self.waiting.is_empty() && self.remembered.1.elapsed() >= REMEMBER_EVERY {
                let place = self.place();
                self.note_place(place);
            }
            return;
        }
        if tells_gap {
            self.waiting.everything(scopes.connections());
            (self.gap, self.gap_told) = (false, Some(Instant::now()));
        }
        self.waiting_since = None;
        let (place, waiting) = (self.place(), self.waiting.take());
        let receiver = Arc::clone(&self.receiver);
        self.sending = Some((tokio::spawn(send(receiver, waiting)), place));
    }

    fn place(&self) -> Option<Place> {
        let Log::File(follower) = &self.log else { return None };
        follower.place().ok().flatten()
    }

    /// Writes the place into the state file. Without a place, only tries whether that is possible.
    fn remember(&mut self, place: Option<Place>) -> Result<(), FeedError> {
        let Some(path) = &self.state else { return Ok(()) };
        let failed = |source| FeedError::State { path: path.clone(), source };
        let Some(place) = place else {
            let before = state::load(path).map_err(failed)?;
            return state::save(path, &before).map_err(failed);
        };
        let state = State { place: Some(place), gap: self.gap };
        self.remembered.1 = Instant::now();
        if self.remembered.0 != state {
            state::save(path, &state).map_err(failed)?;
            self.remembered.0 = state;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        matches!(&self.log, Log::Pipe(pipe) if pipe.has_ended())
    }

    /// Sends what waits, and remembers how far that is.
    async fn end(mut self) {
        tracing::info!("stopping: what waits is sent");
        let ended = timeout(END_WITHIN, async {
            if let Some((sending, place)) = self.sending.take()
                && let Ok(sent) = sending.await
            {
                self.sent(sent, place);
            }
            if self.scopes.is_none() {
                let asking = self.asking.take().unwrap_or_else(|| {
                    let receiver = Arc::clone(&self.receiver);
                    tokio::spawn(async move { receiver.scopes().await })
                });
                if let Ok(Ok(scopes)) = asking.await {
                    self.know(scopes);
                }
            }
            while self.read() {
                // So that the time limit holds for a log that grows as fast as it is read.
                tokio::task::yield_now().await;
            }
            (self.not_before, self.waiting_since) = (Instant::now(), Some(Instant::now() - GATHER));
            self.tell();
            if let Some((sending, place)) = self.sending.take()
                && let Ok(sent) = sending.await
            {
                self.sent(sent, place);
            }
        });
        if ended.await.is_err() || !self.waiting.is_empty() {
            tracing::warn!("VaultTerm did not take all hints: the next start begins before them");
        }
    }
}

/// Sends what waits, connection by connection. What follows a request that failed is not tried.
async fn send<R: Receiver>(receiver: Arc<R>, mut waiting: Waiting) -> Sent {
    let mut sent = Sent { unsent: Waiting::default(), paths: 0, trouble: None, is_misled: false };
    while let Some((connection, desk)) = waiting.next() {
        for batch in desk.batches() {
            let paths = batch.changes.len();
            match receiver.send(connection, batch).await {
                Ok(()) => sent.paths += paths,
                Err(Refused::NoConnection(why)) => {
                    tracing::warn!(%connection, why, "hints for a connection that is gone are dropped");
                    sent.is_misled = true;
                    break;
                }
                Err(Refused::Invalid(why)) => {
                    tracing::error!(%connection, why, "VaultTerm refuses hints: a run will look at everything instead");
                    let instead = Batch { changes: Vec::new(), everything: true };
                    if let Err(error) = receiver.send(connection, instead).await {
                        tracing::error!(%connection, ?error, "that could not be asked for either");
                    }
                }
                Err(refused) => {
                    // All of it is sent again, because a hint that comes twice does no harm.
                    waiting.put_back(connection, desk);
                    sent.trouble = Some(refused);
                    sent.unsent = waiting;
                    return sent;
                }
            }
        }
    }
    sent
}

#[cfg(test)]
mod tests;
