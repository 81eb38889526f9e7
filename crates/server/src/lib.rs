//! The HTTP API, who may do what, and what runs by itself. The only crate that knows routes.
//!
//! It decides nothing about synchronization (the engine does) and writes no SQL (the store does).
//! A request passes `gate.rs` (request id, headers, problems), then an extractor of `request.rs`
//! or `caller.rs`, then one handler of `api/`, which asks `access.rs` whether the caller may.
//!
//! Start reading at [`App`] in `app.rs`, then any file of `api/`.

mod api;
mod app;
mod caller;
mod carry_out;
mod front;
mod gate;
mod idempotency;
mod listen;
mod moment;
mod problem;
mod proxies;
#[cfg(test)]
mod reference;
mod request;
mod web;

pub use api::openapi;
pub use app::App;
pub use listen::{ListenError, Opening, Server, TlsPem, TlsReload};
pub use proxies::TrustedProxies;
pub use vaultterm_operations::{
    AuditOptions, LicenseSettings, PasswordError, RootKeeper, Settings as AppOptions, SyslogTarget, SystemClock,
    TransitSource, UnlockError, anchors::delivered, examine_license, hash_password, seal,
};
