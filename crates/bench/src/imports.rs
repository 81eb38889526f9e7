//! Measures the import of a file over HTTP on loopback: reading it and telling what it becomes, making the records in one
//! transaction, and bringing the same file again. The file is parsed in the process of the server, without the start of
//! another process, which takes some hundredths of a second.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use vaultterm_store::Scope;

use crate::{
    audit::met,
    installation::{Installation, Serving},
};

/// Items of the file.
const ITEMS: u64 = 10_000;
/// How often the whole is done; the middle counts.
const ROUNDS: usize = 3;
/// The target for the import itself.
const TARGET: Duration = Duration::from_secs(10);

/// Runs the measurement and prints whether it meets the target.
pub(crate) async fn measure() -> Result<()> {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        all.push(round().await?);
    }
    let middle = |which: usize| {
        let mut took: Vec<_> = all.iter().map(|round| round[which]).collect();
        took.sort_unstable();
        took[took.len() / 2]
    };
    let [read, imported, again] = [0, 1, 2].map(middle);
    println!(
        "a file of {ITEMS} logins: read and told in {:.2} s, imported in one transaction in {:.2} s, read again in {:.2} s; \
         target {} s {}\n",
        read.as_secs_f64(),
        imported.as_secs_f64(),
        again.as_secs_f64(),
        TARGET.as_secs(),
        met(read + imported <= TARGET)
    );
    Ok(())
}

async fn round() -> Result<[Duration; 3]> {
    let installation = Installation::new().await?;
    let collection = installation.collection;
    let serving = installation.serve(Scope::RecordsWrite).await?;
    let rows = (0..ITEMS).map(|n| format!("https://{n}.example.com,ann{n},correct horse {n},site {n}\n"));
    let file = format!("url,username,password,name\n{}", rows.collect::<String>());
    let upload = json!({"collection_id": collection.0, "file_name": "logins.csv", "content": STANDARD.encode(file)});
    let (seen, read) = posted(&serving, "/imports", &upload).await?;
    ensure!(seen["counts"]["created"] == ITEMS, "read {}", seen["counts"]);
    let path = format!("/imports/{}/commit", seen["id"].as_str().context("an id")?);
    let (done, imported) = posted(&serving, &path, &json!({"plan": seen["plan"]})).await?;
    ensure!(done["counts"]["created"] == ITEMS && done["state"] == "done", "imported {}", done["counts"]);
    let (seen, again) = posted(&serving, "/imports", &upload).await?;
    ensure!(seen["counts"]["skipped"] == ITEMS, "read again {}", seen["counts"]);
    serving.stop().await?;
    Ok([read, imported, again])
}

/// Sends a request, and returns its answer with the time that it took.
async fn posted(serving: &Serving, path: &str, body: &Value) -> Result<(Value, Duration)> {
    let began = Instant::now();
    let answer = serving.request(Method::POST, path).json(body).send().await?.error_for_status()?;
    let answer = answer.json().await?;
    Ok((answer, began.elapsed()))
}
