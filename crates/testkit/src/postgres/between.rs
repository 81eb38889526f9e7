//! A gateway between a server and PostgreSQL that cuts a connection in the middle of a commit.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// The message that commits, as the client sends it: its kind, its length, its text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// A connection on which a change takes its turn carries this text once, when the statement is prepared.
const TURN: &[u8] = b"pg_advisory_xact_lock";
const BUFFER_BYTES: usize = 64 * 1024;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitCut {
    /// The commit does not reach the database.
    Before,
    /// The commit reaches the database, and the connection ends at the same moment.
    During,
    /// The database answers the commit, and the answer is lost.
    BeforeAnswer,
    /// The answer reaches the client, and then the connection ends.
    AfterAnswer,
}

impl CommitCut {
    /// All places.
    pub const ALL: [Self; 4] = [Self::Before, Self::During, Self::BeforeAnswer, Self::AfterAnswer];
}

/// The cut that waits for the next commit.
#[derive(Debug)]
struct Ordered {
    cut: CommitCut,
    /// Only a commit of a change that took its turn counts, which is one that is audited.
    in_turn: bool,
    _done: oneshot::Sender<()>,
}

/// The gateway. Clones share it.
#[derive(Clone, Debug)]
pub struct PostgresBetween {
    port: u16,
    server_port: u16,
    ordered: Arc<Mutex<Option<Ordered>>>,
}

impl PostgresBetween {
    /// Opens a gateway to a server on this machine. It passes everything on, without TLS.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub async fn new(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let between = Self { port, server_port, ordered: Arc::default() };
        let here = between.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let here = here.clone();
                tokio::spawn(async move {
                    // A connection that ends is not an error of the test.
                    let _ = here.pass(client).await;
                });
            }
        });
        between
    }

    /// Returns the URL of a database as a client of the gateway sees it.
    #[must_use]
    pub fn seen_through(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.server_port), &format!(":{}/", self.port))
    }

    /// Cuts the next commit, of an audited change only if `in_turn`. Returns when that has happened.
    pub async fn cut(&self, cut: CommitCut, in_turn: bool) {
        let (done, happened) = oneshot::channel();
        *self.ordered() = Some(Ordered { cut, in_turn, _done: done });
        let _ = happened.await;
    }

    fn ordered(&self) -> MutexGuard<'_, Option<Ordered>> {
        self.ordered.lock().expect("nothing panics while it holds the lock")
    }

    async fn pass(&self, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(("127.0.0.1", self.server_port)).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
            (client.into_split(), server.into_split());
        let (mut asked, mut answered) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
        let mut takes_turns = false;
        let mut ends = None;
        loop {
            tokio::select! {
                read = from_client.read(&mut asked) => {
                    let said = &asked[..read?];
                    if said.is_empty() {
                        return Ok(());
                    }
                    takes_turns |= holds(said, TURN);
                    let cut = if holds(said, COMMIT) { self.take(takes_turns) } else { None };
                    match cut {
                        None => to_server.write_all(said).await?,
                        // Dropping the value of a cut tells the test that it happened.
                        Some(Ordered { cut: CommitCut::Before, .. }) => return Ok(()),
                        Some(Ordered { cut: CommitCut::During, .. }) => return to_server.write_all(said).await,
                        Some(ordered) => {
                            to_server.write_all(said).await?;
                            ends = Some(ordered);
                        }
                    }
                }
                read = from_server.read(&mut answered) => {
                    let said = &answered[..read?];
                    match &ends {
                        _ if said.is_empty() => return Ok(()),
                        Some(Ordered { cut: CommitCut::BeforeAnswer, .. }) => return Ok(()),
                        Some(_) => return to_client.write_all(said).await,
                        None => to_client.write_all(said).await?,
                    }
                }
            }
        }
    }

    /// Takes the cut that waits for such a commit.
    fn take(&self, takes_turns: bool) -> Option<Ordered> {
        self.ordered().take_if(|ordered| takes_turns || !ordered.in_turn)
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
