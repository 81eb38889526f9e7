//! What an entry of the audit log says, in words.

use vaultterm_ledger::{AuditAction, AuditOutcome, Draft, ObjectKind, ObjectRef};

use crate::web::{
    link::{self, Query as Address},
    parts::State,
};

/// Words what was done, up to the name of what it was done to.
pub(super) fn did(action: AuditAction) -> &'static str {
    match action {
        AuditAction::HcvConnectionCreated => "created the connection",
        AuditAction::HcvConnectionUpdated => "changed the connection",
        AuditAction::HcvConnectionDeleted => "deleted the connection",
        AuditAction::HcvConnectionTested => "tested the connection",
        AuditAction::HcvSecretIdRotated => "replaced the SecretID of",
        AuditAction::HcvSyncStarted => "started the run",
        AuditAction::HcvSyncFinished => "finished the run",
        AuditAction::HcvSyncHalted => "had to halt the run",
        AuditAction::HcvSecretSynced => "brought in step",
        AuditAction::HcvConflictDetected => "met a conflict at",
        AuditAction::HcvConflictResolved => "decided the conflict at",
        AuditAction::HcvConflictRevealed => "looked at both sides of the conflict at",
        AuditAction::HcvDifferenceReopened => "opened an accepted difference again of",
        AuditAction::HcvPathIgnored => "left a path out of",
        AuditAction::HcvPathUnignored => "took a path in again of",
        AuditAction::RecordCreated => "created the record",
        AuditAction::RecordUpdated => "changed the record",
        AuditAction::RecordDeleted => "moved to the trash",
        AuditAction::RecordRestored => "restored the record",
        AuditAction::RecordMoved => "moved to another collection",
        AuditAction::RecordRevealed => "looked at values of",
        AuditAction::RecordInjected => "gave a program values of",
        AuditAction::RecordExported => "exported the record",
        AuditAction::RecordsExported => "exported records of",
        AuditAction::ImportReviewed => "had a file read for",
        AuditAction::RecordsImported => "made the records of",
        AuditAction::ImportUndone => "took back the records of",
        AuditAction::CollectionCreated => "created the collection",
        AuditAction::CollectionUpdated => "changed the collection",
        AuditAction::CollectionDeleted => "deleted the collection",
        AuditAction::MemberGranted => "gave a role on a collection to",
        AuditAction::MemberRevoked => "took a role on a collection from",
        AuditAction::SetupLinkCreated => "made the set-up link",
        AuditAction::UserCreated => "added the person",
        AuditAction::UserUpdated => "changed the person",
        AuditAction::UserDeleted => "removed the person",
        AuditAction::LoginSucceeded => "logged in",
        AuditAction::LoginFailed => "failed to log in",
        AuditAction::LoggedOut => "logged out",
        AuditAction::AccessDenied => "was denied",
        AuditAction::IdentityConfirmed => "proved again to be",
        AuditAction::FactorAdded => "added a second factor for",
        AuditAction::FactorRemoved => "removed a second factor of",
        AuditAction::RecoveryCodesMade => "made new recovery codes for",
        AuditAction::RecoveryCodeUsed => "used a recovery code of",
        AuditAction::DeviceRemembered => "had a browser remembered for",
        AuditAction::DeviceForgotten => "had a browser forgotten for",
        AuditAction::InvitationCreated => "invited",
        AuditAction::InvitationAccepted => "accepted the invitation of",
        AuditAction::ResetLinkCreated => "made a reset link for",
        AuditAction::UserRecovered => "began again, by a reset link, as",
        AuditAction::PersonLinkWithdrawn => "withdrew a link of",
        AuditAction::ApiTokenCreated => "created the API token",
        AuditAction::ApiTokenRevoked => "revoked the API token",
        AuditAction::KeySealed => "sealed the root key",
        AuditAction::KeyUnsealed => "opened the seal of the root key",
        AuditAction::KeyRotated => "rotated a key",
        AuditAction::LicenseInstalled => "installed a license",
        AuditAction::LicenseExpired => "saw a license end",
        AuditAction::AuditExported => "exported the audit log",
        AuditAction::AuditPruned => "removed the beginning of the audit log",
        AuditAction::AuditGuardRaised => "raised the restore guard",
        AuditAction::BackupCreated => "made a backup",
        AuditAction::BackupRestored => "restored a backup",
        AuditAction::DatabaseCopied => "copied the installation into this database",
        AuditAction::WebhookCreated => "created the webhook",
        AuditAction::WebhookUpdated => "changed the webhook",
        AuditAction::WebhookDeleted => "deleted the webhook",
        AuditAction::Other(_) => "did what only a newer version can name, with",
    }
}

/// Returns the words for the outcome of an action.
pub(super) const fn outcome(outcome: AuditOutcome) -> State {
    let (tone, words) = match outcome {
        AuditOutcome::Success => ("good", "done"),
        AuditOutcome::Denied => ("waits", "denied"),
        AuditOutcome::Failure => ("bad", "failed"),
    };
    State { tone, words }
}

/// Words the facts that a reader of the list wants first.
pub(super) fn facts(draft: &Draft) -> String {
    let named = [
        ("fields", "fields"),
        ("changed", "changed"),
        ("renamed_from", "renamed from"),
        ("role", "role"),
        ("to", "to"),
        ("needs", "needs"),
        ("count", "times"),
        ("direction", "direction"),
        ("resolution", "decision"),
        ("reason", "reason"),
        ("tier", "tier"),
    ];
    let of_files: &[(&str, &str)] = if is_about_files(draft.action) { &FACTS_OF_FILES } else { &[] };
    let parts = named.iter().chain(of_files).filter_map(|(name, words)| {
        let value = draft.detail.get(*name)?;
        Some(format!("{words}: {}", plain(value)))
    });
    parts.collect::<Vec<_>>().join(" · ")
}

/// What an entry about an import or an export tells further.
const FACTS_OF_FILES: [(&str, &str); 10] = [
    ("format", "format"),
    ("protection", "sealed with"),
    ("records", "records"),
    ("found", "found"),
    ("created", "created"),
    ("updated", "changed"),
    ("skipped", "left out"),
    ("refused", "refused"),
    ("trashed", "to the trash"),
    ("kept", "stay"),
];

const fn is_about_files(action: AuditAction) -> bool {
    matches!(
        action,
        AuditAction::ImportReviewed
            | AuditAction::RecordsImported
            | AuditAction::ImportUndone
            | AuditAction::RecordsExported
            | AuditAction::RecordExported
    )
}

/// Writes a list of names without the marks of JSON.
fn plain(value: &str) -> String {
    match serde_json::from_str::<Vec<String>>(value) {
        Ok(names) => names.join(", "),
        Err(_) => value.to_owned(),
    }
}

/// Returns what an object is called, where it has no name of its own.
pub(super) fn name(object: &ObjectRef) -> String {
    object.name.clone().unwrap_or_else(|| match object.id.is_nil() {
        true => String::new(),
        // What happened to it says that it is a run.
        false if object.kind == ObjectKind::Run => object.id.to_string(),
        false if object.kind == ObjectKind::Import => format!("the import {}", object.id),
        false => format!("{} {}", object.kind.as_str(), object.id),
    })
}

/// Returns the page of an object, where it has one.
pub(super) fn href(object: &ObjectRef) -> Option<String> {
    let id = object.id;
    if id.is_nil() {
        return None;
    }
    Some(match object.kind {
        ObjectKind::Record => link::record(id),
        ObjectKind::Collection => Address::default().with("in", id).on("/records"),
        ObjectKind::Connection => link::connection(id),
        ObjectKind::Conflict => format!("/conflicts/{id}"),
        ObjectKind::Plan => format!("/plans/{id}"),
        ObjectKind::Run => format!("/runs/{id}"),
        _ => return None,
    })
}
