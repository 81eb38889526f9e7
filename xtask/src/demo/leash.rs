//! What must not outlive the demo, on a leash: the folder of its files, and its servers.
//!
//! Between the demo and each of them stands a shell that waits for the end of its standard input.
//! The kernel closes that however the demo ends (done, failed, Ctrl-C, killed), and then the shell
//! cleans up. The shells are in process groups of their own: a Ctrl-C at the terminal is not for
//! them, nor for the servers.

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdin, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};

/// Makes a folder, says so, and removes it in the end. A server that is being killed at the same
/// time may still write a file, so it is tried again, for at most ten seconds.
const FOLDER: &str = r#"
trap '' INT TERM HUP
mkdir -m 700 "$1" || exit 1
echo made
read -r _
tries=0
until rm -rf "$1" 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || exit 1
  sleep 0.1
done
"#;

/// Starts a server, and kills it in the end. Its output goes to `$1.out` and `$1.log`.
const SERVER: &str = r#"
trap '' INT TERM HUP
name=$1
shift
"$@" </dev/null >"$name.out" 2>"$name.log" &
server=$!
read -r _
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
"#;

/// The shell between, and the end of the pipe that it waits for.
#[derive(Debug)]
struct Leash {
    shell: Child,
    hand: Option<ChildStdin>,
}

impl Leash {
    fn start(mut command: Command) -> Result<Self> {
        let mut shell = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `sh`")?;
        let hand = shell.stdin.take();
        Ok(Self { shell, hand })
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.hand.take();
        // It ends by itself once its standard input did.
        let _ = self.shell.wait();
    }
}

/// A private folder, removed when dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _leash: Leash,
}

impl Folder {
    /// Makes a folder that only its owner may look into.
    pub(super) fn make() -> Result<Self> {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let name = format!("vaultterm-demo-{}-{}", process::id(), moment.subsec_nanos());
        let path = std::env::temp_dir().join(name);
        let mut command = Command::new("sh");
        command.args(["-c", FOLDER, "folder"]).arg(&path).stdout(Stdio::piped());
        let mut leash = Leash::start(command)?;
        let mut said = [0; 5];
        let made = leash.shell.stdout.take().is_some_and(|mut stdout| stdout.read_exact(&mut said).is_ok());
        ensure!(made, "cannot make the folder {}", path.display());
        Ok(Self { path, _leash: leash })
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A server's process, killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    log: PathBuf,
    _leash: Leash,
}

impl Server {
    /// Starts a program with this environment and nothing else of ours but `PATH`. What it says
    /// goes to `NAME.out` and `NAME.log` in `folder`.
    pub(super) fn start<'a>(
        folder: &Path,
        name: &str,
        program: &[&OsStr],
        env: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
    ) -> Result<Self> {
        let log = folder.join(name);
        let mut command = Command::new("sh");
        command.args(["-c", SERVER, "server"]).arg(&log).args(program).stdout(Stdio::null());
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(env);
        Ok(Self { log, _leash: Leash::start(command)? })
    }

    /// Reads what it printed so far.
    pub(super) fn printed(&self) -> String {
        fs::read_to_string(self.log.with_extension("out")).unwrap_or_default()
    }

    /// Reads what it logged so far.
    pub(super) fn logged(&self) -> String {
        fs::read_to_string(self.log.with_extension("log")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Waits for a condition, for at most ten seconds.
    fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A server that says its process id, and the id.
    fn server(folder: &Path) -> (Server, PathBuf) {
        let program = ["sh", "-c", "echo $$; echo ready >&2; exec sleep 600"].map(OsStr::new);
        let server = Server::start(folder, "sleeper", &program, []).expect("started");
        eventually("it speaks", || server.printed().ends_with('\n') && server.logged() == "ready\n");
        let id = server.printed().trim().to_owned();
        (server, Path::new("/proc").join(id))
    }

    #[test]
    fn a_dropped_folder_and_server_are_gone() {
        let folder = Folder::make().expect("made");
        let path = folder.path().to_owned();
        let (server, process) = server(&path);
        assert!(process.exists());
        drop(server);
        assert!(!process.exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_leash_that_is_cut_without_a_word_cleans_up_by_itself() {
        let mut folder = Folder::make().expect("made");
        let path = folder.path().to_owned();
        let (mut server, process) = server(&path);
        // What the kernel does when the demo is killed: nobody waits for anything.
        let ends = (folder._leash.hand.take(), server._leash.hand.take());
        drop(ends);
        eventually("the server is gone", || !process.exists());
        eventually("the folder is gone", || !path.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let folder = Folder::make().expect("made");
        let mut command = Command::new("sh");
        command.args(["-c", FOLDER, "folder"]).arg(folder.path()).stdout(Stdio::piped());
        let mut leash = Leash::start(command).expect("started");
        assert_eq!(leash.shell.wait().expect("ended").code(), Some(1));
    }
}
