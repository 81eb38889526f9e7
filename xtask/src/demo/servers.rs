//! Starts the servers of the demo: a Vault in memory (see `remote.rs`), and `VaultTerm` on SQLite.

use std::{
    ffi::OsStr,
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use super::leash::Server;

/// The maximum time that a server may take to start. It is generous because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// The number of ports to try when another program took the port first.
const PORTS_MAX: u32 = 5;

/// A running server.
#[derive(Debug)]
pub(super) struct Running {
    server: Server,
    /// `http://127.0.0.1:PORT`.
    pub(super) address: String,
}

impl Running {
    /// Returns the whole log.
    pub(super) fn log(&self) -> String {
        self.server.logged()
    }

    /// Returns the last lines of the log.
    pub(super) fn last_words(&self) -> String {
        last_lines(&self.log())
    }
}

/// Builds binaries in a profile, each named after its package, and returns their paths. Cargo reports the paths, because the
/// target folder may be anywhere.
pub(crate) fn build<const N: usize>(root: &Path, programs: [(&str, &str); N], profile: &str) -> Result<[PathBuf; N]> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["build", "--profile", profile, "--locked", "--quiet"]);
    for (package, name) in programs {
        cargo.args(["--package", package, "--bin", name]);
    }
    let output = cargo
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    let names = programs.map(|(_, name)| name);
    ensure!(output.status.success(), "`cargo build` of {} ended with {}", names.join(", "), output.status);
    let messages = String::from_utf8(output.stdout).context("cargo printed something other than text")?;
    let messages: Vec<_> = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
    let path = |name: &str| {
        let ours = messages.iter().filter(|message| message["target"]["name"] == name);
        let found = ours.filter_map(|message| message["executable"].as_str()).next();
        found.map(PathBuf::from).with_context(|| format!("cargo did not say where {name} is"))
    };
    let paths = names.iter().map(|name| path(name)).collect::<Result<Vec<_>>>()?;
    paths.try_into().map_err(|_| anyhow!("as many paths as programs"))
}

/// Starts HashiCorp Vault or OpenBao in its development mode: in memory, unsealed, with a KV v2 mount at
/// `secret/`. The server stores its root token in `home`, where the command line looks for it.
pub(super) fn start_in_development_mode(binary: &Path, folder: &Path, home: &Path) -> Result<Running> {
    for _ in 0..PORTS_MAX {
        let listen = format!("127.0.0.1:{}", two_free_ports()?);
        let flag = format!("-dev-listen-address={listen}");
        let program = [binary.as_os_str(), OsStr::new("server"), OsStr::new("-dev"), OsStr::new(&flag)];
        let server = Server::start(folder, "vault", &program, [("HOME", home.as_os_str())])?;
        let taken = || server.logged().contains("address already in use");
        // The server prints the banner after it opened its listeners. Without the banner, a listener on this
        // port belongs to another program.
        let up = || server.printed().contains("server started!") && TcpStream::connect(&listen).is_ok();
        if wait_until(|| up() || taken()) && !taken() {
            return Ok(Running { server, address: format!("http://{listen}") });
        }
        ensure!(taken(), "the Vault did not start:\n{}", last_lines(&server.logged()));
    }
    bail!("the Vault found no free port in {PORTS_MAX} tries");
}

/// Starts `VaultTerm` on a data directory that `vaultterm init` created. The server chooses a free
/// port and prints its address when it listens.
pub(super) fn start_vaultterm(binary: &Path, folder: &Path, data: &Path) -> Result<Running> {
    let program = [binary.as_os_str(), OsStr::new("serve")];
    let env = [
        ("HOME", folder.as_os_str()),
        ("VAULTTERM_DATA_DIR", data.as_os_str()),
        ("VAULTTERM_LISTEN", OsStr::new("127.0.0.1:0")),
    ];
    start_that_prints_its_address(folder, "vaultterm", &program, &env)
}

/// Starts a server that prints its address when it listens.
pub(super) fn start_that_prints_its_address(
    folder: &Path,
    name: &str,
    program: &[&OsStr],
    env: &[(&str, &OsStr)],
) -> Result<Running> {
    let server = Server::start(folder, name, program, env.iter().copied())?;
    let ready = wait_until(|| server.printed().ends_with('\n'));
    ensure!(ready, "{name} did not start:\n{}", last_lines(&server.logged()));
    let address = server.printed().trim().to_owned();
    Ok(Running { server, address })
}

/// Returns whether a file below a folder contains a text.
pub(super) fn any_file_contains(folder: &Path, text: &str) -> Result<bool> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let found = if path.is_dir() {
            any_file_contains(&path, text)?
        } else {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Finds a free port with a free port after it. A server in development mode listens on the first for its
/// clients, and on the second for the nodes of its cluster. Another program may take one before it is used.
fn two_free_ports() -> Result<u16> {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?;
        let port = first.local_addr()?.port();
        if port.checked_add(1).is_some_and(|next| TcpListener::bind(("127.0.0.1", next)).is_ok()) {
            return Ok(port);
        }
    }
}

fn last_lines(text: &str) -> String {
    const LINES_MAX: usize = 20;
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let long: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        let shown = last_lines(&long.join("\n"));
        assert!(shown.starts_with("80\n") && shown.ends_with("\n99"), "{shown}");
        assert_eq!(last_lines("one"), "one");
    }
}
