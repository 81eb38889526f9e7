//! A feed on a real file and a receiver in memory, on a clock that the test moves.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{Batch, Feed, FeedError, Receiver, Refused, Scope, Source};

const ONE: Uuid = Uuid::from_u128(1);
const TWO: Uuid = Uuid::from_u128(2);

/// What VaultTerm would have heard.
#[derive(Default)]
struct Heard {
    batches: Mutex<Vec<(Uuid, Batch)>>,
    is_away: AtomicBool,
    refuses_token: AtomicBool,
    without_two: AtomicBool,
    asked: AtomicUsize,
}

struct Ear(Arc<Heard>);

impl Receiver for Ear {
    async fn scopes(&self) -> Result<Vec<Scope>, Refused> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.refuses_token.load(Ordering::SeqCst) {
            return Err(Refused::NotAllowed("the token has expired".to_owned()));
        }
        if self.0.is_away.load(Ordering::SeqCst) {
            return Err(Refused::Away("nobody answers".to_owned()));
        }
        let scope = |connection, path: &str| Scope {
            connection,
            namespace: String::new(),
            mount: "kv".to_owned(),
            path: path.to_owned(),
        };
        let mut scopes = vec![scope(ONE, "team")];
        if !self.0.without_two.load(Ordering::SeqCst) {
            scopes.push(scope(TWO, "other"));
        }
        Ok(scopes)
    }

    async fn send(&self, connection: Uuid, batch: Batch) -> Result<(), Refused> {
        if self.0.is_away.load(Ordering::SeqCst) {
            return Err(Refused::Away("nobody answers".to_owned()));
        }
        if connection == TWO && self.0.without_two.load(Ordering::SeqCst) {
            return Err(Refused::NoConnection("it is gone".to_owned()));
        }
        self.0.batches.lock().unwrap().push((connection, batch));
        Ok(())
    }
}

/// A feed that runs, and what stops it.
type Running = (JoinHandle<Result<(), FeedError>>, oneshot::Sender<()>);

/// A log, a memory and a server.
struct Scene {
    folder: TempDir,
    heard: Arc<Heard>,
    running: Option<Running>,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), heard: Arc::default(), running: None };
        fs::write(scene.log(), "").unwrap();
        scene
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    fn start(&mut self) {
        let source = Source::File { path: self.log(), state: Some(self.folder.path().join("state")) };
        let feed = Feed::open(source, Ear(Arc::clone(&self.heard))).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(feed.run(async move { drop(stopped.await) }));
        self.running = Some((running, stop));
    }

    /// Asks the feed to stop, as SIGTERM does.
    async fn stop(&mut self) -> Result<(), FeedError> {
        let (running, stop) = self.running.take().unwrap();
        let _ = stop.send(());
        running.await.unwrap()
    }

    /// Ends the feed at once, as SIGKILL does.
    async fn kill(&mut self) {
        let (running, _stop) = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    fn write(&self, path: &str, writer: &str) {
        self.raw(&format!(
            r#"{{"type":"response","auth":{{"display_name":"{writer}"}},"request":{{"operation":"update","path":"{path}"}}}}"#
        ));
    }

    fn raw(&self, line: &str) {
        let mut log = OpenOptions::new().append(true).create(true).open(self.log()).unwrap();
        writeln!(log, "{line}").unwrap();
    }

    /// What was heard since the last time: `1 a=ann`, and `1 *` for the wish to look at everything.
    fn heard(&self) -> Vec<String> {
        let mut heard = Vec::new();
        for (connection, batch) in std::mem::take(&mut *self.heard.batches.lock().unwrap()) {
            let id = connection.as_u128();
            heard.extend(batch.everything.then(|| format!("{id} *")));
            for (path, hint) in batch.changes {
                heard.push(format!("{id} {path}={}", hint.writer.unwrap_or_default()));
            }
        }
        heard
    }
}

async fn seconds(seconds: f32) {
    sleep(Duration::from_secs_f32(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_within_a_moment_with_its_writer_and_once() {
    let mut scene = Scene::new();
    scene.start();
    seconds(1.0).await;
    assert_eq!(scene.heard(), ["1 *", "2 *"], "whoever begins has seen nothing before");
    scene.write("kv/data/team/a", "ann");
    scene.write("kv/data/team/a", "bob");
    scene.write("kv/metadata/team/b", "bob");
    scene.write("kv/data/elsewhere", "bob");
    scene.write("kv/data/other/c", "bob");
    let begun = Instant::now();
    seconds(0.6).await;
    assert_eq!(scene.heard(), ["1 a=bob", "1 b=", "2 c=bob"]);
    assert!(begun.elapsed() < Duration::from_secs(1));
    seconds(120.0).await;
    assert_eq!(scene.heard(), [""; 0]);
    scene.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_sent_at_the_end_and_the_next_start_goes_on_there() {
    let mut scene = Scene::new();
    scene.start();
    seconds(1.0).await;
    scene.heard();
    scene.write("kv/data/team/a", "ann");
    scene.stop().await.unwrap();
    assert_eq!(scene.heard(), ["1 a=ann"]);
    scene.write("kv/data/team/b", "ann");
    scene.start();
    seconds(1.0).await;
    assert_eq!(scene.heard(), ["1 b=ann"], "no gap, and nothing twice");
    scene.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_the_feed_is_killed_while_vaultterm_is_away() {
    let mut scene = Scene::new();
    scene.start();
    seconds(1.0).await;
    scene.heard();
    scene.heard.is_away.store(true, Ordering::SeqCst);
    scene.write("kv/data/team/a", "ann");
    seconds(20.0).await;
    scene.kill().await;
    scene.write("kv/data/team/b", "ann");
    scene.start();
    seconds(90.0).await;
    assert_eq!(scene.heard(), [""; 0]);
    scene.heard.is_away.store(false, Ordering::SeqCst);
    seconds(31.0).await;
    assert_eq!(scene.heard(), ["1 a=ann", "1 b=ann"]);
    scene.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_state_file_that_is_lost_and_a_line_that_is_cut_lead_to_one_look_at_everything() {
    let mut scene = Scene::new();
    scene.start();
    seconds(1.0).await;
    scene.stop().await.unwrap();
    scene.heard();
    fs::remove_file(scene.folder.path().join("state")).unwrap();
    scene.start();
    seconds(1.0).await;
    assert_eq!(scene.heard(), ["1 *", "2 *"]);
    for _ in 0..5 {
        scene.raw(r#"{"type":"response","auth":{"displ"#);
    }
    scene.write("kv/data/team/a", "ann");
    seconds(1.0).await;
    assert_eq!(scene.heard(), ["1 a=ann"], "it was asked for a moment ago");
    seconds(60.0).await;
    assert_eq!(scene.heard(), ["1 *", "2 *"]);
    scene.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_was_not_told_before_a_stop_is_told_after_it() {
    let mut scene = Scene::new();
    scene.start();
    seconds(1.0).await;
    scene.heard();
    scene.raw(r#"{"cut"#);
    scene.write("kv/data/team/a", "ann");
    scene.stop().await.unwrap();
    assert_eq!(scene.heard(), ["1 a=ann"]);
    scene.start();
    seconds(1.0).await;
    assert_eq!(scene.heard(), ["1 *", "2 *"]);
    scene.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_gone_holds_up_no_other_one() {
    let mut scene = Scene::new();
    scene.start();
    seconds(1.0).await;
    scene.heard();
    let asked = scene.heard.asked.load(Ordering::SeqCst);
    scene.heard.without_two.store(true, Ordering::SeqCst);
    scene.write("kv/data/other/x", "ann");
    scene.write("kv/data/team/a", "ann");
    seconds(1.0).await;
    assert_eq!(scene.heard(), ["1 a=ann"]);
    assert!(scene.heard.asked.load(Ordering::SeqCst) > asked, "the connections are asked for again at once");
    scene.write("kv/data/other/x", "ann");
    seconds(1.0).await;
    assert_eq!(scene.heard(), [""; 0]);
    scene.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_ends_a_start_and_only_delays_later() {
    let mut scene = Scene::new();
    scene.heard.refuses_token.store(true, Ordering::SeqCst);
    scene.start();
    seconds(1.0).await;
    let (running, _stop) = scene.running.take().unwrap();
    let refused = running.await.unwrap().unwrap_err();
    assert!(matches!(&refused, FeedError::NotAllowed(why) if why == "the token has expired"), "{refused}");

    scene.heard.refuses_token.store(false, Ordering::SeqCst);
    scene.start();
    seconds(1.0).await;
    scene.heard.refuses_token.store(true, Ordering::SeqCst);
    seconds(120.0).await;
    scene.heard.refuses_token.store(false, Ordering::SeqCst);
    scene.heard();
    scene.write("kv/data/team/a", "ann");
    seconds(40.0).await;
    assert_eq!(scene.heard(), ["1 a=ann"]);
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn a_pipe_is_read_to_its_end_and_then_the_feed_is_done() {
    let heard = Arc::new(Heard::default());
    let (reader, mut writer) = std::io::pipe().unwrap();
    let feed = Feed::open(Source::Pipe(Box::new(reader)), Ear(Arc::clone(&heard))).unwrap();
    let running = tokio::spawn(feed.run(std::future::pending()));
    let line = r#"{"type":"response","request":{"operation":"update","path":"kv/data/team/PATH"}}"#;
    // What comes before the connections are known is covered by the look at everything.
    while heard.batches.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    writeln!(writer, "{}", line.replace("PATH", "a")).unwrap();
    writeln!(writer, "{}", line.replace("PATH", "b")).unwrap();
    drop(writer);
    running.await.unwrap().unwrap();
    let batches = heard.batches.lock().unwrap();
    let paths: Vec<_> = batches.iter().flat_map(|(_, batch)| &batch.changes).map(|change| change.0.as_str()).collect();
    assert_eq!(paths, ["a", "b"]);
    assert!(batches[0].1.everything);
}

#[test]
fn a_log_or_a_state_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let open = |state: &str| {
        let source = Source::File { path: log.clone(), state: Some(folder.path().join(state)) };
        Feed::open(source, Ear(Arc::default())).map(drop)
    };
    assert!(open("state").is_ok(), "a log that is not there yet");
    let refused = open("none/state").unwrap_err();
    assert!(refused.to_string().ends_with("none/state"), "{refused}");
    fs::create_dir(&log).unwrap();
    assert!(matches!(open("state").unwrap_err(), FeedError::Log { path, .. } if path == log), "a folder");
    fs::write(folder.path().join("file"), "").unwrap();
    let source = Source::File { path: folder.path().join("file/audit.log"), state: None };
    assert!(matches!(Feed::open(source, Ear(Arc::default())), Err(FeedError::Log { .. })));
}
