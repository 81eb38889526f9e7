//! Measures how long lists of records take, over HTTP on loopback, in installations of ten thousand and of a hundred
//! thousand records: the API and the page, the whole list and what it is narrowed to, its second page and its last.
//!
//! A request for one record follows on each request for a list. It is the base: it shows how busy the machine was.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use vaultterm_reconcile::{
    BaseEntry, Link, Mode, RecordId, RecordType, RemoteStamp, Revision, SecretPath, UnixNanos, Version,
};
use vaultterm_sealing::{SecretFields, SecretText};
use vaultterm_store::{NewRecord, Scope};
use vaultterm_sync::{BaseChange, CollectionId, Journal as _, LocalChange, Outcome};

use crate::{
    audit::met,
    house::change_here,
    installation::{Installation, Serving, context},
};

/// Records of one transaction.
const BATCH: usize = 500;
/// One of so many records is in the trash.
const TRASHED: usize = 10;
/// One of so many records differs from its secret in Vault.
const DIFFERING: usize = 5_000;
/// Records of the person who is in no large collection.
const FEW: usize = 10;
/// How often each list is asked for.
const TIMES: usize = 200;
/// The target for 95 of 100 answers of each list.
const TARGET: Duration = Duration::from_millis(50);

/// Whose list it is, and in which form.
#[derive(Clone, Copy)]
enum Form {
    /// The answer of the API to the owner of the large collection.
    Api,
    /// The page that the owner of the large collection sees.
    Page,
    /// The answer of the API to a person who has a few records beside it.
    Neighbour,
}
use Form::{Api, Neighbour, Page};

/// The lists: what they are called, and the address. `{all}` stands for the collection, `{near}` and `{last}` for the
/// cursors of its second page and of its last.
const LISTS: [(&str, Form, &str); 24] = [
    ("all", Api, "/records"),
    ("all, the second page", Api, "/records?cursor={second}"),
    ("all, the last page", Api, "/records?cursor={last}"),
    ("all, 500 at once", Api, "/records?limit=500"),
    ("one collection", Api, "/collections/{all}/records"),
    ("a folder", Api, "/records?prefix=apps/mail-"),
    ("a name that exists", Api, "/records?q=service-004242"),
    ("a word of one in eight", Api, "/records?q=mail"),
    ("a word of all", Api, "/records?q=credentials"),
    ("a word of none", Api, "/records?q=zzz"),
    ("two words", Api, "/records?q=mail+service-0042"),
    ("a label of none", Api, "/records?tag=none"),
    ("a type of none", Api, "/records?type=TOTP"),
    ("here only: none", Api, "/records?standing=here_only"),
    ("in step: nearly all", Api, "/records?standing=in_step"),
    ("differs: one in 5,000", Api, "/records?standing=differs"),
    ("needs a decision: none", Api, "/records?standing=needs_decision"),
    ("a word of all, in step", Api, "/records?q=credentials&standing=in_step"),
    ("a word of all, differs", Api, "/records?q=credentials&standing=differs"),
    ("two words, in step: none", Api, "/records?q=zone+one&standing=in_step"),
    ("trash", Api, "/records?state=trash"),
    ("a few records beside", Neighbour, "/records"),
    ("the page", Page, "/records"),
    ("the page of a search", Page, "/records?q=mail"),
];

/// Runs the measurements and prints whether they meet the target.
pub(crate) async fn measure() -> Result<()> {
    for records in [10_000, 100_000] {
        measure_with(records).await?;
    }
    Ok(())
}

/// A server with many records, and what its callers show.
struct Measured {
    serving: Serving,
    session: SecretText,
    neighbour: SecretText,
}

impl Measured {
    fn request(&self, form: Form, address: &str) -> RequestBuilder {
        match form {
            Api => self.serving.request(Method::GET, address),
            Page => self.serving.page(&self.session, address),
            Neighbour => self.serving.request_as(&self.neighbour, Method::GET, address),
        }
    }

    async fn json(&self, address: &str) -> Result<Value> {
        Ok(self.request(Api, address).send().await?.error_for_status()?.json().await?)
    }

    /// Returns how long an answer takes, from the request to its last byte.
    async fn time(&self, form: Form, address: &str) -> Result<Duration> {
        let began = Instant::now();
        self.request(form, address).send().await?.error_for_status()?.bytes().await?;
        Ok(began.elapsed())
    }

    /// Returns the cursors of the second page of all records and of the last.
    async fn cursors(&self) -> Result<[String; 2]> {
        let cursor = |page: &Value| page["next_cursor"].as_str().map(str::to_owned);
        let second = cursor(&self.json("/records").await?).context("there is a second page")?;
        let mut last = second.clone();
        while let Some(next) = cursor(&self.json(&format!("/records?limit=500&cursor={last}")).await?) {
            last = next;
        }
        Ok([second, last])
    }
}

async fn measure_with(records: usize) -> Result<()> {
    let installation = Installation::new().await?;
    fill(&installation, records).await?;
    let (few, neighbour) = installation.neighbour(Scope::RecordsRead).await?;
    fill_few(&installation, few).await?;
    let (collection, session) = (installation.collection.0, installation.session().await?);
    let serving = installation.serve(Scope::RecordsRead).await?;
    let measured = Measured { serving, session, neighbour };
    println!("lists of {records} records, {TIMES} times each; target {} ms for 95 of 100", TARGET.as_millis());
    println!("  {:<24} {:>8} {:>8} {:>8}", "ms", "p50", "p95", "p99");
    let first = measured.time(Api, "/records?q=first").await?;
    println!("  {:<24} {:>8.1}, once after a start", "the first search", ms(first));

    let [second, last] = measured.cursors().await?;
    let one = measured.json("/records").await?;
    let one = format!("/records/{}", one["items"][0]["id"].as_str().context("there is a record")?);
    let mut base = Vec::new();
    for (name, form, address) in LISTS {
        let address = address.replace("{second}", &second).replace("{last}", &last);
        let address = address.replace("{all}", &collection.to_string());
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            times.push(measured.time(form, &address).await?);
            base.push(measured.time(Api, &one).await?);
        }
        let p95 = print(name, &mut times);
        println!(" {}", met(p95 <= TARGET));
    }
    print("base: one record", &mut base);
    println!();
    measured.serving.stop().await
}

/// Prints percentiles, and returns the 95th.
fn print(name: &str, times: &mut [Duration]) -> Duration {
    times.sort();
    let [p50, p95, p99] = [50, 95, 99].map(|share| times[times.len() * share / 100]);
    print!("  {name:<24} {:>8.1} {:>8.1} {:>8.1}", ms(p50), ms(p95), ms(p99));
    p95
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Fills the collection, as a pull would. One record of ten goes to the trash, and as many others take its place.
async fn fill(installation: &Installation, records: usize) -> Result<()> {
    let (lease, run_id) = installation.begin_run(Mode::Pull).await?;
    let mut made = 0;
    while made < records + records / TRASHED {
        let (mut batch, mut trash) = (Vec::new(), Vec::new());
        for n in made..made + BATCH {
            let id = RecordId(vaultterm_sync::new_id());
            let base = if n % DIFFERING == 0 { BaseChange::Keep } else { agreed(id) };
            batch.push(Outcome { base, ..outcome(n, create(id)?)? });
            if n >= records {
                let local = LocalChange::Trash { record_id: id, expect: Revision(1) };
                trash.push(Outcome { base: BaseChange::Remove, ..outcome(n, local)? });
            }
        }
        made += batch.len();
        installation.store.commit(lease, run_id, batch).await?;
        installation.store.commit(lease, run_id, trash).await?;
    }
    ensure!(made == records + records / TRASHED, "all records are there");
    Ok(())
}

/// Returns the base of a record that was just imported.
fn agreed(record_id: RecordId) -> BaseChange {
    let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(1), version_created: UnixNanos(1) };
    let (revision, record_type, link) = (Revision::FIRST, RecordType::Password, Link::Linked);
    let held_since = Version(1);
    BaseChange::Set(BaseEntry {
        record_id,
        revision,
        record_type,
        stamp,
        expires: None,
        link,
        held_since,
        accepted: None,
    })
}

fn create(record_id: RecordId) -> Result<LocalChange> {
    let fields = SecretFields::parse(br#"{"username": "ann", "password": "correct horse battery staple"}"#)?;
    Ok(LocalChange::Create { record_id, record_type: RecordType::Password, fields })
}

fn outcome(n: usize, local: LocalChange) -> Result<Outcome> {
    const KINDS: [&str; 8] = ["api", "worker", "db", "cache", "queue", "web", "mail", "search"];
    let kind = KINDS[n % KINDS.len()];
    let path = SecretPath::new(format!("apps/{kind}-{:03}/service-{n:06}/{kind}-credentials", n / 800))?;
    Ok(change_here(path, local))
}

/// Fills a collection with a few records, whose paths come last.
async fn fill_few(installation: &Installation, collection: CollectionId) -> Result<()> {
    for n in 0..FEW {
        let record = NewRecord {
            path: SecretPath::new(format!("zone/{n}"))?,
            record_type: RecordType::Password,
            fields: SecretFields::parse(json!({"password": "x"}).to_string().as_bytes())?,
            tags: Vec::new(),
            inject_only: false,
            ask_again: false,
        };
        installation.store.create_record(&context(), collection, record).await?;
    }
    Ok(())
}
