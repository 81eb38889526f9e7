//! The pages over raw HTTP: headers, cookies, forms from elsewhere, and who sees which page. What a person does with
//! them in a browser is in `tools/browser`.

use std::collections::BTreeSet;

use reqwest::{Client, Method, Response, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};

use crate::house::{House, OWNER, PASSWORD};

/// A browser without a mind of its own: it follows nothing and keeps one cookie.
struct Browser {
    http: Client,
    address: String,
    cookie: Option<String>,
}

impl Browser {
    fn new(house: &House) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { http, address: house.address.clone(), cookie: None }
    }

    async fn logged_in(house: &House, email: &str) -> Self {
        let mut browser = Self::new(house);
        let answer = browser.send("/login", &[("email", email), ("password", PASSWORD)]).await;
        assert_eq!(answer.status(), 303, "{:?}", answer.headers());
        browser.cookie = Some(cookie(answer.headers()));
        browser
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], form: Option<String>) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.address));
        if !headers.iter().any(|(name, _)| *name == "accept") {
            request = request.header("accept", "text/html,*/*");
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        request.send().await.expect("the server answers")
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, &[], None).await
    }

    /// Sends a form as a page of the server does.
    async fn send(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let headers = [("sec-fetch-site", "same-origin"), ("origin", self.address.as_str())];
        self.ask(Method::POST, path, &headers, Some(encoded(form))).await
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://x").expect("a URL");
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

fn cookie(headers: &HeaderMap) -> String {
    let set = headers["set-cookie"].to_str().expect("ASCII");
    set.split(';').next().expect("a pair").to_owned()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
}

async fn record(house: &House, collection: &str, path: &str) -> String {
    let body = json!({"path": path, "type": "PASSWORD", "fields": {"password": "hunter2"}});
    house.owner.post(&format!("/collections/{collection}/records"), body).await.expect(201).id()
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_its_kind_errors_included() {
    let house = House::new().await;
    let browser = Browser::logged_in(&house, OWNER).await;
    let collection = house.collection("team").await;
    let id = record(&house, &collection, "a").await;
    let pages = ["/login", "/setup", "/records", "/trash", "/records/new", "/nowhere", "/records/none", "/"];
    let of_record = [String::new(), "/edit".to_owned(), "/history".to_owned(), "/trash".to_owned()];
    let of_record = of_record.iter().map(|page| format!("/records/{id}{page}"));
    let mut statuses = BTreeSet::new();
    for path in pages.into_iter().map(str::to_owned).chain(of_record) {
        let answer = browser.get(&path).await;
        statuses.insert(answer.status().as_u16());
        let headers = answer.headers();
        let policy = text(headers, "content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "trusted-types 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(text(headers, "referrer-policy"), "same-origin", "{path}");
        every_answer(&path, headers);
    }
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 303, 404]);
    // A form from elsewhere, a script without a session, the API: refused in the form that was asked for.
    let foreign = browser.ask(Method::POST, "/login", &[], Some(String::new())).await;
    assert_eq!((foreign.status().as_u16(), text(foreign.headers(), "content-type")), (403, "text/html; charset=utf-8"));
    every_answer("a foreign form", foreign.headers());
    let script = Browser::new(&house);
    let script = script.ask(Method::GET, "/records", &[("accept", "application/json")], None).await;
    assert_eq!((script.status().as_u16(), text(script.headers(), "content-type")), (401, "application/problem+json"));
    every_answer("a script", script.headers());
    let api = browser.get("/api/v1/nowhere").await;
    assert_eq!((api.status().as_u16(), text(api.headers(), "content-type")), (404, "application/problem+json"));
    assert!(!text(api.headers(), "content-security-policy").contains("script-src"));
    every_answer("the API", api.headers());
}

fn every_answer(what: &str, headers: &HeaderMap) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(text(headers, name), value, "{what}: {name}");
    }
}

#[tokio::test]
async fn a_session_begins_new_at_each_login_ends_at_the_logout_and_is_no_api_token() {
    let house = House::new().await;
    let one = Browser::logged_in(&house, OWNER).await;
    let two = Browser::logged_in(&house, OWNER).await;
    assert_ne!(one.cookie, two.cookie);
    let token = one.cookie.as_deref().and_then(|pair| pair.split_once('=')).expect("a pair").1.to_owned();
    let headers = [("authorization", format!("Bearer {token}"))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(one.ask(Method::GET, "/api/v1/auth/me", &headers, None).await.status(), 401);
    let out = one.send("/logout", &[]).await;
    assert_eq!((out.status().as_u16(), text(out.headers(), "location")), (303, "/login"));
    assert!(text(out.headers(), "clear-site-data").contains("cache"));
    assert!(text(out.headers(), "set-cookie").contains("Max-Age=0"));
    assert_eq!(text(one.get("/records").await.headers(), "location"), "/login?next=/records");
    assert_eq!(two.get("/records").await.status(), 200);
}

#[tokio::test]
async fn a_form_from_elsewhere_does_nothing_in_four_ways() {
    let house = House::new().await;
    let browser = Browser::logged_in(&house, OWNER).await;
    let collection = house.collection("team").await;
    let id = record(&house, &collection, "a").await;
    let own = browser.address.clone();
    for headers in [
        vec![],
        vec![("origin", "https://evil.example")],
        vec![("sec-fetch-site", "cross-site"), ("origin", own.as_str())],
        vec![("sec-fetch-site", "same-origin"), ("origin", "null")],
    ] {
        let form = Some(encoded(&[("revision", "1")]));
        let answer = browser.ask(Method::POST, &format!("/records/{id}/trash"), &headers, form).await;
        assert_eq!(answer.status(), 403, "{headers:?}");
    }
    let shown = house.owner.get(&format!("/records/{id}")).await.expect(200);
    assert_eq!(shown.body["deleted_at"], Value::Null);
}

#[tokio::test]
async fn a_link_from_another_site_is_asked_again_once_and_leads_to_the_login_without_a_session() {
    let house = House::new().await;
    let browser = Browser::new(&house);
    let from_mail = [("sec-fetch-site", "cross-site")];
    let first = browser.ask(Method::GET, "/records?q=a%20b", &from_mail, None).await;
    assert_eq!((first.status().as_u16(), text(first.headers(), "refresh")), (200, "0;url=/records?q=a%20b"));
    let again = browser.ask(Method::GET, "/records?q=a%20b", &[("sec-fetch-site", "same-origin")], None).await;
    assert_eq!(text(again.headers(), "location"), "/login?next=/records%3Fq%3Da%2520b");
}

/// A page, and what each caller gets: a status for each of owner, editor, viewer, a member of another collection, nobody.
type Row = (&'static str, &'static str, [u16; 5]);

/// Every page of a record and of a connection. 303 of nobody leads to the login.
const ROWS: &[Row] = &[
    ("GET", "records/{record}", [200, 200, 200, 404, 303]),
    ("GET", "records/{record}/history", [200, 200, 200, 404, 303]),
    ("GET", "records/{record}/edit", [200, 200, 403, 404, 303]),
    ("POST", "records/{record}/edit", [200, 200, 403, 404, 303]),
    ("POST", "records/{record}/reveal", [200, 200, 200, 404, 303]),
    ("POST", "records/{record}/otp", [422, 422, 422, 404, 303]),
    ("GET", "records/{record}/trash", [200, 200, 200, 404, 303]),
    ("GET", "records/{record}/move", [200, 200, 200, 404, 303]),
    ("GET", "records/{record}/move?to={collection}", [200, 403, 403, 404, 303]),
    // Without a tick, and with one that is none, nothing is asked for.
    ("POST", "records/many", [303, 303, 303, 303, 303]),
    // The form names no collection.
    ("POST", "records/{record}/move", [404, 403, 403, 404, 303]),
    // From here on something changes: those who may not come first.
    ("POST", "records/{record}/restore", [303, 303, 403, 404, 303]),
    ("POST", "records/{record}/trash", [303, 403, 403, 404, 303]),
    ("GET", "connections/{connection}", [200, 200, 200, 404, 303]),
    // Nothing answers at the address: those who may ask learn that.
    ("POST", "connections/{connection}/test", [200, 403, 403, 404, 303]),
    ("POST", "connections/{connection}/plan", [502, 502, 403, 404, 303]),
    ("POST", "connections/{connection}/pause", [303, 303, 403, 404, 303]),
    ("POST", "connections/{connection}/resume", [303, 303, 403, 404, 303]),
    ("GET", "plans/00000000-0000-0000-0000-000000000000", [404, 404, 404, 404, 303]),
    ("POST", "plans/00000000-0000-0000-0000-000000000000/apply", [404, 404, 404, 404, 303]),
    ("GET", "runs/00000000-0000-0000-0000-000000000000", [404, 404, 404, 404, 303]),
    ("GET", "runs/00000000-0000-0000-0000-000000000000/events", [404, 404, 404, 404, 303]),
    ("POST", "runs/00000000-0000-0000-0000-000000000000/cancel", [404, 404, 404, 404, 303]),
    ("GET", "conflicts/00000000-0000-0000-0000-000000000000", [404, 404, 404, 404, 303]),
    ("POST", "conflicts/00000000-0000-0000-0000-000000000000", [404, 404, 404, 404, 303]),
    ("POST", "conflicts/00000000-0000-0000-0000-000000000000/reveal", [404, 404, 404, 404, 303]),
    ("GET", "conflicts", [200, 200, 200, 200, 303]),
    ("GET", "collections/{collection}/members", [200, 200, 200, 404, 303]),
    ("POST", "collections/{collection}/members", [422, 422, 422, 404, 303]),
    ("POST", "collections/{collection}/members/remove", [404, 404, 404, 404, 303]),
    ("GET", "me", [200, 200, 200, 200, 303]),
    ("POST", "me", [422, 422, 422, 422, 303]),
    ("POST", "me/password", [403, 403, 403, 403, 303]),
    ("GET", "me/factors", [200, 200, 200, 200, 303]),
    ("POST", "me/factors/otp", [200, 200, 200, 200, 303]),
    ("POST", "me/factors/otp/confirm", [422, 422, 422, 422, 303]),
    ("POST", "me/factors/otp/remove", [404, 404, 404, 404, 303]),
    ("POST", "me/recovery-codes", [409, 409, 409, 409, 303]),
    ("POST", "me/recovery-codes/confirm", [422, 422, 422, 422, 303]),
    // The pages are opened at an address without a name here.
    ("POST", "me/passkeys/ask", [409, 409, 409, 409, 303]),
    ("POST", "me/passkeys", [409, 409, 409, 409, 303]),
    ("POST", "me/passkeys/remove", [404, 404, 404, 404, 303]),
    ("GET", "me/sessions", [200, 200, 200, 200, 303]),
    ("POST", "me/sessions/end", [404, 404, 404, 404, 303]),
    ("GET", "me/tokens", [200, 200, 200, 200, 303]),
    ("POST", "me/tokens", [422, 422, 422, 422, 303]),
    ("POST", "me/tokens/revoke", [404, 404, 404, 404, 303]),
    ("GET", "login/prove", [200, 200, 200, 200, 303]),
    ("GET", "people", [200, 200, 200, 200, 303]),
    ("POST", "people", [422, 403, 403, 403, 303]),
    ("GET", "people/{person}", [200, 403, 403, 403, 303]),
    ("POST", "people/{person}", [303, 303, 303, 303, 303]),
    ("POST", "people/{person}/link", [409, 403, 403, 403, 303]),
    ("POST", "people/{person}/withdraw", [404, 404, 404, 404, 303]),
    ("GET", "generated", [200, 200, 200, 200, 303]),
    ("POST", "generate", [200, 200, 200, 200, 303]),
    ("POST", "generated/00000000-0000-0000-0000-000000000000/reveal", [404, 404, 404, 404, 303]),
    ("GET", "health", [200, 200, 200, 200, 303]),
    ("GET", "license", [200, 200, 200, 200, 303]),
    ("GET", "audit", [200, 403, 403, 403, 303]),
    ("GET", "audit/1", [200, 403, 403, 403, 303]),
    ("POST", "audit/verify", [200, 403, 403, 403, 303]),
    ("POST", "audit/export", [200, 403, 403, 403, 303]),
    ("GET", "keys", [200, 403, 403, 403, 303]),
    // The form names no key.
    ("POST", "keys/rotate", [422, 403, 403, 403, 303]),
    ("GET", "webhooks", [200, 403, 403, 403, 303]),
    ("POST", "webhooks", [422, 403, 403, 403, 303]),
    ("POST", "webhooks/00000000-0000-0000-0000-000000000000/test", [404, 403, 403, 403, 303]),
    ("POST", "webhooks/00000000-0000-0000-0000-000000000000/pause", [404, 403, 403, 403, 303]),
    ("POST", "webhooks/00000000-0000-0000-0000-000000000000/resume", [404, 403, 403, 403, 303]),
    ("POST", "webhooks/00000000-0000-0000-0000-000000000000/delete", [404, 403, 403, 403, 303]),
    ("POST", "license", [422, 403, 403, 403, 303]),
    // The house of the tests is licensed: there is nothing to evaluate.
    ("POST", "license/evaluate", [422, 403, 403, 403, 303]),
    ("GET", "records", [200, 200, 200, 200, 303]),
    ("GET", "trash", [200, 200, 200, 200, 303]),
    ("GET", "", [200, 200, 200, 200, 303]),
];

#[tokio::test]
async fn pages_let_in_whom_the_api_lets_in() {
    let house = House::new().await;
    let collection = house.collection("team").await;
    let other = house.collection("other").await;
    let mut browsers = vec![Browser::logged_in(&house, OWNER).await];
    let others = [
        ("e@example.com", &collection, "editor"),
        ("v@example.com", &collection, "viewer"),
        ("o@example.com", &other, "owner"),
    ];
    for (email, collection, role) in others {
        house.person(email, "member").await;
        let users = house.owner.items("/users").await;
        let user = users.iter().find(|user| user["email"] == email).expect("made")["id"].as_str().expect("an id");
        house.owner.put(&format!("/collections/{collection}/members/{user}"), json!({"role": role})).await.expect(200);
        browsers.push(Browser::logged_in(&house, email).await);
    }
    browsers.push(Browser::new(&house));
    let users = house.owner.items("/users").await;
    let person = users.iter().find(|user| user["email"] == "v@example.com").expect("made")["id"].clone();
    let person = person.as_str().expect("an id").to_owned();
    let record = record(&house, &collection, "a").await;
    let connection = json!({
        "name": "prod", "collection_id": collection, "address": "http://127.0.0.1:1",
        "auth": {"method": "approle", "role_id": "x", "secret_id": "y"}, "mount": "kv", "path": "x", "mode": "push",
    });
    let connection = house.owner.post("/connections", connection).await.expect(201).id();
    let form = [
        ("field", "password"),
        ("revision", "1"),
        ("path", "a"),
        ("was-path", "a"),
        ("type", "PASSWORD"),
        ("was-type", "PASSWORD"),
    ];
    for (method, page, expected) in ROWS {
        let path = format!("/{}", page.replace("{record}", &record).replace("{connection}", &connection));
        let path = path.replace("{collection}", &collection).replace("{person}", &person);
        for (browser, status) in browsers.iter().zip(expected).rev() {
            let answer = match *method {
                "GET" => browser.get(&path).await,
                _ => browser.send(&path, &form).await,
            };
            assert_eq!(answer.status().as_u16(), *status, "{method} /{page}, where {expected:?} is expected");
            if browser.cookie.is_none() {
                assert!(text(answer.headers(), "location").starts_with("/login"), "{method} /{page}");
            }
        }
    }
    let denied = house.owner.items("/audit/events?action=ACCESS_DENIED").await;
    assert!(denied.len() >= 10, "{}", denied.len());
}
