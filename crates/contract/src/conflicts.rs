//! Conflicts: shown masked, revealed on request, decided by a person.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::{ConflictKind, Content, RemoteExpect};
use vaultterm_sealing::short;
use vaultterm_sync::{ConflictStatus, StoredConflict};

use crate::{DecisionView, ExpectView, moment};

/// A conflict, its values masked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ConflictView {
    pub id: Uuid,
    pub connection_id: Uuid,
    pub record_id: Option<Uuid>,
    pub path: String,
    /// `both_changed`, `local_deleted`, `remote_deleted`, `no_base`, `drift`, `rewound`,
    /// `foreign_owner` or `type_changed`.
    #[schema(value_type = String)]
    pub kind: ConflictKind,
    /// `open`, `resolved` or `converged`.
    #[schema(value_type = String)]
    pub status: ConflictStatus,
    pub fields: Vec<ConflictFieldView>,
    pub local_revision: Option<u64>,
    pub remote_version: Option<u64>,
    /// Who wrote, or deleted, the secret in Vault, if the server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_writer: Option<String>,
    /// Who made `local_revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_writer: Option<String>,
    /// When `remote_version` was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_written_at: Option<String>,
    pub first_seen_at: String,
    pub last_seen_at: String,
    /// What a person decided, and what that wrote. Only in the answers about one conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
}

/// A field in the three states; null where it is absent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ConflictFieldView {
    pub name: String,
    pub base: Option<MaskedView>,
    pub local: Option<MaskedView>,
    pub remote: Option<MaskedView>,
}

/// A value that is not shown: equal digests are equal values.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MaskedView {
    /// Eight hexadecimal digits of a keyed digest.
    pub digest: String,
    /// Bytes of the JSON value.
    pub length: u64,
}

/// A conflict with its values.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RevealedConflictView {
    pub fields: Vec<RevealedFieldView>,
}

/// A field in the three states; absent where it does not exist.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RevealedFieldView {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<Value>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// `keep_local`, `keep_remote`, `keep_both` or `merge`.
    pub resolution: String,
    /// For `merge`: a choice for each field that differs and may be a part of a credential. Descriptive
    /// fields that only one side changed, and fields that are equal, may be left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldDecision>,
    /// Why, for the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The states the decision was taken on, as the conflict showed them.
    #[serde(default)]
    pub expect: Expected,
}

/// One answer for every open conflict of the same connection and kind.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveAlike {
    /// `keep_local` or `keep_remote`.
    pub resolution: String,
    /// Why, for the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A side, or a new value: exactly one of the two.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldDecision {
    /// `local` or `remote`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take: Option<String>,
    /// Any JSON value.
    #[schema(value_type = Option<Value>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Box<RawValue>>,
}

#[derive(Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_version: Option<u64>,
}

impl From<&StoredConflict> for ConflictView {
    fn from(stored: &StoredConflict) -> Self {
        let conflict = &stored.conflict;
        let masked = |content: &Option<Content>, name: &str| {
            let field = content.as_ref()?.get(name)?;
            Some(MaskedView { digest: short(&field.digest), length: field.length })
        };
        let fields = shown_fields(stored).into_iter().map(|name| ConflictFieldView {
            base: masked(&conflict.base, &name),
            local: masked(&conflict.local, &name),
            remote: masked(&conflict.remote, &name),
            name,
        });
        let ExpectView { local_revision, remote_version } = ExpectView::from(&conflict.expect);
        Self {
            id: stored.id.0,
            connection_id: stored.connection_id.0,
            record_id: conflict.record_id.map(|id| id.0),
            path: conflict.path.as_str().to_owned(),
            kind: conflict.kind,
            status: stored.status,
            fields: fields.collect(),
            local_revision,
            remote_version,
            remote_writer: conflict.remote_writer.clone(),
            local_writer: None,
            remote_written_at: match conflict.expect.remote {
                RemoteExpect::Live { stamp, .. } | RemoteExpect::Deleted { stamp } => {
                    Some(moment::of(stamp.version_created))
                }
                RemoteExpect::Absent => None,
            },
            first_seen_at: moment::of(stored.first_seen),
            last_seen_at: moment::of(stored.last_seen),
            decision: None,
        }
    }
}

impl ConflictView {
    /// Makes the view of a conflict whose local revision somebody made.
    #[must_use]
    pub fn by(stored: &StoredConflict, local_writer: Option<String>) -> Self {
        Self { local_writer, ..Self::from(stored) }
    }
}

/// Returns the fields that a person has to look at: those that diverged, else all.
#[must_use]
pub fn shown_fields(stored: &StoredConflict) -> Vec<String> {
    let conflict = &stored.conflict;
    if !conflict.diverged.is_empty() {
        return conflict.diverged.clone();
    }
    let contents = [&conflict.base, &conflict.local, &conflict.remote];
    let names: BTreeSet<&String> = contents.into_iter().flatten().flat_map(|content| content.keys()).collect();
    names.into_iter().cloned().collect()
}
