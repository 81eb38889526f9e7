//! The HTTP API, who may do what, and what runs by itself. The only crate that knows routes.
//!
//! It decides nothing about synchronization (the engine does) and writes no SQL (the store does).
//! A request passes `gate.rs` (request id, headers, problems), then an extractor of `request.rs`
//! or `caller.rs`, then one handler of `api/`, which asks `access.rs` whether the caller may.
//!
//! Start reading at [`App`] in `app.rs`, then any file of `api/`.

mod access;
mod anchors;
mod api;
mod app;
mod caller;
mod carry_out;
mod checkpoints;
mod clock;
mod denials;
mod front;
mod gate;
mod idempotency;
mod keys;
mod last_uses;
mod license;
mod listen;
mod live;
mod moment;
mod password;
mod problem;
mod proxies;
#[cfg(test)]
mod reference;
mod request;
mod runner;
mod scheduler;
mod throttle;
mod transit_source;
mod web;
mod webhooks;

pub use anchors::{AuditOptions, SyslogTarget, delivered};
pub use api::openapi;
pub use app::{App, AppOptions};
pub use clock::SystemClock;
pub use keys::{RootKeeper, UnlockError, seal};
pub use license::{LicenseSettings, examine as examine_license};
pub use listen::{ListenError, Opening, Server, TlsPem, TlsReload};
pub use password::{PasswordError, hash as hash_password};
pub use proxies::TrustedProxies;
pub use transit_source::TransitSource;
