//! Licenses (`.vtlic`): keys, issuing, verifying, how one stands, and what a tier includes.
//!
//! Bytes in, facts out: no clock, no files, no network, no SQL. Whoever calls says what time it is
//! and which counter is the highest that was ever seen.
//!
//! Start reading at [`verify`] in `text.rs`, then [`standing`] and the table in `entitlement.rs`.

mod entitlement;
mod key;
mod license;
mod standing;
mod text;

pub use entitlement::{Feature, Tier};
pub use key::{IssuerKey, KeyError, KeyId, PublicKey, TrustedKeys};
pub use license::{Invalid, License};
pub use standing::{Standing, best, standing};
pub use text::{LicenseError, TEXT_BYTES_MAX, canonical, issue, verify};
