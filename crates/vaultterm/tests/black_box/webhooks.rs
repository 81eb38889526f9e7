//! Delivery of the audit log to receivers: in order, signed, and at least once, whatever crashes or is
//! unreachable.

use std::{collections::BTreeSet, fs, path::Path, process::Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use vaultterm_testkit::openbao::{Authority, Between};

use crate::{
    house::House,
    receiver::{Message, Receiver},
};

/// Checks a message with the example code of the manual, as a receiver would.
fn checked(secret: &str, message: &Message) -> Result<(), String> {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/concepts/webhooks.md");
    let manual = fs::read_to_string(manual).expect("the manual");
    let example = manual.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let script = format!(
        "{example}\nimport json, sys\ngiven = json.load(sys.stdin)\ncheck(given['secret'], given['headers'], given['body'].encode())"
    );
    let given = json!({ "secret": secret, "headers": message.headers, "body": message.text() });
    let mut child = std::process::Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python 3");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), given.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

impl House {
    /// Creates a webhook. Returns it with its secret.
    async fn webhook(&self, name: &str, receiver: &Receiver, more: Value) -> Value {
        let mut body = json!({ "name": name, "url": receiver.url() });
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        self.owner.post("/webhooks", body).await.expect(201).body
    }

    async fn standing(&self, webhook: &Value) -> Value {
        self.owner.get(&format!("/webhooks/{}", webhook["id"].as_str().expect("an id"))).await.expect(200).body
    }

    /// Waits until the receiver has accepted the whole log. Returns the number of the newest entry.
    async fn until_delivered(&self, webhook: &Value) -> u64 {
        let end = self.owner.items("/audit/events?limit=500").await.len() as u64;
        self.until("everything is delivered", async || {
            (self.standing(webhook).await["delivered_seq"].as_u64()? >= end).then_some(end)
        })
        .await
    }

    async fn until_failing(&self, webhook: &Value) -> Value {
        self.until("a failure", async || {
            Some(self.standing(webhook).await).filter(|seen| seen["failures"].as_u64() > Some(0))
        })
        .await
    }

    /// Writes some entries.
    async fn write(&self, collection: &str, names: &[&str]) {
        for name in names {
            self.record(collection, name, json!({"v": "hunter2"})).await;
        }
    }
}

fn path(webhook: &Value, rest: &str) -> String {
    format!("/webhooks/{}{rest}", webhook["id"].as_str().expect("an id"))
}

fn secret(webhook: &Value) -> &str {
    webhook["secret"].as_str().expect("a drawn secret")
}

/// Returns the numbers of the received entries, message after message.
fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().flat_map(Message::seqs).collect()
}

#[tokio::test]
async fn the_whole_log_arrives_in_order_signed_and_as_the_api_shows_it() {
    let (house, receiver) = (House::new().await, Receiver::start().await);
    let collection = house.collection("app").await;
    let made = house.webhook("siem", &receiver, json!({"from_seq": 1, "paused": true})).await;
    for n in 0..120 {
        house.record(&collection, &format!("r{n}"), json!({"v": "hunter2"})).await;
    }
    assert_eq!(receiver.messages(), [], "paused");
    house.owner.patch(&path(&made, ""), &made["revision"], json!({"paused": false})).await.expect(200);
    let end = house.until_delivered(&made).await;
    let messages = receiver.messages();
    assert_eq!(seqs(&messages), (1..=end).collect::<Vec<_>>());
    assert!(messages.iter().all(|message| (1..=100).contains(&message.seqs().len())));
    assert_eq!(messages[0].seqs().len(), 100, "as many as fit");
    let shown = house.owner.items("/audit/events?limit=500").await;
    let sent: Vec<Value> = messages.iter().flat_map(Message::events).collect();
    assert_eq!(sent, shown);
    for message in &messages {
        let json: Value = message.json();
        assert_eq!(
            (&json["type"], &json["timestamp"]),
            (&json!("audit.events"), &message.events().last().expect("events")["time"])
        );
        assert_eq!(message.headers["content-type"], "application/json");
        checked(secret(&made), message).expect("it is ours");
        let mut forged = message.clone();
        forged.body.push(b' ');
        assert!(checked(secret(&made), &forged).expect_err("changed").contains("the signature is not ours"));
    }
    let ids: BTreeSet<_> = messages.iter().map(Message::id).collect();
    assert_eq!(ids.len(), messages.len());
}

#[tokio::test]
async fn a_receiver_that_was_away_misses_nothing() {
    let (house, mut receiver) = (House::new().await, Receiver::start().await);
    let collection = house.collection("app").await;
    let made = house.webhook("siem", &receiver, json!({})).await;
    house.write(&collection, &["a"]).await;
    let first = house.until_delivered(&made).await;
    receiver.stop().await;
    house.write(&collection, &["b", "c"]).await;
    let failing = house.until_failing(&made).await;
    assert_eq!(failing["delivered_seq"], first);
    assert!(failing["last_error"].as_str().expect("an error").contains("the connection cannot be opened"), "{failing}");
    assert!(failing["next_attempt_at"].is_string());
    receiver.answer(503);
    receiver.start_again().await;
    house
        .until("an answer that is no success", async || {
            (house.standing(&made).await["last_error"] == "HTTP 503").then_some(())
        })
        .await;
    house.write(&collection, &["d"]).await;
    receiver.answer(204);
    let end = house.until_delivered(&made).await;
    let taken: Vec<_> = receiver
        .messages()
        .into_iter()
        .filter(|message| message.answered == Some(204) || message.answered == Some(200))
        .collect();
    let begins = seqs(&taken)[0];
    assert_eq!(seqs(&taken), (begins..=end).collect::<Vec<_>>());
    assert_eq!(taken[0].events()[0]["action"], "WEBHOOK_CREATED", "its own creation comes first");
    let healed = house.standing(&made).await;
    assert_eq!((&healed["failures"], &healed["last_error"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn a_message_whose_answer_a_kill_swallowed_comes_again_as_it_was_and_holds_up_nobody() {
    let mut house = House::new().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let collection = house.collection("app").await;
    receiver.hang();
    let made = house.webhook("slow", &receiver, json!({})).await;
    let quick = house.webhook("quick", &other, json!({})).await;
    house.until("the message is there", async || receiver.messages().pop()).await;
    house.write(&collection, &["a", "b"]).await;
    house.until_delivered(&quick).await;
    let held = receiver.messages();
    assert!(held.iter().all(|message| message.id() == held[0].id()), "nothing overtakes it");
    receiver.answer(200);
    house.kill_and_restart();
    let end = house.until_delivered(&made).await;
    let messages = receiver.messages();
    let again = &messages[held.len()];
    assert_eq!((again.id(), &again.body), (held[0].id(), &held[0].body));
    checked(secret(&made), again).expect("it is ours");
    // A receiver should drop messages that it has already, as this code does.
    let mut known = BTreeSet::new();
    let taken: Vec<_> = messages.iter().filter(|message| known.insert(message.id())).cloned().collect();
    let begins = seqs(&taken)[0];
    assert_eq!(seqs(&taken), (begins..=end).collect::<Vec<_>>(), "and the rest follows");
}

#[tokio::test]
async fn what_was_lost_is_shipped_again_under_new_ids_and_what_is_not_wanted_is_skipped() {
    let (house, receiver) = (House::new().await, Receiver::start().await);
    let collection = house.collection("app").await;
    let made = house.webhook("siem", &receiver, json!({})).await;
    house.write(&collection, &["a"]).await;
    house.until_delivered(&made).await;
    let before = receiver.messages();
    house.owner.post(&path(&made, "/reship"), json!({"from_seq": 2})).await.expect(200);
    let end = house.until_delivered(&made).await;
    let again = receiver.messages().split_off(before.len());
    assert_eq!(seqs(&again), (2..=end).collect::<Vec<_>>());
    let known: BTreeSet<_> = before.iter().map(Message::id).collect();
    assert!(again.iter().all(|message| !known.contains(message.id())), "or a receiver would drop them");

    receiver.answer(500);
    house.write(&collection, &["b"]).await;
    house.until_failing(&made).await;
    let log = house.owner.items("/audit/events?limit=500").await.len() as u64;
    house.owner.post(&path(&made, "/reship"), json!({"from_seq": log + 1})).await.expect(200);
    receiver.answer(200);
    house.until_delivered(&made).await;
    let newest = receiver.messages().pop().expect("messages");
    assert_eq!(newest.seqs()[0], log + 1);
    house.owner.post(&path(&made, "/reship"), json!({"from_seq": log + 1_000})).await.problem(409, "refused");
    house.owner.post(&path(&made, "/reship"), json!({"from_seq": 0})).await.problem(409, "refused");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_receiver_that_is_gone_is_left_alone() {
    let (house, receiver, elsewhere) = (House::new().await, Receiver::start().await, Receiver::start().await);
    receiver.redirect(&elsewhere.url());
    let made = house.webhook("siem", &receiver, json!({})).await;
    let failing = house.until_failing(&made).await;
    assert!(failing["last_error"].as_str().expect("an error").contains("redirects"), "{failing}");
    receiver.answer(410);
    let gone =
        house.until("paused", async || Some(house.standing(&made).await).filter(|seen| seen["paused"] == true)).await;
    assert!(gone["last_error"].as_str().expect("an error").contains("410"), "{gone}");
    let attempts = receiver.messages().len();
    let events = house.owner.items("/audit/events?action=WEBHOOK_UPDATED").await;
    assert_eq!((&events[0]["actor_kind"], &events[0]["detail"]["changed"]), (&json!("system"), &json!("paused")));
    house
        .owner
        .patch(&path(&made, ""), &gone["revision"], json!({"url": elsewhere.url(), "paused": false}))
        .await
        .expect(200);
    house.until_delivered(&made).await;
    assert_eq!(receiver.messages().len(), attempts);
    assert!(!elsewhere.messages().is_empty());
}

#[tokio::test]
async fn only_the_actions_that_were_asked_for_are_sent() {
    let (house, receiver) = (House::new().await, Receiver::start().await);
    let collection = house.collection("app").await;
    let record = house.record(&collection, "a", json!({"v": "hunter2"})).await;
    let made = house.webhook("reveals", &receiver, json!({"actions": ["RECORD_REVEALED"], "from_seq": 1})).await;
    house.owner.post(&format!("/records/{record}/reveal"), json!({})).await.expect(200);
    house.write(&collection, &["b"]).await;
    house.until_delivered(&made).await;
    let actions: Vec<_> =
        receiver.messages().iter().flat_map(Message::events).map(|event| event["action"].clone()).collect();
    assert_eq!(actions, ["RECORD_REVEALED"]);
    for bad in [json!([]), json!(["NO_SUCH_ACTION"])] {
        let body = json!({"name": "x", "url": "https://siem.example.com", "actions": bad});
        house.owner.post("/webhooks", body).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn after_a_rotation_of_the_secret_both_sign_and_a_test_message_moves_no_cursor() {
    let (house, receiver) = (House::new().await, Receiver::start().await);
    let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let made = house.webhook("siem", &receiver, json!({"secret": given, "paused": true})).await;
    assert!(made.get("secret").is_none(), "whoever gave it has it");
    let rotated =
        house.owner.patch(&path(&made, ""), &made["revision"], json!({"rotate_secret": true})).await.expect(200).body;
    assert!(rotated["old_secret_until"].is_string());
    let tried = house.owner.post(&path(&made, "/test"), json!({})).await.expect(200).body;
    assert_eq!((&tried["ok"], &tried["status"]), (&json!(true), &json!(200)));
    let message = receiver.messages().pop().expect("a message");
    assert_eq!((&message.json()["type"], message.seqs().len()), (&json!("webhook.test"), 0));
    for secret in [given, secret(&rotated)] {
        checked(secret, &message).expect("both sign");
    }
    checked("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &message).expect_err("and nobody else");
    assert_eq!(house.standing(&made).await["delivered_seq"], made["delivered_seq"]);
    receiver.answer(500);
    let tried = house.owner.post(&path(&made, "/test"), json!({})).await.expect(200).body;
    assert_eq!((&tried["ok"], &tried["detail"]), (&json!(false), &json!("HTTP 500")));
    let both = json!({"rotate_secret": true, "secret": given});
    house.owner.patch(&path(&made, ""), &rotated["revision"], both).await.problem(422, "invalid");
}

#[tokio::test]
async fn no_secret_of_a_webhook_is_shown_again_logged_or_stored_in_plaintext() {
    let (mut house, receiver) = (House::new().await, Receiver::start().await);
    let token = "t0ken-0f-the-receiver";
    let url = format!("{}?token={token}", receiver.url());
    let made = house.owner.post("/webhooks", json!({"name": "siem", "url": url})).await.expect(201).body;
    receiver.answer(500);
    house.until_failing(&made).await;
    receiver.answer(200);
    house.until_delivered(&made).await;
    let rotated =
        house.owner.patch(&path(&made, ""), &made["revision"], json!({"rotate_secret": true})).await.expect(200).body;
    let secrets = [secret(&made), secret(&rotated)];
    let mut said = Vec::new();
    for path in ["/webhooks", &path(&made, ""), "/audit/export"] {
        said.push(house.owner.get(path).await.expect(200).body.to_string());
    }
    let reship = house.owner.post(&path(&made, "/reship"), json!({"from_seq": 1})).await.expect(200);
    said.push(reship.body.to_string());
    let output = house.cli(&["webhook", "show", "siem"]);
    said.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    let bad = json!({"name": "other", "url": url, "secret": format!("{}x", secrets[0])});
    said.push(house.owner.post("/webhooks", bad).await.problem(422, "invalid"));
    house.until_delivered(&made).await;
    said.extend(receiver.messages().iter().map(Message::text));
    house.stop_and_restart();
    said.push(house.log());
    for entry in fs::read_dir(house.data()).expect("the data directory") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        said.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for text in &said {
        for secret in secrets {
            assert!(!text.contains(secret.trim_start_matches("whsec_")), "{secret} was said: {text}");
        }
    }
    let audit = house.owner.get("/audit/export").await.body.to_string();
    assert!(!audit.contains(token) && audit.contains("http://127.0.0.1:"), "the host alone is told: {audit}");
    assert!(!house.log().contains(token), "{}", house.log());
    assert!(house.log().contains("a webhook took no message"), "the log was read");
}

#[tokio::test]
async fn https_is_spoken_with_whom_the_machine_trusts_and_with_nobody_else() {
    let (trusted, other) = (Authority::new("trusted"), Authority::new("other"));
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, trusted.certificate_pem()).expect("written");
    let house = House::configured(&[("SSL_CERT_FILE", ca.to_str().expect("UTF-8"))]).await;
    let receiver = Receiver::start().await;
    let way = Between::with_tls(receiver.port(), trusted.server(&["127.0.0.1"])).await;
    let made = house.webhook("siem", &receiver, json!({"url": format!("{}/in", way.address())})).await;
    house.until_delivered(&made).await;
    let taken = receiver.messages();
    checked(secret(&made), &taken[0]).expect("it is ours");
    way.show(Some(other.server(&["127.0.0.1"])));
    let tried = house.owner.post(&path(&made, "/test"), json!({})).await.expect(200).body;
    assert!(tried["detail"].as_str().expect("words").contains("certificate"), "{tried}");
    assert_eq!(receiver.messages(), taken, "nothing is sent before the certificate is judged");
}

#[tokio::test]
async fn addresses_that_nobody_should_speak_to_are_refused() {
    let house = House::new().await;
    for url in [
        "http://siem.example.com/in",
        "https://169.254.169.254/latest",
        "https://[fd00:ec2::254]/",
        "https://0.0.0.0/",
        "https://user:hunter2@siem.example.com/",
        "ftp://siem.example.com/",
        "siem.example.com",
    ] {
        let problem = house.owner.post("/webhooks", json!({"name": "x", "url": url})).await.problem(422, "invalid");
        assert!(problem.contains(r#""field":"url""#) && !problem.contains("hunter2"), "{url}: {problem}");
    }
    for body in [r#"{"name":"x","url":"https://a.example.com","secret":"hunter2"}"#, r#"{"name":"","url":"https://a"}"#]
    {
        let answer = house.owner.send(Method::POST, "/webhooks", &[], Some(body.to_owned())).await;
        assert!(!answer.problem(422, "invalid").contains("hunter2"));
    }
}
