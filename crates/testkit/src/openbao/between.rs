//! Something between the client and a real server, as proxies and networks are: it passes requests
//! on, and does to them and to their answers what a test wants.
//!
//! It reads heads and lengths and knows nothing of Vault. One request per connection, so that
//! every answer begins with a head.
//!
//! Start reading at [`Meddling`], and at [`Between::hold`] for what happens in the middle of
//! something.

mod head;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::Leaf;

/// What is done to a request or its answer.
#[derive(Clone, Copy, Debug)]
pub enum Meddling {
    /// Nothing.
    Pass,
    /// The answer's `Date` is off by this many seconds.
    Date(i64),
    /// The request does not get through; this comes back.
    Instead(&'static str),
    /// The request does not get through: the connection is reset.
    Reset,
    /// The request does not get through, and nothing comes back until the client gives up.
    Swallowed,
    /// The request gets through, and nothing comes back until the client gives up.
    Withheld,
    /// The request gets through, and the connection breaks before the answer.
    Lost,
    /// The answer breaks off after its head and this many bytes.
    Cut(usize),
    /// The answer ends after this many bytes as if that were all of it.
    Short(usize),
}

/// One request that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its first line.
    pub line: String,
    /// The status that the client got; `None` for no answer, or none yet.
    pub status: Option<u16>,
    /// Requests that were under way when it came, itself included.
    pub under_way: usize,
}

/// The way through it. Closed with the test's runtime.
#[derive(Clone, Debug)]
pub struct Between {
    /// Where to: all else, and `GET`.
    ports: (u16, u16),
    port: u16,
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rule: Rule,
    gate: Option<Gate>,
    /// Plain http without.
    certificate: Option<Leaf>,
    listening: Option<JoinHandle<()>>,
    exchanges: Vec<Exchange>,
    under_way: usize,
}

/// What is done to requests whose first line holds a text.
#[derive(Debug)]
struct Rule {
    with: String,
    meddling: Meddling,
    /// To so many of them; to all without.
    times: Option<u32>,
}

/// Where the next request waits whose first line holds a text.
#[derive(Debug)]
struct Gate {
    with: String,
    reached: oneshot::Sender<String>,
    opened: oneshot::Receiver<()>,
    answered: oneshot::Sender<()>,
}

/// A request that will be held before it gets through. It goes on when this is dropped.
#[derive(Debug)]
pub struct Held {
    reached: oneshot::Receiver<String>,
    open: oneshot::Sender<()>,
    answered: oneshot::Receiver<()>,
}

impl Held {
    /// Waits until the request is there. Answers the token that it carries, empty for none.
    ///
    /// # Panics
    /// When another request is held in its stead.
    pub async fn reached(&mut self) -> String {
        (&mut self.reached).await.expect("nothing else is held meanwhile")
    }

    /// Lets the request go on, and waits until its answer was handed over, or will never be.
    pub async fn let_through(self) {
        drop(self.open);
        let _ = self.answered.await;
    }
}

impl Between {
    /// Opens a way to a server on this machine that passes everything.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn new(server_port: u16) -> Self {
        Self::balancing(server_port, server_port).await
    }

    /// Opens a way to a cluster on this machine: a balancer that sends `GET` to one node and all
    /// else to another.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn balancing(server_port: u16, reads_port: u16) -> Self {
        Self::open((server_port, reads_port), None).await
    }

    /// Opens a way that speaks TLS with this certificate, to a server that speaks plain http.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn with_tls(server_port: u16, certificate: Leaf) -> Self {
        Self::open((server_port, server_port), Some(certificate)).await
    }

    async fn open(ports: (u16, u16), certificate: Option<Leaf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://127.0.0.1:{port}");
        let rule = Rule { with: String::new(), meddling: Meddling::Pass, times: None };
        let state = State { rule, gate: None, certificate, listening: None, exchanges: Vec::new(), under_way: 0 };
        let between = Self { ports, port, address, state: Arc::new(Mutex::new(state)) };
        between.listen(listener);
        between
    }

    fn listen(&self, listener: TcpListener) {
        let here = self.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let here = here.clone();
                tokio::spawn(async move {
                    // A client that goes away is none of a test's business.
                    let _ = here.welcome(client).await;
                });
            }
        });
        self.state().listening = Some(listening);
    }

    /// Returns the address of the way.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Does this, from now on, to requests whose first line holds a text.
    pub fn meddle(&self, with: impl Into<String>, meddling: Meddling) {
        self.state().rule = Rule { with: with.into(), meddling, times: None };
    }

    /// Does this to the next so many requests whose first line holds a text.
    pub fn meddle_times(&self, times: u32, with: impl Into<String>, meddling: Meddling) {
        self.state().rule = Rule { with: with.into(), meddling, times: Some(times) };
    }

    /// Holds the next request whose first line holds a text, before it gets through.
    #[must_use]
    pub fn hold(&self, with: impl Into<String>) -> Held {
        let (reached_by, reached) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        let (answered_by, answered) = oneshot::channel();
        self.state().gate = Some(Gate { with: with.into(), reached: reached_by, opened, answered: answered_by });
        Held { reached, open, answered }
    }

    /// Closes the way: whoever comes is refused the connection.
    pub async fn close(&self) {
        let listening = self.state().listening.take();
        if let Some(listening) = listening {
            listening.abort();
            // The port is closed once the task is gone.
            let _ = listening.await;
        }
    }

    /// Opens the way again, at the same address.
    ///
    /// # Panics
    /// When somebody else took the port.
    pub async fn reopen(&self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await;
        self.listen(listener.expect("nobody took the port in that moment"));
    }

    /// Shows another certificate from now on; plain http without.
    pub fn show(&self, certificate: Option<Leaf>) {
        self.state().certificate = certificate;
    }

    /// Returns the first lines of all requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.state().exchanges.iter().map(|exchange| exchange.line.clone()).collect()
    }

    /// Returns all requests so far.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state().exchanges.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }

    async fn welcome(&self, client: TcpStream) -> io::Result<()> {
        let certificate = self.state().certificate.clone();
        match certificate {
            None if speaks_tls(&client).await? => self.pass_on(client).await,
            None => self.serve(client).await,
            Some(leaf) => self.serve(acceptor(&leaf).accept(client).await?).await,
        }
    }

    /// Lets the server find out what to answer to something that is no request.
    async fn pass_on(&self, mut client: TcpStream) -> io::Result<()> {
        let mut server = TcpStream::connect(("127.0.0.1", self.ports.0)).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
    }

    async fn serve(&self, client: impl Way) -> io::Result<()> {
        let mut client = BufReader::new(client);
        let head = head::read(&mut client).await?;
        let mut body = vec![0; head::length(&head)];
        client.read_exact(&mut body).await?;
        let number = self.arrived(&head);
        // Tells by being dropped.
        let _answered = self.wait_at_gate(&head).await;
        let meddling = self.rule_for(head::line(&head));
        let status = self.exchange(&mut client, (&head, &body), meddling).await;
        let mut state = self.state();
        state.under_way -= 1;
        state.exchanges[number].status = status?;
        Ok(())
    }

    /// Notes a request; answers its number.
    fn arrived(&self, head: &str) -> usize {
        let mut state = self.state();
        state.under_way += 1;
        let exchange = Exchange { line: head::line(head).to_owned(), status: None, under_way: state.under_way };
        state.exchanges.push(exchange);
        state.exchanges.len() - 1
    }

    /// Waits at the gate, if there is one for it. Answers what to drop once it is answered.
    async fn wait_at_gate(&self, head: &str) -> Option<oneshot::Sender<()>> {
        let gate = {
            let mut state = self.state();
            let here = state.gate.as_ref().is_some_and(|gate| head::line(head).contains(&gate.with));
            if here { state.gate.take() } else { None }
        };
        let gate = gate?;
        let token = head::field(head, "x-vault-token").unwrap_or_default().to_owned();
        // Whoever does not wait for it does not hold it.
        if gate.reached.send(token).is_ok() {
            let _ = gate.opened.await;
        }
        Some(gate.answered)
    }

    fn rule_for(&self, line: &str) -> Meddling {
        let rule = &mut self.state().rule;
        if !line.contains(&rule.with) {
            return Meddling::Pass;
        }
        match &mut rule.times {
            Some(0) => Meddling::Pass,
            Some(times) => {
                *times -= 1;
                rule.meddling
            }
            None => rule.meddling,
        }
    }

    /// Answers a request; says with which status, where there was one.
    async fn exchange(
        &self,
        client: &mut BufReader<impl Way>,
        (head, body): (&str, &[u8]),
        meddling: Meddling,
    ) -> io::Result<Option<u16>> {
        match meddling {
            Meddling::Instead(answer) => {
                client.write_all(answer.as_bytes()).await?;
                client.shutdown().await?;
                return Ok(head::status(answer));
            }
            Meddling::Reset => return client.get_ref().reset_when_dropped().map(|()| None),
            Meddling::Swallowed => return until_gone(client).await.map(|()| None),
            _ => {}
        }
        let (all_else, reads) = self.ports;
        let port = if head.starts_with("GET ") { reads } else { all_else };
        let mut server = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).await?;
        server.write_all(body).await?;
        let mut head = head::read(&mut server).await?;
        let mut body = Vec::new();
        server.read_to_end(&mut body).await?;
        match meddling {
            Meddling::Lost => return Ok(None),
            Meddling::Withheld => return until_gone(client).await.map(|()| None),
            Meddling::Date(seconds) => head = head::dated(&head, seconds),
            Meddling::Cut(bytes) => body.truncate(bytes),
            Meddling::Short(bytes) => {
                body = head::unframed(&head, body);
                body.truncate(bytes);
                head = head::without_length(&head);
            }
            Meddling::Pass | Meddling::Instead(_) | Meddling::Reset | Meddling::Swallowed => {}
        }
        client.write_all(head.as_bytes()).await?;
        client.write_all(&body).await?;
        client.shutdown().await?;
        Ok(head::status(&head))
    }
}

/// A connection with a client.
trait Way: AsyncRead + AsyncWrite + Unpin + Send {
    /// Lets it end with a reset instead of an orderly close.
    fn reset_when_dropped(&self) -> io::Result<()>;
}

impl Way for TcpStream {
    fn reset_when_dropped(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Way for TlsStream<TcpStream> {
    fn reset_when_dropped(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

/// Says whether a connection begins as TLS does.
async fn speaks_tls(client: &TcpStream) -> io::Result<bool> {
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0];
    Ok(client.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}

/// Waits until the client closes the connection.
async fn until_gone(client: &mut BufReader<impl Way>) -> io::Result<()> {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.map(drop)
}

fn acceptor(leaf: &Leaf) -> TlsAcceptor {
    let certificates = CertificateDer::pem_slice_iter(leaf.certificate_pem.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>().expect("made by certificates.rs");
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).expect("made by certificates.rs");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("certificate and key fit");
    TlsAcceptor::from(Arc::new(config))
}
