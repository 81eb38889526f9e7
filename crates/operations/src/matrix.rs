//! Who may do what: every operation × every kind of caller, on every kind of object. An operation without a
//! row fails.
//!
//! That a route calls its operation is shown from outside, once for each route (the black box of the binary).

mod populated;

use std::{fs, path::Path, time::Duration};

use futures_util::future::BoxFuture;
use uuid::Uuid;
use vaultterm_store::{AuditFilter, CollectionRole, InstanceRole, Page, Scope};

use self::populated::populated;
use crate::{
    Caller, Part, ReadAt, Refusal, RefusalKind, Services, audit, collections, conflicts,
    connections::{self, Wanted, WantedAuth, WantedCredential, accepted, ignored, policy},
    health, hints, keys, license, members, people, plans, records, runs,
    testing::House,
    tokens, webhooks,
};

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Need {
    /// A credential.
    Token,
    /// This role on the object's collection.
    Role(CollectionRole),
    /// Admin of the installation.
    Admin,
    /// Owner of the installation.
    Owner,
}
use Need::{Admin, Owner, Role, Token};

const VIEWER: Need = Role(CollectionRole::Viewer);
const EDITOR: Need = Role(CollectionRole::Editor);
const ADMIN: Need = Role(CollectionRole::Admin);
const OWNER: Need = Role(CollectionRole::Owner);

/// One of everything that the collection of the house holds, and people.
#[derive(Clone, Copy)]
struct Ids {
    collection: Uuid,
    record: Uuid,
    connection: Uuid,
    plan: Uuid,
    run: Uuid,
    conflict: Uuid,
    user: Uuid,
    token: Uuid,
    webhook: Uuid,
}

type Call = for<'a> fn(&'a Services, &'a Caller, Ids) -> BoxFuture<'a, Result<(), Refusal>>;

/// An operation: its name, what it needs, the scopes of which each suffices (none: any credential), and a
/// call that changes nothing, because it names what is not there or a revision that never was.
struct Row(&'static str, Need, &'static [Scope], Call);

macro_rules! row {
    ($name:literal, $need:expr, [$($scope:ident),*], |$services:ident, $caller:ident, $ids:ident| $call:expr) => {
        Row($name, $need, &[$(Scope::$scope),*], |$services, $caller, $ids| {
            // Not every operation takes the ids.
            let _ = &$ids;
            Box::pin(async move { $call.map(drop) })
        })
    };
}

mod of_files;
mod of_pages;
mod of_people;
mod proof;

const STALE: ReadAt = ReadAt::Revision(999);

fn part() -> Part {
    Part::default()
}

fn text(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn wanted() -> Wanted {
    Wanted {
        name: Some(text("prod")),
        address: Some(text("https://127.0.0.1:1")),
        mount: Some(text("kv")),
        mode: Some(text("bidirectional")),
        auth: WantedAuth { role_id: Some(text("role")), ..WantedAuth::default() },
        ..Wanted::default()
    }
}

pub(crate) fn credential() -> WantedCredential {
    WantedCredential { secret_id: Some(text("secret").into()), wrapping_token: None }
}

fn of_records() -> Vec<Row> {
    vec![
        row!("records::list", VIEWER, [RecordsRead], |s, c, i| {
            records::list(s, c, i.collection, records::Search::default()).await
        }),
        row!("records::create", EDITOR, [RecordsWrite], |s, c, i| {
            let new = records::New {
                path: text(".."),
                record_type: None,
                fields: "{}",
                tags: Vec::new(),
                inject_only: false,
                ask_again: false,
            };
            records::create(s, c, i.collection, new).await
        }),
        row!("records::show", VIEWER, [RecordsRead], |s, c, i| records::show(s, c, i.record).await),
        row!("records::update", EDITOR, [RecordsWrite], |s, c, i| {
            let change = records::Change { ask_again: Some(false), ..records::Change::default() };
            records::update(s, c, i.record, STALE, change).await
        }),
        row!("records::trash", ADMIN, [RecordsWrite], |s, c, i| records::trash(s, c, i.record, STALE).await),
        row!("records::reveal", VIEWER, [RecordsReveal], |s, c, i| {
            records::reveal(s, c, i.record, records::TakeOut::default()).await
        }),
        row!("records::inject", VIEWER, [RecordsReveal], |s, c, i| {
            records::inject(s, c, i.record, records::TakeOut::default()).await
        }),
        row!("records::revisions", VIEWER, [RecordsRead], |s, c, i| records::revisions(s, c, i.record, part()).await),
        row!("records::restore", EDITOR, [RecordsWrite], |s, c, i| records::restore(s, c, i.record, Some(999)).await),
        row!("records::otp", VIEWER, [RecordsReveal], |s, c, i| records::otp(s, c, i.record).await),
        row!("collections::list", Token, [RecordsRead, ConnectionsWrite], |s, c, i| {
            collections::list(s, c, part()).await
        }),
        row!("collections::create", Token, [RecordsWrite], |s, c, i| collections::create(s, c, "a/b").await),
        row!("collections::show", VIEWER, [RecordsRead, ConnectionsWrite], |s, c, i| {
            collections::show(s, c, i.collection).await
        }),
        row!("collections::rename", ADMIN, [RecordsWrite], |s, c, i| {
            collections::rename(s, c, i.collection, STALE, "other").await
        }),
        row!("collections::delete", OWNER, [RecordsWrite], |s, c, i| {
            collections::delete(s, c, i.collection, STALE).await
        }),
        row!("members::list", VIEWER, [RecordsRead], |s, c, i| members::list(s, c, i.collection, part()).await),
        row!("members::show", VIEWER, [RecordsRead], |s, c, i| members::show(s, c, i.collection, i.user).await),
        row!("members::grant", ADMIN, [RecordsWrite], |s, c, i| {
            members::grant(s, c, i.collection, i.user, "none").await
        }),
        row!("members::revoke", ADMIN, [RecordsWrite], |s, c, i| members::revoke(s, c, i.collection, i.user).await),
    ]
}

fn of_connections() -> Vec<Row> {
    vec![
        row!("connections::list", Token, [ConnectionsWrite, RecordsRead, SyncPlan, SyncRun], |s, c, i| {
            connections::list(s, c, part()).await
        }),
        row!("connections::create", ADMIN, [ConnectionsWrite], |s, c, i| {
            connections::create(s, c, i.collection, Wanted::default(), &credential()).await
        }),
        row!("connections::reach", ADMIN, [ConnectionsWrite], |s, c, i| {
            connections::reach(s, c, i.collection, Wanted::default()).await
        }),
        row!("connections::show", VIEWER, [ConnectionsWrite, RecordsRead, SyncPlan, SyncRun], |s, c, i| {
            connections::show(s, c, i.connection).await
        }),
        row!("connections::update", ADMIN, [ConnectionsWrite], |s, c, i| {
            connections::update(s, c, i.connection, STALE, Wanted::default()).await
        }),
        row!("connections::delete", ADMIN, [ConnectionsWrite], |s, c, i| {
            connections::delete(s, c, i.connection, STALE).await
        }),
        row!("connections::test", ADMIN, [ConnectionsWrite], |s, c, i| connections::test(s, c, i.connection).await),
        row!("connections::rotate_secret_id", ADMIN, [ConnectionsWrite], |s, c, i| {
            connections::rotate_secret_id(s, c, i.connection, &WantedCredential::default()).await
        }),
        row!("connections::set_paused", EDITOR, [ConnectionsWrite, SyncRun], |s, c, i| {
            connections::set_paused(s, c, i.connection, true).await
        }),
        row!("connections::accepted::list", VIEWER, [ConnectionsWrite, RecordsRead, SyncPlan, SyncRun], |s, c, i| {
            accepted::list(s, c, i.connection).await
        }),
        row!("connections::accepted::reopen", EDITOR, [ConflictsResolve], |s, c, i| {
            accepted::reopen(s, c, i.connection, None).await
        }),
        row!("connections::ignored::list", VIEWER, [ConnectionsWrite, RecordsRead, SyncPlan, SyncRun], |s, c, i| {
            ignored::list(s, c, i.connection).await
        }),
        row!("connections::ignored::accept", ADMIN, [ConnectionsWrite], |s, c, i| {
            ignored::accept(s, c, i.connection, "", None).await
        }),
        row!("connections::ignored::take_back", ADMIN, [ConnectionsWrite], |s, c, i| {
            ignored::take_back(s, c, i.connection, None).await
        }),
        row!("connections::policy::of_connection", VIEWER, [ConnectionsWrite, RecordsRead], |s, c, i| {
            policy::of_connection(s, c, i.connection, None, None).await
        }),
        row!("hints::add", EDITOR, [SyncHint, SyncRun], |s, c, i| {
            hints::add(s, c, i.connection, hints::Told::default()).await
        }),
        row!("hints::scopes", Token, [SyncHint, SyncRun], |s, c, i| hints::scopes(s, c, part()).await),
        row!("plans::create", EDITOR, [SyncPlan, SyncRun], |s, c, i| plans::create(s, c, i.connection, &[]).await),
        row!("plans::show", VIEWER, [SyncPlan, SyncRun], |s, c, i| plans::show(s, c, i.plan).await),
        row!("plans::without", VIEWER, [SyncPlan, SyncRun], |s, c, i| plans::without(s, c, i.plan, &[]).await),
        row!("plans::discard", EDITOR, [SyncPlan, SyncRun], |s, c, i| plans::discard(s, c, i.plan).await),
        row!("runs::list", VIEWER, [SyncPlan, SyncRun, RecordsRead], |s, c, i| {
            runs::list(s, c, i.connection, part()).await
        }),
        row!("runs::recent", Token, [SyncPlan, SyncRun, RecordsRead], |s, c, i| runs::recent(
            s,
            c,
            runs::Search::default()
        )
        .await),
        row!("runs::show", VIEWER, [SyncPlan, SyncRun, RecordsRead], |s, c, i| runs::show(s, c, i.run).await),
        row!("runs::start::start", EDITOR, [SyncRun], |s, c, i| {
            runs::start(s, c, i.connection, runs::Start { acknowledge: vec![text("none")], ..runs::Start::default() })
                .await
        }),
        row!("runs::cancel::cancel", EDITOR, [SyncRun], |s, c, i| runs::cancel(s, c, i.run).await),
        row!("runs::follow::follow", VIEWER, [SyncPlan, SyncRun, RecordsRead], |s, c, i| {
            runs::follow(s, c, i.run, 0).await
        }),
        row!("conflicts::list", Token, [RecordsRead, ConflictsResolve], |s, c, i| {
            conflicts::list(s, c, None, None, part()).await
        }),
        row!("conflicts::show", VIEWER, [RecordsRead, ConflictsResolve], |s, c, i| {
            conflicts::show(s, c, i.conflict).await
        }),
        row!("conflicts::reveal", VIEWER, [RecordsReveal], |s, c, i| conflicts::reveal(s, c, i.conflict).await),
        row!("conflicts::plan_alike", EDITOR, [ConflictsResolve], |s, c, i| {
            conflicts::plan_alike(s, c, i.conflict, "none", None).await
        }),
        row!("conflicts::resolve", EDITOR, [ConflictsResolve], |s, c, i| {
            let decided = conflicts::Decided {
                resolution: text("none"),
                fields: [].into(),
                reason: None,
                local_revision: None,
                remote_version: None,
            };
            conflicts::resolve(s, c, i.conflict, decided).await
        }),
    ]
}

fn of_the_installation() -> Vec<Row> {
    vec![
        row!("people::list", Token, [Admin], |s, c, i| people::list(s, c, part()).await),
        row!("people::create", Admin, [Admin], |s, c, i| people::create(s, c, people::New::default()).await),
        row!("people::show", Token, [Admin], |s, c, i| people::show(s, c, i.user).await),
        row!("people::update", Admin, [Admin], |s, c, i| {
            people::update(s, c, i.user, STALE, people::Change { disabled: Some(true), ..people::Change::default() })
                .await
        }),
        row!("people::delete", Admin, [Admin], |s, c, i| people::delete(s, c, i.user, STALE).await),
        row!("tokens::list", Token, [Admin], |s, c, i| tokens::list(s, c, part()).await),
        row!("tokens::create", Token, [Admin], |s, c, i| {
            tokens::create(s, c, tokens::New { name: text("x"), scopes: Vec::new(), expires_in_seconds: None }).await
        }),
        row!("audit::events", Admin, [AuditRead], |s, c, i| audit::events(s, c, audit::Search::default()).await),
        row!("audit::export::export", Admin, [AuditRead], |s, c, i| {
            audit::export(s, c, audit::Search::default()).await
        }),
        row!("audit::entry", Admin, [AuditRead], |s, c, i| audit::entry(s, c, 999).await),
        row!("audit::state", Admin, [AuditRead], |s, c, i| audit::state(s, c).await),
        row!("audit::verify", Admin, [AuditRead], |s, c, i| audit::verify(s, c).await),
        row!("audit::checkpoints", Admin, [AuditRead], |s, c, i| audit::checkpoints(s, c, part()).await),
        row!("audit::keys", Admin, [AuditRead], |s, c, i| audit::keys(s, c).await),
        row!("audit::prune", Owner, [Admin], |s, c, i| audit::prune(s, c, "no time").await),
        row!("keys::show", Admin, [Admin], |s, c, i| keys::show(s, c).await),
        row!("keys::rotate", Owner, [Admin], |s, c, i| keys::rotate(s, c, "no such key").await),
        row!("license::install", Owner, [Admin], |s, c, i| license::install(s, c, "none").await),
        row!("license::evaluate", Owner, [Admin], |s, c, i| license::evaluate(s, c).await),
        row!("webhooks::list", Admin, [Admin], |s, c, i| webhooks::list(s, c, part()).await),
        row!("webhooks::create", Admin, [Admin], |s, c, i| {
            let new = webhooks::New {
                name: text("x"),
                url: text("nowhere"),
                secret: None,
                actions: None,
                paused: false,
                from_seq: None,
            };
            webhooks::create(s, c, new).await
        }),
        row!("webhooks::show", Admin, [Admin], |s, c, i| webhooks::show(s, c, i.webhook).await),
        row!("webhooks::update", Admin, [Admin], |s, c, i| {
            webhooks::update(s, c, i.webhook, STALE, webhooks::Change::default()).await
        }),
        row!("webhooks::delete", Admin, [Admin], |s, c, i| webhooks::delete(s, c, i.webhook, STALE).await),
        row!("webhooks::reship", Admin, [Admin], |s, c, i| webhooks::reship(s, c, i.webhook, 0).await),
        row!("webhooks::test", Admin, [Admin], |s, c, i| webhooks::test(s, c, i.webhook).await),
        row!("health::components", Token, [], |s, c, i| Ok::<_, Refusal>(health::components(s, c).await)),
        // Last, because it revokes the token.
        row!("tokens::revoke", Admin, [Admin], |s, c, i| tokens::revoke(s, c, i.token).await),
    ]
}

fn rows() -> Vec<Row> {
    [of_records(), of_connections(), of_the_installation(), of_files::rows(), of_pages::rows(), of_people::rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// What happened to a caller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Denied,
    /// The object does not exist for the caller.
    Invisible,
    LetIn,
}

async fn ask(row: &Row, services: &Services, caller: &Caller, ids: Ids) -> Seen {
    // A denial needs one statement. What takes longer is already talking to Vault, which nobody answers for here.
    match tokio::time::timeout(Duration::from_millis(1_500), (row.3)(services, caller, ids)).await {
        Ok(Err(refusal)) if refusal.kind == RefusalKind::Forbidden => Seen::Denied,
        Ok(Err(refusal)) if refusal.detail.contains("you may not see it") => Seen::Invisible,
        Ok(_) | Err(_) => Seen::LetIn,
    }
}

#[tokio::test]
async fn every_operation_lets_in_whom_its_row_says_and_nobody_else() {
    let (house, ids) = populated().await;
    let services = &house.services;
    // The owner of another collection, and an admin of the installation, have no role on this one.
    let outsider = house.person("outsider@example.com", InstanceRole::Member).await;
    collections::create(services, &outsider, "elsewhere").await.unwrap();
    let instance_admin = house.person("instance-admin@example.com", InstanceRole::Admin).await;
    let mut members = Vec::new();
    for role in CollectionRole::ALL {
        members.push((*role, house.member(&format!("{role}@example.com"), *role).await));
    }
    for row in &rows() {
        let Row(name, need, ..) = row;
        let stranger = ask(row, services, &outsider, ids).await;
        let admin = ask(row, services, &instance_admin, ids).await;
        match need {
            Token => assert_eq!((stranger, admin), (Seen::LetIn, Seen::LetIn), "{name}"),
            // Another person's token does not exist for a member.
            Admin => assert!(stranger != Seen::LetIn && admin == Seen::LetIn, "{name}: {stranger:?}, {admin:?}"),
            Owner => {
                assert_eq!((stranger, admin), (Seen::Denied, Seen::Denied), "{name}");
                assert_eq!(ask(row, services, &house.owner, ids).await, Seen::LetIn, "{name}");
            }
            Role(least) => {
                assert_eq!((stranger, admin), (Seen::Invisible, Seen::Invisible), "{name}");
                for (role, member) in &members {
                    let wanted = if role >= least { Seen::LetIn } else { Seen::Denied };
                    assert_eq!(ask(row, services, member, ids).await, wanted, "{name}: {role}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_object_that_does_not_exist_looks_like_one_that_the_caller_may_not_see() {
    let house = House::new().await;
    let nothing = Uuid::from_u128(9);
    let ids = Ids {
        collection: nothing,
        record: nothing,
        connection: nothing,
        plan: nothing,
        run: nothing,
        conflict: nothing,
        user: nothing,
        token: nothing,
        webhook: nothing,
    };
    for row in rows().iter().filter(|row| matches!(row.1, Role(_))) {
        assert_eq!(ask(row, &house.services, &house.owner, ids).await, Seen::Invisible, "{}", row.0);
    }
}

#[tokio::test]
async fn a_credential_with_one_scope_is_let_in_where_a_row_names_it_and_nowhere_else() {
    let (house, ids) = populated().await;
    let mut callers = Vec::new();
    for scope in Scope::ALL {
        callers.push((*scope, house.with_scopes(&house.owner, &[*scope]).await));
    }
    for row in rows().iter().filter(|row| !row.2.is_empty()) {
        for (scope, caller) in &callers {
            let wanted = if row.2.contains(scope) { Seen::LetIn } else { Seen::Denied };
            assert_eq!(ask(row, &house.services, caller, ids).await, wanted, "{} with {scope}", row.0);
        }
    }
}

#[tokio::test]
async fn every_denial_is_audited() {
    let (house, ids) = populated().await;
    for row in rows().iter().filter(|row| row.1 != Token) {
        // A new person each time: many denials of one become one entry.
        let caller = house.person(&format!("{}@example.com", row.0.replace(':', "-")), InstanceRole::Member).await;
        assert_ne!(ask(row, &house.services, &caller, ids).await, Seen::LetIn, "{}", row.0);
        let filter = AuditFilter { actor: Some(caller.user.id), ..AuditFilter::default() };
        let page = Page { limit: 500, cursor: None };
        let entries = house.services.store.audit_events(&filter, &page).await.unwrap().items;
        let last = entries.last().map(|event| event.entry.draft.action.as_str().to_owned());
        assert_eq!(last.as_deref(), Some("ACCESS_DENIED"), "{}", row.0);
    }
}

#[test]
fn every_operation_has_a_row() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open = vec![src.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let inside = path.strip_prefix(&src).unwrap().with_extension("");
            let module = inside.to_str().unwrap().replace('/', "::");
            let text = fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\npub async fn ") {
                let signature = &text[at + "\npub async fn ".len()..];
                let signature = &signature[..signature.find(") -> ").unwrap_or(signature.len())];
                let (name, parameters) = signature.split_once('(').unwrap();
                if parameters.contains(": &Caller") {
                    found.push(format!("{module}::{name}"));
                }
            }
        }
    }
    // What access checks itself, and what every caller may do with their own login.
    found.retain(|name| !name.starts_with("access::") && name != "login::log_out");
    let rows = rows();
    for name in &found {
        assert!(rows.iter().any(|row| row.0 == name), "{name} has no row: say who may do it");
    }
    assert_eq!(found.len(), rows.len(), "a row without an operation");
}
