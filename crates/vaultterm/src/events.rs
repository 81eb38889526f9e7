//! Reads server-sent events from a response (WHATWG HTML, section 9.2).

use reqwest::Response;

use crate::failure::Failure;

/// The maximum number of bytes of an event.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// An event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The value of `Last-Event-ID` with which the stream continues after this event.
    pub(crate) id: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: String,
}

/// A stream of events.
pub(crate) struct EventStream {
    response: Response,
    reader: Reader,
}

impl EventStream {
    /// Returns the stream of events of a response.
    pub(crate) fn new(response: Response) -> Self {
        Self { response, reader: Reader::default() }
    }

    /// Waits for the next event. Returns `None` when the stream has ended or broken off.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.reader.take() {
                return Ok(Some(event));
            }
            let Ok(Some(chunk)) = self.response.chunk().await else { return Ok(None) };
            self.reader.feed(&chunk)?;
        }
    }
}

/// Turns bytes into events.
#[derive(Default)]
struct Reader {
    /// The bytes of a line that has not ended yet.
    rest: Vec<u8>,
    /// The event that is being read.
    open: Event,
    /// The events that were read and not taken yet, oldest first.
    ready: std::collections::VecDeque<Event>,
}

impl Reader {
    fn take(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\n', '\r']));
        }
        if self.rest.len() + self.open.data.len() > EVENT_BYTES_MAX {
            return Err(Failure::server("the server sent an event without an end"));
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.open);
            if !event.data.is_empty() || !event.name.is_empty() {
                self.ready.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.open.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.open.name),
            "data" => {
                if !self.open.data.is_empty() {
                    self.open.data.push('\n');
                }
                self.open.data.push_str(value);
            }
            // Other lines are comments (keep-alive) and fields of later versions.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, name: &str, data: &str) -> Event {
        Event { id: Some(id.into()), name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_read_however_the_bytes_are_cut() {
        let text = ": keep-alive\n\nid: 1\nevent: progress\ndata: {\"done\":1}\n\nid: 2\r\nevent: step\r\ndata: a\r\ndata: b\r\n\r\n";
        for size in 1..text.len() {
            let mut reader = Reader::default();
            for chunk in text.as_bytes().chunks(size) {
                reader.feed(chunk).expect("fed");
            }
            assert_eq!(reader.take(), Some(event("1", "progress", "{\"done\":1}")));
            assert_eq!(reader.take(), Some(event("2", "step", "a\nb")));
            assert_eq!(reader.take(), None);
        }
    }

    #[test]
    fn an_event_without_an_end_is_refused() {
        let mut reader = Reader::default();
        assert!(reader.feed(&vec![b'x'; EVENT_BYTES_MAX + 1]).is_err());
    }
}
