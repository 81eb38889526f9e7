//! XML, element by element, with the values that a cipher protects. There is no document type, and only the five entities
//! that XML itself has, so nothing expands.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use zeroize::Zeroizing;

use super::stream::Stream;
use crate::{
    limits::{DEPTH_MAX, Limit, LimitMet},
    refused::FileError,
};

/// The elements of one part that is held in memory at once: an entry with its history, or the settings.
const ELEMENTS_MAX: usize = 1_000_000;

/// An element with all that is in it.
#[derive(Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    value: Zeroizing<Vec<u8>>,
    pub(super) children: Vec<Self>,
}

impl Element {
    /// Returns its text. A protected value that is no UTF-8 has none: see [`Self::is_text`].
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap_or_default()
    }

    /// Says whether its value is a text.
    pub(super) fn is_text(&self) -> bool {
        std::str::from_utf8(&self.value).is_ok()
    }

    /// Returns its value, decrypted if it was protected.
    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }

    /// Returns the first child of a name.
    pub(super) fn at(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the text of a child, or nothing.
    pub(super) fn text_at(&self, name: &str) -> &str {
        self.at(name).map(Self::text).unwrap_or_default()
    }

    /// Says whether a child says `True`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text_at(name).trim().eq_ignore_ascii_case("true")
    }

    /// Returns an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Says whether an attribute says `True`.
    pub(super) fn says(&self, name: &str) -> bool {
        self.attribute(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// What comes next.
pub(super) enum Next {
    /// An element begins.
    Start(Element),
    /// The element that was begun last ends.
    End,
    /// The document ends.
    Eof,
}

/// A document that is read from its beginning.
pub(super) struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    stream: Option<Stream>,
    depth: u64,
}

impl<'a> Xml<'a> {
    /// Starts a document whose protected values the cipher decrypts.
    pub(super) fn new(text: &'a str, stream: Option<Stream>) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, stream, depth: 0 }
    }

    /// Reads a whole document of little depth and size.
    pub(super) fn document(&mut self) -> Result<Element, FileError> {
        loop {
            match self.next()? {
                Next::Start(element) => return self.rest(element),
                Next::End => {}
                Next::Eof => return Err(wrong()),
            }
        }
    }

    /// Returns the next beginning or end. Text between elements is passed over.
    pub(super) fn next(&mut self) -> Result<Next, FileError> {
        loop {
            match self.event()? {
                Event::Start(start) => return self.begin(&start).map(Next::Start),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(Next::End);
                }
                Event::Eof if self.depth == 0 => return Ok(Next::Eof),
                Event::Eof => return Err(wrong()),
                _ => {}
            }
        }
    }

    /// Reads the rest of an element that was begun.
    pub(super) fn rest(&mut self, start: Element) -> Result<Element, FileError> {
        let mut open = vec![start];
        let mut count = 0;
        loop {
            match self.event()? {
                Event::Start(start) => {
                    count += 1;
                    if count > ELEMENTS_MAX {
                        return Err(FileError::damaged(None, "a part of its XML has too many elements"));
                    }
                    open.push(self.begin(&start)?);
                }
                Event::End(_) => {
                    self.depth -= 1;
                    let mut done = open.pop().ok_or_else(wrong)?;
                    self.unprotect(&mut done)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => return Ok(done),
                    }
                }
                Event::Eof => return Err(wrong()),
                Event::Text(text) => add(&mut open, &text.xml10_content()),
                Event::CData(text) => add(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let known = match &*reference {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => reference.resolve_char_ref().ok().flatten(),
                    };
                    let known = known.ok_or_else(|| {
                        FileError::damaged(None, "its XML has an entity of its own, and VaultTerm unfolds none")
                    })?;
                    add(&mut open, known.encode_utf8(&mut [0; 4]));
                }
                _ => {}
            }
        }
    }

    /// Skips the rest of an element that was begun. Its protected values move the cipher on.
    pub(super) fn skip(&mut self, start: Element) -> Result<(), FileError> {
        self.rest(start).map(|_| ())
    }

    fn event(&mut self) -> Result<Event<'a>, FileError> {
        match self.reader.read_event() {
            Ok(Event::DocType(_)) => {
                Err(FileError::damaged(None, "its XML declares a document type, which no KeePass database has"))
            }
            Ok(event) => Ok(event),
            Err(_) => Err(wrong()),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<Element, FileError> {
        if self.depth >= DEPTH_MAX {
            return Err(LimitMet { limit: Limit::Depth, found: None, max: DEPTH_MAX }.into());
        }
        self.depth += 1;
        let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| wrong())?;
            element.attributes.push((attribute.key.as_ref().to_owned(), attribute.value.as_ref().to_owned()));
        }
        Ok(element)
    }

    fn unprotect(&mut self, element: &mut Element) -> Result<(), FileError> {
        let Some(stream) = self.stream.as_mut().filter(|_| element.says("Protected")) else { return Ok(()) };
        let mut value = STANDARD
            .decode(element.value.trim_ascii())
            .map(Zeroizing::new)
            .map_err(|_| FileError::damaged(None, "a protected value in its XML is not Base64"))?;
        stream.apply(&mut value)?;
        element.value = value;
        Ok(())
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.value.extend_from_slice(text.as_bytes());
    }
}

fn wrong() -> FileError {
    FileError::damaged(None, "its XML is not well formed")
}
