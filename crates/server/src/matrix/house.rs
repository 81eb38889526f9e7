//! An installation with one of everything, in one process, and browsers in front of it.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_ledger::Actor;
use vaultterm_operations::{
    AuditOptions, Caller, LicenseSettings, Origin, Part, ReadAt, RootKeeper, Settings, authenticate, conflicts,
    connections::{self, Wanted, WantedAuth, WantedCredential},
    records, webhooks,
};
use vaultterm_reconcile::{
    Conflict, ConflictKind, Counts, Expect, LocalExpect, Plan, RemoteExpect, RemoteStamp, UnixNanos, Version,
};
use vaultterm_sealing::{RootKey, SecretText};
use vaultterm_store::{
    CollectionRole, Context, Database, InstanceRole, JudgedRoles, NewSession, NewToken, NewUser, Scope, TokenKind, User,
};
use vaultterm_sync::{
    CollectionId, ConnectionId, Journal as _, OtherConflicts, PlanId, RemoteIdentity, Run, RunId, RunPart, RunState,
    StoredPlan, Trigger,
};

use super::rows::NIL;
use crate::state::ServerState;

/// What every value of the house is. It must stand in no page.
pub(super) const MARKER: &str = "hunter2-marker";
const HOST: &str = "localhost:8250";

pub(super) struct House {
    pub(super) app: ServerState,
    router: Router,
    /// The owner of the installation and of the collection.
    pub(super) ann: User,
    ann_token: SecretText,
    pub(super) collection: CollectionId,
    /// The name of each id in the rows, and the id.
    ids: Vec<(&'static str, String)>,
    pub(super) trashed: Uuid,
    pub(super) inject_only: Uuid,
    _folder: TempDir,
}

/// What a server said.
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) location: String,
    pub(super) allow: String,
    pub(super) sets_cookie: bool,
    pub(super) body: String,
}

impl House {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = vaultterm_testkit::fresh_database(folder.path()).await.parse().unwrap();
        let database = Database::open(&url).await.unwrap();
        let root = RootKey::generate();
        let now_us = vaultterm_sync::system_time().0 / 1_000;
        let at_first = Context { actor: Actor::vaultterm(), source_ip: None, request_id: None, now_us };
        database.initialise(&at_first, &root, Some(person("ann@example.com", InstanceRole::Owner))).await.unwrap();
        let store = database.unlock(&root).await.unwrap();
        let license = LicenseSettings::of_nobody(folder.path());
        let settings = Settings { license, audit: AuditOptions::default() };
        let keeper = RootKeeper::Given(root.duplicate());
        let app = ServerState::new(store, root, keeper, VaultConnector::new(ConnectorOptions::default()), settings);

        let ann = app.store.user_by_email("ann@example.com").await.unwrap().unwrap();
        let (owner, ann_token) = logged_in(&app, &ann).await;
        let collection = app.store.create_collection(&owner.context(&app), "infra", ann.id).await.unwrap().id;
        let mut house = Self {
            router: crate::api::router(app.clone()),
            app,
            ann,
            ann_token,
            collection,
            ids: vec![("{nil}", NIL.to_owned()), ("{collection}", collection.0.to_string())],
            trashed: Uuid::nil(),
            inject_only: Uuid::nil(),
            _folder: folder,
        };
        house.furnish(&owner).await;
        house
    }

    async fn furnish(&mut self, owner: &Caller) {
        let app = self.app.clone();
        let record = self.record(owner, "both", false).await;
        self.trashed = self.record(owner, "trashed", false).await.id.0;
        records::trash(&app, owner, self.trashed, ReadAt::Revision(1)).await.unwrap();
        self.inject_only = self.record(owner, "for-programs", true).await.id.0;
        let wanted = Wanted {
            name: Some("prod".to_owned()),
            address: Some("http://127.0.0.1:1".to_owned()),
            mount: Some("kv".to_owned()),
            mode: Some("bidirectional".to_owned()),
            auth: WantedAuth { role_id: Some("role".to_owned()), ..WantedAuth::default() },
            ..Wanted::default()
        };
        let credential = WantedCredential { secret_id: Some("secret".to_owned().into()), wrapping_token: None };
        let made = connections::create(&app, owner, self.collection.0, wanted, &credential).await.unwrap();
        let connection = made.summary.connection.id;
        let plan = self.plan(connection).await;
        let (run, conflict) = self.run(owner, connection, &record).await;
        let webhook = webhooks::New {
            name: "siem".to_owned(),
            url: "http://127.0.0.1:9/in".to_owned(),
            secret: None,
            actions: None,
            paused: true,
            from_seq: None,
        };
        let webhook = webhooks::create(&app, owner, webhook).await.unwrap().webhook.id;
        let person = self.person("person", InstanceRole::Member, None).await.id;
        let named = [
            ("{record}", record.id.0),
            ("{connection}", connection.0),
            ("{plan}", plan),
            ("{run}", run),
            ("{conflict}", conflict),
            ("{webhook}", webhook),
            ("{person}", person),
        ];
        self.ids.extend(named.map(|(name, id)| (name, id.to_string())));
        let browser = self.session(&self.ann, 0).await;
        let counted = self.ask(Some(&browser), "POST", &format!("/plans/{plan}/ticks"), Some(""), true).await;
        let counted: Value = serde_json::from_str(&counted.body).unwrap();
        self.ids.push(("{counted}", counted["counted"].as_str().unwrap().to_owned()));
    }

    async fn record(&self, owner: &Caller, path: &str, inject_only: bool) -> vaultterm_store::Record {
        let fields = format!(r#"{{"x":"{MARKER}","totp_secret":"GEZDGNBVGY3TQOJQ"}}"#);
        let new = records::New {
            path: path.to_owned(),
            record_type: None,
            fields: &fields,
            tags: Vec::new(),
            inject_only,
            ask_again: false,
        };
        records::create(&self.app, owner, self.collection.0, new).await.unwrap()
    }

    async fn plan(&self, connection_id: ConnectionId) -> Uuid {
        let plan = StoredPlan {
            id: PlanId(Uuid::from_u128(1)),
            connection_id,
            connection_revision: 1,
            identity: RemoteIdentity::unknown(),
            plan: Plan::default(),
            decisions: Vec::new(),
            change_number: 0,
            created: UnixNanos(0),
            expires: UnixNanos(1),
        };
        self.app.store.store_plan(&plan).await.unwrap();
        plan.id.0
    }

    /// Records a run that met a conflict and has ended. A stream of what a running one tells would not end.
    async fn run(&self, owner: &Caller, connection_id: ConnectionId, record: &vaultterm_store::Record) -> (Uuid, Uuid) {
        let (store, id) = (&self.app.store, RunId(Uuid::from_u128(2)));
        let lease = store.acquire_lease(connection_id, id.0, Duration::from_secs(600)).await.unwrap().unwrap();
        let run = Run {
            id,
            connection_id,
            plan_id: None,
            state: RunState::Running,
            trigger: Trigger::Manual,
            actor: owner.actor(),
            counts: Counts::default(),
            halts: Vec::new(),
            problems: Vec::new(),
            started: UnixNanos(0),
            finished: None,
            requests: 0,
            part: RunPart::default(),
        };
        store.begin_run(lease, &run).await.unwrap();
        let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(8), version_created: UnixNanos(3) };
        let conflict = Conflict {
            path: record.path.clone(),
            kind: ConflictKind::BothChanged,
            expect: Expect {
                local: LocalExpect::Live { record_id: record.id, revision: record.revision },
                remote: RemoteExpect::Live { stamp, expires: None },
            },
            record_id: Some(record.id),
            base: None,
            local: None,
            remote: None,
            diverged: vec!["x".to_owned()],
            remote_writer: None,
        };
        let others = OtherConflicts::Converged { but: [].into() };
        store.record_conflicts(lease, id, &[conflict], &others).await.unwrap();
        let ended = Run { state: RunState::Succeeded, finished: Some(UnixNanos(1)), ..run };
        store.finish_run(&ended).await.unwrap();
        // Another run goes on, so that none begins.
        store.acquire_lease(connection_id, Uuid::from_u128(3), Duration::from_secs(600)).await.unwrap().unwrap();
        let conflict =
            conflicts::list(&self.app, owner, None, None, Part::default()).await.unwrap().items[0].conflict.id.0;
        (id.0, conflict)
    }

    /// Makes a person with a role on the installation, and one on the collection.
    pub(super) async fn person(&self, name: &str, of: InstanceRole, on: Option<CollectionRole>) -> User {
        let context = self.context(0);
        let user = self.app.store.create_user(&context, person(&format!("{name}@example.com"), of)).await.unwrap();
        if let Some(role) = on {
            let judged = JudgedRoles { by: self.ann.id, by_role: Some(CollectionRole::Owner), member_role: None };
            self.app.store.grant(&context, self.collection, user.id, role, &judged).await.unwrap();
        }
        user
    }

    /// Returns the context of something that happened so many minutes ago.
    pub(super) fn context(&self, minutes_ago: i64) -> Context {
        let now_us = self.app.now_us() - minutes_ago * 60_000_000;
        Context { actor: Actor::vaultterm(), source_ip: None, request_id: None, now_us }
    }

    /// Begins a session so many minutes ago, and returns the text for its cookie.
    pub(super) async fn session(&self, user: &User, minutes_ago: i64) -> String {
        let begun = self.app.store.begin_session(&self.context(minutes_ago), NewSession::new(user.id, "test")).await;
        begun.unwrap().1.expose().to_owned()
    }

    /// Issues a token of the owner.
    pub(super) async fn token(&self, kind: TokenKind) -> String {
        issue(&self.app, &self.ann, kind).await.expose().to_owned()
    }

    /// Puts the ids of the house in the place of their names.
    pub(super) fn named(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// Returns the id that a name stands for in the rows.
    pub(super) fn id(&self, name: &str) -> &str {
        self.ids.iter().find(|(known, _)| *known == name).map(|(_, id)| id).unwrap()
    }

    /// Asks as a browser with this cookie. A form is sent as a page of the server sends it.
    pub(super) async fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        path: &str,
        form: Option<&str>,
        json: bool,
    ) -> Said {
        let accept = if json { "application/json" } else { "text/html" };
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept);
        request = request.header(header::HOST, HOST).header(header::ORIGIN, format!("http://{HOST}"));
        request = request.header("sec-fetch-site", "same-origin");
        if let Some(session) = session {
            request = request.header(header::COOKIE, format!("vaultterm={session}"));
        }
        let mut body = form.unwrap_or_default().to_owned();
        if form.is_some() {
            let brings_file = path == "/import";
            let kind = if brings_file { MULTIPART } else { "application/x-www-form-urlencoded" };
            request = request.header(header::CONTENT_TYPE, kind);
            body = if brings_file { multipart(&body) } else { body };
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Said {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let text = |name| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let (location, allow) = (text(header::LOCATION), text(header::ALLOW));
        let (status, sets_cookie) = (answer.status(), answer.headers().contains_key(header::SET_COOKIE));
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        Said { status, location, allow, sets_cookie, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Returns what the owner sees by the API: everything that a page could have changed.
    pub(super) async fn fingerprint(&self) -> Vec<String> {
        let (collection, record) = (self.collection.0, self.id("{record}"));
        let mut seen = Vec::new();
        for path in [
            "/collections".to_owned(),
            format!("/collections/{collection}/members"),
            "/records?limit=500".to_owned(),
            "/records?limit=500&state=trash".to_owned(),
            format!("/records/{record}/revisions"),
            format!("/records/{}/revisions", self.trashed),
            format!("/records/{}/revisions", self.inject_only),
            "/connections".to_owned(),
            format!("/plans/{}", self.id("{plan}")),
            format!("/runs/{}", self.id("{run}")),
            "/conflicts".to_owned(),
            "/users".to_owned(),
            format!("/users/{}/links", self.id("{person}")),
            "/webhooks".to_owned(),
            "/keys".to_owned(),
            "/license".to_owned(),
        ] {
            let request = Request::get(format!("/api/v1{path}"))
                .header(header::AUTHORIZATION, format!("Bearer {}", self.ann_token.expose()));
            let said = self.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(said.status, StatusCode::OK, "{path}: {}", said.body);
            seen.push(said.body);
        }
        seen
    }
}

const MULTIPART: &str = "multipart/form-data; boundary=part";

/// Writes a form as one that brings files.
fn multipart(form: &str) -> String {
    let part = |(name, text)| format!("--part\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    let parts: String = form.split('&').filter_map(|pair| pair.split_once('=')).map(part).collect();
    format!("{parts}--part--\r\n")
}

fn person(email: &str, role: InstanceRole) -> NewUser {
    NewUser { email: email.to_owned(), name: email.to_owned(), role, password_hash: None }
}

async fn issue(app: &ServerState, user: &User, kind: TokenKind) -> SecretText {
    let context = Context { actor: Actor::vaultterm(), source_ip: None, request_id: None, now_us: app.now_us() };
    let scopes = Scope::ALL.to_vec();
    let new = NewToken { user_id: user.id, kind, name: "t".to_owned(), scopes, expires_us: None };
    app.store.issue_token(&context, new).await.unwrap().1
}

async fn logged_in(app: &ServerState, user: &User) -> (Caller, SecretText) {
    let token = issue(app, user, TokenKind::Login).await;
    let origin = Origin { request_id: "r".to_owned(), source_ip: None };
    (authenticate(app, token.expose(), origin).await.unwrap(), token)
}
