//! Has files parsed in a process of their own, which has little memory and time, no files and no network. A file comes from a
//! stranger: one that makes its parser hang or take all memory must not do that to the server.

use std::{
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use tokio::sync::Semaphore;
use vaultterm_exchange::{Errand, FileError, Found, Limit, LimitMet, from_pipe, serve};
use zeroize::Zeroizing;

use super::going::AllGoing;
use crate::refusal::{Refusal, RefusalKind};

/// The files that one server has parsed at once.
const AT_ONCE: usize = 2;
/// The bytes that the process may send.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The processor time that the process gives itself, in seconds. It is told to people whose file meets it.
const SECONDS_MAX: u64 = 30;

/// What parses files, and the imports that go on.
#[derive(Debug)]
pub struct Parser {
    program: Option<Program>,
    room: Semaphore,
    /// The imports that store records.
    pub(super) going: AllGoing,
}

#[derive(Clone, Debug)]
enum Program {
    /// A process of its own.
    Process { program: PathBuf, argument: &'static str },
    /// This process.
    Here,
}

impl Default for Parser {
    fn default() -> Self {
        Self { program: None, room: Semaphore::new(AT_ONCE), going: AllGoing::default() }
    }
}

impl Parser {
    /// Parses in a process: the program with this one argument, which must call [`serve`] after it bounded itself.
    #[must_use]
    pub fn in_a_process(program: PathBuf, argument: &'static str) -> Self {
        Self { program: Some(Program::Process { program, argument }), ..Self::default() }
    }

    /// Parses in this process, without any bound: for tests, whose program cannot be started so.
    #[must_use]
    pub fn in_this_process() -> Self {
        Self { program: Some(Program::Here), ..Self::default() }
    }

    /// Has a file parsed.
    pub(super) async fn parse(&self, errand: Errand, file: Zeroizing<Vec<u8>>) -> Result<Found, Refusal> {
        let none = || Refusal::new(RefusalKind::Unavailable, "this server has no program that reads files");
        let program = self.program.clone().ok_or_else(none)?;
        let _room = self.room.acquire().await.map_err(|_| Refusal::closing())?;
        let parsed = tokio::task::spawn_blocking(move || {
            let answer = program.answer(&errand.input(&file))?;
            from_pipe(&answer).map_err(io::Error::other)
        });
        let parsed = parsed.await.map_err(|error| Refusal::internal(&error))?;
        parsed.map_err(|error| refusal(&error))
    }
}

impl Program {
    /// Sends the input, and returns all that comes back.
    fn answer(&self, input: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Here => {
                let mut answer = Zeroizing::new(Vec::new());
                serve(input, &mut *answer)?;
                Ok(answer)
            }
            Self::Process { program, argument } => {
                let mut child = Command::new(program)
                    .arg(argument)
                    // The process needs nothing of the environment, which may hold secrets.
                    .env_clear()
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()?;
                let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
                let mut answer = Zeroizing::new(Vec::new());
                let told = thread::scope(|scope| {
                    // The process may answer before it has read everything, so both go on at once. A process that ended
                    // reads no more; its answer says why.
                    scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input)));
                    match stdout {
                        Some(stdout) => stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut answer),
                        None => Ok(0),
                    }
                });
                if told.is_err() || answer.len() as u64 >= ANSWER_BYTES_MAX {
                    child.kill()?;
                }
                child.wait()?;
                told?;
                Ok(answer)
            }
        }
    }
}

/// Words why a file was not parsed. A process that ended in the middle met its bounds.
fn refusal(error: &io::Error) -> Refusal {
    use vaultterm_exchange::PipeError;
    match error.get_ref().and_then(|error| error.downcast_ref::<PipeError>()) {
        Some(PipeError::File(error)) => Refusal::field(field_of(error), error.to_string()),
        Some(PipeError::CutOff) => {
            let met = LimitMet { limit: Limit::Process, found: None, max: SECONDS_MAX };
            Refusal::field("file", met.to_string())
        }
        _ => Refusal::internal(error),
    }
}

/// Returns which part of the request is wrong.
const fn field_of(error: &FileError) -> &'static str {
    match error {
        FileError::Unrecognised { .. } | FileError::NotThisFormat { .. } => "format",
        FileError::NeedsPassword | FileError::WrongPassword | FileError::WrongPasswordAlone => "password",
        FileError::NeedsKeyFile => "key_file",
        FileError::Nameless => "file_name",
        FileError::AccountRestricted
        | FileError::Encoding { .. }
        | FileError::Limit { .. }
        | FileError::Unclear { .. }
        | FileError::Damaged { .. } => "file",
    }
}
