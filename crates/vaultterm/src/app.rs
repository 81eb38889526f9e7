//! The context that every command gets.

use crate::{client::Client, console::Console, failure::Failure, settings::Settings};

/// The output and the settings of a command.
pub(crate) struct App {
    /// The output.
    pub(crate) console: Console,
    /// The settings of the client.
    pub(crate) settings: Settings,
}

impl App {
    /// Returns a client for the configured server.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.settings)
    }
}
