//! What every command is handed.

use crate::{client::Client, console::Console, failure::Failure, settings::Settings};

/// Where a command prints and what it goes by.
pub(crate) struct App {
    /// The output.
    pub(crate) console: Console,
    /// The client's settings.
    pub(crate) settings: Settings,
}

impl App {
    /// Makes a client for the configured server.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.settings)
    }
}
