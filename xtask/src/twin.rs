//! A copy of the workspace, below `target`, in which sources are changed: the sources themselves stay
//! as they are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Files by their path in the workspace.
pub(crate) type Sources = BTreeMap<PathBuf, Vec<u8>>;

/// Reads everything that the workspace is built of.
pub(crate) fn sources(root: &Path) -> Result<Sources> {
    let mut wanted = BTreeMap::new();
    for file in ["Cargo.toml", "Cargo.lock"] {
        wanted.insert(PathBuf::from(file), fs::read(root.join(file))?);
    }
    for folder in ["crates", "docs", "xtask", ".cargo"] {
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

/// Adds code to the end of a crate.
pub(crate) fn extend(wanted: &mut Sources, name: &str, code: &str) -> Result<()> {
    let file = PathBuf::from(format!("crates/{name}/src/lib.rs"));
    let bytes = wanted.get_mut(&file).with_context(|| format!("no file {}", file.display()))?;
    bytes.extend_from_slice(code.as_bytes());
    Ok(())
}

/// Writes the copy. What is as it was keeps its time, so that it is not built again.
pub(crate) fn write(copy: &Path, wanted: Sources) -> Result<()> {
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
