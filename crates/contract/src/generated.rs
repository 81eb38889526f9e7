//! Values that a person had generated.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What to generate.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// Characters, 8 to 1024; 24 unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u16>,
    /// Letters and digits only.
    #[serde(default)]
    pub no_symbols: bool,
    /// Without characters that look alike (I l 1 O 0 o |).
    #[serde(default)]
    pub no_ambiguous: bool,
}

/// A value that was generated.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct GeneratedView {
    pub id: Uuid,
    pub created_at: String,
    /// The value, where it was generated just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub value: Option<Zeroizing<String>>,
}

/// A value that was generated, on its way to the person whose it is.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct GeneratedValueView {
    #[schema(value_type = String)]
    pub value: Zeroizing<String>,
}
