//! Exports: records as a file for another program.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_exchange::Format;
use zeroize::Zeroizing;

use crate::LossView;

/// What to export.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportPart {
    pub collection_id: Uuid,
    /// Only records at this path and below; all unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// What each format would hold and lose.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportReviewView {
    pub records: u64,
    /// Paths of records that only programs may get. They stay here in every format.
    pub inject_only: Vec<String>,
    pub formats: Vec<ExportFormatView>,
}

/// What one format would hold and lose.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportFormatView {
    #[schema(value_type = String)]
    pub format: Format,
    /// How many records its file would hold, with those of the trash.
    pub records: u64,
    /// How many records it would leave out, for the reasons among `losses`. Those of the trash are counted in `trash_left`.
    #[serde(default)]
    pub left_out: u64,
    /// How many of the records are in the trash.
    #[serde(default)]
    pub trash_held: u64,
    /// How many records of the trash its file would not hold. They stay in the trash here.
    #[serde(default)]
    pub trash_left: u64,
    pub losses: Vec<ExportLossView>,
}

/// A loss, summed up over all records.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportLossView {
    #[serde(flatten)]
    pub loss: LossView,
    /// The path of one record that it is about.
    pub example: String,
}

/// An export: either for `recipients`, or under a `passphrase`, or `plain`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportBody {
    pub collection_id: Uuid,
    /// Only records at this path and below; all unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `vaultterm`, `bitwarden-json`, `bitwarden-csv`, `env` or `cxf`.
    pub format: String,
    /// Public keys of age (`age1…`) for which the file is sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// A passphrase under which the file is sealed with age: 12 characters at least.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Zeroizing<String>>,
    /// The file is not sealed: whoever gets it has every value in it.
    #[serde(default)]
    pub plain: bool,
}
