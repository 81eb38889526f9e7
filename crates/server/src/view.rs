//! What the database knows, as the API says it. The contract itself makes the views of what the engine and the
//! planner know.

use vaultterm_contract::{
    AcceptedDifferenceView, AuditKeyView, CheckpointView, CollectionView, ConflictView, EventView, FoundRecordView,
    IgnoredView, MemberView, RecordSyncView, RecordView, RevisionView, RunView, TokenView, UserView, WebhookView,
    moment,
};
use vaultterm_store::{
    AcceptedDifference, AuditEvent, AuditKey, Collection, Found, IgnoredPath, Member, Record, RecordSync, RevisionInfo,
    StoredCheckpoint, TokenInfo, User, Webhook,
};
use vaultterm_sync::{Run, StoredConflict};

pub(crate) fn record(record: &Record) -> RecordView {
    let sync = |sync: &RecordSync| RecordSyncView {
        connection_id: sync.connection_id.0,
        state: sync.state,
        remote_version: sync.remote_version,
        accepted_by: sync.accepted.as_ref().map(|accepted| accepted.by.clone()),
        accepted_at: sync.accepted.as_ref().map(|accepted| moment::of_us(accepted.at_us)),
    };
    RecordView {
        id: record.id.0,
        collection_id: record.collection_id.0,
        path: record.path.as_str().to_owned(),
        record_type: record.record_type,
        field_names: record.field_names.clone(),
        tags: record.tags.clone(),
        revision: record.revision.0,
        created_at: moment::of_us(record.created_us),
        updated_at: moment::of_us(record.updated_us),
        deleted_at: record.deleted_us.map(moment::of_us),
        inject_only: record.inject_only,
        sync: record.sync.iter().map(sync).collect(),
    }
}

pub(crate) fn found(found: &Found) -> FoundRecordView {
    FoundRecordView {
        record: record(&found.record),
        collection: found.collection.clone(),
        changed_by: found.changed_by.clone(),
        changed_through: found.changed_through.map(|id| id.0),
    }
}

pub(crate) fn revision(info: &RevisionInfo) -> RevisionView {
    RevisionView {
        revision: info.revision.0,
        path: info.path.as_str().to_owned(),
        record_type: info.record_type,
        field_names: info.field_names.clone(),
        origin: info.origin,
        connection_id: info.connection_id.map(|id| id.0),
        actor: info.actor.clone(),
        created_at: moment::of_us(info.created_us),
    }
}

pub(crate) fn user(user: &User) -> UserView {
    UserView {
        id: user.id,
        email: user.email.clone(),
        name: user.name.clone(),
        role: user.role,
        disabled: user.disabled,
        revision: user.revision,
        created_at: moment::of_us(user.created_us),
        updated_at: moment::of_us(user.updated_us),
    }
}

pub(crate) fn token(token: &TokenInfo) -> TokenView {
    TokenView {
        id: token.id,
        user_id: token.user_id,
        kind: token.kind,
        name: token.name.clone(),
        scopes: token.scopes.clone(),
        created_at: moment::of_us(token.created_us),
        expires_at: token.expires_us.map(moment::of_us),
        last_used_at: token.last_used_us.map(moment::of_us),
    }
}

pub(crate) fn collection(collection: &Collection) -> CollectionView {
    CollectionView {
        id: collection.id.0,
        name: collection.name.clone(),
        revision: collection.revision,
        records: collection.records,
        created_at: moment::of_us(collection.created_us),
        updated_at: moment::of_us(collection.updated_us),
    }
}

pub(crate) fn member(member: &Member) -> MemberView {
    MemberView { user_id: member.user_id, email: member.email.clone(), role: member.role }
}

pub(crate) fn ignored(ignored: IgnoredPath) -> IgnoredView {
    let IgnoredPath { path, reason, accepted_by, accepted_us } = ignored;
    IgnoredView { path, reason, accepted_by, accepted_at: moment::of_us(accepted_us) }
}

pub(crate) fn accepted(difference: AcceptedDifference) -> AcceptedDifferenceView {
    let AcceptedDifference { path, accepted_by, accepted_us } = difference;
    AcceptedDifferenceView { path, accepted_by, accepted_at: moment::of_us(accepted_us) }
}

pub(crate) fn event(event: &AuditEvent) -> EventView {
    EventView::of(event.seq, &event.entry.draft, &event.hash)
}

pub(crate) fn checkpoint(stored: &StoredCheckpoint) -> CheckpointView {
    let said = &stored.checkpoint;
    CheckpointView {
        size: said.size,
        root: hex::encode(said.root),
        epoch: said.epoch,
        license_counter: said.license_counter,
        key_id: stored.key_id,
        created_at: moment::of_us(stored.created_us),
        note: stored.note.clone(),
    }
}

pub(crate) fn audit_key(key: &AuditKey) -> AuditKeyView {
    AuditKeyView {
        vkey: key.vkey.to_string(),
        key_id: key.key_id,
        active: key.active,
        created_at: moment::of_us(key.created_us),
    }
}

pub(crate) fn webhook(webhook: &Webhook) -> WebhookView {
    let actions = webhook.actions.as_ref();
    WebhookView {
        id: webhook.id,
        name: webhook.name.clone(),
        url: webhook.url.clone(),
        actions: actions.map(|actions| actions.iter().map(|action| action.as_str().to_owned()).collect()),
        paused: webhook.paused,
        delivered_seq: webhook.delivered_seq,
        failures: webhook.failures,
        next_attempt_at: (webhook.next_attempt_us > 0).then(|| moment::of_us(webhook.next_attempt_us)),
        last_error: webhook.last_error.clone(),
        last_delivered_at: webhook.last_delivered_us.map(moment::of_us),
        old_secret_until: webhook.old_until_us.map(moment::of_us),
        revision: webhook.revision,
        created_at: moment::of_us(webhook.created_us),
        updated_at: moment::of_us(webhook.updated_us),
    }
}

pub(crate) fn run(run: &Run) -> RunView {
    RunView::from(run)
}

pub(crate) fn conflict(conflict: &StoredConflict) -> ConflictView {
    ConflictView::from(conflict)
}
