//! Checks both sides independently of what `VaultTerm` reports. Vault is read with its own command line, as
//! an administrator, and the records of `VaultTerm` are read by revealing them.
//!
//! Each difference is an error that names what was expected and what was found.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::shell::{Shell, word};

/// Fails unless two JSON values are equal.
pub(super) fn same(what: &str, expected: &Value, found: &Value) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    bail!("{what} is not as it must be\n  expected: {expected}\n  found:    {found}");
}

/// The Vault side, as its administrator sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vault<'a> {
    shell: &'a Shell,
}

impl<'a> Vault<'a> {
    /// Returns a view that reads through a shell.
    pub(super) fn new(shell: &'a Shell) -> Self {
        Self { shell }
    }

    /// Fails unless the newest version of a secret is `version` and holds exactly these fields.
    pub(super) fn holds(self, path: &str, version: u64, fields: &Value) -> Result<()> {
        let answer = self.get(path)?;
        same(&format!("what `vault kv get` finds at {path}"), fields, &answer["data"])?;
        same(&format!("the version of {path} in Vault"), &json!(version), &answer["metadata"]["version"])?;
        let count = fields.as_object().map_or(0, serde_json::Map::len);
        let fields = if count == 1 { "field" } else { "fields" };
        self.shell
            .narrator
            .checked(&format!("vault kv get {}: version {version}, {count} {fields}, all equal", word(path)));
        Ok(())
    }

    /// Fails unless a secret is marked as managed by `VaultTerm`, with the type of its record.
    pub(super) fn is_marked(self, path: &str, record_type: &str) -> Result<()> {
        let marks = &self.metadata(path)?["custom_metadata"];
        same(&format!("who manages {path}"), &json!("vaultterm"), &marks["managed-by"])?;
        same(&format!("the type marked at {path}"), &json!(record_type), &marks["vaultterm-type"])
    }

    /// Fails unless a secret has a single version and no marks, as its administrator wrote it.
    pub(super) fn is_untouched(self, path: &str) -> Result<()> {
        let metadata = self.metadata(path)?;
        same(&format!("the version of {path} in Vault"), &json!(1), &metadata["current_version"])?;
        same(&format!("the marks at {path}"), &Value::Null, &metadata["custom_metadata"])
    }

    /// Fails unless the newest version of a secret is `version`, and is deleted but not destroyed.
    pub(super) fn is_deleted(self, path: &str, version: u64) -> Result<()> {
        same(&format!("what `vault kv get` finds at {path}"), &Value::Null, &self.get(path)?["data"])?;
        let metadata = self.metadata(path)?;
        same(&format!("the version of {path} in Vault"), &json!(version), &metadata["current_version"])?;
        let state = &metadata["versions"][version.to_string()];
        let when = state["deletion_time"].as_str().unwrap_or_default();
        same(&format!("whether {path} was deleted"), &json!(true), &json!(!when.is_empty()))?;
        same(&format!("whether {path} was destroyed"), &json!(false), &state["destroyed"])?;
        self.shell.narrator.checked(&format!(
            "vault kv metadata get {}: version {version} is deleted, not destroyed: it can be undeleted",
            word(path)
        ));
        Ok(())
    }

    /// Fails unless a policy has exactly this text.
    pub(super) fn has_policy(self, name: &str, hcl: &str) -> Result<()> {
        let found = self.shell.quietly(&format!("vault policy read {}", word(name)))?;
        same(&format!("the policy `{name}`"), &json!(hcl.trim()), &json!(found.trim()))?;
        self.shell.narrator.checked(&format!("vault policy read {}: exactly the policy that was printed", word(name)));
        Ok(())
    }

    /// Returns the metadata of all secrets below the mount: a map from paths to versions, marks and times.
    pub(super) fn everything(self) -> Result<BTreeMap<String, Value>> {
        const FOLDERS_MAX: usize = 1_000;
        let mut found = BTreeMap::new();
        let mut folders = vec![String::new()];
        for _ in 0..FOLDERS_MAX {
            let Some(folder) = folders.pop() else { return Ok(found) };
            let names = self.shell.json(&format!("vault kv list -format=json -mount=secret {}", word(&folder)))?;
            for name in names.as_array().with_context(|| format!("`vault kv list` shows no list at {folder}"))? {
                let path = format!("{folder}{}", name.as_str().context("a name is a text")?);
                if path.ends_with('/') {
                    folders.push(path);
                } else {
                    let metadata = self.metadata(&path)?;
                    found.insert(path, metadata);
                }
            }
        }
        bail!("there are more than {FOLDERS_MAX} folders in Vault");
    }

    fn get(self, path: &str) -> Result<Value> {
        let answer = self.shell.json(&format!("vault kv get -format=json -mount=secret {}", word(path)));
        Ok(answer.with_context(|| format!("nothing was ever at {path} in Vault"))?["data"].take())
    }

    fn metadata(self, path: &str) -> Result<Value> {
        let answer = self.shell.json(&format!("vault kv metadata get -format=json -mount=secret {}", word(path)));
        Ok(answer.with_context(|| format!("nothing was ever at {path} in Vault"))?["data"].take())
    }
}

/// The `VaultTerm` side, as its owner sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a> {
    shell: &'a Shell,
}

impl<'a> Records<'a> {
    /// Returns a view that reads through a shell.
    pub(super) fn new(shell: &'a Shell) -> Self {
        Self { shell }
    }

    /// Fails unless a record has this type and holds exactly these fields.
    pub(super) fn hold(self, record: &str, record_type: &str, fields: &Value) -> Result<()> {
        let (word, what) = (word(record), format!("the record {record}"));
        let revealed = self.shell.json(&format!("vaultterm record get {word} --reveal --format json"))?;
        same(&what, fields, &revealed["fields"])?;
        let shown = self.shell.json(&format!("vaultterm record get {word} --format json"))?;
        same(&format!("the type of {what}"), &json!(record_type), &shown["type"])?;
        same(&format!("when {what} was deleted"), &Value::Null, &shown["deleted_at"])?;
        self.shell.narrator.checked(&format!("vaultterm record get {word}: {record_type}, all fields equal"));
        Ok(())
    }

    /// Fails unless a record is in the trash.
    pub(super) fn trashed(self, record: &str) -> Result<()> {
        let shown = self.shell.json(&format!("vaultterm record get {} --format json", word(record)))?;
        same(&format!("whether {record} is in the trash"), &json!(true), &json!(shown["deleted_at"].is_string()))?;
        self.shell.narrator.checked(&format!("vaultterm record get {record}: in the trash, with all its revisions"));
        Ok(())
    }

    /// Fails unless the newest run of a connection succeeded and has these counts. Counts that are not named
    /// must be zero, except `unchanged`. Returns the run.
    pub(super) fn last_run_did(self, connection: &str, counts: &[(&str, u64)]) -> Result<Value> {
        let line = format!("vaultterm sync runs {} --limit 1", word(connection));
        let run = self.shell.items(&line)?.into_iter().next().with_context(|| format!("{connection} has no run"))?;
        same(&format!("how the run of {connection} ended"), &json!("succeeded"), &run["state"])?;
        for (name, found) in run["counts"].as_object().context("a run has counts")? {
            let wanted = counts.iter().find(|(wanted, _)| wanted == name).map_or(0, |(_, count)| *count);
            if name != "unchanged" {
                same(&format!("`{name}` of the run of {connection}"), &json!(wanted), found)?;
            }
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::demo::{
        leash::Folder,
        narrator::Narrator,
        remote::{Binaries, Remote},
    };

    #[test]
    fn a_difference_is_told_with_both_sides() {
        same("it", &json!({"a": 1}), &json!({"a": 1})).expect("equal");
        let error = same("it", &json!({"a": 1}), &json!({"a": 2})).expect_err("different").to_string();
        assert!(error.contains(r#"expected: {"a":1}"#) && error.contains(r#"found:    {"a":2}"#), "{error}");
    }

    /// Asserts that a check failed and that its error names what it found.
    fn refused(check: Result<()>, found: &str) {
        let error = format!("{:#}", check.expect_err("a difference is an error"));
        assert!(error.contains(found), "{error}");
    }

    #[test]
    fn each_look_at_a_real_vault_fails_when_it_differs() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
        let binaries = Binaries::find(root).expect("found");
        let folder = Folder::make().expect("made");
        let remote = Remote::start(&binaries, folder.path(), folder.path()).expect("started");
        let narrator = Narrator::new().speaking_of(remote.product);
        let mut shell = Shell::new(narrator, folder.path(), [&remote.tools, &remote.tools]).expect("opened");
        shell.export(remote.product.address_variable(), remote.address());
        let vault = Vault::new(&shell);

        shell.tell_with("vault kv put -mount=secret 'a b/c' -", r#"{"v":"1"}"#).expect("written");
        vault.holds("a b/c", 1, &json!({"v": "1"})).expect("it does");
        vault.is_untouched("a b/c").expect("it is");
        refused(vault.holds("a b/c", 1, &json!({"v": "2"})), r#"{"v":"1"}"#);
        refused(vault.holds("a b/c", 2, &json!({"v": "1"})), "version of a b/c");
        refused(vault.holds("a b", 1, &json!({"v": "1"})), "nothing was ever at a b");
        refused(vault.is_deleted("a b/c", 1), r#"{"v":"1"}"#);
        refused(vault.is_marked("a b/c", "ENV_VAR"), "who manages");
        let before = vault.everything().expect("read");
        assert_eq!(before.keys().collect::<Vec<_>>(), ["a b/c"]);

        shell.tell("vault kv delete -mount=secret 'a b/c'").expect("deleted");
        vault.is_deleted("a b/c", 1).expect("it is");
        refused(vault.holds("a b/c", 1, &json!({"v": "1"})), "null");
        assert_ne!(vault.everything().expect("read"), before, "a deletion shows");
        shell.tell("vault kv destroy -mount=secret -versions=1 'a b/c'").expect("destroyed");
        refused(vault.is_deleted("a b/c", 1), "destroyed");
        shell.tell_with("vault policy write p -", "path \"x\" {}").expect("written");
        vault.has_policy("p", "path \"x\" {}\n").expect("it does");
        refused(vault.has_policy("p", "path \"y\" {}"), "path \\\"x\\\"");
    }
}
