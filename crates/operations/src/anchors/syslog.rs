//! Syslog: checkpoints and entries as RFC 5424 messages, each with one JSON document as its text.
//!
//! Datagrams, and what lies in a buffer when a TCP connection breaks, may get lost without anybody
//! noticing: this is a copy to look into, and a checkpoint in it the anchor.

use std::{fmt, io, path::PathBuf, str::FromStr};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, UdpSocket, UnixDatagram, lookup_host},
};
use vaultterm_contract::{EventView, SentCheckpoint, ShortEventView, moment};
use vaultterm_store::{AuditEvent, AuditFilter, Page, Store, StoreError, StoredCheckpoint};

/// Facility 13 (log audit), severity 5 (notice).
const PRIORITY: u8 = 13 * 8 + 5;
/// Entries that are sent before it is noted how far it came.
const ENTRIES_AT_ONCE: u32 = 100;
/// The number of bytes that fit into a datagram on every kind of connection.
const TEXT_BYTES_MAX: usize = 60_000;

/// Where messages are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTarget {
    /// A datagram socket of this machine, `unix:/dev/log`.
    Unix(PathBuf),
    /// `udp://host:port`, a datagram each (RFC 5426).
    Udp(String),
    /// `tcp://host:port`, with octet counting (RFC 6587 §3.4.1).
    Tcp(String),
}

/// A text that names no place to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected unix:/dev/log, udp://host:port or tcp://host:port")]
pub struct NoSyslogTarget;

impl FromStr for SyslogTarget {
    type Err = NoSyslogTarget;

    fn from_str(text: &str) -> Result<Self, NoSyslogTarget> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let place = |scheme: &str| {
            let place = text.strip_prefix(scheme)?;
            let (host, port) = place.rsplit_once(':')?;
            let valid = !host.is_empty() && !place.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok();
            valid.then(|| place.to_owned())
        };
        place("udp://").map(Self::Udp).or_else(|| place("tcp://").map(Self::Tcp)).ok_or(NoSyslogTarget)
    }
}

impl fmt::Display for SyslogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Udp(place) => write!(f, "udp://{place}"),
            Self::Tcp(place) => write!(f, "tcp://{place}"),
        }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    time_us: i64,
    /// `CHECKPOINT`, or the action.
    kind: String,
    text: String,
}

impl Message {
    pub(super) fn checkpoint(stored: &StoredCheckpoint) -> Self {
        let sent = SentCheckpoint { checkpoint: stored.note.clone() };
        let text = serde_json::to_string(&sent).unwrap_or_default();
        Self { time_us: stored.created_us, kind: "CHECKPOINT".to_owned(), text }
    }

    fn line(&self, host: &str) -> String {
        // RFC 5424 knows microseconds and no more.
        let (time, process) = (moment::of_us(self.time_us), std::process::id());
        format!("<{PRIORITY}>1 {time} {host} vaultterm {process} {} - {}", self.kind, self.text)
    }
}

/// Reads the entries after one as messages, and the number of the last of them.
pub(super) async fn entries(store: &Store, after: u64) -> Result<(Vec<Message>, Option<u64>), StoreError> {
    let filter = AuditFilter { after: Some(after), ..AuditFilter::default() };
    let page = Page { limit: ENTRIES_AT_ONCE, cursor: None };
    let events = store.audit_events(&filter, &page).await?.items;
    let last = events.last().map(|event| event.seq);
    let message = |event: &AuditEvent| Message {
        time_us: event.entry.draft.time_us,
        kind: event.entry.draft.action.as_str().to_owned(),
        text: text(&EventView::of(event.seq, &event.entry.draft, &event.hash)),
    };
    Ok((events.iter().map(message).collect(), last))
}

/// Returns the JSON of an entry. If it is too long for a datagram, returns the place and the hash of the entry instead,
/// with which a reader finds the entry in the log.
fn text(event: &EventView) -> String {
    let whole = serde_json::to_string(event).unwrap_or_default();
    if !whole.is_empty() && whole.len() <= TEXT_BYTES_MAX {
        return whole;
    }
    let short = ShortEventView { seq: event.seq, hash: event.hash.clone(), shortened: true };
    serde_json::to_string(&short).unwrap_or_default()
}

/// Sends messages, one after another.
pub(super) async fn send(target: &SyslogTarget, messages: &[Message]) -> io::Result<()> {
    let host = host();
    let lines = messages.iter().map(|message| message.line(&host));
    match target {
        SyslogTarget::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            for line in lines {
                socket.send(line.as_bytes()).await?;
            }
        }
        SyslogTarget::Udp(place) => {
            let nobody = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            let address = lookup_host(place).await?.next().ok_or_else(nobody)?;
            let socket = UdpSocket::bind(if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }).await?;
            socket.connect(address).await?;
            for line in lines {
                socket.send(line.as_bytes()).await?;
            }
        }
        SyslogTarget::Tcp(place) => {
            let mut stream = TcpStream::connect(place).await?;
            for line in lines {
                stream.write_all(format!("{} {line}", line.len()).as_bytes()).await?;
            }
            stream.shutdown().await?;
        }
    }
    Ok(())
}

/// The name of this machine, `-` for none.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let printable = !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic());
    if printable { name.to_owned() } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, UdpSocket, UnixDatagram},
    };

    use super::{Message, SyslogTarget, send};

    fn messages() -> [Message; 2] {
        [("CHECKPOINT", "{\"checkpoint\":\"a\\n\"}"), ("LOGGED_OUT", "{\"seq\":2}")].map(|(kind, text)| Message {
            time_us: 1_800_000_000_000_001,
            kind: kind.to_owned(),
            text: text.to_owned(),
        })
    }

    fn check(line: &str, kind: &str, text: &str) {
        let parts: Vec<&str> = line.splitn(8, ' ').collect();
        assert_eq!(parts[0], "<109>1");
        assert_eq!(parts[1], "2027-01-15T08:00:00.000001Z", "{line}");
        assert!(!parts[2].is_empty() && parts[4].parse::<u32>().is_ok(), "{line}");
        assert_eq!((parts[3], parts[5], parts[6], parts[7]), ("vaultterm", kind, "-", text));
    }

    #[test]
    fn a_target_is_read_as_it_is_written() {
        for text in ["unix:/dev/log", "udp://127.0.0.1:514", "tcp://log.example.com:601", "udp://[::1]:514"] {
            assert_eq!(text.parse::<SyslogTarget>().unwrap().to_string(), text);
        }
        for text in ["", "unix:log", "udp://host", "udp://:1", "tcp://a:b", "tls://a:1", "tcp://a:1/x", "127.0.0.1:514"]
        {
            assert!(text.parse::<SyslogTarget>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_datagram_socket_gets_a_message_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(&SyslogTarget::Unix(path.clone()), &messages()).await.unwrap();
        let mut buffer = [0; 1_000];
        for message in messages() {
            let length = socket.recv(&mut buffer).await.unwrap();
            check(std::str::from_utf8(&buffer[..length]).unwrap(), &message.kind, &message.text);
        }
        drop(socket);
        assert!(send(&SyslogTarget::Unix(path), &messages()).await.is_err(), "nobody listens");
    }

    #[tokio::test]
    async fn udp_gets_a_message_each() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = SyslogTarget::Udp(socket.local_addr().unwrap().to_string());
        send(&target, &messages()).await.unwrap();
        let mut buffer = [0; 1_000];
        let length = socket.recv(&mut buffer).await.unwrap();
        check(std::str::from_utf8(&buffer[..length]).unwrap(), "CHECKPOINT", "{\"checkpoint\":\"a\\n\"}");
    }

    #[tokio::test]
    async fn tcp_counts_the_bytes_of_each_message() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = SyslogTarget::Tcp(listener.local_addr().unwrap().to_string());
        let (sent, text) = tokio::join!(async { send(&target, &messages()).await }, async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        });
        sent.unwrap();
        let mut rest = text.as_str();
        for message in messages() {
            let (length, after) = rest.split_once(' ').unwrap();
            let (line, next) = after.split_at(length.parse().unwrap());
            check(line, &message.kind, &message.text);
            rest = next;
        }
        assert_eq!(rest, "");
    }
}
