//! The process that parses files of other programs for a server: this binary, started again with one hidden argument.
//!
//! It bounds itself before it reads a byte: little memory and processor time, no file and no connection beside its input and
//! output, no core dump. A file that makes a parser hang or take all memory ends this process, and not the server.

use std::{io, process::ExitCode};

use rustix::process::{Resource, Rlimit, setrlimit};

/// The argument. No person types it.
pub(crate) const ARGUMENT: &str = "parse-file-of-another-program";

/// Memory of the process, in bytes. A key derivation may take 256 MiB, and an unfolded file 128.
const MEMORY_MAX: u64 = 1024 * 1024 * 1024;
/// Processor time, in seconds.
const SECONDS_MAX: u64 = 30;
/// Input, output and messages are open already. Without more, there is no file and no connection.
const FILES_MAX: u64 = 3;

/// Says whether this process was started in order to parse a file.
pub(crate) fn is_wanted() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    arguments.next().is_some_and(|argument| argument == ARGUMENT) && arguments.next().is_none()
}

/// Parses the file of the input, and writes what it holds to the output.
pub(crate) fn run() -> ExitCode {
    let bounded = bound();
    let served = bounded.and_then(|()| {
        // The output is not buffered by lines: a value may have many.
        let mut out = io::BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        vaultterm_exchange::serve(io::stdin().lock(), &mut out)
    });
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes from the process what it does not need. There is no way back.
fn bound() -> io::Result<()> {
    for (resource, max) in [
        (Resource::Core, 0),
        (Resource::As, MEMORY_MAX),
        (Resource::Cpu, SECONDS_MAX),
        (Resource::Nofile, FILES_MAX),
        (Resource::Fsize, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(max), maximum: Some(max) })?;
    }
    Ok(())
}
