//! Checks an export offline: every entry, every link between entries, every checkpoint, and the
//! checkpoints (anchors) that the caller kept outside the server.
//!
//! The check decodes a batch of entries on all cores and then adds them one by one to the chain and
//! the tree. It continues after a finding with the entries as they stand. Start reading at
//! [`verify`].
//!
//! A rotation of the signing key is an entry that names the old and the new key. When a trusted key
//! has signed a checkpoint that covers this entry, the check trusts the other of the two keys as
//! well, be it the older or the newer key.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    mem, thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use uuid::Uuid;

use crate::{
    AuditAction, Checkpoint, Class, Entry, Finding, Frontier, Hash, Report, VerifierKey,
    export::{ENTRY, End, Header, Mark, header_line, mark_line, write_entry},
    note::signed_by,
    tree::leaf_hash,
};

/// The number of bytes that are read and decoded in one batch.
const BATCH_BYTES: usize = 2 << 20;
/// The maximum length of a line. The largest possible entries are far shorter.
const LINE_BYTES_MAX: usize = 16 << 20;
/// The maximum number of findings that are kept with a description. Further findings are only counted.
const FINDINGS_KEPT: usize = 100;

/// The keys and checkpoints that the caller trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The keys that sign checkpoints. When empty, the check uses the keys that the export carries.
    pub vkeys: Vec<VerifierKey>,
    /// Signed checkpoints that the caller kept outside the server.
    pub anchors: Vec<String>,
}

/// Checks an export.
///
/// # Errors
/// When the export cannot be read. Faults in the export itself are not errors: they are in the report.
pub fn verify(export: impl Read, trust: Trust) -> io::Result<Report> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut verifier = Verifier::new(trust);
    let mut batches = Batches::new(export);
    while let Some(batch) = batches.next()? {
        verifier.batch(batch, threads);
    }
    Ok(verifier.finish())
}

/// Reads an export and cuts it into batches of whole lines, in one reused buffer.
struct Batches<R> {
    export: R,
    buffer: Vec<u8>,
    /// The number of bytes of the buffer that were handed out.
    taken: usize,
    /// The number of bytes of the buffer that were read.
    filled: usize,
}

impl<R: Read> Batches<R> {
    fn new(export: R) -> Self {
        Self { export, buffer: vec![0; BATCH_BYTES], taken: 0, filled: 0 }
    }

    /// Returns the next whole lines. Only the last line of an export may lack its line end.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        (self.filled, self.taken) = (self.filled - self.taken, 0);
        loop {
            if self.filled == self.buffer.len() {
                if self.filled >= LINE_BYTES_MAX {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a line is longer than any line of an export can be",
                    ));
                }
                self.buffer.resize(2 * self.filled, 0);
            }
            let more = self.export.read(&mut self.buffer[self.filled..])?;
            let searched = self.filled;
            self.filled += more;
            let whole = memchr::memrchr(b'\n', &self.buffer[searched..self.filled]);
            // Return only a full batch or the end of the export: a small batch is not worth the threads.
            if more == 0 {
                self.taken = self.filled;
            } else if let Some(end) = whole.filter(|_| self.filled == self.buffer.len()) {
                self.taken = searched + end + 1;
            } else {
                continue;
            }
            return Ok((self.taken > 0).then_some(&self.buffer[..self.taken]));
        }
    }
}

/// A line of an export after the checks that need no other line.
enum Line {
    Entry(Checked),
    Mark(Mark),
    /// A line that cannot be read as any line of an export, with the reason.
    Malformed(String),
}

/// A decoded entry with the results of its own checks.
struct Checked {
    log_id: Uuid,
    seq: u64,
    previous: Hash,
    hash: Hash,
    /// The readable part of the line agrees with the bytes.
    words_fit: bool,
    rotation: Option<Box<Rotation>>,
}

/// A checkpoint of the export.
#[derive(Clone, Debug)]
struct Note {
    line: u64,
    checkpoint: Checkpoint,
    text: String,
    /// Size and root of the checkpoint match the entries before it.
    fits: bool,
}

/// A rotation of the signing key.
#[derive(Clone, Debug)]
struct Rotation {
    old: String,
    new: String,
}

/// A check in progress.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    trust: Trust,
    /// The checkpoints that the caller kept outside, by size, each with its signed note.
    anchors: BTreeMap<u64, Vec<(Checkpoint, String)>>,
    header: Option<Header>,
    tree: Frontier,
    previous: Hash,
    line: u64,
    ended: bool,
    notes: Vec<Note>,
    /// The rotations of the signing key, each with the place of its entry.
    rotations: Vec<(u64, Rotation)>,
    report: Report,
}

impl Verifier {
    /// Starts a check.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        let mut verifier = Self { trust, ..Self::default() };
        for note in mem::take(&mut verifier.trust.anchors) {
            match Checkpoint::peek(&note) {
                Ok(anchor) => verifier.anchors.entry(anchor.size).or_default().push((anchor, note)),
                Err(error) => verifier.find(Class::Anchor, None, format!("a kept checkpoint cannot be read: {error}")),
            }
        }
        verifier
    }

    /// Returns whether the check has found a fault so far.
    #[must_use]
    pub fn found_any(&self) -> bool {
        self.report.found > 0
    }

    /// Checks the next whole lines and decodes them on up to `threads` threads.
    pub fn batch(&mut self, batch: &[u8], threads: usize) {
        let mut begin = 0;
        let mut lines: Vec<&[u8]> =
            memchr::memchr_iter(b'\n', batch).map(|end| &batch[mem::replace(&mut begin, end + 1)..end]).collect();
        // Bytes after the last line end exist only when the export was cut in the middle of a line.
        lines.extend(Some(&batch[begin..]).filter(|rest| !rest.is_empty()));
        let mut lines = lines.as_slice();
        if self.line == 0
            && let Some((first, rest)) = lines.split_first()
        {
            self.begin(first);
            lines = rest;
        }
        let share = lines.len().div_ceil(threads.max(1)).max(1);
        let parts: Vec<Vec<Line>> = if lines.len() <= share {
            vec![check_all(lines)]
        } else {
            thread::scope(|scope| {
                let parts = lines.chunks(share);
                let parts: Vec<_> = parts.map(|part| scope.spawn(|| check_all(part))).collect();
                parts.into_iter().map(|part| part.join().expect("checking a line never panics")).collect()
            })
        };
        for line in parts.into_iter().flatten() {
            self.line += 1;
            self.take(line);
        }
    }

    fn begin(&mut self, first: &[u8]) {
        self.line = 1;
        let header = serde_json::from_slice::<Header>(first).ok();
        let header = header.filter(|header| {
            header.is_known() && is_written_as(first, &mut Vec::new(), |line| header_line(header, line))
        });
        let header = header.and_then(|header| header.before().map(|tree| (header, tree)));
        let Some((header, tree)) = header else {
            return self.find(
                Class::Malformed,
                Some(1),
                "the first line is not the header of an audit log export".to_owned(),
            );
        };
        if tree.size() == 0 && header.previous != [0; 32] {
            self.find(
                Class::Link,
                Some(1),
                "the export begins with the first entry, but its header names the hash of an earlier entry".to_owned(),
            );
        }
        (self.previous, self.tree) = (header.previous, tree);
        self.report.log_id = Some(header.log_id);
        (self.report.after, self.report.last) = (header.after, header.after);
        (self.report.selection, self.report.until) = (header.selection, header.until);
        self.header = Some(header);
        self.compare_anchors();
    }

    fn take(&mut self, line: Line) {
        let at = Some(self.line);
        if mem::take(&mut self.ended) {
            self.find(Class::Malformed, at, "there is a line after the end of the export".to_owned());
        }
        match line {
            Line::Entry(entry) => self.entry(entry),
            Line::Mark(Mark::Checkpoint(note)) => self.checkpoint(note),
            Line::Mark(Mark::End(end)) => self.end(&end),
            Line::Malformed(what) => self.find(Class::Malformed, at, what),
        }
    }

    fn entry(&mut self, entry: Checked) {
        let Checked { log_id, seq, previous, hash, words_fit, rotation } = entry;
        let at = Some(self.line);
        if !words_fit {
            self.find(Class::Altered, at, format!("the readable part of entry {seq} contradicts its bytes"));
        }
        if self.report.log_id.is_some_and(|log| log != log_id) {
            self.find(Class::OtherLog, at, format!("entry {seq} belongs to log {log_id}"));
        }
        self.report.entries += 1;
        let expected = self.report.last + 1;
        self.report.last = seq;
        if self.report.selection {
            if seq < expected {
                self.find(Class::Gap, at, format!("entry {seq} comes after entry {}", expected - 1));
            }
            return;
        }
        if seq != expected {
            self.find(Class::Gap, at, format!("entry {expected} should be here, but this is entry {seq}"));
        }
        if previous != self.previous {
            self.find(
                Class::Link,
                at,
                format!("entry {seq} does not follow the entry before it: one of the two was changed"),
            );
        }
        self.previous = hash;
        self.tree.push(hash);
        self.rotations.extend(rotation.map(|rotation| (seq, *rotation)));
        self.compare_anchors();
    }

    fn checkpoint(&mut self, text: String) {
        let at = Some(self.line);
        let Ok(checkpoint) = Checkpoint::peek(&text) else {
            return self.find(
                Class::Malformed,
                at,
                "the text of the checkpoint does not have the form of a checkpoint".to_owned(),
            );
        };
        self.report.checkpoints += 1;
        if self.report.log_id.is_some_and(|log| log != checkpoint.log_id) {
            self.find(Class::OtherLog, at, format!("the checkpoint belongs to log {}", checkpoint.log_id));
        }
        let size = checkpoint.size;
        let fits = size == self.tree.size() && checkpoint.root == self.tree.root();
        if size != self.tree.size() {
            let place = self.tree.size();
            self.find(Class::Gap, at, format!("a checkpoint of {size} entries comes after entry {place}"));
        } else if checkpoint.root != self.tree.root() {
            self.find(
                Class::Root,
                at,
                format!("the first {size} entries differ from those that the checkpoint covers"),
            );
        }
        if let Some(Note { checkpoint: before, .. }) = self.notes.last()
            && (before.epoch > checkpoint.epoch || before.license_counter > checkpoint.license_counter)
        {
            let what = "the restore count or the license counter is lower than in the checkpoint before";
            self.find(Class::Rollback, at, what.to_owned());
        }
        self.notes.push(Note { line: self.line, checkpoint, text, fits });
    }

    fn end(&mut self, end: &End) {
        self.ended = true;
        if end.seq > self.report.last {
            self.find(
                Class::Truncated,
                Some(self.line),
                format!("the export ends after entry {}, but its last line names entry {}", self.report.last, end.seq),
            );
        } else if (end.seq, end.hash) != (self.report.last, self.previous) && !self.report.selection {
            self.find(
                Class::Link,
                Some(self.line),
                "the last entry differs from the entry that the last line names".to_owned(),
            );
        }
    }

    /// Compares the kept checkpoints of the current size with the tree.
    fn compare_anchors(&mut self) {
        if self.anchors.is_empty() || self.report.selection {
            return;
        }
        let Some(anchors) = self.anchors.get(&self.tree.size()) else { return };
        let (root, log_id) = (self.tree.root(), self.report.log_id);
        let differ = anchors.iter().filter(|(anchor, _)| anchor.root != root || Some(anchor.log_id) != log_id).count();
        self.report.anchors.0 += anchors.len() as u64;
        if differ > 0 {
            let size = self.tree.size();
            let what = format!(
                "the first {size} entries differ from those that a kept checkpoint covers: somebody rewrote the log"
            );
            self.find(Class::Anchor, None, what);
        }
    }

    /// Ends the check and returns its report.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if self.line == 0 {
            self.find(Class::Malformed, None, "the export is empty".to_owned());
        } else if !self.ended {
            self.find(
                Class::Truncated,
                None,
                "the last line of the export is missing: the export was cut off".to_owned(),
            );
        }
        self.report.trusted = !self.trust.vkeys.is_empty();
        if !self.report.selection {
            let trusted = self.trusted();
            self.check_kept(&trusted);
            self.check_signatures(&trusted);
        }
        self.report
    }

    /// Returns all trusted keys, including those that rotations add, and sets [`Report::signed_to`].
    fn trusted(&mut self) -> Vec<VerifierKey> {
        let mut trusted = self.trust.vkeys.clone();
        if trusted.is_empty() {
            let brought = self.header.iter().flat_map(|header| &header.vkeys);
            trusted.extend(brought.filter_map(|text| VerifierKey::parse(text).ok()));
        }
        let mut unsigned: Vec<&Note> = self.notes.iter().filter(|note| note.fits).collect();
        loop {
            unsigned.retain(|note| {
                let signed = signed_by(&note.text, &trusted).is_ok();
                self.report.signed_to = self.report.signed_to.max(if signed { note.checkpoint.size } else { 0 });
                !signed
            });
            let vouched = self.rotations.iter().filter(|(seq, _)| *seq <= self.report.signed_to);
            let named = vouched.flat_map(|(_, Rotation { old, new })| [old, new]);
            let mut keys = named.filter_map(|key| VerifierKey::parse(key).ok());
            match keys.find(|key| !trusted.contains(key)) {
                Some(key) => trusted.push(key),
                None => return trusted,
            }
        }
    }

    fn check_signatures(&mut self, trusted: &[VerifierKey]) {
        for Note { line, checkpoint, text, .. } in mem::take(&mut self.notes) {
            if let Err(error) = Checkpoint::open(&text, trusted) {
                self.find(Class::Signature, Some(line), format!("checkpoint of {} entries: {error}", checkpoint.size));
            }
        }
        let brought = self.header.iter().flat_map(|header| header.vkeys.clone()).collect::<Vec<_>>();
        for text in brought {
            if !VerifierKey::parse(&text).is_ok_and(|key| trusted.contains(&key)) {
                self.find(Class::Signature, Some(1), format!("no trusted key confirms the key {text} of the header"));
            }
        }
        if self.report.trusted && self.report.signed_to == 0 {
            self.find(Class::Signature, None, "the trusted key signed no checkpoint of this export".to_owned());
        }
    }

    /// Checks signatures and sizes of the kept checkpoints. [`Self::compare_anchors`] compares their roots.
    fn check_kept(&mut self, trusted: &[VerifierKey]) {
        let size = self.tree.size();
        for (_, (anchor, note)) in
            mem::take(&mut self.anchors).into_iter().flat_map(|(at, all)| all.into_iter().map(move |one| (at, one)))
        {
            if let Err(error) = Checkpoint::open(&note, trusted) {
                self.find(Class::Anchor, None, format!("a kept checkpoint of {} entries: {error}", anchor.size));
            }
            if anchor.size > size && self.report.until {
                self.report.anchors.1 += 1;
            } else if anchor.size > size {
                let what =
                    format!("a kept checkpoint covers {} entries, but the log ends after entry {size}", anchor.size);
                self.find(Class::Truncated, None, what);
            } else if anchor.size < self.report.after {
                self.report.anchors.1 += 1;
            }
        }
    }

    fn find(&mut self, class: Class, line: Option<u64>, what: String) {
        self.report.found += 1;
        if self.report.findings.len() < FINDINGS_KEPT {
            self.report.findings.push(Finding { class, line, what });
        }
    }
}

fn check_all(lines: &[&[u8]]) -> Vec<Line> {
    let (mut checked, mut written) = (Vec::with_capacity(lines.len()), Vec::new());
    checked.extend(lines.iter().map(|line| check(line, &mut written)));
    checked
}

/// Performs the checks of a line that need no other line. `written` is a reused buffer.
fn check(line: &[u8], written: &mut Vec<u8>) -> Line {
    let Some(rest) = line.strip_prefix(ENTRY.as_bytes()) else {
        return match serde_json::from_slice(line) {
            Ok(mark) if is_written_as(line, written, |words| mark_line(&mark, words)) => Line::Mark(mark),
            _ => Line::Malformed("the line does not have the form of an export line".to_owned()),
        };
    };
    let text = memchr::memchr(b'"', rest).and_then(|end| std::str::from_utf8(&rest[..end]).ok());
    let Some((text, bytes)) = text.and_then(|text| Some((text, BASE64.decode(text).ok()?))) else {
        return Line::Malformed("the bytes of an entry are not base64".to_owned());
    };
    let entry = match Entry::decode(&bytes) {
        Ok(entry) => entry,
        Err(error) => return Line::Malformed(error.to_string()),
    };
    let hash = leaf_hash(&bytes);
    let words_fit = is_written_as(line, written, |words| write_entry(&entry, text, &hash, words));
    Line::Entry(Checked {
        log_id: entry.log_id,
        seq: entry.seq,
        previous: entry.previous,
        hash,
        words_fit,
        rotation: rotation(&entry),
    })
}

/// Returns whether `write` produces exactly this line.
fn is_written_as(line: &[u8], written: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> bool {
    written.clear();
    write(written);
    written.strip_suffix(b"\n") == Some(line)
}

fn rotation(entry: &Entry) -> Option<Box<Rotation>> {
    let detail = |name| entry.draft.detail.get(name).cloned();
    if entry.draft.action != AuditAction::KeyRotated {
        return None;
    }
    Some(Box::new(Rotation { old: detail("previous_vkey")?, new: detail("vkey")? }))
}
