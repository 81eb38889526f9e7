//! A receiver of webhooks. It keeps all messages, answers as a test tells it, and can stop and start again at
//! the same address.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// What a receiver does with a message.
#[derive(Clone, Debug)]
enum Behaviour {
    /// Answers with this status and these additional header lines.
    Answer(u16, String),
    /// Never answers.
    Hang,
}

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The status of the answer.
    pub(crate) answered: Option<u16>,
}

impl Message {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.json()["data"]["events"].as_array().expect("events").clone()
    }

    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.events().iter().map(|event| event["seq"].as_u64().expect("a place")).collect()
    }
}

struct State {
    messages: Vec<Message>,
    behaviour: Behaviour,
}

/// A running receiver.
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = State { messages: Vec::new(), behaviour: Behaviour::Answer(200, String::new()) };
        let state = Arc::new(Mutex::new(state));
        let listening = tokio::spawn(listen(listener, Arc::clone(&state)));
        Self { address, state, listening }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }

    /// Sets the status of all answers from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.behave(Behaviour::Answer(status, String::new()));
    }

    /// Redirects all messages from now on.
    pub(crate) fn redirect(&self, to: &str) {
        self.behave(Behaviour::Answer(307, format!("location: {to}\r\n")));
    }

    /// Answers no message from now on.
    pub(crate) fn hang(&self) {
        self.behave(Behaviour::Hang);
    }

    fn behave(&self, behaviour: Behaviour) {
        self.state.lock().expect("nobody panicked").behaviour = behaviour;
    }

    /// Returns the messages so far, in order.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.state.lock().expect("nobody panicked").messages.clone()
    }

    /// Stops, and closes all connections.
    pub(crate) async fn stop(&mut self) {
        self.listening.abort();
        let _ = (&mut self.listening).await;
    }

    /// Starts again at the same address.
    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("its port is free still");
        self.listening = tokio::spawn(listen(listener, Arc::clone(&self.state)));
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(serve(socket, Arc::clone(&state)));
    }
}

/// Serves a connection until the client closes it.
async fn serve(socket: TcpStream, state: Arc<Mutex<State>>) {
    let mut socket = BufReader::new(socket);
    while let Some(message) = read(&mut socket).await {
        let last = message.headers.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let (at, behaviour) = {
            let mut state = state.lock().expect("nobody panicked");
            state.messages.push(message);
            (state.messages.len() - 1, state.behaviour.clone())
        };
        let Behaviour::Answer(status, more) = behaviour else { return std::future::pending().await };
        state.lock().expect("nobody panicked").messages[at].answered = Some(status);
        let length = if status == 204 { "" } else { "content-length: 0\r\n" };
        let answer = format!("HTTP/1.1 {status} X\r\n{more}{length}\r\n");
        if socket.write_all(answer.as_bytes()).await.is_err() || last {
            return;
        }
    }
}

async fn read(socket: &mut BufReader<TcpStream>) -> Option<Message> {
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    socket.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /in"), "{line}");
    loop {
        line.clear();
        socket.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).expect("a length");
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some(Message { headers, body, answered: None })
}
