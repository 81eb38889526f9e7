//! The anchor file: checkpoints, each as one line of JSON, `{"checkpoint": "<note>"}`. It only
//! grows.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::kinds::AnchorError;

/// Bytes at the end of the file that are read: more than two lines have.
const TAIL_BYTES: u64 = 16_384;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    checkpoint: std::borrow::Cow<'a, str>,
}

/// Returns the newest checkpoint in the file, if there is one.
pub(super) async fn newest(path: &Path) -> Result<Option<String>, AnchorError> {
    blocking(path, |path| match File::open(path) {
        Ok(mut file) => Ok(tail(&mut file)?.newest),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

/// Appends a checkpoint, unless it is the newest already. It is on disk when this answers.
pub(super) async fn append(path: &Path, note: &str) -> Result<(), AnchorError> {
    let note = note.to_owned();
    blocking(path, move |path| {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let tail = tail(&mut file)?;
        if tail.newest.as_ref() == Some(&note) {
            return Ok(());
        }
        let mut line = if tail.cut { b"\n".to_vec() } else { Vec::new() };
        serde_json::to_writer(&mut line, &Line { checkpoint: note.into() })?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_all()?;
        // The name of a new file has to last as well.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    })
    .await
}

/// The end of the file.
struct Tail {
    newest: Option<String>,
    /// The last line lacks its end, because the process that wrote it died.
    cut: bool,
}

fn tail(file: &mut File) -> io::Result<Tail> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let cut = !text.is_empty() && !text.ends_with('\n');
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let newest = whole.lines().rev().find_map(|line| serde_json::from_str::<Line<'_>>(line).ok());
    Ok(Tail { newest: newest.map(|line| line.checkpoint.into_owned()), cut })
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, AnchorError> {
    let path: PathBuf = path.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&path).map_err(|source| AnchorError::File { path, source }));
    done.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{append, newest};

    #[tokio::test]
    async fn checkpoints_are_appended_one_a_line_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anchors.jsonl");
        assert_eq!(newest(&path).await.unwrap(), None);
        for note in ["a\n\nb\n", "c\n", "c\n"] {
            append(&path, note).await.unwrap();
            assert_eq!(newest(&path).await.unwrap().as_deref(), Some(note));
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"checkpoint\":\"a\\n\\nb\\n\"}\n{\"checkpoint\":\"c\\n\"}\n", "the same is there once");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_line_that_was_cut_off_is_passed_over_and_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anchors.jsonl");
        let long = "x".repeat(3_000);
        append(&path, &long).await.unwrap();
        fs::write(&path, [fs::read(&path).unwrap(), b"{\"checkpoint\":\"hal".to_vec()].concat()).unwrap();
        assert_eq!(newest(&path).await.unwrap().as_deref(), Some(long.as_str()));
        append(&path, "whole\n").await.unwrap();
        assert_eq!(newest(&path).await.unwrap().as_deref(), Some("whole\n"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anchors.jsonl");
        for n in 0..200 {
            append(&path, &format!("{n} {}", "x".repeat(500))).await.unwrap();
        }
        assert!(newest(&path).await.unwrap().unwrap().starts_with("199 "));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = append(&folder.path().join("none/x"), "a").await.unwrap_err().to_string();
        assert!(error.contains("none/x"), "{error}");
    }
}
