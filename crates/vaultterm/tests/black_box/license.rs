//! A server without a license: what works, what does not, and that nothing is forgotten meanwhile.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use vaultterm_license::{IssuerKey, Tier, issue};

use crate::{
    house::House,
    town::{Town, did},
};

/// Returns a town whose house trusts a vendor and has no license.
async fn unlicensed(options: Value) -> Town {
    Town::around(House::unlicensed(), "bidirectional", options).await
}

/// Returns the options of a connection whose runs start only on request.
fn by_hand() -> Value {
    json!({"interval_seconds": 0, "on_change": false})
}

fn now() -> Timestamp {
    Timestamp::from_nanosecond(vaultterm_sync::system_time().0.into()).expect("a time that can be represented")
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// Installs a license over the API.
async fn install(house: &House, text: &str) -> Value {
    house.owner.put("/license", json!({ "license": text })).await.expect(200).body
}

async fn told(house: &House, action: &str) -> usize {
    house.owner.items(&format!("/audit/events?action={action}")).await.len()
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[tokio::test]
async fn without_a_license_plans_show_a_halt_and_runs_write_nothing_until_one_is_installed() {
    let town = unlicensed(by_hand()).await;
    let house = &town.house;
    house.record(&town.collection, "here", json!({"v": 1})).await;
    town.put("there", json!({"v": 2})).await;
    assert_eq!(town.standing().await["state"], "unlicensed");

    let plan = town.plan().await;
    assert_eq!((plan["steps"].as_array().map(Vec::len), &plan["halts"][0]["kind"]), (Some(2), &json!("license")));
    let planned = house.cli(&["sync", "plan", "prod"]);
    assert_eq!(planned.status.code(), Some(0));
    assert!(said(&planned).contains("license: the license does not include synchronization"), "{}", said(&planned));

    let run = house.cli(&["sync", "run", "prod"]);
    assert_eq!(run.status.code(), Some(5), "{run:?}");
    let words = said(&run);
    for piece in ["plans still work, nothing is written and nothing is forgotten", "next: vaultterm license install"] {
        assert!(words.contains(piece), "{words}");
    }
    assert!(!words.contains("--acknowledge"), "{words}");
    let path = format!("/connections/{}/runs", town.connection);
    house.owner.post(&path, json!({"acknowledge": ["license"]})).await.problem(422, "invalid");
    did(&town.run_with(json!({"plan_id": plan["id"]})).await, "halted", &[]);
    assert_eq!((town.value("here").await, house.values(&town.collection).await.len()), (None, 1));
    assert_eq!(told(house, "HCV_SYNC_HALTED").await, 2);
    assert_eq!(told(house, "HCV_SECRET_SYNCED").await, 0);

    let file = house.file("example.vtlic", &house.license(|_| {}));
    let installed = house.cli(&["license", "install", &file]);
    assert_eq!(installed.status.code(), Some(0), "{installed:?}");
    let shown = house.cli_json(&["license", "show"]);
    assert_eq!(
        (&shown["standing"], &shown["sync"], &shown["tier"]),
        (&json!("valid"), &json!("full"), &json!("enterprise"))
    );
    // The plan is the one that was made without a license.
    let applied = house.cli(&["sync", "apply", plan["id"].as_str().expect("an id")]);
    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    assert_eq!(town.value("here").await, Some(json!({"v": 1})));
    assert_eq!(house.values(&town.collection).await["there"], json!({"v": 2}));
    assert_eq!(town.standing().await["state"], "ready");
}

#[tokio::test]
async fn a_license_that_runs_out_leaves_the_base_and_a_renewal_goes_on_without_a_conflict() {
    let mut town = unlicensed(by_hand()).await;
    let until = now() + SignedDuration::from_secs(4);
    install(&town.house, &town.house.license(|license| license.expires = until)).await;
    let id = town.house.record(&town.collection, "here", json!({"v": 1})).await;
    town.put("there", json!({"v": 1})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1), ("created_local", 1)]);
    town.house.until("it runs out", async || (town.standing().await["state"] == "unlicensed").then_some(())).await;

    town.house.change(&id, json!({"v": 2})).await;
    town.put("there", json!({"v": 2})).await;
    for restart in [false, true] {
        if restart {
            town.house.stop_and_restart();
        }
        did(&town.run().await, "halted", &[]);
        let shown = town.house.owner.get("/license").await.expect(200).body;
        assert_eq!((&shown["standing"], &shown["days_left"]), (&json!("expired"), &json!(0)));
    }
    town.house
        .until("the end is audited", async || (told(&town.house, "LICENSE_EXPIRED").await == 1).then_some(()))
        .await;
    assert_eq!(town.version("here").await, 1);

    install(&town.house, &town.house.license(|license| license.counter = 2)).await;
    did(&town.run().await, "succeeded", &[("updated_remote", 1), ("updated_local", 1)]);
    assert!(town.house.owner.items("/conflicts").await.is_empty());
    assert_eq!((told(&town.house, "LICENSE_EXPIRED").await, told(&town.house, "LICENSE_INSTALLED").await), (1, 2));
}

#[tokio::test]
async fn in_its_grace_a_license_still_counts_and_in_every_other_standing_and_tier_it_does_not() {
    let town = unlicensed(by_hand()).await;
    let house = &town.house;
    house.record(&town.collection, "here", json!({"v": 1})).await;
    let early = now() + SignedDuration::from_hours(1);
    // Licenses are kept side by side. The server reports the most useful of them, and each of these is more
    // useful than those before it.
    let licenses = [
        ("expired", house.license(|license| license.expires = ago(60))),
        ("not_yet_valid", house.license(|license| license.not_before = early)),
        ("valid", house.license(|license| license.tier = Tier::Free)),
        ("valid", house.license(|license| license.tier = Tier::Pro)),
        ("valid", house.license(|license| license.tier = Tier::Team)),
    ];
    for (standing, text) in &licenses {
        let shown = install(house, text).await;
        assert_eq!((shown["standing"].as_str(), shown["sync"].as_str()), (Some(*standing), Some("plan_only")));
        did(&town.run().await, "halted", &[]);
    }
    assert_eq!(town.value("here").await, None);
    let grace = house.license(|license| (license.expires, license.grace_days) = (ago(60), 1));
    let shown = install(house, &grace).await;
    assert_eq!((&shown["standing"], &shown["sync"]), (&json!("grace"), &json!("full")));
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
}

#[tokio::test]
async fn nothing_starts_by_itself_without_a_license_and_everything_that_waited_does_with_one() {
    let town = unlicensed(json!({"interval_seconds": 1, "on_change": true})).await;
    let house = &town.house;
    let id = house.record(&town.collection, "here", json!({"v": 1})).await;
    let license = house.data().join("license.vtlic");
    let text = house.license(|_| {});
    std::fs::write(&license, &text).expect("laid in its place");
    house.until("it counts", async || (town.standing().await["state"] != "unlicensed").then_some(())).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    std::fs::remove_file(&license).expect("removed");
    house.until("it is noticed", async || (town.standing().await["state"] == "unlicensed").then_some(())).await;
    let path = format!("/connections/{}/runs", town.connection);
    // Runs that began before may still complete.
    let before = house
        .until("nothing runs", async || {
            let runs = house.owner.items(&path).await;
            runs.iter().all(|run| run["state"] != "running").then_some(runs.len())
        })
        .await;
    house.change(&id, json!({"v": 2})).await;
    did(&town.run().await, "halted", &[]);
    // The scheduler notices each change of the file at a later tick, so the test waits for several intervals.
    for change in [Some("not a license"), None, Some("nor this"), None] {
        let standing = if change.is_some() { "refused" } else { "none" };
        match change {
            Some(text) => std::fs::write(&license, text).expect("written"),
            None => std::fs::remove_file(&license).expect("removed"),
        }
        house
            .until("a tick", async || {
                (house.owner.get("/license").await.expect(200).body["standing"] == standing).then_some(())
            })
            .await;
    }
    assert_eq!(house.owner.items(&path).await.len(), before + 1, "only the run that a person asked for");
    assert_eq!(town.value("here").await, Some(json!({"v": 1})));
    std::fs::write(&license, text).expect("written");
    house
        .until("the change travels by itself", async || {
            (town.value("here").await == Some(json!({"v": 2}))).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_conflict_can_be_looked_at_and_not_decided_without_a_license() {
    let town = Town::new("bidirectional").await;
    let house = &town.house;
    house.record(&town.collection, "both", json!({"v": "here"})).await;
    town.put("both", json!({"v": "there"})).await;
    did(&town.run().await, "succeeded", &[("conflicts", 1)]);
    std::fs::remove_file(house.data().join("license.vtlic")).expect("taken away");
    house.until("it is noticed", async || (town.standing().await["state"] == "unlicensed").then_some(())).await;
    let conflict = town.conflict().await;
    let id = conflict["id"].as_str().expect("an id");
    house.owner.get(&format!("/conflicts/{id}")).await.expect(200);
    let revealed = house.owner.post(&format!("/conflicts/{id}/reveal"), json!({})).await.expect(200).body;
    assert_eq!((&revealed["fields"][0]["local"], &revealed["fields"][0]["remote"]), (&json!("here"), &json!("there")));
    let path = format!("/conflicts/{id}/resolve");
    for resolution in ["keep_local", "keep_remote", "keep_both"] {
        let words = house.owner.post(&path, json!({ "resolution": resolution })).await.problem(403, "unlicensed");
        assert!(words.contains("nothing is forgotten") && words.contains("vaultterm license install"), "{words}");
    }
    let decided = house.cli(&["conflict", "resolve", id, "--keep-local"]);
    assert_eq!(decided.status.code(), Some(2), "{decided:?}");
    assert_eq!((town.version("both").await, town.value("both").await), (1, Some(json!({"v": "there"}))));
    assert_eq!(town.conflict().await["id"], conflict["id"], "it waits");
    install(house, &house.license(|_| {})).await;
    house.owner.post(&path, json!({"resolution": "keep_local"})).await.expect(200);
    assert_eq!(town.value("both").await, Some(json!({"v": "here"})));
}

#[tokio::test]
async fn nothing_but_synchronization_asks_for_a_license() {
    let mut house = House::unlicensed().await;
    for license in [None, Some("not a license"), Some("expired")] {
        let text = match license {
            Some("expired") => Some(house.license(|license| license.expires = ago(60))),
            other => other.map(str::to_owned),
        };
        house.while_stopped(|house| {
            text.iter().for_each(|text| std::fs::write(house.data().join("license.vtlic"), text).expect("written"));
        });
        house.stranger().get("/readyz").await.expect(200);
        let name = format!("team-{}", license.unwrap_or("none").replace(' ', "-"));
        let collection = house.collection(&name).await;
        let id = house.record(&collection, "one", json!({"v": 1})).await;
        house.change(&id, json!({"v": 2})).await;
        house.trash(&id).await;
        house.owner.post(&format!("/records/{id}/restore"), json!({})).await.expect(200);
        assert_eq!(house.values(&collection).await["one"], json!({"v": 2}));
        assert_eq!(house.cli(&["read", &format!("vt://{name}/one/v")]).stdout, b"2\n");
        let export = house.cli(&["audit", "export"]);
        assert!(export.status.success() && !export.stdout.is_empty());
        assert_eq!(house.owner.post("/audit/verify", json!({})).await.expect(200).body["ok"], true);
        assert_eq!(house.cli(&["doctor"]).status.success(), license.is_none(), "it is told, and hinders nothing");
        house.owner.post("/keys/rotate", json!({"key": "root"})).await.expect(200);
    }
}

#[tokio::test]
async fn a_license_is_refused_with_the_reason_when_it_is_forged_foreign_cut_or_older() {
    let house = House::new().await;
    install(&house, &house.license(|license| license.counter = 5)).await;
    let good = house.license(|license| license.counter = 6);
    let foreign = {
        let license = vaultterm_license::verify(good.as_bytes(), &house.vendor.public().clone().into());
        issue(&license.expect("it is good"), &IssuerKey::generate()).expect("issued")
    };
    let cases = [
        (good.replace("Black Box", "White Box"), "forged"),
        (foreign, "not trusted here"),
        (good[..good.len() / 2].to_owned(), "only a part of one"),
        (String::new(), "not a license file"),
        (house.license(|license| license.counter = 4), "its counter went back, from 5 to 4"),
    ];
    for (text, reason) in &cases {
        let words = house.owner.put("/license", json!({ "license": text })).await.problem(422, "license-refused");
        assert!(words.contains(reason), "{words}");
        let file = house.file("bad.vtlic", text);
        let refused = house.cli(&["license", "install", &file]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(said(&refused).contains(reason) && said(&refused).contains("hint:"), "{}", said(&refused));
    }
    house.owner.put("/license", json!({})).await.problem(422, "invalid");
    let shown = house.owner.get("/license").await.expect(200).body;
    assert_eq!((&shown["standing"], &shown["counter"]), (&json!("valid"), &json!(5)));
    assert_eq!(told(&house, "LICENSE_INSTALLED").await, 2, "the one it was built with, and one more");
    let member = house.person("ben@example.com", "member").await;
    assert_eq!(member.get("/license").await.expect(200).body["licensee"], "Black Box Ltd");
    assert_eq!(member.put("/license", json!({ "license": good })).await.status, 403);
}

#[tokio::test]
async fn an_older_license_does_not_come_back_with_an_older_database_nor_by_hand() {
    let mut house = House::unlicensed_in_a_file().await;
    let older = house.license(|license| license.counter = 3);
    let database = house.while_stopped(|house| std::fs::read(house.data().join("vaultterm.db")).expect("the database"));
    install(&house, &house.license(|license| license.counter = 7)).await;
    house.while_stopped(|house| {
        for file in ["vaultterm.db-wal", "vaultterm.db-shm"] {
            let _ = std::fs::remove_file(house.data().join(file));
        }
        std::fs::write(house.data().join("vaultterm.db"), &database).expect("restored");
        std::fs::write(house.data().join("license.vtlic"), &older).expect("written");
    });
    let shown = house.owner.get("/license").await.expect(200).body;
    assert_eq!((&shown["standing"], &shown["sync"]), (&json!("rolled_back"), &json!("plan_only")));
    assert!(shown["detail"].as_str().is_some_and(|why| why.contains("it is 3, and 7 was seen here")), "{shown}");
    house.owner.put("/license", json!({ "license": older })).await.problem(422, "license-refused");
    install(&house, &house.license(|license| license.counter = 7)).await;
}

#[tokio::test]
async fn a_license_of_the_vendors_own_tools_is_installed_and_what_is_missing_for_it_is_said() {
    let house = House::configured(&[("LICENSE_PUBLIC_KEY_FILE", "/dev/null")]).await;
    let vendor = house.file("vendor", "");
    std::fs::remove_file(&vendor).expect("removed");
    house.cli_json(&["license", "keygen", "-o", &vendor]);
    let mode = {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(format!("{vendor}/license.key")).expect("the key").permissions().mode() & 0o777
    };
    assert_eq!(mode, 0o600);
    let file = format!("{vendor}/example.vtlic");
    let key = format!("{vendor}/license.key");
    let issue = ["license", "issue", "--key", &key, "--tier", "enterprise", "--licensee", "Example Ltd"];
    house.cli_json(&[&issue[..], &["--expires", "2099-01-31", "--seats", "25", "-o", &file]].concat());
    // This server was not told which vendor to trust.
    let refused = house.cli(&["license", "install", &file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("set LICENSE_PUBLIC_KEY"), "{}", said(&refused));
    let mut house = house;
    house.while_stopped(|house| house.set("LICENSE_PUBLIC_KEY_FILE", &format!("{vendor}/license.pub")));
    let shown = house.cli_json(&["license", "install", &file]);
    assert_eq!(shown["expires"], "2099-01-31T23:59:59Z");
    assert_eq!(
        (&shown["seats"], &shown["features"], &shown["sync"]),
        (&json!(25), &json!(["hcv_sync"]), &json!("full"))
    );
}

#[tokio::test]
async fn next_years_license_and_one_for_less_leave_synchronization_as_it_was() {
    let town = unlicensed(by_hand()).await;
    let house = &town.house;
    house.record(&town.collection, "here", json!({"v": 1})).await;
    let this_year = house.license(|_| {});
    install(house, &this_year).await;
    let next_year = house.license(|license| {
        license.not_before = now() + SignedDuration::from_hours(24);
        license.counter = 9;
    });
    let file = house.file("next.vtlic", &format!("\u{feff}{}", next_year.replace('\n', "\r\n")));
    let installed = house.cli(&["license", "install", &file]);
    assert_eq!(installed.status.code(), Some(0), "{installed:?}");
    for piece in ["it waits until", "until then the license", "not_yet_valid, does not count", "valid, counts"] {
        assert!(said(&installed).contains(piece), "{}", said(&installed));
    }
    let shown = install(house, &house.license(|license| (license.tier, license.counter) = (Tier::Free, 2))).await;
    assert_eq!(
        (&shown["standing"], &shown["tier"], &shown["sync"]),
        (&json!("valid"), &json!("enterprise"), &json!("full"))
    );
    assert_eq!(shown["licenses"].as_array().map(Vec::len), Some(3));
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    install(house, &this_year).await;
}
