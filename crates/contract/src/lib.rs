//! What the HTTP API says: bodies, answers, names and messages, each in one place and read both ways.
//!
//! The server writes these types and the command line reads them, so a field or a name that changes here
//! changes on both sides or does not compile. Webhooks and syslog send the same types. Where a value has a
//! name (how a run stands, a role, a mode), the type is the domain's own list of names: an unknown name is an
//! error, never a default.
//!
//! There is no logic here. A view is made from a domain object with `From` or `of`; the views of what only
//! the database knows are made in the server. One file for each resource.
#![allow(
    missing_docs,
    reason = "a doc comment is a description in the OpenAPI document; where there is none, the name says it all"
)]

pub mod advice;
mod audit;
mod collections;
mod conflicts;
mod connection_bodies;
mod connections;
mod decisions;
mod events;
mod exports;
mod factors;
mod generated;
mod health;
mod hints;
mod imports;
mod keys;
mod license;
mod links;
mod list;
pub mod moment;
mod named;
mod nothing;
mod people;
mod plans;
mod problem;
mod record_moves;
mod records;
mod revisions;
mod runs;
mod schema;
pub mod shell;
mod tokens;
mod webhooks;

pub use audit::{
    AuditKeyView, AuditKeysView, CheckpointView, EventView, ObjectView, Prune, PrunedView, RemoteView, SentCheckpoint,
    ShortEventView, VerdictView,
};
pub use collections::{CollectionName, CollectionView, Grant, MemberView, RoleSourceView};
pub use conflicts::{
    ConflictFieldView, ConflictView, Expected, FieldDecision, MaskedView, Resolve, ResolveAlike, RevealedConflictView,
    RevealedFieldView, shown_fields,
};
pub use connection_bodies::{
    AuthBody, AuthPatch, ConnectionCreate, ConnectionPatch, CredentialBody, OptionsBody, ReachBody, TlsBody,
};
pub use connections::{
    AcceptedDifferenceList, AcceptedDifferenceView, AuthView, CheckState, CheckView, ConnectionView, Ignore,
    IgnoredList, IgnoredView, OptionsView, PolicyScope, PolicyView, ServerView, Standing, TestView, TlsView,
};
pub use decisions::{DecisionView, WrittenView};
pub use events::{ProgressView, RunEventName};
pub use exports::{ExportBody, ExportFormatView, ExportLossView, ExportPart, ExportReviewView};
pub use factors::{
    CodeBody, EndedView, FactorsView, NewOtpView, RecoveryCodesView, SessionView, SessionsView, StepUp,
    TrustedDeviceView,
};
pub use generated::{Generate, GeneratedValueView, GeneratedView};
pub use health::{ComponentView, HealthStatus, HealthView, StatusView};
pub use hints::{HintScopeView, HintedChange, Hints, HintsView};
pub use imports::{
    CHANGES_ELSEWHERE, ImportCommit, ImportCountsView, ImportItemView, ImportSummaryView, ImportUpload, ImportView,
    ItemFate, LossView, RefusedItemView, UndoneView, skipped_because,
};
pub use keys::{KeyProvider, KeyRotation, KeyView, KeysView, Rotate, SealedView};
pub use license::{KeptLicenseView, LicenseBody, LicenseSource, LicenseStanding, LicenseView, SyncAllowed};
pub use links::{
    AcceptLink, Invite, LinkState, LinkView, MadeLinkView, MembershipView, OpenLink, OpenedLinkView, ProfileView,
};
pub use list::ListView;
pub use named::named;
pub use nothing::Nothing;
pub use people::{Login, LoginView, MeView, PersonState, Setup, UserCreate, UserPatch, UserView};
pub use plans::{
    AcceptedView, CountsView, ExpectView, FieldChangeView, HaltView, PlanBody, PlanView, PlannedConflictView,
    RestrictedView, SkipView, StepView,
};
pub use problem::{Document, FieldError};
pub use record_moves::{
    AccessChangeView, AccessView, ReadRecordBody, RecordMove, RecordMoveView, RecordsChange, RevealMany,
    RevealedManyView, RevealedOneView, SeerView, SeersView,
};
pub use records::{
    FoundRecordView, Inject, OtpView, RecordCreate, RecordSyncView, RecordUpdate, RecordView, Restore, Reveal,
    RevealedView, RevisionView, SeenVersionView,
};
pub use revisions::Makers;
pub use runs::{ProblemClassView, ProblemView, RunStart, RunView};
pub use tokens::{IssuedView, TokenCreate, TokenView};
pub use webhooks::{
    MadeWebhookView, Reship, TriedView, WebhookCreate, WebhookData, WebhookMessage, WebhookPatch, WebhookView,
};
