//! Follows a run to its end. Prints events as they come, and takes Ctrl-C as a request to cancel the run.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;
use vaultterm_contract::{ProblemView, ProgressView, RunEventName, RunView, StepView};
use vaultterm_sync::RunState;

use super::picture;
use crate::{
    app::App,
    client::{Client, Patience, Reply},
    console::Console,
    events::{Event, EventStream},
    failure::{Exit, Failure},
};

/// The maximum number of times that a broken event stream is opened again.
const RESUMES_MAX: u32 = 5;
/// The pause before it is opened again.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// A run that has ended.
pub(super) struct Ended {
    /// The run.
    pub(super) run: Reply<RunView>,
    /// Whether Ctrl-C was pressed during the run.
    pub(super) interrupted: bool,
}

/// The event that ended a wait.
enum News {
    Event(Option<Event>),
    CtrlC,
}

/// Follows a run to its end. The first Ctrl-C asks the server to cancel, and the command goes on following.
/// The second Ctrl-C ends the command at once.
pub(super) async fn follow(client: &Client, app: &App, mut id: Uuid) -> Result<Ended, Failure> {
    // The handler is installed before any output, because a person who reads that a run is going on may press
    // Ctrl-C.
    let mut interrupts =
        signal(SignalKind::interrupt()).map_err(|error| Failure::local("cannot listen for Ctrl-C").because(&error))?;
    let show = Show::new(app.console);
    show.line(&format!("run {id}; Ctrl-C cancels it"));
    let path = format!("/runs/{id}/events");
    let mut stream = client.events(&path, None).await?;
    let mut last_id: Option<String> = None;
    let mut interrupted = false;
    let mut resumes = 0;
    loop {
        match news(&mut stream, &mut interrupts).await? {
            News::Event(Some(event)) => {
                if event.id.is_some() {
                    last_id.clone_from(&event.id);
                }
                match show.event(&event) {
                    Shown::GoesOn => {}
                    Shown::In(successor) => id = successor,
                    Shown::Ended => break,
                }
            }
            News::Event(None) => {
                // The stream ended without `finished`, so the connection broke or the server is shutting
                // down.
                if client.get::<RunView>(&format!("/runs/{id}")).await?.data.state != RunState::Running {
                    break;
                }
                resumes += 1;
                if resumes > RESUMES_MAX {
                    return Err(Failure::server(
                        "the connection to the run's events broke off; the run itself may still be in progress",
                    )
                    .hint(format!("look at it with `vaultterm sync show {id}`")));
                }
                tokio::time::sleep(RESUME_PAUSE).await;
                stream = client.events(&path, last_id.as_deref()).await?;
            }
            News::CtrlC if interrupted => {
                show.line(&format!("the command ends here; the run is being cancelled: vaultterm sync show {id}"));
                return Err(Failure::silent(Exit::Interrupted));
            }
            News::CtrlC => {
                interrupted = true;
                show.line("cancelling; press Ctrl-C again to leave at once");
                cancel(client, id).await?;
            }
        }
    }
    show.done();
    let run = client.get(&format!("/runs/{id}")).await?;
    Ok(Ended { run, interrupted })
}

async fn news(stream: &mut EventStream, interrupts: &mut Signal) -> Result<News, Failure> {
    tokio::select! {
        event = stream.next() => event.map(News::Event),
        _ = interrupts.recv() => Ok(News::CtrlC),
    }
}

async fn cancel(client: &Client, id: Uuid) -> Result<(), Failure> {
    match client.post::<RunView>(&format!("/runs/{id}/cancel"), &json!({}), Patience::Usual).await {
        // The run ended meanwhile.
        Err(failure) if failure.status == Some(409) => Ok(()),
        other => other.map(drop),
    }
}

/// What an event means for the reader of a run.
enum Shown {
    /// The run goes on.
    GoesOn,
    /// The run goes on in another one.
    In(Uuid),
    /// It was the last event.
    Ended,
}

/// The output during a run: a bar on a terminal, and plain lines elsewhere.
struct Show {
    console: Console,
    bar: Option<ProgressBar>,
}

impl Show {
    fn new(console: Console) -> Self {
        let bar = console.is_live().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} {bar:30} {pos}/{len}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { console, bar }
    }

    /// Shows an event, and returns what it means for the reader.
    fn event(&self, event: &Event) -> Shown {
        // An event that only a later version tells is passed over.
        let Ok(name) = event.name.parse() else { return Shown::GoesOn };
        match name {
            RunEventName::Progress => {
                if let Ok(progress) = serde_json::from_str::<ProgressView>(&event.data) {
                    self.progress(&progress);
                }
            }
            RunEventName::Step => {
                if let Ok(step) = serde_json::from_str::<StepView>(&event.data) {
                    self.line(&picture::step(&self.console, &step));
                }
            }
            RunEventName::Problem => {
                if let Ok(problem) = serde_json::from_str::<ProblemView>(&event.data) {
                    self.line(&format!("! {}", picture::problem_line(&problem)));
                }
            }
            RunEventName::Finished => return Shown::Ended,
            RunEventName::Continued => {
                if let Ok(run) = serde_json::from_str::<RunView>(&event.data) {
                    self.line(&format!("the run was cut off: its server stopped; run {} continues it", run.id));
                    return Shown::In(run.id);
                }
            }
            RunEventName::Closing => self.line("this server stops; asking again"),
        }
        Shown::GoesOn
    }

    fn progress(&self, progress: &ProgressView) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(progress.phase.as_str());
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            }
            // Where lines are kept, only the beginning of each phase is printed.
            None if progress.done == 0 => self.line(progress.phase.as_str()),
            None => {}
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.console.note(text)),
            None => self.console.note(text),
        }
    }

    fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.done();
    }
}
