//! Requests and answers as bytes, as far as the stand-in must understand them.
//!
//! The target of a request is kept as it was sent, because a client library would normalize the very paths
//! that some tests are about.

use std::io;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// The maximum number of bytes of a line in a head.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path and query as they were sent.
    pub(super) target: String,
    headers: Headers,
    pub(super) body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    reason: String,
    headers: Headers,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Headers(Vec<(String, String)>);

impl Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
    }

    /// Reads the lines up to the empty one.
    async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let mut headers = Self::default();
        loop {
            let line = line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            headers.0.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// Reads the body that these headers announce. With `to_the_end`, a body without a length ends with the
    /// connection.
    async fn body(&self, from: &mut (impl AsyncBufRead + Unpin), to_the_end: bool) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                let size = u64::from_str_radix(size.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
                from.take(size).read_to_end(&mut body).await?;
                line(from).await?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        match self.get("content-length").map(str::parse::<u64>) {
            Some(Ok(length)) => from.take(length).read_to_end(&mut body).await.map(drop)?,
            Some(Err(_)) => return Err(io::ErrorKind::InvalidData.into()),
            None if to_the_end => from.read_to_end(&mut body).await.map(drop)?,
            None => {}
        }
        Ok(body)
    }

    /// Writes a message. A body gets its length as a header.
    async fn write(&self, first: &str, body: Option<&[u8]>, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut head = format!("{first}\r\n");
        let framing = ["content-length", "transfer-encoding"];
        for (name, value) in &self.0 {
            if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        to.write_all(&bytes).await?;
        to.flush().await
    }
}

impl Request {
    /// Returns a request that the stand-in sends by itself.
    pub(super) fn new(method: &str, path: &str, token: &str, body: &Value) -> Self {
        let headers = [("Host", "127.0.0.1"), ("X-Vault-Token", token)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Self { method: method.to_owned(), target: format!("/v1/{path}"), headers: Headers(headers), body }
    }

    /// Reads the next request of a connection. Returns `None` at its end.
    pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let Some(first) = line(from).await? else { return Ok(None) };
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().ok_or(io::ErrorKind::InvalidData)?);
        let (method, target) = (method.to_owned(), target.to_owned());
        let headers = Headers::read(from).await?;
        let body = headers.body(from, false).await?;
        Ok(Some(Self { method, target, headers, body }))
    }

    /// Sends the request to the server on a port of loopback and returns the answer.
    pub(super) async fn forward(&self, port: u16) -> io::Result<Answer> {
        let mut server = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        let mut headers = self.headers.clone();
        headers.remove("connection");
        headers.0.push(("Connection".to_owned(), "close".to_owned()));
        let body = (!self.body.is_empty() || self.method != "GET").then_some(self.body.as_slice());
        headers.write(&format!("{} {} HTTP/1.1", self.method, self.target), body, &mut server).await?;
        Answer::read(&mut server, self.method == "HEAD").await
    }

    /// Returns the path below `/v1/` as it was sent, without the query.
    pub(super) fn path(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.strip_prefix("/v1/").unwrap_or(path)
    }

    /// Returns the pairs of the query as they were sent.
    pub(super) fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// Replaces the path and the query.
    pub(super) fn set_target(&mut self, path: &str, query: &[(String, String)]) {
        let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        self.target = format!("/v1/{path}{query}");
    }

    /// Returns the value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Removes a header.
    pub(super) fn remove_header(&mut self, name: &str) {
        self.headers.remove(name);
    }

    /// Returns the token of the request. Empty if it has none.
    pub(super) fn token(&self) -> &str {
        let bearer = || self.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        self.header("x-vault-token").or_else(bearer).unwrap_or_default()
    }

    /// Returns whether the request asks for a list.
    pub(super) fn lists(&self) -> bool {
        self.method == "LIST" || self.method == "GET" && self.query().any(|pair| pair == ("list", "true"))
    }

    /// Returns the body as JSON, or null if it is not JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns whether the client closes the connection after the answer.
    pub(super) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Answer {
    /// Returns an answer with a JSON body.
    pub(super) fn new(status: u16, body: &Value) -> Self {
        let headers = vec![
            ("Cache-Control".to_owned(), "no-store".to_owned()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ];
        let body = format!("{body}\n").into_bytes();
        Self { status, reason: reason(status).to_owned(), headers: Headers(headers), body }
    }

    /// Returns a refusal with these error messages.
    pub(super) fn refusal(status: u16, errors: &[&str]) -> Self {
        Self::new(status, &json!({ "errors": errors }))
    }

    /// Returns a redirect to an address.
    pub(super) fn redirect(location: &str) -> Self {
        let mut answer = Self::new(307, &Value::Null);
        answer.body.clear();
        answer.headers.0.push(("Location".to_owned(), location.to_owned()));
        answer
    }

    async fn read(from: &mut (impl AsyncBufRead + Unpin), head_only: bool) -> io::Result<Self> {
        let first = line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut words = first.splitn(3, ' ').skip(1);
        let status = words.next().and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let reason = words.next().unwrap_or_default().to_owned();
        let headers = Headers::read(from).await?;
        let bodiless = head_only || matches!(status, 204 | 304);
        let body = if bodiless { Vec::new() } else { headers.body(from, true).await? };
        Ok(Self { status, reason, headers, body })
    }

    /// Writes the answer to a client that may send more requests.
    pub(super) async fn write(mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        self.headers.remove("connection");
        let body = (self.status != 204).then_some(self.body.as_slice());
        self.headers.write(&format!("HTTP/1.1 {} {}", self.status, self.reason), body, to).await
    }

    /// Removes a header.
    pub(super) fn remove_header(&mut self, name: &str) {
        self.headers.remove(name);
    }

    /// Replaces the status.
    pub(super) fn set_status(&mut self, status: u16) {
        self.status = status;
        reason(status).clone_into(&mut self.reason);
    }

    /// Returns the body as JSON, or null if it is not JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Replaces the body.
    pub(super) fn set_json(&mut self, body: &Value) {
        self.body = format!("{body}\n").into_bytes();
    }

    /// Returns whether the answer is a refusal with exactly these messages.
    pub(super) fn says(&self, status: u16, errors: &[&str]) -> bool {
        self.status == status && self.json()["errors"] == json!(errors)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        _ => "",
    }
}

/// Reads a line without its end. Returns `None` at the end of the connection.
async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Returns whether a connection begins as TLS does.
pub(super) async fn speaks_tls(client: &TcpStream) -> io::Result<bool> {
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0];
    Ok(client.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}
