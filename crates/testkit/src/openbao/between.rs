//! Something between the client and a real server, as proxies and networks are: it passes requests
//! on, and does to the answers what a test wants.
//!
//! It reads heads and lengths and knows nothing of Vault. One request per connection, so that
//! every answer begins with a head.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Bytes that the head of a request or answer may have.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What is done to an answer.
#[derive(Clone, Copy, Debug)]
pub enum Meddling {
    /// Nothing.
    Pass,
    /// Its `Date` is off by this many seconds.
    Date(i64),
    /// The request does not get through; this comes back.
    Instead(&'static str),
    /// The request gets through, and the connection breaks before the answer.
    Lost,
    /// The answer breaks off after its head and this many bytes.
    Cut(usize),
}

/// The way through it. Closed with the test's runtime.
#[derive(Clone, Debug)]
pub struct Between {
    /// What is done to answers whose request line holds the text.
    rule: Arc<Mutex<(&'static str, Meddling)>>,
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
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
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let between = Self { rule: Arc::new(Mutex::new(("", Meddling::Pass))), address, seen: Arc::default() };
        let here = between.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let here = here.clone();
                tokio::spawn(async move {
                    // A client that goes away is none of a test's business.
                    let _ = here.serve(client, server_port, reads_port).await;
                });
            }
        });
        between
    }

    /// Returns the address of the way.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Does this, from now on, to the answers of requests whose first line holds a text.
    ///
    /// # Panics
    /// Never: nothing panics while it holds the lock.
    pub fn meddle(&self, with: &'static str, meddling: Meddling) {
        *self.rule.lock().expect("no test panics in here") = (with, meddling);
    }

    /// Returns the first lines of all requests so far.
    ///
    /// # Panics
    /// Never: nothing panics while it holds the lock.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no test panics in here").clone()
    }

    async fn serve(&self, client: TcpStream, server_port: u16, reads_port: u16) -> std::io::Result<()> {
        let mut client = BufReader::new(client);
        let head = read_head(&mut client).await?;
        let line = head.split("\r\n").next().unwrap_or_default().to_owned();
        let mut body = vec![0; length(&head)];
        client.read_exact(&mut body).await?;
        let (with, meddling) = *self.rule.lock().expect("no test panics in here");
        let meddling = if line.contains(with) { meddling } else { Meddling::Pass };
        let port = if line.starts_with("GET ") { reads_port } else { server_port };
        self.seen.lock().expect("no test panics in here").push(line);
        if let Meddling::Instead(answer) = meddling {
            return client.write_all(answer.as_bytes()).await;
        }

        let mut server = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).await?;
        server.write_all(&body).await?;
        let head = read_head(&mut server).await?;
        let mut body = Vec::new();
        server.read_to_end(&mut body).await?;
        let head = match meddling {
            Meddling::Lost => return Ok(()),
            Meddling::Date(seconds) => dated(&head, seconds),
            _ => head,
        };
        if let Meddling::Cut(bytes) = meddling {
            body.truncate(bytes);
        }
        client.write_all(head.as_bytes()).await?;
        client.write_all(&body).await
    }
}

async fn read_head(from: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(head.len() < HEAD_BYTES_MAX, "a head has an end");
        head.push(from.read_u8().await?);
    }
    Ok(String::from_utf8(head).expect("heads are ASCII here"))
}

fn length(head: &str) -> usize {
    let line =
        head.split("\r\n").find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    line.unwrap_or(0)
}

fn dated(head: &str, seconds: i64) -> String {
    let line = |line: &str| match line.strip_prefix("Date: ") {
        Some(date) => {
            let there: Timestamp =
                rfc2822::DateTimeParser::new().parse_timestamp(date).expect("a server tells its time");
            let moved = there + SignedDuration::from_secs(seconds);
            format!("Date: {}", moved.strftime("%a, %d %b %Y %H:%M:%S GMT"))
        }
        None => line.to_owned(),
    };
    head.split("\r\n").map(line).collect::<Vec<_>>().join("\r\n")
}
