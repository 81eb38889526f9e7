//! Exports: records leave as a file for another program. What the file cannot hold is told before; a person proves again who
//! they are; the file is sealed unless the person insists on plain text; the audit log has each record before the file leaves.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use vaultterm_exchange::{Format, Loss, Outgoing, RecordLoss, Sealer, WRITTEN, losses, write};
use vaultterm_reconcile::{SecretPath, UnknownName};
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::CollectionId;
use zeroize::Zeroizing;

use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh},
    refusal::Refusal,
    services::Services,
};

/// What to export.
#[derive(Clone, Debug)]
pub struct Part {
    /// The collection.
    pub collection: Uuid,
    /// Only records at this path and below; all unless told.
    pub prefix: Option<String>,
}

/// What a format would lose, before one chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatReview {
    /// The format.
    pub format: Format,
    /// How many records its file would hold, with those of the trash.
    pub records: u64,
    /// How many records it would leave out, for the reasons among `losses`. Those of the trash are counted in `trash_left`.
    pub left_out: u64,
    /// How many of the records are in the trash.
    pub trash_held: u64,
    /// How many records of the trash its file would not hold. They stay in the trash here.
    pub trash_left: u64,
    /// What is lost, summed up by kind and name: how many times, and of which record for example.
    pub losses: Vec<(Loss, String)>,
}

/// What an export would hold and lose in each format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The number of records, without those in the trash.
    pub records: u64,
    /// Records that only programs may get. They stay here in every format.
    pub inject_only: Vec<SecretPath>,
    /// Each format that VaultTerm writes.
    pub formats: Vec<FormatReview>,
}

/// How a file is protected.
pub enum Protection {
    /// Sealed with `age` for these recipients (`age1…`).
    Recipients(Vec<String>),
    /// Sealed with `age` under a passphrase.
    Passphrase(Zeroizing<String>),
    /// Not at all.
    Plain,
}

impl Protection {
    /// Returns the word for it in the audit log.
    const fn word(&self) -> &'static str {
        match self {
            Self::Recipients(_) => "age recipients",
            Self::Passphrase(_) => "age passphrase",
            Self::Plain => "none",
        }
    }
}

/// A file for another program.
pub struct Exported {
    /// What it holds.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The name that it should have.
    pub file_name: String,
    /// How many records it holds.
    pub records: u64,
    /// What it does not hold, by path.
    pub losses: Vec<(String, Loss)>,
}

/// Tells what each format would hold and lose. No value leaves.
///
/// # Errors
/// [`Refusal`].
pub async fn review(services: &Services, caller: &Caller, part: &Part) -> Result<Review, Refusal> {
    let collection = permitted(services, caller, part).await?;
    let found = services.store.exportable(collection, below(part)?.as_ref(), true).await?;
    let (trashed, live): (Vec<_>, Vec<_>) = found.records.into_iter().partition(|record| record.is_trashed);
    let mut formats = Vec::with_capacity(WRITTEN.len());
    for format in WRITTEN {
        let mut lost = foretold(format, &live)?;
        let mut records = live.len() as u64;
        let (mut trash_held, mut trash_left) = (0, trashed.len() as u64);
        if holds_trash(format) {
            lost.extend(foretold(format, &trashed)?);
            (trash_held, trash_left) = (trash_left, 0);
            records += trash_held;
        }
        let left_out = lost.iter().filter(|(_, loss)| loss.what.is_whole_record()).count() as u64;
        formats.push(FormatReview {
            format,
            records: records - left_out,
            left_out,
            trash_held,
            trash_left,
            losses: summed(lost),
        });
    }
    Ok(Review { records: live.len() as u64, inject_only: found.inject_only, formats })
}

/// Writes a file. The audit log holds who took which records before it leaves.
///
/// # Errors
/// `StepUp` without a fresh proof; `Invalid` for a format that VaultTerm does not write, for a recipient that is none, and when
/// there is nothing to export.
pub async fn export(
    services: &Services,
    caller: &Caller,
    part: &Part,
    format: &str,
    protection: Protection,
) -> Result<Exported, Refusal> {
    let collection = permitted(services, caller, part).await?;
    let format: Format = format.parse().map_err(|unknown: UnknownName| Refusal::field("format", unknown.one_of()))?;
    fresh(services, caller, Act::ExportRecords).await?;
    let sealer = sealer(&protection).await?;
    let found = services.store.exportable(collection, below(part)?.as_ref(), holds_trash(format)).await?;
    let written = write(format, &found.records).map_err(|error| Refusal::field("format", error.to_string()))?;
    let left_out: BTreeSet<_> =
        written.losses.iter().filter(|(_, loss)| loss.what.is_whole_record()).map(|(path, _)| path.as_str()).collect();
    let leaving: Vec<_> = found.about.into_iter().filter(|record| !left_out.contains(record.path.as_str())).collect();
    if leaving.is_empty() {
        return Err(Refusal::field("format", "there is no record that this file could hold"));
    }
    let ending = if sealer.is_some() { ".age" } else { "" };
    let bytes = match sealer {
        Some(sealer) => sealer.seal(&written.bytes).map_err(|error| Refusal::internal(&error))?,
        None => written.bytes,
    };
    let context = caller.context(services);
    services.store.audit_export(&context, collection, &leaving, format, protection.word()).await?;
    let file_name = format!("vaultterm-export.{}{ending}", format.extension());
    Ok(Exported { bytes, file_name, records: leaving.len() as u64, losses: written.losses })
}

/// A person who takes everything out of a collection may also delete it.
async fn permitted(services: &Services, caller: &Caller, part: &Part) -> Result<CollectionId, Refusal> {
    access::scope(services, caller, Scope::RecordsReveal).await?;
    access::collection(services, caller, part.collection, CollectionRole::Admin).await
}

fn below(part: &Part) -> Result<Option<SecretPath>, Refusal> {
    let prefix = part.prefix.as_deref().map(|prefix| prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
    prefix.map(SecretPath::new).transpose().map_err(|error| Refusal::field("prefix", error.to_string()))
}

/// Only our own archive takes the trash along.
fn holds_trash(format: Format) -> bool {
    format == Format::Vaultterm
}

async fn sealer(protection: &Protection) -> Result<Option<Sealer>, Refusal> {
    match protection {
        Protection::Plain => Ok(None),
        Protection::Passphrase(passphrase) => {
            // A passphrase takes a second of work by design. Meanwhile this thread serves others.
            let passphrase = passphrase.clone();
            let made = tokio::task::spawn_blocking(move || Sealer::passphrase(&passphrase)).await;
            let made = made.map_err(|error| Refusal::internal(&error))?;
            made.map(Some).map_err(|error| Refusal::field("passphrase", error.to_string()))
        }
        Protection::Recipients(recipients) => {
            Sealer::recipients(recipients).map(Some).map_err(|error| Refusal::field("recipients", error.to_string()))
        }
    }
}

fn foretold(format: Format, records: &[Outgoing]) -> Result<Vec<RecordLoss>, Refusal> {
    losses(format, records).map_err(|error| Refusal::internal(&error))
}

/// Sums losses up by kind and name, with the path of the first record of each.
fn summed(losses: Vec<RecordLoss>) -> Vec<(Loss, String)> {
    let mut sums: BTreeMap<_, (Loss, String)> = BTreeMap::new();
    for (path, loss) in losses {
        let sum = sums.entry((loss.what, loss.name.clone()));
        sum.and_modify(|(sum, _)| sum.count += loss.count).or_insert((loss, path));
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests;
