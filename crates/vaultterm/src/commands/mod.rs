//! One file or folder per command. Each reads its arguments, sends its requests and prints. A command returns
//! an `Exit` and does not end the process itself.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod collection;
pub(crate) mod completions;
pub(crate) mod conflict;
pub(crate) mod connection;
pub(crate) mod database;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod factor;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inject;
pub(crate) mod key;
pub(crate) mod license;
pub(crate) mod login;
pub(crate) mod openapi;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod sync;
pub(crate) mod token;
pub(crate) mod user;
pub(crate) mod version;
pub(crate) mod webhook;
