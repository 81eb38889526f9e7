//! What the database knows, as the API says it. The contract itself makes the views of what the engine and the
//! planner know.

pub(crate) mod exports;
pub(crate) mod imports;

use vaultterm_contract::{
    AcceptedDifferenceView, AuditKeyView, CheckpointView, CollectionView, ConflictView, DecisionView, EventView,
    FactorsView, FoundRecordView, IgnoredView, LinkState, LinkView, MadeLinkView, Makers, MemberView, MembershipView,
    OpenedLinkView, PersonState, ProfileView, RecordSyncView, RecordView, RevisionView, RoleSourceView, RunView,
    SeenVersionView, SessionView, SessionsView, TokenView, TrustedDeviceView, UserView, WebhookView, WrittenView,
    moment,
};
use vaultterm_operations::{
    conflicts::TwoSided,
    links::Made as MadeLink,
    members::Sourced,
    my_sessions::{LoggedInAt, MySessions},
    profiles::{Profile, SourcedRole},
};
use vaultterm_store::{
    AcceptedDifference, AuditEvent, AuditKey, Collection, DecisionMade, Factors, Found, Grant, IgnoredPath,
    LinkPurpose, PersonLink, Record, RecordSync, RevisionInfo, RevisionWriter, StoredCheckpoint, TokenInfo,
    TrustedDevice, User, Webhook,
};
use vaultterm_sync::Run;

pub(crate) fn record(record: &Record) -> RecordView {
    let sync = |sync: &RecordSync| RecordSyncView {
        connection_id: sync.connection_id.0,
        connection: sync.connection.clone(),
        state: sync.state,
        remote_version: sync.remote_version,
        remote_writer: sync.writer.clone(),
        seen: sync.seen.as_ref().map(|seen| SeenVersionView {
            version: seen.version.map(|version| version.0),
            written_at: seen.written_us.map(moment::of_us),
            deleted: seen.is_deleted,
            writer: seen.writer.clone(),
        }),
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
        ask_again: record.ask_again,
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
        vault_writer: info.vault_writer.clone(),
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
        state: state(user),
        revision: user.revision,
        created_at: moment::of_us(user.created_us),
        updated_at: moment::of_us(user.updated_us),
    }
}

/// Returns the state of an account.
pub(crate) const fn state(user: &User) -> PersonState {
    match (user.disabled, user.has_password) {
        (true, _) => PersonState::Disabled,
        (false, true) => PersonState::Active,
        (false, false) => PersonState::Invited,
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

pub(crate) fn factors(found: &Factors) -> FactorsView {
    FactorsView {
        otp_since: found.otp_since_us.map(moment::of_us),
        recovery_codes_left: found.codes_left,
        recovery_codes_made_at: found.codes_made_us.map(moment::of_us),
        recovery_codes_kept: found.codes_typed_back,
    }
}

pub(crate) fn sessions(mine: &MySessions) -> SessionsView {
    let session = |session: &LoggedInAt| SessionView {
        id: session.id,
        device: session.device.clone(),
        source_ip: session.source_ip.clone(),
        method: session.method,
        began_at: moment::of_us(session.began_us),
        seen_at: moment::of_us(session.seen_us),
        ends_at: moment::of_us(session.ends_us),
        current: session.is_this,
    };
    let device = |device: &TrustedDevice| TrustedDeviceView {
        id: device.id,
        device: device.device.clone(),
        source_ip: device.source_ip.clone(),
        began_at: moment::of_us(device.began_us),
        ends_at: moment::of_us(device.ends_us),
    };
    SessionsView {
        sessions: mine.sessions.iter().map(session).collect(),
        remembered: mine.devices.iter().map(device).collect(),
    }
}

pub(crate) fn link(link: &PersonLink, now_us: i64) -> LinkView {
    LinkView {
        id: link.id,
        user_id: link.user_id,
        purpose: link.purpose,
        state: link_state(link, now_us),
        made_by: link.made_by.clone(),
        made_at: moment::of_us(link.made_us),
        opened_at: link.opened_us.map(moment::of_us),
        used_at: link.used_us.map(moment::of_us),
        expires_at: moment::of_us(link.expires_us),
    }
}

/// Says how far a link came.
pub(crate) const fn link_state(link: &PersonLink, now_us: i64) -> LinkState {
    match (link.used_us, link.is_open(now_us), link.opened_us) {
        (Some(_), ..) => LinkState::Used,
        (None, false, _) => LinkState::Expired,
        (None, true, Some(_)) => LinkState::Opened,
        (None, true, None) => LinkState::Made,
    }
}

/// Returns the page of a link. The secret is the part after `#`. Browsers never send that part, so no server and no log
/// sees it.
pub(crate) fn link_path(made: &MadeLink) -> String {
    let page = match made.link.purpose {
        LinkPurpose::Invitation => "/invite",
        LinkPurpose::Reset => "/reset",
    };
    format!("{page}#{}", made.text.expose())
}

pub(crate) fn made_link(made: &MadeLink, now_us: i64) -> MadeLinkView {
    MadeLinkView {
        user: user(&made.user),
        link: link(&made.link, now_us),
        token: made.text.expose().to_owned().into(),
        path: link_path(made).into(),
    }
}

pub(crate) fn profile(profile: &Profile, now_us: i64) -> ProfileView {
    let membership = |one: &SourcedRole| MembershipView {
        collection_id: one.role.collection_id.0,
        collection: one.role.name.clone(),
        role: one.role.role,
        only_owner: one.role.is_only_owner,
        source: one.source.as_ref().map(source),
    };
    ProfileView {
        user: user(&profile.user),
        seen_at: profile.seen_us.map(moment::of_us),
        has_factor: profile.has_factor,
        sessions: profile.sessions,
        tokens: profile.tokens,
        source: profile.source.as_ref().map(source),
        roles: profile.roles.iter().map(membership).collect(),
        hidden_roles: profile.hidden_roles,
        links: profile.links.iter().map(|one| link(one, now_us)).collect(),
    }
}

pub(crate) fn opened_link(link: &PersonLink, user: &User) -> OpenedLinkView {
    OpenedLinkView {
        purpose: link.purpose,
        email: user.email.clone(),
        name: user.name.clone(),
        made_by: link.made_by.clone(),
        expires_at: moment::of_us(link.expires_us),
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

pub(crate) fn member(found: &Sourced) -> MemberView {
    let member = &found.member;
    MemberView {
        user_id: member.user_id,
        email: member.email.clone(),
        role: member.role,
        source: found.source.as_ref().map(source),
    }
}

fn source(grant: &Grant) -> RoleSourceView {
    RoleSourceView { kind: grant.kind, by: grant.by.clone(), at: moment::of_us(grant.at_us) }
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

pub(crate) fn conflict(found: &TwoSided) -> ConflictView {
    let view = ConflictView::by(&found.conflict, found.local.as_ref().map(|writer| makers_of(writer).named()));
    ConflictView { decision: found.decision.as_ref().map(decision), ..view }
}

/// Returns who made the revision that a conflict is about.
pub(crate) fn makers_of(writer: &RevisionWriter) -> Makers<'_> {
    Makers { origin: writer.origin, actor: &writer.actor, vault_writer: None }
}

/// Returns who made a revision.
pub(crate) fn makers(info: &RevisionInfo) -> Makers<'_> {
    Makers { origin: info.origin, actor: &info.actor, vault_writer: info.vault_writer.as_deref() }
}

/// Makes the view of what a person decided on a conflict.
pub(crate) fn decision(made: &DecisionMade) -> DecisionView {
    let written = made.written.iter().map(|one| WrittenView {
        what: one.what.clone(),
        record_id: one.record.as_ref().map(|(id, _)| id.0),
        record_path: one.record.as_ref().map(|(_, path)| path.clone()),
        revision: one.revision,
        remote_path: one.remote.path.clone(),
        remote_version: one.remote.version,
    });
    DecisionView {
        resolution: made.resolution,
        by: made.by.clone(),
        decided_at: moment::of_us(made.at_us),
        reason: made.reason.clone(),
        written: written.collect(),
    }
}
