//! Refuses circles between the files of a crate: files that use one another, directly or through
//! other files.
//!
//! A reader can start at a file that uses no other file of its crate, then read the files that use
//! it, and so on. In a circle there is no such start.
//!
//! The check reads the sources with `syn`. A name that a module re-exports (`pub use`) counts as a
//! name of the file that defines it, so `crate::Name` leads past `lib.rs`. Test code does not count.
//! Method calls do not count either, because the sources alone do not tell the type of a receiver.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};

mod names;

use self::names::{Imports, Module, Names, Use};
use super::files::files;

/// The number of re-exports that the search for one name follows. Real code needs two or three.
const RE_EXPORTS_MAX: usize = 16;

/// Checks all crates and `xtask`, and adds a finding for each circle.
pub(super) fn check(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let mut folders = vec![root.join("xtask")];
    for entry in fs::read_dir(root.join("crates"))? {
        folders.push(entry?.path());
    }
    folders.sort();
    for folder in folders {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let circles = circles(&sources(&folder.join("src"))?)?;
        findings.extend(circles.iter().map(|circle| format!("{name} has {circle}")));
    }
    Ok(())
}

/// Reads the sources below a folder, by path inside the folder.
fn sources(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut sources = BTreeMap::new();
    for path in files(folder, "rs")? {
        let inside = path.strip_prefix(folder)?.to_str().context("the path of a source is not UTF-8")?.to_owned();
        sources.insert(inside, fs::read_to_string(&path)?);
    }
    Ok(sources)
}

/// Finds the circles of a crate and describes each as a text of several lines.
///
/// # Errors
/// When a source cannot be parsed.
fn circles(sources: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let arrows = Crate::read(sources)?.arrows();
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in sources.keys() {
        let mut open = vec![file.as_str()];
        let reached = reached.entry(file).or_default();
        while let Some(from) = open.pop() {
            let next = arrows.range((from.to_owned(), String::new())..).take_while(|((file, _), _)| file == from);
            open.extend(next.map(|((_, to), _)| to.as_str()).filter(|to| reached.insert(to)));
        }
    }
    let mut found: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (file, reached_from_file) in &reached {
        // Files that reach each other form one circle, or several circles that share files.
        let circle: Vec<_> = reached_from_file.iter().copied().filter(|other| reached[other].contains(file)).collect();
        if !circle.is_empty() {
            found.insert(circle);
        }
    }
    Ok(found.iter().map(|circle| description(circle, &arrows)).collect())
}

/// The uses between files: (using file, used file) → one of the used names.
type Arrows = BTreeMap<(String, String), String>;

fn description(circle: &[&str], arrows: &Arrows) -> String {
    let mut text = format!("a circle of {} files; move what they share to a file below them:", circle.len());
    for ((from, to), name) in arrows {
        if circle.contains(&from.as_str()) && circle.contains(&to.as_str()) {
            text.push_str(&format!("\n    {from} uses {name} of {to}"));
        }
    }
    text
}

/// The names in the sources of a crate.
#[derive(Default)]
struct Crate {
    /// The file of each module. An inline module has the file in which it stands.
    files: BTreeMap<Module, String>,
    imports: BTreeMap<Module, Imports>,
    uses: Vec<Use>,
}

impl Crate {
    fn read(sources: &BTreeMap<String, String>) -> Result<Self> {
        let mut all = Self::default();
        let mut tests = Vec::new();
        for (file, text) in sources {
            let names = Names::read(module_of(file), text).with_context(|| format!("cannot parse {file}"))?;
            all.files.extend(names.modules.into_iter().map(|module| (module, file.clone())));
            all.imports.extend(names.imports);
            all.uses.extend(names.uses);
            tests.extend(names.test_modules);
        }
        all.files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Ok(all)
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for Use { module, path } in &self.uses {
            let ends = (self.files.get(module), self.file_of(module, path, RE_EXPORTS_MAX));
            if let (Some(from), Some(to)) = ends
                && from != to
            {
                arrows.entry((from.clone(), to.clone())).or_insert_with(|| path.join("::"));
            }
        }
        arrows
    }

    /// Returns the file that defines the item to which a path in `module` leads. Returns `None` for
    /// items of other crates, and for paths that lead to a module instead of an item.
    fn file_of(&self, module: &Module, path: &[String], re_exports: usize) -> Option<&String> {
        let mut here = module.clone();
        for (at, name) in path.iter().enumerate() {
            let rest = &path[at + 1..];
            let child = [here.as_slice(), std::slice::from_ref(name)].concat();
            let import = self.imports.get(&here).and_then(|imports| imports.get(name));
            match (name.as_str(), import) {
                ("crate", _) => here.clear(),
                ("super", _) => drop(here.pop()?),
                ("self", _) => {}
                // One name can be a module and an imported item. Only the item can end a path.
                (_, import) if self.files.contains_key(&child) && (import.is_none() || !rest.is_empty()) => {
                    here = child;
                }
                (_, Some(import)) => {
                    let path: Vec<_> = import.iter().chain(rest).cloned().collect();
                    return self.file_of(&here, &path, re_exports.checked_sub(1)?);
                }
                // The path begins with an item of `module` itself or with another crate.
                (_, None) if at == 0 => return None,
                (_, None) => return self.files.get(&here),
            }
        }
        None
    }
}

/// Returns the module that a file holds.
fn module_of(file: &str) -> Module {
    let mut module: Module = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

#[cfg(test)]
mod tests;
