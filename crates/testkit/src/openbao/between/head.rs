//! Reads and changes the heads of requests and answers, as far as the gateway needs it.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use tokio::io::{AsyncBufRead, AsyncReadExt};

/// The maximum number of bytes of a head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Reads a head with its empty last line.
pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(head.len() < HEAD_BYTES_MAX, "a head has an end");
        head.push(from.read_u8().await?);
    }
    Ok(String::from_utf8(head).expect("heads are ASCII here"))
}

/// Returns the first line: `GET /v1/sys/health HTTP/1.1`, `HTTP/1.1 200 OK`.
pub(super) fn line(head: &str) -> &str {
    head.split("\r\n").next().unwrap_or_default()
}

/// Returns the status of an answer.
pub(super) fn status(head: &str) -> Option<u16> {
    line(head).split(' ').nth(1)?.parse().ok()
}

/// Returns the number of bytes that follow a head.
pub(super) fn length(head: &str) -> usize {
    field(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Returns the value of a header.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Returns a head with its `Date` moved by a number of seconds.
pub(super) fn dated(head: &str, seconds: i64) -> String {
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

/// Returns a head for a body that ends with the connection.
pub(super) fn without_length(head: &str) -> String {
    let framing = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length:") && !line.starts_with("transfer-encoding:")
    };
    head.split("\r\n").filter(framing).collect::<Vec<_>>().join("\r\n")
}

/// Returns a whole body without the lengths of its chunks.
pub(super) fn unframed(head: &str, body: Vec<u8>) -> Vec<u8> {
    if field(head, "transfer-encoding").is_none() {
        return body;
    }
    let mut rest = body.as_slice();
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(length @ 1..) = length else { break };
        let begin = end + 2;
        whole.extend_from_slice(&rest[begin..begin + length]);
        rest = &rest[begin + length + 2..];
    }
    whole
}
