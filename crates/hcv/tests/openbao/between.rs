//! A way to a server through something whose clock is wrong, as a proxy's or a standby's may be:
//! it changes the `Date` of every answer and nothing else.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Bytes that the head of a request or answer may have.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Opens the way; answers its address. It closes with the test's runtime.
pub(crate) async fn through_a_clock_off_by(seconds: i64, server_port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", server_port)).await.expect("the server listens");
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            // One request per connection, so that every answer begins with a head.
            tokio::spawn(forward(from_client, to_server, |line| {
                let first = line.contains(" HTTP/1.1");
                if first { format!("{line}\r\nConnection: close") } else { line.to_owned() }
            }));
            tokio::spawn(forward(from_server, to_client, move |line| match line.strip_prefix("Date: ") {
                Some(date) => format!("Date: {}", moved(date, seconds)),
                None => line.to_owned(),
            }));
        }
    });
    format!("http://{address}")
}

/// Passes on a head with its lines changed, then the rest as it is.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, change: impl Fn(&str) -> String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match from.read_u8().await {
            Ok(byte) if head.len() < HEAD_BYTES_MAX => head.push(byte),
            _ => return,
        }
    }
    let head = String::from_utf8(head).expect("heads are ASCII here");
    let lines: Vec<String> = head.split("\r\n").map(change).collect();
    if to.write_all(lines.join("\r\n").as_bytes()).await.is_ok() {
        // Whoever closes first ends it: nothing is left to tell.
        let _ = copy(&mut from, &mut to).await;
    }
}

fn moved(date: &str, seconds: i64) -> String {
    let there: Timestamp = rfc2822::DateTimeParser::new().parse_timestamp(date).expect("a server tells its time");
    let moved = there + SignedDuration::from_secs(seconds);
    moved.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
