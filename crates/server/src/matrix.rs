//! Who may see which page: every page × every kind of caller, in one process on a database in a temporary folder. A page
//! without a row fails.
//!
//! The rules themselves are those of the operations (`operations/src/matrix.rs`). Here is shown that each page asks them,
//! before it says or does anything.

mod house;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use vaultterm_operations::access;
use vaultterm_store::{AuditFilter, CollectionRole, InstanceRole, Page, TokenKind, User};

use house::{House, MARKER, Said};
use rows::rows;

/// The action of an audit entry about a denial.
const DENIED: &str = "ACCESS_DENIED";

/// What a page needs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Need {
    /// Nothing.
    Open,
    /// A session.
    Session,
    /// At least this role on the collection of the object.
    Viewer,
    Editor,
    Admin,
    /// Admin of the installation.
    HouseAdmin,
    /// Owner of the installation.
    HouseOwner,
}

/// A page.
#[derive(Clone, Copy, Debug)]
struct Row {
    method: &'static str,
    path: &'static str,
    need: Need,
    /// Whether it needs a proof of the last ten minutes that it is the person.
    is_fresh: bool,
    form: &'static str,
}

impl Row {
    /// Says whether a caller was let in. What belongs to the caller alone, and is not there, is not found.
    fn lets_in(&self, said: &Said) -> bool {
        let is_own = self.need == Need::Session && self.form.contains("{nil}");
        matches!((seen(said), is_own), (Seen::LetIn, _) | (Seen::Invisible, true))
    }
}

/// What happened to a caller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    /// Sent to the login.
    Login,
    /// Asked for a proof.
    Prove,
    /// Told which role is missing.
    Denied,
    /// The object does not exist for the caller.
    Invisible,
    LetIn,
    /// The server failed.
    Broken,
}

fn seen(said: &Said) -> Seen {
    let to = said.location.as_str();
    match said.status {
        StatusCode::SEE_OTHER if to.starts_with("/login/prove") => Seen::Prove,
        StatusCode::SEE_OTHER if to == "/login" || to.starts_with("/login?") || to.starts_with("/login/again") => {
            Seen::Login
        }
        StatusCode::UNAUTHORIZED if said.body.contains("our session has ended") => Seen::Login,
        StatusCode::FORBIDDEN if said.body.contains("his needs the role") => Seen::Denied,
        StatusCode::NOT_FOUND if said.body.contains("you may not see it") => Seen::Invisible,
        StatusCode::INTERNAL_SERVER_ERROR => Seen::Broken,
        _ => Seen::LetIn,
    }
}

/// A person who asks, with the roles that count.
struct Asker {
    name: &'static str,
    user: User,
    session: String,
    of: InstanceRole,
    on: Option<CollectionRole>,
}

impl Asker {
    async fn new(house: &House, name: &'static str, of: InstanceRole, on: Option<CollectionRole>) -> Self {
        let user = if of == InstanceRole::Owner { house.ann.clone() } else { house.person(name, of, on).await };
        let session = house.session(&user, 0).await;
        Self { name, user, session, of, on }
    }

    /// Returns what must happen to this person at a page.
    fn expected(&self, need: Need) -> Seen {
        let on = |least: CollectionRole| match self.on {
            None => Seen::Invisible,
            Some(role) if role >= least => Seen::LetIn,
            Some(_) => Seen::Denied,
        };
        let of = |least: InstanceRole| if self.of >= least { Seen::LetIn } else { Seen::Denied };
        match need {
            Need::Open | Need::Session => Seen::LetIn,
            Need::Viewer => on(CollectionRole::Viewer),
            Need::Editor => on(CollectionRole::Editor),
            Need::Admin => on(CollectionRole::Admin),
            Need::HouseAdmin => of(InstanceRole::Admin),
            Need::HouseOwner => of(InstanceRole::Owner),
        }
    }
}

/// Everybody who asks: each role on the collection, the owner of another one, an admin and the owner of the installation.
async fn askers(house: &House) -> Vec<Asker> {
    let mut askers = Vec::new();
    for (name, role) in [
        ("viewer", CollectionRole::Viewer),
        ("editor", CollectionRole::Editor),
        ("admin", CollectionRole::Admin),
        ("owner", CollectionRole::Owner),
    ] {
        askers.push(Asker::new(house, name, InstanceRole::Member, Some(role)).await);
    }
    let outsider = Asker::new(house, "owner-of-another", InstanceRole::Member, None).await;
    house.app.store.create_collection(&house.context(0), "elsewhere", outsider.user.id).await.unwrap();
    askers.push(outsider);
    askers.push(Asker::new(house, "house-admin", InstanceRole::Admin, None).await);
    askers.push(Asker::new(house, "house-owner", InstanceRole::Owner, Some(CollectionRole::Owner)).await);
    askers
}

impl House {
    async fn at(&self, session: Option<&str>, row: &Row, record: &str) -> Said {
        let named = |text: &str| self.named(&text.replace("{record}", record));
        let form = named(row.form).replace(' ', "+");
        self.ask(session, row.method, &named(row.path), (row.method == "POST").then_some(&form), false).await
    }

    /// Returns the records that a row is asked about: a live one, one in the trash, and one for programs only.
    fn records(&self, row: &Row) -> Vec<String> {
        let mut records = vec![self.id("{record}").to_owned()];
        if row.path.contains("{record}") {
            records.extend([self.trashed.to_string(), self.inject_only.to_string()]);
        }
        records
    }
}

/// The router knows its pages: each path, and the methods that it allows.
#[tokio::test]
async fn every_page_has_a_row() {
    let house = House::new().await;
    let session = house.session(&house.ann, 0).await;
    let described = format!("{:?}", crate::web::router(&house.app));
    let quoted = described.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    let paths: BTreeSet<&str> = quoted.filter(|path| !path.contains("axum_fallback")).collect();
    assert!(paths.len() > 80, "the description of the router names its paths: {described}");
    let mut with_row = BTreeSet::new();
    for path in paths {
        let filled = path.replace("{id}", rows::NIL).replace("{seq}", "1");
        let said = house.ask(Some(&session), "PUT", &filled, None, false).await;
        assert_eq!(said.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        for method in said.allow.split(',').filter(|method| *method != "HEAD") {
            let is_it = |row: &&Row| row.method == method && is_at(row.path, path);
            let found: Vec<&Row> = rows().filter(is_it).collect();
            assert!(!found.is_empty(), "{method} {path} has no row: say who may use it");
            with_row.extend(found.into_iter().map(|row| (row.method, row.path, row.form)));
        }
    }
    let without: Vec<_> = rows().filter(|row| !with_row.contains(&(row.method, row.path, row.form))).collect();
    assert!(without.is_empty(), "rows without a page: {without:?}");
}

/// Says whether the path of a row fits a path of the router, in which a name in braces stands for anything.
fn is_at(row: &str, path: &str) -> bool {
    let row = row.split('?').next().unwrap_or_default();
    let (row, path): (Vec<_>, Vec<_>) = (row.split('/').collect(), path.split('/').collect());
    // A text of its own wins over a name in braces.
    let fits =
        |(row, path): (&&str, &&str)| row == path || (path.starts_with('{') && (row.starts_with('{') || *row == "1"));
    row.len() == path.len() && row.iter().zip(&path).all(fits)
}

#[tokio::test]
async fn a_page_lets_in_whom_its_row_says_and_a_denial_changes_nothing_and_is_audited() {
    let house = House::new().await;
    let askers = askers(&house).await;
    let (before, from) = (house.fingerprint().await, house.app.store.audit_size().await.unwrap());
    let mut wrong = Vec::new();
    let mut denials: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows().filter(|row| !matches!(row.need, Need::Open | Need::Session)) {
        for record in house.records(row) {
            for asker in askers.iter().filter(|asker| asker.expected(row.need) != Seen::LetIn) {
                let said = house.at(Some(&asker.session), row, &record).await;
                let (is, expected) = (seen(&said), asker.expected(row.need));
                if is != expected {
                    wrong.push(format!("{} {} as {}: {is:?}, not {expected:?}", row.method, row.path, asker.name));
                }
                assert!(!said.body.contains(MARKER), "{} {} as {}: a value", row.method, row.path, asker.name);
                *denials.entry(asker.name).or_default() += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(house.fingerprint().await, before, "a denial changes nothing");
    access::sum_up_denials(&house.app, true).await.unwrap();
    let entries = entries_after(&house, from).await;
    let others: Vec<_> = entries.iter().filter(|(action, ..)| action != DENIED).collect();
    assert!(others.is_empty(), "nothing but denials happened: {others:?}");
    for asker in &askers {
        let own = || entries.iter().filter(|(_, actor, _)| *actor == asker.user.id);
        let counted: u64 = own().map(|(.., count)| count).sum();
        assert_eq!(counted, denials.get(asker.name).copied().unwrap_or(0), "each denial of {} counts", asker.name);
        // Twenty in a minute one by one, and one entry for the rest of it.
        assert!(own().count() < 70, "the entries of {} are bounded: {}", asker.name, own().count());
    }

    for row in rows().filter(|row| row.need != Need::Open && row.path != "/logout") {
        for record in house.records(row) {
            for asker in askers.iter().filter(|asker| asker.expected(row.need) == Seen::LetIn) {
                let session = house.session(&asker.user, 0).await;
                let said = house.at(Some(&session), row, &record).await;
                if !row.lets_in(&said) {
                    let (status, to) = (said.status, &said.location);
                    wrong.push(format!("{} {} as {}: {status} {to}", row.method, row.path, asker.name));
                }
                let is_asked_for = row.path.ends_with("/reveal") || row.form.contains("act=reveal");
                assert!(is_asked_for || !said.body.contains(MARKER), "{} {}: a value", row.method, row.path);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns the action, the actor and the count of each entry after a number.
async fn entries_after(house: &House, from: u64) -> Vec<(String, uuid::Uuid, u64)> {
    let (mut entries, mut page) = (Vec::new(), Page { limit: 500, cursor: None });
    let filter = AuditFilter { after: Some(from), ..AuditFilter::default() };
    loop {
        let part = house.app.store.audit_events(&filter, &page).await.unwrap();
        for event in part.items {
            let draft = event.entry.draft;
            let count = draft.detail.get("count").map_or(1, |count| count.parse().unwrap());
            entries.push((draft.action.as_str().to_owned(), draft.actor.id, count));
        }
        page.cursor = part.next_cursor;
        if page.cursor.is_none() {
            return entries;
        }
    }
}

#[tokio::test]
async fn a_page_offers_nothing_that_must_end_in_a_denial() {
    let house = House::new().await;
    for (name, role) in [
        ("offered-viewer", CollectionRole::Viewer),
        ("offered-editor", CollectionRole::Editor),
        ("offered-admin", CollectionRole::Admin),
    ] {
        let asker = Asker::new(&house, name, InstanceRole::Member, Some(role)).await;
        let connection = house.named("/connections/{connection}");
        for (page, offer, least) in [
            ("/records", "value=\"tag\"", CollectionRole::Editor),
            ("/records", "href=\"/records/new", CollectionRole::Editor),
            ("/records", "href=\"/import", CollectionRole::Editor),
            ("/records", "href=\"/export", CollectionRole::Admin),
            ("/import", "type=\"file\"", CollectionRole::Editor),
            ("/export", "See what each format holds", CollectionRole::Admin),
            ("/records", "value=\"move\"", CollectionRole::Admin),
            ("/records", "value=\"trash\"", CollectionRole::Admin),
            ("/", "/connections/new", CollectionRole::Admin),
            (connection.as_str(), "/pause\"", CollectionRole::Editor),
            (connection.as_str(), "/secret-id\"", CollectionRole::Admin),
            (connection.as_str(), "/test\"", CollectionRole::Admin),
        ] {
            let said = house.ask(Some(&asker.session), "GET", page, None, false).await;
            assert_eq!(said.body.contains(offer), role >= least, "{name} at {page}: {offer}");
        }
    }
}

#[tokio::test]
async fn without_a_session_that_holds_every_page_leads_to_the_login() {
    let house = House::new().await;
    let gone = house.person("gone", InstanceRole::Member, Some(CollectionRole::Owner)).await;
    let revoked = house.session(&gone, 0).await;
    let found = house.app.store.session(&revoked, house.app.now_us()).await.unwrap().unwrap().1;
    house.app.store.end_session(&house.context(0), found.id).await.unwrap();
    let callers = [
        ("nobody", None),
        ("an unknown session", Some("vtb_none".to_owned())),
        ("a session that was idle for an hour", Some(house.session(&house.ann, 60).await)),
        ("a session that was ended", Some(revoked)),
        ("an API token in the cookie", Some(house.token(TokenKind::Api).await)),
        ("a login of the command line in the cookie", Some(house.token(TokenKind::Login).await)),
    ];
    let before = house.fingerprint().await;
    let mut wrong = Vec::new();
    for row in rows() {
        for (name, session) in &callers {
            let said = house.at(session.as_deref(), row, house.id("{record}")).await;
            let is = seen(&said);
            let is_right = match row.need {
                Need::Open => is != Seen::Broken && !(said.sets_cookie && said.status == StatusCode::SEE_OTHER),
                _ => is == Seen::Login,
            };
            if !is_right {
                wrong.push(format!("{} {} as {name}: {} {}", row.method, row.path, said.status, said.location));
            }
            assert!(!said.body.contains(MARKER), "{} {} as {name}: a value", row.method, row.path);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(house.fingerprint().await, before);
}

#[tokio::test]
async fn a_session_without_a_fresh_proof_is_asked_for_one_where_rows_say_so_and_nowhere_else() {
    let house = House::new().await;
    let before = house.fingerprint().await;
    let mut wrong = Vec::new();
    for is_fresh in [true, false] {
        for row in rows().filter(|row| row.is_fresh == is_fresh && row.need != Need::Open && row.path != "/logout") {
            let session = house.session(&house.ann, 11).await;
            let said = house.at(Some(&session), row, house.id("{record}")).await;
            let is_right = if is_fresh { seen(&said) == Seen::Prove } else { row.lets_in(&said) };
            if !is_right {
                wrong.push(format!("{} {}: {} {}", row.method, row.path, said.status, said.location));
            }
        }
        if is_fresh {
            assert_eq!(house.fingerprint().await, before, "what waits for a proof changes nothing");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_record_for_programs_only_is_revealed_to_nobody_and_each_attempt_is_a_denial() {
    let house = House::new().await;
    for asker in askers(&house).await.iter().filter(|asker| asker.on.is_some()) {
        for act in ["reveal", "otp"] {
            let from = house.app.store.audit_size().await.unwrap();
            let path = format!("/records/{}/{act}", house.inject_only);
            let said = house.ask(Some(&asker.session), "POST", &path, Some("field=x"), false).await;
            assert_eq!(said.status, StatusCode::FORBIDDEN, "{act} as {}: {}", asker.name, said.body);
            assert!(!said.body.contains(MARKER));
            let entries = entries_after(&house, from).await;
            assert_eq!(entries, [(DENIED.to_owned(), asker.user.id, 1)], "{act} as {}", asker.name);
        }
        let path = format!("/records/{}/reveal", house.id("{record}"));
        let said = house.ask(Some(&asker.session), "POST", &path, Some("field=x"), false).await;
        assert!(said.body.contains(MARKER), "{}: {}", asker.name, said.body);
    }
}
