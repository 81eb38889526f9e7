//! Asks the person at the terminal. Without a terminal, the functions fail and name what to pass.

use std::io::{self, IsTerminal};

use dialoguer::{Confirm, Password};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Asks for a secret without showing it. `instead` names what to pass if there is no terminal.
pub(crate) fn ask_secret(prompt: &str, instead: &str) -> Result<Zeroizing<String>, Failure> {
    need_terminal(prompt, instead)?;
    Password::new().with_prompt(prompt).interact().map(Zeroizing::new).map_err(|error| unanswered(&error))
}

/// Asks for a new password, twice.
pub(crate) fn ask_new_password(instead: &str) -> Result<Zeroizing<String>, Failure> {
    need_terminal("new password", instead)?;
    Password::new()
        .with_prompt("New password")
        .with_confirmation("The same again", "The two differ")
        .interact()
        .map(Zeroizing::new)
        .map_err(|error| unanswered(&error))
}

/// Asks for confirmation before an action that cannot be undone. With `yes`, it does not ask.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    need_terminal(question, "--yes")?;
    match Confirm::new().with_prompt(question).default(false).interact() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::local("nothing was changed").because_of("the question was answered with no")),
        Err(error) => Err(unanswered(&error)),
    }
}

/// Asks a yes-or-no question. Returns `None` if there is no terminal.
pub(crate) fn ask(question: &str) -> Result<Option<bool>, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(None);
    }
    Confirm::new().with_prompt(question).default(true).interact().map(Some).map_err(|error| unanswered(&error))
}

fn need_terminal(what: &str, instead: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Failure::local(format!("there is no terminal to ask on: {what}")).hint(format!("pass {instead}")))
}

fn unanswered(error: &dialoguer::Error) -> Failure {
    let dialoguer::Error::IO(cause) = error;
    match cause.kind() {
        io::ErrorKind::Interrupted => Failure::interrupted(),
        _ => Failure::local("the question could not be asked").because(cause),
    }
}
