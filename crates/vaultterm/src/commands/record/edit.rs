//! `vaultterm record edit`: opens the fields as JSON in the person's editor.
//!
//! The text is in a file that only its owner can read, in memory if the system offers that. It is overwritten
//! and removed in every case. The command cannot control the files that the editor itself leaves behind (swap
//! and backup files). They are in the same private directory, which is removed as a whole.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use vaultterm_contract::{RecordView, RevealedView};
use zeroize::Zeroizing;

use super::{
    set::{Fields, RecordPatch, parse_object},
    shared::{facts, name_of},
};
use crate::{
    app::App,
    client::{Patience, Reply},
    failure::{Exit, Failure},
    input,
    input_file::InputFile,
    lookup::RecordRef,
    settings,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// COLLECTION/PATH or id
    #[arg(value_parser = RecordRef::parse)]
    record: RecordRef,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

/// Edits a record. Sends only the changes, and only if the record is still at the revision that was shown.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let record = client.record(&args.record).await?.data;
    let mut body = json!({ "revision": record.revision });
    if let Some(reason) = args.reason {
        body["reason"] = reason.into();
    }
    let path = format!("/records/{}/reveal", record.id);
    let before = client.post::<RevealedView>(&path, &body, Patience::Usual).await?.data.fields;

    let file = PrivateFile::create(before.expose())?;
    let after = loop {
        file.open_in_editor()?;
        match file.read() {
            Ok(fields) => break fields,
            Err(failure) => {
                app.console.failure(&failure);
                if input::ask("Edit again?")? != Some(true) {
                    return Err(Failure::local("nothing was changed"));
                }
            }
        }
    };
    file.remove()?;

    let (fields, removed) = difference(before.expose(), after)?;
    if fields.is_empty() && removed.is_empty() {
        app.console.note("nothing changed");
        return Ok(Exit::Done);
    }
    let patch = RecordPatch { fields, remove_fields: &removed, ..RecordPatch::default() };
    let saved: Reply<RecordView> = client.patch(&format!("/records/{}", record.id), record.revision, &patch).await?;
    app.console.answer(&saved.json, || facts(&saved.data))?;
    app.console.next(&format!("vaultterm record history {}", name_of(&args.record, &saved.data)));
    Ok(Exit::Done)
}

/// Compares the fields before and after the edit. Returns the fields to set and the names to remove.
fn difference(before: &BTreeMap<String, Value>, after: Fields) -> Result<(Fields, Vec<String>), Failure> {
    let removed = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
    let mut changed = Fields::new();
    for (name, text) in after {
        let value: Value = serde_json::from_str(text.get())
            .map_err(|_| Failure::local(format!("the value of `{name}` is not JSON")))?;
        if before.get(&name) != Some(&value) {
            changed.insert(name, text);
        }
    }
    Ok((changed, removed))
}

/// The file that the editor opens. It has its own directory.
struct PrivateFile {
    directory: PathBuf,
    path: PathBuf,
}

impl PrivateFile {
    fn create(fields: &BTreeMap<String, Value>) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::local("cannot make a private file to edit").because(&error);
        let directory = in_memory_directory().join(format!("vaultterm-{}", vaultterm_sync::new_id()));
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(failed)?;
        // From here on, dropping the value removes everything that was written.
        let file = Self { path: directory.join("fields.json"), directory };
        let text = Zeroizing::new(serde_json::to_string_pretty(fields).expect("a map of JSON values always encodes"));
        let mut handle =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file.path).map_err(failed)?;
        handle.write_all(text.as_bytes()).and_then(|()| handle.write_all(b"\n")).map_err(failed)?;
        Ok(file)
    }

    fn open_in_editor(&self) -> Result<(), Failure> {
        let editor = settings::variable("VISUAL").or_else(|| settings::variable("EDITOR"));
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        // The shell runs the editor, as in git, because the variable may contain arguments.
        let status = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{editor} \"$1\""))
            .arg(&editor)
            .arg(&self.path)
            .status()
            .map_err(|error| Failure::local(format!("cannot start the editor `{editor}`")).because(&error))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::local(format!("the editor `{editor}` failed ({status}); nothing was changed"))
            .hint("set EDITOR to the editor to use"))
    }

    fn read(&self) -> Result<Fields, Failure> {
        let text = InputFile { path: &self.path, what: "the edited fields", by: "the editor" }.text()?;
        parse_object(&text)
    }

    fn remove(self) -> Result<(), Failure> {
        self.wipe().map_err(|error| {
            Failure::local(format!("cannot remove the edited file; remove {} yourself", self.directory.display()))
                .because(&error)
        })
    }

    /// Overwrites the text before the directory is removed, for file systems that reuse blocks late.
    fn wipe(&self) -> io::Result<()> {
        if !self.directory.exists() {
            return Ok(());
        }
        if let Ok(metadata) = fs::metadata(&self.path) {
            let zeros = vec![0_u8; usize::try_from(metadata.len()).unwrap_or(0)];
            let mut file = fs::OpenOptions::new().write(true).open(&self.path)?;
            file.write_all(&zeros).and_then(|()| file.sync_all())?;
        }
        fs::remove_dir_all(&self.directory)
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        // Another error is reported already at this point.
        let _ = self.wipe();
    }
}

/// Returns a directory in memory, if there is one, and else a directory on disk.
fn in_memory_directory() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    [runtime, Some(PathBuf::from("/dev/shm"))]
        .into_iter()
        .flatten()
        .find(|path| Path::is_dir(path))
        .unwrap_or_else(std::env::temp_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_sent() {
        let before = BTreeMap::from([("a".into(), json!("1")), ("b".into(), json!(2)), ("c".into(), json!(null))]);
        let after = parse_object(r#"{"a":"1","b":9007199254740993,"d":{}}"#).expect("parsed");
        let (changed, removed) = difference(&before, after).expect("compared");
        let changed: Vec<_> = changed.iter().map(|(name, text)| (name.as_str(), text.get())).collect();
        assert_eq!(changed, [("b", "9007199254740993"), ("d", "{}")]);
        assert_eq!(removed, ["c"]);
    }

    #[test]
    fn the_file_is_private_and_leaves_nothing_behind() {
        use std::os::unix::fs::PermissionsExt;
        let file = PrivateFile::create(&BTreeMap::from([("a".into(), json!("hunter2"))])).expect("created");
        let directory = file.directory.clone();
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&file.path)), (0o700, 0o600));
        drop(file);
        assert!(!directory.exists());
    }
}
