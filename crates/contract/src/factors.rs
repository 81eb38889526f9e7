//! A person's second factors, recovery codes and sessions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sync::SignInMethod;
use zeroize::Zeroizing;

/// The caller's second factors.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FactorsView {
    /// Since when a login asks for a one-time code; null without.
    pub otp_since: Option<String>,
    pub recovery_codes_left: u32,
    pub recovery_codes_made_at: Option<String>,
    /// Whether one of the recovery codes was typed back.
    pub recovery_codes_kept: bool,
}

/// A secret for one-time codes that is not asked for yet: confirm it with a first code.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NewOtpView {
    /// In base 32.
    #[schema(value_type = String)]
    pub secret: Zeroizing<String>,
    /// For an authenticator app.
    #[schema(value_type = String)]
    pub url: Zeroizing<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    #[schema(value_type = String)]
    pub code: Zeroizing<String>,
}

/// The recovery codes, shown once. A person can log in with each of them once, in place of a one-time code.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodesView {
    #[schema(value_type = Vec<String>)]
    pub codes: Vec<Zeroizing<String>>,
}

/// A proof that it is the person who asks.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// For a person without a second factor.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Zeroizing<String>>,
    /// For a person with one: a one-time code or a recovery code.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Zeroizing<String>>,
}

/// A browser or a command line at which the caller is logged in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    pub id: Uuid,
    /// The browser and the system, or the command line, as people read it.
    pub device: String,
    pub source_ip: Option<String>,
    /// How the person proved who they are: `password`, `one-time code`, `recovery code`, `remembered device`, `passkey` or
    /// `link`; null for a command line.
    #[schema(value_type = Option<String>)]
    pub method: Option<SignInMethod>,
    pub began_at: String,
    /// Up to a minute old.
    pub seen_at: String,
    pub ends_at: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A browser on which a login does not ask for the second factor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TrustedDeviceView {
    pub id: Uuid,
    /// The browser and the system, or the command line, as people read it.
    pub device: String,
    pub source_ip: Option<String>,
    pub began_at: String,
    pub ends_at: String,
}

/// Where the caller is logged in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionsView {
    pub sessions: Vec<SessionView>,
    pub remembered: Vec<TrustedDeviceView>,
}

/// How many sessions were ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EndedView {
    pub ended: usize,
}
