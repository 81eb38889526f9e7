//! The rows, by what goes wrong.

macro_rules! answer {
    ($status:literal, $headers:literal, $body:literal) => {
        Meddling::Instead(concat!("HTTP/1.1 ", $status, "\r\nConnection: close\r\n", $headers, "\r\n", $body))
    };
}

mod busy;
mod odd;
mod refused;
mod unreachable;

use vaultterm_testkit::openbao::Meddling;

use super::row::Section;

pub(super) const HEALTH: &str = "/v1/sys/health";
pub(super) const LOGIN: &str = "/v1/auth/approle/login";
pub(super) const LISTING: &str = "{kv}/detailed-metadata/";
pub(super) const READ_TWO: &str = "GET {kv}/data/team/app/two";
pub(super) const WRITE_ONE: &str = "POST {kv}/data/team/app/one";
pub(super) const DELETE: &str = "POST {kv}/delete/";
pub(super) const HTML: Meddling = answer!("200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>");

/// All rows.
pub(crate) const SECTIONS: &[&Section] = &[
    &unreachable::NO_ANSWER,
    &unreachable::NOT_TRUSTED,
    &refused::REFUSED,
    &refused::LOGINS,
    &refused::GONE,
    &busy::BUSY,
    &busy::SEALED,
    &odd::IN_DOUBT,
    &odd::NOT_VAULTS,
];
