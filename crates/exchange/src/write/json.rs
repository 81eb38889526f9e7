//! JSON that is written without leaving copies of its texts in memory that was given back.

use std::io;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use zeroize::Zeroizing;

/// A value that is written.
pub(super) enum Json<'a> {
    Null,
    Flag(bool),
    Number(i64),
    Text(&'a str),
    Made(Zeroizing<String>),
    List(Vec<Json<'a>>),
    Object(Vec<(&'static str, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// A text, or nothing.
    pub(super) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    /// A text that was made for the file.
    pub(super) fn made(text: String) -> Self {
        Self::Made(Zeroizing::new(text))
    }

    /// Returns the file.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut count = Count(0);
        serde_json::to_writer_pretty(&mut count, self).expect("counting does not fail");
        let mut bytes = Zeroizing::new(Vec::with_capacity(count.0));
        serde_json::to_writer_pretty(&mut *bytes, self).expect("memory takes what was counted");
        bytes
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Flag(flag) => to.serialize_bool(*flag),
            Self::Number(number) => to.serialize_i64(*number),
            Self::Text(text) => to.serialize_str(text),
            Self::Made(text) => to.serialize_str(text),
            Self::List(list) => to.collect_seq(list),
            Self::Object(pairs) => {
                let mut map = to.serialize_map(Some(pairs.len()))?;
                pairs.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

/// Counts the bytes, so that the memory for them is asked for once.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
