//! Compares an installation on PostgreSQL with one in an SQLite file: a first pull, and how many audited changes several
//! nodes make at once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use serde_json::json;
use vaultterm_reconcile::{Mode, RecordType, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_store::{NewRecord, Store};
use vaultterm_sync::CollectionId;
use vaultterm_testkit::{fresh_database, on_postgres, openbao::OpenBao};

use crate::{
    audit::met,
    bare::Bare,
    house::{House, Lists, Town},
    installation::{Installation, context},
};

/// The most nodes that write at once.
const NODES: usize = 3;
/// People and programs that write at once at each node.
const WRITERS: usize = 8;
/// How long the writers of a round write.
const WRITING: Duration = Duration::from_secs(5);
/// The target for a first pull, as a share of the speed of SQLite.
const PULL_TARGET: f64 = 0.7;

/// Runs the measurements and prints whether they meet the targets.
pub(crate) async fn measure(server: &OpenBao, town: &Town, secrets: usize, rounds: usize) -> Result<()> {
    ensure!(on_postgres(), "there is no PostgreSQL server: run `cargo xtask bench --postgres`");
    pulls(server, town, secrets, rounds).await?;
    writes(rounds).await
}

/// Measures a first pull of the same secrets into both databases. They go first in turns.
async fn pulls(server: &OpenBao, town: &Town, secrets: usize, rounds: usize) -> Result<()> {
    let bare = Bare::login(server, town).await?;
    bare.push("databases", &Vec::from_iter(0..secrets)).await?;
    let mut shares = Vec::new();
    for round in 0..rounds {
        let file = tempfile::tempdir()?;
        let file = format!("sqlite:{}", file.path().join("vaultterm.db").display());
        let urls = [file, fresh_database(tempfile::tempdir()?.path()).await];
        let mut took = [Duration::ZERO; 2];
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let house = House::on(&urls[which], server, town).await?;
            let pull = house.connect(Mode::Pull, "databases").await?;
            let began = Instant::now();
            let run = house.run(pull, Lists::Cheapest).await?;
            took[which] = began.elapsed();
            ensure!(run.counts.created_local == secrets as u64, "pulled {run:#?}");
        }
        let [sqlite, postgres] = took.map(|took| took.as_secs_f64());
        println!("first pull of {secrets}: SQLite {sqlite:.2} s, PostgreSQL {postgres:.2} s");
        shares.push(sqlite / postgres);
    }
    shares.sort_by(f64::total_cmp);
    let middle = shares[shares.len() / 2];
    println!(
        "first pull: {middle:.2} of the speed of SQLite ({:.2} to {:.2}); target {PULL_TARGET} {}\n",
        shares[0],
        shares[shares.len() - 1],
        met(middle >= PULL_TARGET)
    );
    Ok(())
}

/// Measures how many records per second are created, each with its audit entry, by one, two and three nodes.
async fn writes(rounds: usize) -> Result<()> {
    let mut first = None;
    for nodes in 1..=NODES {
        let mut rates = Vec::new();
        for _ in 0..rounds {
            rates.push(changes_per_second(nodes).await?);
        }
        rates.sort_by(f64::total_cmp);
        let (least, middle, most) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        let one = *first.get_or_insert(middle);
        println!(
            "audited changes on PostgreSQL, {nodes} nodes with {WRITERS} writers each: {middle:.0} per second \
             ({least:.0} to {most:.0}), {:.2} of one node",
            middle / one
        );
    }
    Ok(())
}

async fn changes_per_second(nodes: usize) -> Result<f64> {
    let installation = Installation::on(&fresh_database(tempfile::tempdir()?.path()).await).await?;
    let mut stores = vec![installation.store.clone()];
    while stores.len() < nodes {
        stores.push(installation.another_node().await?);
    }
    let began = Instant::now();
    let writers = stores.iter().enumerate().flat_map(|(node, store)| {
        let collection = installation.collection;
        (0..WRITERS).map(move |writer| write(store, collection, format!("n{node}/w{writer}"), began + WRITING))
    });
    let made: usize = try_join_all(writers).await?.into_iter().sum();
    Ok(made as f64 / began.elapsed().as_secs_f64())
}

/// Creates records until a moment, and returns how many.
async fn write(store: &Store, collection: CollectionId, folder: String, until: Instant) -> Result<usize> {
    let mut made = 0;
    while Instant::now() < until {
        let record = NewRecord {
            path: SecretPath::new(format!("{folder}/{made}"))?,
            record_type: RecordType::Password,
            fields: SecretFields::parse(
                json!({"username": "ann", "password": "correct horse"}).to_string().as_bytes(),
            )?,
            tags: Vec::new(),
            inject_only: false,
            ask_again: false,
        };
        store.create_record(&context(), collection, record).await?;
        made += 1;
    }
    Ok(made)
}
