//! Follows a file that another program writes and somebody rotates.
//!
//! A file is renamed and a new one takes its name, or it is copied and emptied. The program goes on writing to the renamed file
//! until it is told. So the renamed file is read until the new one holds something, and then once more to its end.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    lines::{Gap, Lines, Piece},
    place::{Identity, Place, TAIL_BYTES, bytes_before},
};

/// The bytes that are read before the caller gets a turn.
const AT_ONCE: usize = 4 * 1024 * 1024;

/// A file that is followed by its name.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    current: Option<Log>,
    /// The file that has taken the name, while the one before it is still read.
    next: Option<File>,
}

/// A file that is read.
#[derive(Debug)]
struct Log {
    file: File,
    identity: Identity,
    /// The bytes that were read.
    read: u64,
    /// The last of them. They are still there unless the file was emptied.
    tail: Vec<u8>,
    lines: Lines,
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        Self::at(File::open(path)?, 0)
    }

    fn at(file: File, offset: u64) -> io::Result<Self> {
        let (identity, tail) = (Identity::of(&file.metadata()?), bytes_before(&file, offset)?);
        Ok(Self { file, identity, read: offset, tail, lines: Lines::default() })
    }

    /// Reads on. Returns whether there is more.
    fn read(&mut self, pieces: &mut Vec<Piece>) -> io::Result<bool> {
        let size = self.file.metadata()?.len();
        if size < self.read || (size > self.read && bytes_before(&self.file, self.read)? != self.tail) {
            // What was written between the last read and the end of the old content was perhaps never seen.
            pieces.push(Piece::Gap(Gap::Emptied));
            (self.read, self.tail, self.lines) = (0, Vec::new(), Lines::default());
        }
        let mut buffer = vec![0; 64 * 1024];
        let mut taken = 0;
        while taken < AT_ONCE {
            let count = match self.file.read_at(&mut buffer, self.read) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.lines.take(&buffer[..count], pieces);
            self.tail.extend_from_slice(&buffer[..count]);
            let more = self.tail.len().saturating_sub(TAIL_BYTES as usize);
            self.tail.drain(..more);
            self.read += count as u64;
            taken += count;
        }
        Ok(true)
    }

    /// Returns the place after the last whole line.
    fn place(&self) -> io::Result<Place> {
        Place::at(&self.file, self.read.saturating_sub(self.lines.unfinished()))
    }
}

impl Follower {
    /// Opens a file at the place that was remembered, also if it was renamed since. Without one, or if it is lost, the file is
    /// followed from its end on, and a gap is returned. A file that does not exist yet is waited for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn open(path: &Path, remembered: Option<&Place>) -> io::Result<(Self, Option<Gap>)> {
        let at = |current, gap| (Self { path: path.to_owned(), current, next: None }, gap);
        let file = match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file"));
            }
            Ok(_) => Some(File::open(path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(place) = remembered {
            if let Some(file) = &file
                && place.is_in(file)?
            {
                return Ok(at(Some(Log::at(file.try_clone()?, place.offset)?), None));
            }
            for sibling in siblings(path).unwrap_or_default() {
                if let Ok(file) = File::open(&sibling.path)
                    && place.is_in(&file)?
                {
                    return Ok(at(Some(Log::at(file, place.offset)?), None));
                }
            }
        }
        let gap = if remembered.is_some() { Gap::Lost } else { Gap::Begin };
        let end = |file: File| {
            let size = file.metadata()?.len();
            Log::at(file, size)
        };
        Ok(at(file.map(end).transpose()?, Some(gap)))
    }

    /// Reads what came since the last time. Returns whether there is more.
    ///
    /// # Errors
    /// When the file, or the one that took its name, cannot be read. The call may be repeated: nothing is passed over.
    pub(crate) fn poll(&mut self, pieces: &mut Vec<Piece>) -> io::Result<bool> {
        let Some(current) = &mut self.current else {
            self.current = match Log::open(&self.path) {
                Ok(log) => Some(log),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            };
            return Ok(true);
        };
        // Looked at before the current file is read to its end: who writes to the next file has done with this one.
        let turn = look_for_next(&self.path, current.identity, &mut self.next);
        if current.read(pieces)? {
            return Ok(true);
        }
        if !turn? {
            return Ok(false);
        }
        let Some(next) = self.next.take() else { return Ok(false) };
        current.lines.end(pieces);
        let next = Log::at(next, 0)?;
        if !follows(&self.path, current, next.identity).unwrap_or(false) {
            pieces.push(Piece::Gap(Gap::Rotated));
        }
        *current = next;
        Ok(true)
    }

    /// Returns the place up to which whole lines were read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn place(&self) -> io::Result<Option<Place>> {
        self.current.as_ref().map(Log::place).transpose()
    }
}

/// Looks which file has the name now. Returns whether it is another one, to which somebody writes already.
fn look_for_next(path: &Path, current: Identity, next: &mut Option<File>) -> io::Result<bool> {
    let written = |file: &File| Ok::<_, io::Error>(file.metadata()?.len() > 0);
    if let Some(next) = next
        && written(next)?
    {
        return Ok(true);
    }
    let named = match fs::metadata(path) {
        Ok(metadata) => Identity::of(&metadata),
        // It was renamed, and there is no other one yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if named == current {
        *next = None;
        return Ok(false);
    }
    let file = File::open(path)?;
    let is_written = written(&file)?;
    *next = Some(file);
    Ok(is_written)
}

/// Returns whether no other file was written between two: then nothing is missing between them.
fn follows(path: &Path, current: &Log, next: Identity) -> io::Result<bool> {
    let last = current.file.metadata()?.modified()?;
    let between =
        |sibling: &Sibling| sibling.identity != current.identity && sibling.identity != next && sibling.modified > last;
    Ok(!siblings(path)?.iter().any(between))
}

/// A file that may be an older part of the same log.
struct Sibling {
    path: PathBuf,
    identity: Identity,
    modified: SystemTime,
}

/// Lists the files in the folder whose names begin with the name of the log, except the log itself.
fn siblings(path: &Path) -> io::Result<Vec<Sibling>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        if other == name || !other.as_encoded_bytes().starts_with(name.as_encoded_bytes()) {
            continue;
        }
        // One that goes away meanwhile is no part of the log any more.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if metadata.is_file() {
            let (identity, modified) = (Identity::of(&metadata), metadata.modified()?);
            found.push(Sibling { path: entry.path(), identity, modified });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
