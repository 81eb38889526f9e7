//! A gateway between the client and a real server, like a proxy or a network. It passes requests on, and
//! changes them and their answers as a test wants.
//!
//! The gateway reads heads and lengths and knows nothing of Vault. Each connection carries a single request,
//! so that every answer begins with a head.
//!
//! Start reading at [`Meddling`], and at [`Between::hold`] for events in the middle of an operation.

mod head;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::Leaf;

/// The time after which a port that another process took is given up.
const REOPENED_WITHIN: Duration = Duration::from_secs(10);

/// What the gateway does to a request or its answer.
#[derive(Clone, Copy, Debug)]
pub enum Meddling {
    /// Nothing.
    Pass,
    /// The `Date` of the answer is wrong by this many seconds.
    Date(i64),
    /// The request does not reach the server. The client gets this answer instead.
    Instead(&'static str),
    /// The request does not reach the server. The connection is reset.
    Reset,
    /// The request does not reach the server. No answer comes until the client gives up.
    Swallowed,
    /// The request reaches the server. No answer comes until the client gives up.
    Withheld,
    /// The request reaches the server. The connection breaks before the answer.
    Lost,
    /// The answer breaks off after its head and this many bytes of its body.
    Cut(usize),
    /// The answer ends after this many bytes as if it were complete.
    Short(usize),
}

/// A request that passed the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The first line of the request.
    pub line: String,
    /// The status of the answer. `None` if there is no answer, or not yet.
    pub status: Option<u16>,
    /// The number of requests in progress when it arrived, including itself.
    pub under_way: usize,
}

/// The gateway. It closes with the runtime of the test.
#[derive(Clone, Debug)]
pub struct Between {
    /// The ports of the servers: for all other requests, and for `GET`.
    ports: (u16, u16),
    port: u16,
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rule: Rule,
    gate: Option<Gate>,
    /// The certificate for TLS. `None` means plain http.
    certificate: Option<Leaf>,
    listening: Option<JoinHandle<()>>,
    /// Keeps the port while nothing listens there, so that no connection of another test goes out from it.
    reservation: Option<TcpSocket>,
    exchanges: Vec<Exchange>,
    under_way: usize,
}

/// What to do to requests whose first line contains a text.
#[derive(Debug)]
struct Rule {
    with: String,
    meddling: Meddling,
    /// The number of requests to which the rule applies. `None` means all.
    times: Option<u32>,
}

/// A gate at which the next request waits whose first line contains a text.
#[derive(Debug)]
struct Gate {
    with: String,
    reached: oneshot::Sender<String>,
    opened: oneshot::Receiver<()>,
    answered: oneshot::Sender<()>,
}

/// A request that is held before it reaches the server. It goes on when this value is dropped.
#[derive(Debug)]
pub struct Held {
    reached: oneshot::Receiver<String>,
    open: oneshot::Sender<()>,
    answered: oneshot::Receiver<()>,
}

impl Held {
    /// Waits until the request arrives. Returns its token, or an empty text if it has none.
    ///
    /// # Panics
    /// If another request is held in its place.
    pub async fn reached(&mut self) -> String {
        (&mut self.reached).await.expect("nothing else is held meanwhile")
    }

    /// Lets the request go on, and waits until its answer was passed to the client or was lost.
    pub async fn let_through(self) {
        drop(self.open);
        let _ = self.answered.await;
    }
}

impl Between {
    /// Opens a gateway to a server on this machine. It passes all requests on.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub async fn new(server_port: u16) -> Self {
        Self::balancing(server_port, server_port).await
    }

    /// Opens a gateway to a cluster on this machine. It balances: `GET` goes to one node, and all other
    /// requests go to another.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub async fn balancing(server_port: u16, reads_port: u16) -> Self {
        Self::open((server_port, reads_port), None).await
    }

    /// Opens a gateway that speaks TLS with this certificate, in front of a server that speaks plain http.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub async fn with_tls(server_port: u16, certificate: Leaf) -> Self {
        Self::open((server_port, server_port), Some(certificate)).await
    }

    async fn open(ports: (u16, u16), certificate: Option<Leaf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://127.0.0.1:{port}");
        let rule = Rule { with: String::new(), meddling: Meddling::Pass, times: None };
        let state = State {
            rule,
            gate: None,
            certificate,
            listening: None,
            reservation: None,
            exchanges: Vec::new(),
            under_way: 0,
        };
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
                    // A client that goes away is not an error of the test.
                    let _ = here.welcome(client).await;
                });
            }
        });
        self.state().listening = Some(listening);
    }

    /// Returns the address of the gateway.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sets what to do from now on to requests whose first line contains a text.
    pub fn meddle(&self, with: impl Into<String>, meddling: Meddling) {
        self.state().rule = Rule { with: with.into(), meddling, times: None };
    }

    /// Sets what to do to the next `times` requests whose first line contains a text.
    pub fn meddle_times(&self, times: u32, with: impl Into<String>, meddling: Meddling) {
        self.state().rule = Rule { with: with.into(), meddling, times: Some(times) };
    }

    /// Holds the next request whose first line contains a text, before it reaches the server.
    #[must_use]
    pub fn hold(&self, with: impl Into<String>) -> Held {
        let (reached_by, reached) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        let (answered_by, answered) = oneshot::channel();
        self.state().gate = Some(Gate { with: with.into(), reached: reached_by, opened, answered: answered_by });
        Held { reached, open, answered }
    }

    /// Closes the gateway. New connections are refused.
    pub async fn close(&self) {
        let listening = self.state().listening.take();
        if let Some(listening) = listening {
            listening.abort();
            // The port closes when the task is gone.
            let _ = listening.await;
        }
        let reservation = self.reserved().ok();
        self.state().reservation = reservation;
    }

    /// Binds a socket to the port without listening. A client that connects is refused.
    fn reserved(&self) -> io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(([127, 0, 0, 1], self.port).into())?;
        Ok(socket)
    }

    /// Opens the gateway again at the same address.
    ///
    /// # Panics
    /// If another process keeps the port.
    pub async fn reopen(&self) {
        let began = Instant::now();
        loop {
            match TcpListener::bind(("127.0.0.1", self.port)).await {
                Ok(listener) => {
                    self.state().reservation = None;
                    return self.listen(listener);
                }
                Err(error) => assert!(began.elapsed() < REOPENED_WITHIN, "another process keeps the port: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Shows another certificate from now on. Without one, the gateway speaks plain http.
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

    /// Passes on a connection that carries no HTTP request, so that the server decides about its answer.
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
        // Dropping this value tells the waiting test that the answer was sent.
        let _answered = self.wait_at_gate(&head).await;
        let meddling = self.rule_for(head::line(&head));
        let status = self.exchange(&mut client, &head, &body, meddling).await;
        let mut state = self.state();
        state.under_way -= 1;
        state.exchanges[number].status = status?;
        Ok(())
    }

    /// Records a request and returns its number.
    fn arrived(&self, head: &str) -> usize {
        let mut state = self.state();
        state.under_way += 1;
        let exchange = Exchange { line: head::line(head).to_owned(), status: None, under_way: state.under_way };
        state.exchanges.push(exchange);
        state.exchanges.len() - 1
    }

    /// Waits at the gate, if there is one for this request. Returns a value that must be dropped after the
    /// answer.
    async fn wait_at_gate(&self, head: &str) -> Option<oneshot::Sender<()>> {
        let gate = {
            let mut state = self.state();
            let here = state.gate.as_ref().is_some_and(|gate| head::line(head).contains(&gate.with));
            if here { state.gate.take() } else { None }
        };
        let gate = gate?;
        let token = head::field(head, "x-vault-token").unwrap_or_default().to_owned();
        // The gate holds the request only if the test still waits for it.
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

    /// Answers a request. Returns the status of the answer, if there was one.
    async fn exchange(
        &self,
        client: &mut BufReader<impl Way>,
        head: &str,
        body: &[u8],
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
    /// Makes the connection end with a reset instead of an orderly close.
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

/// Returns whether a connection begins as TLS does.
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
