//! A copy of the workspace below `target` in which sources can be changed. The sources of the workspace stay
//! as they are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The folders that the build needs.
const FOLDERS: [&str; 4] = ["crates", "docs", "xtask", ".cargo"];

/// A map from paths in the workspace to the content of files.
pub(crate) type Sources = BTreeMap<PathBuf, Vec<u8>>;

/// Reads all files that the build of the workspace needs. The version of our crates in the copy ends with
/// `label`, because Cargo would otherwise mix up the build results of the copy and of the workspace.
pub(crate) fn sources(root: &Path, label: &str) -> Result<Sources> {
    let mut wanted = BTreeMap::new();
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let version = manifest.split_once("[workspace.package]").and_then(|(_, rest)| rest.lines().nth(1));
    let version = version.filter(|line| line.starts_with("version = ")).context("the workspace has a version first")?;
    let labelled = format!("{}-{label}\"", version.trim_end_matches('"'));
    let ours = |package: &str| match package.contains("\nsource = ") {
        true => package.to_owned(),
        false => package.replacen(version, &labelled, 1),
    };
    let lock: Vec<_> = lock.split("[[package]]").map(ours).collect();
    wanted.insert(PathBuf::from("Cargo.toml"), manifest.replacen(version, &labelled, 1).into_bytes());
    wanted.insert(PathBuf::from("Cargo.lock"), lock.join("[[package]]").into_bytes());
    for folder in FOLDERS {
        gather(root, &root.join(folder), &mut wanted)?;
    }
    Ok(wanted)
}

fn gather(root: &Path, folder: &Path, found: &mut Sources) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            gather(root, &path, found)?;
        } else {
            found.insert(path.strip_prefix(root)?.to_owned(), fs::read(&path)?);
        }
    }
    Ok(())
}

/// Adds code to the end of the `lib.rs` of a crate.
pub(crate) fn extend(wanted: &mut Sources, name: &str, code: &str) -> Result<()> {
    let file = PathBuf::from(format!("crates/{name}/src/lib.rs"));
    let bytes = wanted.get_mut(&file).with_context(|| format!("no file {}", file.display()))?;
    bytes.extend_from_slice(code.as_bytes());
    Ok(())
}

/// Writes the copy, and removes what an earlier copy held beside it. Unchanged files keep their modification
/// time, so that Cargo does not build them again.
pub(crate) fn write(copy: &Path, wanted: Sources) -> Result<()> {
    for folder in FOLDERS.map(|folder| copy.join(folder)).iter().filter(|folder| folder.is_dir()) {
        let mut held = BTreeMap::new();
        gather(copy, folder, &mut held)?;
        for path in held.keys().filter(|path| !wanted.contains_key(*path)) {
            fs::remove_file(copy.join(path))?;
        }
    }
    for (path, bytes) in wanted {
        let path = copy.join(path);
        if fs::read(&path).is_ok_and(|held| held == bytes) {
            continue;
        }
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Sources, write};

    #[test]
    fn a_file_that_is_wanted_no_more_leaves_the_copy() {
        let copy = std::env::temp_dir().join(format!("vaultterm-twin-{}", std::process::id()));
        let wanted = |name: &str| Sources::from([(format!("crates/a/{name}").into(), b"x".to_vec())]);
        write(&copy, wanted("old.rs")).expect("written");
        write(&copy, wanted("new.rs")).expect("written again");
        let (old, new) = (copy.join("crates/a/old.rs").exists(), copy.join("crates/a/new.rs").exists());
        std::fs::remove_dir_all(&copy).expect("removed");
        assert!(!old && new);
    }
}
