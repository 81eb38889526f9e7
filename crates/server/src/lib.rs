//! The HTTP API: a shell around `operations`. The only crate that knows routes and statuses.
//!
//! A request passes `gate.rs` (request id, headers, problems), then an extractor of `request.rs` or `caller.rs`, then
//! one handler of `api/`. The handler calls one operation and shows what it returned; it has no rules of its own.
//! `problem.rs` turns a refusal into a problem document.
//!
//! Start reading at `api/mod.rs`, then at any file of `api/`.

mod api;
mod caller;
mod carry_out;
mod front;
mod gate;
mod idempotency;
mod listen;
#[cfg(test)]
mod matrix;
mod metrics;
mod problem;
mod proxies;
#[cfg(test)]
mod reference;
mod request;
mod state;
mod view;
mod web;

pub use api::openapi;
pub use listen::{ListenError, Opening, Server, TlsPem, TlsReload};
pub use metrics::MetricsListener;
pub use proxies::TrustedProxies;
pub use state::ServerState;
pub use vaultterm_operations::env_file;
pub use vaultterm_operations::{
    AuditOptions, LicenseSettings, Meters, PasswordError, Presence, RootKeeper, Settings as ServerSettings,
    SyslogTarget, SystemClock, TransitSource, UnlockError, anchors::delivered, examine_license, hash_password,
    health::server as server_health, imports::Parser, links::RESET_LASTS_US, seal,
};
