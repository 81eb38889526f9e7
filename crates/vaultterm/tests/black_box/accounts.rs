//! Set-up, logins, tokens and people.

use serde_json::json;

use crate::{
    guest::Guest,
    house::{House, OWNER, PASSWORD},
};

#[tokio::test]
async fn the_set_up_link_makes_the_first_owner_once() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let run = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_vaultterm"))
            .env_clear()
            .env("HOME", folder.path())
            .env("VAULTTERM_DATA_DIR", folder.path().join("data"))
            .args(arguments)
            .output()
            .expect("the binary runs")
    };
    let made = run(&["--format", "json", "init"]);
    assert!(made.status.success(), "{made:?}");
    let first: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    // The first link was not used. A second `init` prints another link, and the first link becomes void.
    let again: serde_json::Value = serde_json::from_slice(&run(&["--format", "json", "init"]).stdout).expect("JSON");
    let token = |answer: &serde_json::Value| {
        let link = answer["setup_link"].as_str().expect("a link");
        link.split_once('#').expect("a token").1.to_owned()
    };
    let house = House::in_folder(folder, &[]);
    let stranger = house.stranger();
    let setup = |token: String, password: &str| json!({"token": token, "email": OWNER, "password": password});
    stranger.post("/setup", setup(token(&first), PASSWORD)).await.problem(409, "refused");
    let short = stranger.post("/setup", setup(token(&again), "short")).await.problem(422, "invalid");
    assert!(short.contains("12 characters"), "{short}");
    stranger.post("/setup", setup(token(&again), PASSWORD)).await.expect(201);
    stranger.post("/setup", setup(token(&again), PASSWORD)).await.problem(409, "refused");
    let owner = stranger.login(OWNER, PASSWORD).await;
    assert_eq!(owner.get("/auth/me").await.expect(200).body["user"]["role"], "owner");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_alike_and_too_many_have_to_wait() {
    let house = House::new().await;
    let try_login = async |email: &str, password: &str| {
        house.stranger().post("/auth/login", json!({"email": email, "password": password})).await
    };
    let wrong = try_login(OWNER, "not the password").await;
    let unknown = try_login("nobody@example.com", "not the password").await;
    assert_eq!((wrong.status, &wrong.body["detail"]), (unknown.status, &unknown.body["detail"]));
    for _ in 0..4 {
        try_login(OWNER, "not the password").await.problem(401, "login-refused");
    }
    let waits = try_login(OWNER, PASSWORD).await;
    assert!(waits.headers.contains_key("retry-after"), "{waits:?}");
    waits.problem(429, "rate-limited");
    let failed = house.owner.items("/audit/events?action=LOGIN_FAILED").await;
    assert_eq!(failed.len(), 6);
    // A person may have typed a password into the field for the address.
    assert!(!format!("{failed:?}").contains("nobody@example.com"));
}

#[tokio::test]
async fn a_token_may_do_what_its_scopes_say_and_nothing_after_it_was_revoked() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let body = json!({"name": "ci", "scopes": ["records:read"], "expires_in_seconds": 3600});
    let issued = house.owner.post("/tokens", body).await.expect(201);
    let token = issued.body["token"].as_str().expect("a token");
    assert!(token.starts_with("vtt_"), "shown once, and recognisable in a leak");
    let program = house.stranger().with_token(token);
    program.get(&format!("/collections/{collection}/records")).await.expect(200);
    let new = json!({"path": "x", "fields": {}});
    let refused = program.post(&format!("/collections/{collection}/records"), new).await.problem(403, "forbidden");
    assert!(refused.contains("records:write"), "{refused}");
    program.post("/tokens", json!({"name": "more", "scopes": ["admin"]})).await.problem(403, "forbidden");
    let denied = house.owner.items("/audit/events?action=ACCESS_DENIED").await;
    assert_eq!(denied.len(), 2);
    assert_eq!(denied[0]["outcome"], "denied");
    house.owner.delete(&format!("/tokens/{}", issued.id())).await.expect(204);
    program.get("/auth/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn logging_out_ends_the_token_and_a_new_password_ends_them_all() {
    let house = House::new().await;
    let bob = house.person("bob@example.com", "member").await;
    let other = house.stranger().login("BOB@example.com", PASSWORD).await;
    bob.post("/auth/logout", json!({})).await.expect(204);
    bob.get("/auth/me").await.problem(401, "unauthenticated");
    let me = other.get("/auth/me").await.expect(200).body["user"].clone();
    let path = format!("/users/{}", me["id"].as_str().expect("an id"));
    let new = json!({"password": "another good password"});
    other.patch(&path, &me["revision"], new.clone()).await.problem(422, "invalid");
    let with = |current: &str| json!({"password": "another good password", "current_password": current});
    other.patch(&path, &me["revision"], with("wrong password")).await.problem(403, "forbidden");
    other.patch(&path, &me["revision"], with(PASSWORD)).await.expect(200);
    other.get("/auth/me").await.problem(401, "unauthenticated");
    house.stranger().login("bob@example.com", "another good password").await;
}

#[tokio::test]
async fn an_admin_manages_members_but_no_owner_and_the_last_owner_stays() {
    let house = House::new().await;
    let admin = house.person("admin@example.com", "admin").await;
    let id = async |guest: &Guest| {
        let me = guest.get("/auth/me").await.expect(200).body;
        me["user"]["id"].as_str().expect("an id").to_owned()
    };
    let owner = id(&house.owner).await;
    admin.post("/users", json!({"email": "x@example.com", "role": "owner"})).await.problem(403, "forbidden");
    admin.post("/users", json!({"email": "x@example.com", "role": "member"})).await.expect(201);
    admin.patch(&format!("/users/{owner}"), &json!(1), json!({"disabled": true})).await.problem(403, "forbidden");
    admin.delete(&format!("/users/{owner}")).await.problem(403, "forbidden");
    house.owner.delete(&format!("/users/{owner}")).await.problem(409, "refused");
    house.owner.patch(&format!("/users/{owner}"), &json!(1), json!({"role": "member"})).await.problem(409, "refused");
    let own = id(&admin).await;
    admin.patch(&format!("/users/{own}"), &json!(1), json!({"role": "owner"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_operator_lets_an_owner_in_again_by_a_link_that_works_once() {
    let house = House::new().await;
    let made = house.cli_json(&["user", "recover", OWNER]);
    let link = made["link"].as_str().expect("a link");
    let token = link.split_once("/reset#").expect("the page of the link").1;
    let stranger = house.stranger();
    let opened = stranger.post("/links/open", json!({"token": token})).await.expect(200).body;
    assert_eq!((&opened["email"], &opened["purpose"]), (&json!(OWNER), &json!("reset")), "{opened}");
    let with = |password: &str| json!({"token": token, "password": password});
    stranger.post("/links/accept", with("short")).await.problem(422, "invalid");
    stranger.post("/links/accept", with("another good password")).await.expect(200);
    house.owner.get("/auth/me").await.problem(401, "unauthenticated");
    let forgotten = json!({"email": OWNER, "password": PASSWORD});
    stranger.post("/auth/login", forgotten).await.problem(401, "login-refused");
    let owner = stranger.login(OWNER, "another good password").await;
    stranger.post("/links/accept", with("a third good password")).await.problem(409, "refused");
    let events = owner.items("/audit/events?action=RESET_LINK_CREATED").await;
    assert_eq!((events.len(), &events[0]["actor"]), (1, &json!("operator")), "{events:?}");
    let nobody = house.cli(&["user", "recover", "nobody@example.com"]);
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nobody here has the address"), "{nobody:?}");
    assert!(!house.log().contains(token), "the secret of a link stands in no log");
}

#[tokio::test]
async fn a_kept_login_is_proved_again_in_place_and_a_wrong_password_leaves_it_as_it_is() {
    let house = House::new().await;
    let kept = || {
        let mut files = std::fs::read_dir(house.kept_logins()).expect("a login is kept");
        let file = std::fs::read_to_string(files.next().expect("one").expect("listed").path()).expect("read");
        let kept: serde_json::Value = serde_json::from_str(&file).expect("JSON");
        kept["token"].as_str().expect("a token").to_owned()
    };
    let login = house.cli_of_a_person(PASSWORD, &["login", "--email", OWNER, "--password-file", "-"]);
    assert!(login.status.success(), "{login:?}");
    let first = kept();
    let wrong = house.cli_of_a_person("not the password", &["login", "--again", "--password-file", "-"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert_eq!(kept(), first);
    let again = house.cli_of_a_person(PASSWORD, &["login", "--again", "--password-file", "-"]);
    assert!(again.status.success(), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("for ten minutes"), "{again:?}");
    let second = kept();
    assert_ne!(second, first, "the token is another one");
    house.stranger().with_token(&first).get("/auth/me").await.problem(401, "unauthenticated");
    house.stranger().with_token(&second).get("/auth/me").await.expect(200);
    assert!(house.cli_of_a_person("", &["whoami"]).status.success());
    let overridden = house.cli(&["login", "--again", "--password-file", "-"]);
    assert_eq!(overridden.status.code(), Some(1), "{overridden:?}");
    assert!(String::from_utf8_lossy(&overridden.stderr).contains("only a login that is kept here"), "{overridden:?}");
    for output in [login, wrong, again] {
        let said = format!("{output:?}");
        assert!(!said.contains(&first) && !said.contains(&second) && !said.contains(PASSWORD), "{said}");
    }
}
