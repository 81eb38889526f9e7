//! The permissions of all callers: every route of the API description with every kind of caller. A route
//! without a row fails the test, so that no route can be added without a statement about its callers.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    guest::{Answer, Guest},
    town::Town,
};

/// The permission that a route needs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Need {
    /// None, not even a token.
    Nothing,
    /// A token.
    Token,
    /// This role on the collection: 0 viewer, 1 editor, 2 admin, 3 owner.
    Role(usize),
    /// Admin of the installation.
    Admin,
    /// Owner of the installation.
    Owner,
}
use Need::{Admin, Nothing, Owner, Role, Token};

const ROLES: [&str; 4] = ["viewer", "editor", "admin", "owner"];
const VIEWER: Need = Role(0);
const EDITOR: Need = Role(1);
const ADMIN: Need = Role(2);
const OWNER: Need = Role(3);

/// All routes with their method and path, the permission they need, a scope that suffices (none: any token),
/// and a body. The bodies are valid but change nothing: they name missing objects or a stale revision.
const ROWS: &[(&str, &str, Need, Option<&str>, &str)] = &[
    ("POST", "/auth/login", Nothing, None, r#"{"email":"x@example.com","password":"x"}"#),
    ("POST", "/setup", Nothing, None, r#"{"token":"x","email":"x@example.com","password":"twelve letters"}"#),
    ("GET", "/livez", Nothing, None, ""),
    ("GET", "/readyz", Nothing, None, ""),
    ("GET", "/health", Token, None, ""),
    ("GET", "/keys", Admin, Some("admin"), ""),
    ("POST", "/keys/rotate", Owner, Some("admin"), r#"{"key":"no such key"}"#),
    ("GET", "/webhooks", Admin, Some("admin"), ""),
    ("POST", "/webhooks", Admin, Some("admin"), r#"{"name":"x","url":"nowhere"}"#),
    ("GET", "/webhooks/{id}", Admin, Some("admin"), ""),
    ("PATCH", "/webhooks/{id}", Admin, Some("admin"), r#"{"name":"other"}"#),
    ("DELETE", "/webhooks/{id}", Admin, Some("admin"), ""),
    ("POST", "/webhooks/{id}/reship", Admin, Some("admin"), r#"{"from_seq":0}"#),
    ("POST", "/webhooks/{id}/test", Admin, Some("admin"), ""),
    ("GET", "/license", Token, None, ""),
    ("PUT", "/license", Owner, Some("admin"), r#"{"license":"none"}"#),
    ("POST", "/license/evaluation", Owner, Some("admin"), ""),
    ("GET", "/auth/me", Token, None, ""),
    ("POST", "/auth/step-up", Token, None, "{}"),
    ("GET", "/me/factors", Token, None, ""),
    ("POST", "/me/factors/otp", Token, None, ""),
    ("POST", "/me/factors/otp/confirm", Token, None, r#"{"code":"none"}"#),
    ("DELETE", "/me/factors/otp", Token, None, ""),
    ("POST", "/me/recovery-codes", Token, None, ""),
    ("POST", "/me/recovery-codes/confirm", Token, None, r#"{"code":"none"}"#),
    ("GET", "/me/sessions", Token, None, ""),
    ("DELETE", "/me/sessions", Token, None, ""),
    ("DELETE", "/me/sessions/{id}", Token, None, ""),
    ("POST", "/links/open", Nothing, None, r#"{"token":"none"}"#),
    ("POST", "/links/accept", Nothing, None, r#"{"token":"none","password":"twelve letters"}"#),
    ("POST", "/invitations", Admin, Some("admin"), r#"{"email":"no address"}"#),
    ("GET", "/users/{id}/profile", Admin, Some("admin"), ""),
    ("GET", "/users/{id}/links", Admin, Some("admin"), ""),
    ("DELETE", "/users/{id}/links/{link}", Admin, Some("admin"), ""),
    ("POST", "/users/{id}/invitation", Admin, Some("admin"), ""),
    ("POST", "/users/{id}/reset-link", Owner, Some("admin"), ""),
    // This row comes after the others, because it ends the token.
    ("POST", "/auth/logout", Token, None, ""),
    ("GET", "/users", Token, Some("admin"), ""),
    ("GET", "/users/{id}", Token, Some("admin"), ""),
    ("POST", "/users", Admin, Some("admin"), r#"{"email":"not an address"}"#),
    ("PATCH", "/users/{id}", Admin, Some("admin"), r#"{"disabled":true}"#),
    ("DELETE", "/users/{id}", Admin, Some("admin"), ""),
    ("GET", "/tokens", Token, Some("admin"), ""),
    ("POST", "/tokens", Token, Some("admin"), r#"{"name":"x","scopes":[]}"#),
    ("DELETE", "/tokens/{id}", Admin, Some("admin"), ""),
    ("GET", "/collections", Token, Some("records:read"), ""),
    ("POST", "/collections", Token, Some("records:write"), r#"{"name":"a/b"}"#),
    ("GET", "/collections/{id}", VIEWER, Some("records:read"), ""),
    ("PATCH", "/collections/{id}", ADMIN, Some("records:write"), r#"{"name":"other"}"#),
    ("DELETE", "/collections/{id}", OWNER, Some("records:write"), ""),
    ("GET", "/collections/{id}/members", VIEWER, Some("records:read"), ""),
    ("GET", "/collections/{id}/members/{user}", VIEWER, Some("records:read"), ""),
    ("PUT", "/collections/{id}/members/{user}", ADMIN, Some("records:write"), r#"{"role":"none"}"#),
    ("DELETE", "/collections/{id}/members/{user}", ADMIN, Some("records:write"), ""),
    ("GET", "/collections/{id}/records", VIEWER, Some("records:read"), ""),
    ("POST", "/collections/{id}/records", EDITOR, Some("records:write"), r#"{"path":"..","fields":{}}"#),
    ("GET", "/records", Token, Some("records:read"), ""),
    (
        "POST",
        "/records",
        EDITOR,
        Some("records:write"),
        r#"{"records":[{"id":"{record}","revision":999}],"add_tags":["x"]}"#,
    ),
    ("GET", "/records/{id}/move?collection_id={collection}", ADMIN, Some("records:read"), ""),
    ("POST", "/records/{id}/move", ADMIN, Some("records:write"), r#"{"collection_id":"{collection}"}"#),
    ("POST", "/records/reveal", VIEWER, Some("records:reveal"), r#"{"records":["{record}"]}"#),
    ("GET", "/records/{id}/who", VIEWER, Some("records:read"), ""),
    ("GET", "/records/{id}", VIEWER, Some("records:read"), ""),
    ("PATCH", "/records/{id}", EDITOR, Some("records:write"), r#"{"tags":["x"]}"#),
    ("DELETE", "/records/{id}", ADMIN, Some("records:write"), ""),
    ("POST", "/records/{id}/reveal", VIEWER, Some("records:reveal"), r#"{"fields":["none"]}"#),
    ("POST", "/records/{id}/inject", VIEWER, Some("records:reveal"), r#"{"fields":["none"]}"#),
    ("GET", "/records/{id}/revisions", VIEWER, Some("records:read"), ""),
    ("POST", "/records/{id}/restore", EDITOR, Some("records:write"), r#"{"revision":999}"#),
    ("POST", "/records/{id}/otp", VIEWER, Some("records:reveal"), ""),
    ("GET", "/generated", Token, Some("records:write"), ""),
    ("POST", "/generated", Token, Some("records:write"), ""),
    ("POST", "/generated/{id}/reveal", Token, Some("records:write"), ""),
    ("POST", "/exports/review", ADMIN, Some("records:reveal"), r#"{"collection_id":"{collection}"}"#),
    (
        "POST",
        "/exports",
        ADMIN,
        Some("records:reveal"),
        r#"{"collection_id":"{collection}","format":"env","recipients":["none"]}"#,
    ),
    (
        "POST",
        "/imports",
        EDITOR,
        Some("records:write"),
        r#"{"collection_id":"{collection}","content":"","format":"none"}"#,
    ),
    // An import is seen by the person who made it, and nobody made one under this id.
    ("GET", "/imports", Token, Some("records:read"), ""),
    ("GET", "/imports/{id}", Token, Some("records:read"), ""),
    ("GET", "/imports/{id}/items", Token, Some("records:read"), ""),
    ("POST", "/imports/{id}/commit", Token, Some("records:write"), r#"{"plan":"none"}"#),
    ("POST", "/imports/{id}/undo", Token, Some("records:write"), ""),
    ("DELETE", "/imports/{id}", Token, Some("records:write"), ""),
    ("GET", "/connections", Token, Some("sync:plan"), ""),
    // The body names the collection, so this route is requested below with a body for each caller.
    ("POST", "/connections", ADMIN, Some("connections:write"), "connection"),
    ("POST", "/connections/reach", ADMIN, Some("connections:write"), "reach"),
    ("GET", "/connections/{id}", VIEWER, Some("records:read"), ""),
    ("PATCH", "/connections/{id}", ADMIN, Some("connections:write"), r#"{"name":"other"}"#),
    ("DELETE", "/connections/{id}", ADMIN, Some("connections:write"), ""),
    ("POST", "/connections/{id}/test", ADMIN, Some("connections:write"), ""),
    ("PUT", "/connections/{id}/secret-id", ADMIN, Some("connections:write"), "{}"),
    ("GET", "/connections/{id}/accepted", VIEWER, Some("sync:plan"), ""),
    ("DELETE", "/connections/{id}/accepted", EDITOR, Some("conflicts:resolve"), ""),
    ("GET", "/connections/{id}/ignored", VIEWER, Some("sync:plan"), ""),
    ("PUT", "/connections/{id}/ignored", ADMIN, Some("connections:write"), r#"{"path":""}"#),
    ("DELETE", "/connections/{id}/ignored", ADMIN, Some("connections:write"), ""),
    ("POST", "/connections/{id}/pause", EDITOR, Some("connections:write"), ""),
    ("POST", "/connections/{id}/resume", EDITOR, Some("sync:run"), ""),
    ("GET", "/connections/{id}/policy", VIEWER, Some("connections:write"), ""),
    ("POST", "/connections/policy", Token, None, r#"{"mount":"kv","mode":"pull"}"#),
    ("POST", "/connections/{id}/plans", EDITOR, Some("sync:plan"), ""),
    ("GET", "/plans/{id}", VIEWER, Some("sync:plan"), ""),
    ("POST", "/plans/{id}/discard", EDITOR, Some("sync:plan"), ""),
    ("GET", "/connections/{id}/runs", VIEWER, Some("sync:run"), ""),
    ("POST", "/connections/{id}/runs", EDITOR, Some("sync:run"), r#"{"acknowledge":["none"]}"#),
    ("GET", "/runs", Token, Some("sync:run"), ""),
    ("GET", "/runs/{id}", VIEWER, Some("sync:plan"), ""),
    ("POST", "/runs/{id}/cancel", EDITOR, Some("sync:run"), ""),
    ("GET", "/runs/{id}/events", VIEWER, Some("sync:run"), ""),
    ("POST", "/connections/{id}/hints", EDITOR, Some("sync:hint"), "{}"),
    ("GET", "/hints/scopes", Token, Some("sync:hint"), ""),
    ("GET", "/conflicts", Token, Some("conflicts:resolve"), ""),
    ("GET", "/conflicts/{id}", VIEWER, Some("records:read"), ""),
    ("POST", "/conflicts/{id}/reveal", VIEWER, Some("records:reveal"), ""),
    ("POST", "/conflicts/{id}/plans", EDITOR, Some("conflicts:resolve"), r#"{"resolution":"none"}"#),
    ("POST", "/conflicts/{id}/resolve", EDITOR, Some("conflicts:resolve"), r#"{"resolution":"none"}"#),
    ("GET", "/audit/events", Admin, Some("audit:read"), ""),
    ("GET", "/audit/events/{seq}", Admin, Some("audit:read"), ""),
    ("GET", "/audit/export", Admin, Some("audit:read"), ""),
    ("POST", "/audit/verify", Admin, Some("audit:read"), ""),
    ("GET", "/audit/checkpoints", Admin, Some("audit:read"), ""),
    ("GET", "/audit/keys", Admin, Some("audit:read"), ""),
    ("POST", "/audit/prune", Owner, Some("admin"), r#"{"before":"no time"}"#),
];

/// The answer to a caller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    /// 401.
    NoToken,
    /// 403.
    Denied,
    /// 404, because the caller must not learn that the object exists.
    Invisible,
    /// Any other status: the caller has the permission.
    LetIn,
}

fn seen(answer: &Answer) -> Seen {
    match answer.status {
        401 if answer.body["type"] == "urn:vaultterm:problem:unauthenticated" => Seen::NoToken,
        403 => Seen::Denied,
        404 if answer.body["detail"].as_str().is_some_and(|detail| detail.contains("you may not see it")) => {
            Seen::Invisible
        }
        _ => Seen::LetIn,
    }
}

/// The ids that replace `{id}` below each resource.
type Ids = BTreeMap<&'static str, String>;

async fn ask(guest: &Guest, ids: &Ids, row: &(&str, &str, Need, Option<&str>, &str)) -> Seen {
    let (method, path, .., body) = row;
    let resource = path.split('/').nth(1).expect("a resource");
    let id = ids.get(resource).map_or("none", String::as_str);
    let path = path.replace("{id}", id).replace("{user}", &ids["users"]).replace("{seq}", "1");
    let path = path.replace("{link}", "00000000-0000-0000-0000-000000000000");
    let path = path.replace("{collection}", &ids["collections"]);
    let body = match *body {
        "" => None,
        "connection" => Some(json!({
            "name": "x", "collection_id": ids["collections"], "address": "nowhere", "mount": "kv", "mode": "pull",
            "auth": {"role_id": "x", "secret_id": "y"},
        })),
        "reach" => Some(json!({"collection_id": ids["collections"], "address": "nowhere"})),
        text => {
            let text = text.replace("{collection}", &ids["collections"]).replace("{record}", &ids["records"]);
            Some(serde_json::from_str(&text).expect("JSON"))
        }
    };
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    seen(&guest.send(method, &path, &[("if-match", "\"999\"")], body.map(|body: Value| body.to_string())).await)
}

/// Returns a town with one object of each kind, in which nothing runs.
async fn populated() -> (Town, Ids) {
    let town = Town::new("bidirectional").await;
    let record = town.house.record(&town.collection, "both", json!({"x": "local"})).await;
    town.put("both", json!({"x": "remote"})).await;
    let run = town.run().await;
    let plan = town.plan().await;
    let text = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let other = json!({"email": "other@example.com"});
    let user = town.house.owner.post("/users", other).await.expect(201).id();
    let token = json!({"name": "to be revoked", "scopes": ["audit:read"]});
    let token = town.house.owner.post("/tokens", token).await.expect(201).id();
    // No program listens on this port, and the webhook sends nothing by itself because it is paused.
    let webhook = json!({"name": "siem", "url": "http://127.0.0.1:9/in", "paused": true});
    let webhook = town.house.owner.post("/webhooks", webhook).await.expect(201).id();
    let ids = BTreeMap::from([
        ("webhooks", webhook),
        ("collections", town.collection.clone()),
        ("records", record),
        // No value was generated under this id.
        ("generated", town.collection.clone()),
        ("imports", town.collection.clone()),
        ("connections", town.connection.clone()),
        ("plans", text(&plan)),
        ("runs", text(&run)),
        ("conflicts", text(&town.conflict().await)),
        ("users", user),
        ("tokens", token),
    ]);
    (town, ids)
}

#[tokio::test]
async fn every_route_lets_in_whom_its_row_says_and_nobody_else() {
    let (town, ids) = populated().await;
    let house = &town.house;
    let described = house.stranger().get("/openapi.json").await.expect(200).body;
    let mut routes = Vec::new();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        let path = path.strip_prefix("/api/v1").expect("below /api/v1");
        routes.extend(methods.as_object().expect("methods").keys().map(|method| (method.to_uppercase(), path)));
    }
    for (method, path) in &routes {
        let has_row = ROWS.iter().any(|row| row.0 == method && row.1.split('?').next() == Some(path));
        assert!(has_row, "{method} {path} has no row: say who may use it");
    }
    assert_eq!(routes.len(), ROWS.len(), "a row without a route");

    let outsider = house.person("outsider@example.com", "member").await;
    let instance_admin = house.person("instance-admin@example.com", "admin").await;
    let mut members = Vec::new();
    for role in ROLES {
        let guest = house.person(&format!("{role}@example.com"), "member").await;
        let me = guest.get("/auth/me").await.expect(200).body;
        let path = format!("/collections/{}/members/{}", town.collection, me["user"]["id"].as_str().expect("an id"));
        house.owner.put(&path, json!({ "role": role })).await.expect(200);
        members.push(guest);
    }
    let rows = || ROWS.iter().filter(|row| row.1 != "/auth/logout");
    for row in rows() {
        let (method, path, need, ..) = row;
        let case = |who: &str| format!("{who}: {method} {path}");
        let nobody = ask(&house.stranger(), &ids, row).await;
        assert_eq!(nobody == Seen::NoToken, *need != Nothing, "{}: {nobody:?}", case("nobody"));
        let stranger = ask(&outsider, &ids, row).await;
        let admin = ask(&instance_admin, &ids, row).await;
        match need {
            Nothing | Token => assert_eq!((stranger, admin), (Seen::LetIn, Seen::LetIn), "{}", case("outsider")),
            Admin => {
                // A member does not see the token of another person.
                assert_ne!(stranger, Seen::LetIn, "{}", case("outsider"));
                assert_eq!(admin, Seen::LetIn, "{}", case("admin of the installation"));
            }
            Owner => {
                assert_eq!((stranger, admin), (Seen::Denied, Seen::Denied), "{}", case("admin of the installation"));
                assert_eq!(ask(&house.owner, &ids, row).await, Seen::LetIn, "{}", case("owner of the installation"));
            }
            Role(least) => {
                // A role on the installation gives no access to a collection.
                assert_eq!((stranger, admin), (Seen::Invisible, Seen::Invisible), "{}", case("outsider"));
                for (role, member) in members.iter().enumerate() {
                    let wanted = if role >= *least { Seen::LetIn } else { Seen::Denied };
                    assert_eq!(ask(member, &ids, row).await, wanted, "{}", case(ROLES[role]));
                }
            }
        }
    }
    logout(&town, &ids).await;
}

async fn logout(town: &Town, ids: &Ids) {
    let row = ROWS.iter().find(|row| row.1 == "/auth/logout").expect("there is one");
    assert_eq!(ask(&town.house.stranger(), ids, row).await, Seen::NoToken);
    let guest = town.house.person("leaving@example.com", "member").await;
    assert_eq!(ask(&guest, ids, row).await, Seen::LetIn);
}

#[tokio::test]
async fn a_token_with_one_scope_is_let_in_where_its_row_says_and_no_reader_writes() {
    let (town, ids) = populated().await;
    let owner = &town.house.owner;
    let me = owner.get("/auth/me").await.expect(200).body;
    let all: Vec<&str> = me["token"]["scopes"].as_array().expect("scopes").iter().filter_map(Value::as_str).collect();
    let mut only = BTreeMap::new();
    for scope in &all {
        let body = json!({"name": scope, "scopes": [scope]});
        let issued = owner.post("/tokens", body).await.expect(201).body;
        only.insert(*scope, owner.with_token(issued["token"].as_str().expect("a token")));
    }
    for row in ROWS {
        let (method, path, _, Some(scope), _) = row else { continue };
        let mut let_in = Vec::new();
        for (name, guest) in &only {
            if ask(guest, &ids, row).await == Seen::LetIn {
                let_in.push(*name);
            }
        }
        assert!(let_in.contains(scope), "{method} {path}");
        let writes = matches!(*method, "PATCH" | "PUT" | "DELETE");
        assert!(!writes || !let_in.contains(&"records:read"), "{method} {path} with records:read");
        assert!(!let_in.contains(&"audit:read") || path.starts_with("/audit"), "{method} {path} with audit:read");
    }
}
