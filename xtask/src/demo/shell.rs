//! The shell of the person in the story. Each line runs through `sh`, exactly as the story shows it.
//!
//! Both tools are on the `PATH` of this person, and the working folder is private. The environment holds no
//! settings for a developer's own Vault or `VaultTerm`. Secrets go through files and stdin.

use std::{
    ffi::{OsStr, OsString},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::narrator::Narrator;

/// The shell of a person.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) narrator: Narrator,
    env: Vec<(&'static str, OsString)>,
    folder: OsString,
}

/// The output and the exit status of a line.
struct Said {
    code: Option<i32>,
    text: String,
    /// The output on stderr, if it was kept apart from stdout.
    messages: String,
}

impl Shell {
    /// Returns a shell that works in a folder, which is its home too, and finds tools in these folders.
    pub(super) fn new(narrator: Narrator, folder: &Path, tools: [&Path; 2]) -> Result<Self> {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let tools = tools.iter().map(|tool| tool.to_path_buf());
        let path = std::env::join_paths(tools.chain(std::env::split_paths(&own))).context("a path with a colon")?;
        let env = vec![("PATH", path), ("HOME", folder.into()), ("NO_COLOR", "1".into())];
        Ok(Self { narrator, env, folder: folder.into() })
    }

    /// Sets a variable for the following lines.
    pub(super) fn export(&mut self, name: &'static str, value: impl AsRef<OsStr>) {
        self.env.push((name, value.as_ref().to_owned()));
    }

    /// Runs a line and prints its output.
    pub(super) fn show(&self, line: &str) -> Result<String> {
        self.show_ending_with(0, line)
    }

    /// Runs a line that must end with an exit code other than 0, and prints its output.
    pub(super) fn show_ending_with(&self, code: i32, line: &str) -> Result<String> {
        self.narrator.command(line, None);
        let said = self.run(line, None, true)?;
        self.narrator.output(&said.text);
        said.expect(code, line)
    }

    /// Runs a line and prints the line but not its output. If the line fails, the error holds the output.
    pub(super) fn tell(&self, line: &str) -> Result<String> {
        self.narrator.command(line, None);
        self.run(line, None, true)?.expect(0, line)
    }

    /// Does the same as [`Self::tell`] with a text on stdin.
    pub(super) fn tell_with(&self, line: &str, input: &str) -> Result<()> {
        self.narrator.command(line, Some(input));
        self.run(line, Some(input), true)?.expect(0, line).map(drop)
    }

    /// Runs a line that the story does not show, and returns its stdout.
    pub(super) fn quietly(&self, line: &str) -> Result<String> {
        self.run(line, None, false)?.expect(0, line)
    }

    /// Runs a line that the story does not show, and parses its output as JSON.
    pub(super) fn json(&self, line: &str) -> Result<Value> {
        let text = self.quietly(line)?;
        serde_json::from_str(&text).with_context(|| format!("`{line}` printed no JSON"))
    }

    /// Runs a `vaultterm` list command that the story does not show, and returns its items.
    pub(super) fn items(&self, line: &str) -> Result<Vec<Value>> {
        match self.json(&format!("{line} --format json"))?["items"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("`{line}` printed no list of items: {other}"),
        }
    }

    /// Runs a line. With `with_messages`, stderr is merged into stdout in the order of writing.
    fn run(&self, line: &str, input: Option<&str>, with_messages: bool) -> Result<Said> {
        let line = self.narrator.words(line);
        let messages = if with_messages { "exec 2>&1\n" } else { "" };
        let mut command = Command::new("sh");
        // The umask is strict because the lines often redirect secrets to files.
        command.arg("-c").arg(format!("umask 077\n{messages}{line}")).current_dir(&self.folder);
        command.env_clear().envs(self.env.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start `sh`")?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        let input = input.unwrap_or_default().to_owned();
        // A command that does not read its input closes the pipe. Its exit code tells whether it succeeded,
        // so an error of the write does not matter.
        let fed = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output()?;
        ensure!(fed.join().is_ok(), "`{line}` could not be given its input");
        let text =
            |bytes| String::from_utf8(bytes).with_context(|| format!("`{line}` printed something other than text"));
        Ok(Said { code: output.status.code(), text: text(output.stdout)?, messages: text(output.stderr)? })
    }
}

impl Said {
    fn expect(self, code: i32, line: &str) -> Result<String> {
        if self.code == Some(code) {
            return Ok(self.text);
        }
        let found = self.code.map_or("by a signal".to_owned(), |code| format!("with exit code {code}"));
        bail!("`{line}` ended {found}, expected exit code {code}. It said:\n{}{}", self.text, self.messages);
    }
}

/// Quotes a word for the shell.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Shell {
        let here = std::env::temp_dir();
        Shell::new(Narrator::new(), &here, [&here, &here]).expect("opened")
    }

    #[test]
    fn a_line_that_ends_otherwise_than_expected_fails_with_what_it_said() {
        let error = shell().show("echo why >&2; exit 3").expect_err("refused").to_string();
        assert!(error.contains("exit code 3, expected exit code 0") && error.contains("why"), "{error}");
        shell().show_ending_with(3, "exit 3").expect("as expected");
        assert!(shell().show_ending_with(3, "true").is_err());
        let error = shell().quietly("echo why >&2; exit 3").expect_err("refused").to_string();
        assert!(error.contains("why"), "{error}");
        assert!(shell().tell("kill -9 $$").expect_err("refused").to_string().contains("by a signal"));
    }

    #[test]
    fn a_line_reads_stdin_and_sees_only_what_was_exported() {
        let mut shell = shell();
        shell.export("SHOWN", "a b");
        shell.tell_with("test \"$(cat)\" = '{\"x\":1}'", "{\"x\":1}").expect("read");
        assert_eq!(shell.quietly("echo \"$SHOWN\" ${CARGO_MANIFEST_DIR-nothing}").expect("ran"), "a b nothing\n");
        let large = "x".repeat(1 << 20);
        shell.tell_with("true", &large).expect("a command need not read");
    }

    #[test]
    fn words_are_quoted_where_the_shell_would_take_them_apart() {
        assert_eq!(word("shop/database"), "shop/database");
        assert_eq!(word("it's 50% off ☕"), r"'it'\''s 50% off ☕'");
        assert_eq!(shell().quietly(&format!("printf %s {}", word("it's $x"))).expect("ran"), "it's $x");
    }
}
