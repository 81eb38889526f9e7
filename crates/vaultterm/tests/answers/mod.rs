//! A server that gives the answers of a situation, in any order and each once. It records requests for which
//! it has no answer.
//!
//! It imitates the contract of the API. Other tests check the answers of the real server.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

/// The maximum time for which a body is held back.
const PATIENCE: Duration = Duration::from_secs(30);

/// An expected request and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// The method, and the path with query, below `/api/v1`.
    to: String,
    /// The headers that the request must have, in lower case.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The JSON that the request must contain.
    #[serde(default)]
    with: Option<String>,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    body: String,
    /// The request that must have been answered before the body is sent.
    #[serde(default)]
    after: Option<String>,
    /// The media type of the answer.
    #[serde(default = "json", rename = "type")]
    kind: String,
}

fn ok() -> u16 {
    200
}

fn json() -> String {
    "application/json".to_owned()
}

#[derive(Default)]
struct Ledger {
    open: Vec<Answer>,
    given: Vec<String>,
    surprises: Vec<String>,
}

/// The server. Its threads end with the process of the test.
pub(crate) struct Answers {
    address: String,
    ledger: Arc<(Mutex<Ledger>, Condvar)>,
}

impl Answers {
    /// Starts a server on a free port of loopback.
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let ledger = Arc::new((Mutex::new(Ledger { open: answers, ..Ledger::default() }), Condvar::new()));
        let shared = Arc::clone(&ledger);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // Each connection carries a single request, so that the server need not handle keep-alive.
                thread::spawn(move || respond(stream, &shared.0, &shared.1));
            }
        });
        Self { address, ledger }
    }

    /// Returns the address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Asserts that all expected requests came, and no others.
    pub(crate) fn check(&self, situation: &str) {
        let ledger = self.ledger.0.lock().expect("no panic while it was held");
        assert!(ledger.surprises.is_empty(), "{situation}: unexpected requests: {:#?}", ledger.surprises);
        let unasked: Vec<_> = ledger.open.iter().map(|answer| &answer.to).collect();
        assert!(unasked.is_empty(), "{situation}: never asked: {unasked:#?}");
    }
}

fn respond(mut stream: TcpStream, ledger: &Mutex<Ledger>, given: &Condvar) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let target = first.trim_end().trim_end_matches(" HTTP/1.1").replacen(" /api/v1", " ", 1);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;

    let answer = find(ledger, &target, &headers, &body);
    let (status, kind, body) = match &answer {
        Some(answer) => (answer.status, answer.kind.as_str(), answer.body.as_str()),
        None => (500, "text/plain", "the situation has no answer to this"),
    };
    write!(
        stream,
        "HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    if let Some(after) = answer.as_ref().and_then(|answer| answer.after.as_ref()) {
        let ledger = ledger.lock().expect("no panic while it was held");
        drop(given.wait_timeout_while(ledger, PATIENCE, |ledger| !ledger.given.contains(after)));
    }
    stream.write_all(body.as_bytes())?;
    ledger.lock().expect("no panic while it was held").given.push(target);
    given.notify_all();
    Ok(())
}

fn find(ledger: &Mutex<Ledger>, target: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> Option<Answer> {
    let mut ledger = ledger.lock().expect("no panic while it was held");
    let sent: Option<Value> = serde_json::from_slice(body).ok();
    let position = ledger.open.iter().position(|answer| {
        let wanted = answer.with.as_deref().map(|text| serde_json::from_str(text).expect("`with` is JSON"));
        answer.to == target
            && answer.headers.iter().all(|(name, value)| headers.get(name) == Some(value))
            && wanted.is_none_or(|wanted: Value| sent.as_ref() == Some(&wanted))
    });
    if position.is_none() {
        ledger.surprises.push(format!("{target} {headers:?} {}", String::from_utf8_lossy(body)));
    }
    position.map(|position| ledger.open.remove(position))
}
