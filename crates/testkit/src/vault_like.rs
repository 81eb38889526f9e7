//! A stand-in for HashiCorp Vault. It runs in front of a real OpenBao, and answers as Vault Community does
//! where the two differ.
//!
//! Each difference has its own file below this one, and its own test in `tests/vault_like`, which runs on the
//! stand-in and on a real Vault alike. Requests that the two answer in the same way pass unchanged.
//! [`VERSION`] is the version of Vault that the stand-in imitates.
//!
//! Start reading at `VaultLike::answer`, which shows the order of the rules.

mod dots;
mod forwarding;
mod health;
mod json;
mod listing;
mod message;
mod namespaces;
mod node;
mod policies;
mod snapshot;
mod tokens;
mod writers;

use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
};

use tokio::{
    io::{BufReader, copy_bidirectional},
    net::TcpStream,
    sync::oneshot,
};

pub use node::{Node, VERSION};

use message::{Answer, Request};
use snapshot::Snapshot;
use tokens::Tokens;
use writers::Writers;

/// A running stand-in. It has a thread of its own, so that a test that blocks its thread cannot starve it.
/// Its port closes when the value and all its clones are dropped.
#[derive(Clone, Debug)]
pub struct VaultLike {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    node: Node,
    /// The port of the OpenBao behind it.
    upstream: u16,
    port: u16,
    state: Arc<Mutex<State>>,
    listening: Mutex<Option<Listening>>,
}

/// The thread that listens. It ends when `stop` is dropped.
#[derive(Debug)]
struct Listening {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// The state of the stand-in. The nodes of a cluster share it.
#[derive(Debug, Default)]
struct State {
    tokens: Tokens,
    writers: Writers,
    /// The state that a performance standby shows while it lags.
    snapshot: Option<Snapshot>,
}

impl VaultLike {
    /// Opens a stand-in on a free port of loopback, in front of an OpenBao on another port.
    ///
    /// # Panics
    /// If loopback has no free port.
    #[must_use]
    pub fn open(upstream: u16) -> Self {
        Self::on_a_free_port(upstream, Node::Active, Arc::default())
    }

    /// Opens another node of the same cluster.
    ///
    /// # Panics
    /// If loopback has no free port.
    #[must_use]
    pub fn join(&self, node: Node) -> Self {
        Self::on_a_free_port(self.shared.upstream, node, Arc::clone(&self.shared.state))
    }

    fn on_a_free_port(upstream: u16, node: Node, state: Arc<Mutex<State>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let shared = Shared { node, upstream, port, state, listening: Mutex::new(None) };
        let here = Self { shared: Arc::new(shared) };
        here.listen(listener);
        here
    }

    fn listen(&self, listener: TcpListener) {
        let shared = Arc::downgrade(&self.shared);
        let (stop, stopped) = oneshot::channel::<()>();
        let accept = async move {
            listener.set_nonblocking(true).expect("a listener can be asked without waiting");
            let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime has sockets");
            while let Ok((client, _)) = listener.accept().await {
                let Some(shared) = shared.upgrade() else { return };
                // A client that goes away is not an error of the stand-in.
                tokio::spawn(async move { Self { shared }.serve(client).await });
            }
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        *self.listening() = Some(Listening { stop, thread });
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Gives the stand-in a root token. It learns the token that `sys/init` returns by itself. A server in
    /// development mode has its token from the beginning.
    pub fn trust(&self, root_token: &str) {
        self.state().tokens.trust(root_token);
    }

    /// Makes all performance standbys of the cluster lag. From now on they answer reads of secrets, metadata
    /// and lists with the state of this moment. All other requests still reach the active node.
    ///
    /// # Panics
    /// If the OpenBao behind does not answer, or `sys/init` was never requested.
    pub async fn fall_behind(&self) {
        let root = self.state().tokens.root().to_owned();
        let snapshot = Snapshot::take(self.shared.upstream, &root).await.expect("the server behind answers");
        self.state().snapshot = Some(snapshot);
    }

    /// Lets all performance standbys of the cluster catch up.
    pub fn catch_up(&self) {
        self.state().snapshot = None;
    }

    /// Closes the port and every connection, and waits until they are closed.
    pub fn close(&self) {
        let listening = self.listening().take();
        if let Some(Listening { stop, thread }) = listening {
            drop(stop);
            let _ = thread.join();
        }
    }

    /// Opens the port again.
    ///
    /// # Panics
    /// If another process took the port.
    pub fn reopen(&self) {
        self.close();
        let listener = TcpListener::bind(("127.0.0.1", self.port()));
        self.listen(listener.expect("nobody took the port in that moment"));
    }

    fn listening(&self) -> MutexGuard<'_, Option<Listening>> {
        self.shared.listening.lock().expect("nothing panics while it holds the lock")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("nothing panics while it holds the lock")
    }

    /// Answers the requests of a connection one after the other.
    async fn serve(self, mut client: TcpStream) -> io::Result<()> {
        if message::speaks_tls(&client).await? {
            // The OpenBao behind answers a client that speaks TLS.
            let mut server = TcpStream::connect(("127.0.0.1", self.shared.upstream)).await?;
            return copy_bidirectional(&mut client, &mut server).await.map(drop);
        }
        let mut client = BufReader::new(client);
        while let Some(request) = Request::read(&mut client).await? {
            let last = request.closes();
            let answer = self.answer(request).await?;
            answer.write(&mut client).await?;
            if last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers a request. First it gives the refusals that do not depend on the path, then the answers that
    /// another node would give, then the answers that differ by path. All other requests pass to OpenBao.
    async fn answer(&self, mut request: Request) -> io::Result<Answer> {
        if let Some(refusal) = json::refusal(&request.body).or_else(|| forwarding::refusal(&request)) {
            return Ok(refusal);
        }
        forwarding::drop_indexes(&mut request);
        namespaces::ignore(&mut request);
        dots::hide(&mut request);
        if let Some(answer) = self.by_node(&request).await? {
            return Ok(answer);
        }
        if let Some(refusal) = listing::refusal(&request).or_else(|| policies::refusal(&request)) {
            return Ok(refusal);
        }
        if namespaces::concerns(&request) {
            return namespaces::answer(request, self.shared.upstream).await;
        }
        let ignored = listing::take_unknown_parameters(&mut request);
        let mut answer = request.forward(self.shared.upstream).await?;
        forwarding::withhold_index(&mut answer);
        health::amend(&request, &mut answer, self.shared.node);
        listing::amend(&request, &mut answer, &ignored);
        dots::show(&request, &mut answer);
        self.explain_refusal(&request, &mut answer).await?;
        let State { tokens, writers, .. } = &mut *self.state();
        tokens.learn(&request, &answer);
        writers.learn(&request, &answer, tokens);
        writers.amend(&request, &mut answer);
        Ok(answer)
    }

    /// Returns the answer of a node that is not the active one, if this node does not forward the request.
    async fn by_node(&self, request: &Request) -> io::Result<Option<Answer>> {
        if self.shared.node == Node::Active {
            return Ok(None);
        }
        if let Some(redirect) = forwarding::redirect(request, &format!("http://127.0.0.1:{}", self.shared.upstream)) {
            return Ok(Some(redirect));
        }
        let old = self.state().snapshot.as_ref().and_then(|snapshot| snapshot.answer(request));
        match old {
            Some(old) if self.shared.node == Node::PerformanceStandby => {
                // Every node knows the current rights of a token.
                let new = request.forward(self.shared.upstream).await?;
                Ok(Some(if new.status == 403 { new } else { old }))
            }
            _ => Ok(None),
        }
    }

    /// Changes a refusal as Vault does: it tells an invalid or ended token from one that lacks a right.
    async fn explain_refusal(&self, request: &Request, answer: &mut Answer) -> io::Result<()> {
        let root = self.state().tokens.root().to_owned();
        if let Some(lookup) = tokens::question(request, answer, &root) {
            let known = lookup.forward(self.shared.upstream).await?;
            if known.status != 200 {
                *answer = tokens::invalid();
            }
        }
        Ok(())
    }
}
