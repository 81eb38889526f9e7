//! Joins what is read into lines.

/// The longest line that is kept. An entry with a larger one is passed over, and counts as a gap.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// What was read of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A whole line, without its end.
    Line(Vec<u8>),
    /// Something that cannot be known is missing here.
    Gap(Gap),
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gap {
    #[error("the feed begins here")]
    Begin,
    #[error("the place in the audit log that was remembered is not there any more")]
    Lost,
    #[error("the audit log was cut off at its end")]
    Cut,
    #[error("the audit log was emptied while it was read")]
    Emptied,
    #[error("the audit log was rotated more than once since it was read")]
    Rotated,
    #[error("a line of the audit log is longer than a mebibyte")]
    TooLong,
    #[error("a line of the audit log cannot be read as JSON")]
    Unreadable,
    #[error("mounts were changed, or a snapshot was restored")]
    Upheaval,
    #[error("more changes waited than are kept")]
    TooMany,
}

/// A line that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    /// Whether the rest of a line that is too long is passed over.
    skips: bool,
    /// The bytes of the line that have been read.
    length: u64,
}

impl Lines {
    /// Takes bytes, and passes on each line that is whole now.
    pub(crate) fn take(&mut self, mut bytes: &[u8], pieces: &mut Vec<Piece>) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.begin(&bytes[..end], pieces);
            let line = std::mem::take(&mut self.begun);
            if !std::mem::take(&mut self.skips) && !line.is_empty() {
                pieces.push(Piece::Line(line));
            }
            self.length = 0;
            bytes = &bytes[end + 1..];
        }
        self.begin(bytes, pieces);
    }

    fn begin(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        self.length += bytes.len() as u64;
        if self.skips {
            return;
        }
        if self.begun.len() + bytes.len() > LINE_BYTES_MAX {
            (self.begun, self.skips) = (Vec::new(), true);
            pieces.push(Piece::Gap(Gap::TooLong));
            return;
        }
        self.begun.extend_from_slice(bytes);
    }

    /// Returns the bytes of the line that is not whole yet.
    pub(crate) const fn unfinished(&self) -> u64 {
        self.length
    }

    /// Ends a log. A line without an end was cut off.
    pub(crate) fn end(&mut self, pieces: &mut Vec<Piece>) {
        let Self { begun, skips, .. } = std::mem::take(self);
        if !skips && !begun.is_empty() {
            pieces.push(Piece::Gap(Gap::Cut));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Piece {
        Piece::Line(text.into())
    }

    #[test]
    fn a_line_that_comes_in_parts_is_joined() {
        let (mut lines, mut pieces) = (Lines::default(), Vec::new());
        for part in ["on", "e\ntw", "", "o\n\nthree\nfo"] {
            lines.take(part.as_bytes(), &mut pieces);
        }
        assert_eq!(pieces, [line("one"), line("two"), line("three")]);
        assert_eq!(lines.unfinished(), 2);
        lines.end(&mut pieces);
        assert_eq!(pieces.last(), Some(&Piece::Gap(Gap::Cut)));
        assert_eq!(lines.unfinished(), 0);
    }

    #[test]
    fn a_line_that_is_too_long_is_one_gap_and_the_next_line_is_read() {
        let (mut lines, mut pieces) = (Lines::default(), Vec::new());
        let half = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        for _ in 0..5 {
            lines.take(&half, &mut pieces);
        }
        assert_eq!(lines.unfinished(), 5 * half.len() as u64);
        lines.take(b"end\nnext\n", &mut pieces);
        assert_eq!(pieces, [Piece::Gap(Gap::TooLong), line("next")]);
        assert_eq!(lines.unfinished(), 0);
        lines.end(&mut pieces);
        assert_eq!(pieces.len(), 2);
    }
}
