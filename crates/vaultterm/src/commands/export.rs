//! `vaultterm export`: writes records as a file for another program, after it told what that file cannot hold.

use std::path::PathBuf;

use serde_json::json;
use vaultterm_contract::{ExportBody, ExportFormatView, ExportPart, ExportReviewView};
use vaultterm_exchange::Effect;
use zeroize::Zeroizing;

use crate::{
    app::App,
    client::{Client, Patience, Reply},
    failure::{Exit, Failure},
    input,
    input_file::InputFile,
    output_place::OutputPlace,
    printable::printable,
    shell,
    table::Table,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to export
    #[arg(value_name = "COLLECTION[/PREFIX]")]
    part: String,
    /// The format of the file, also as --format: vaultterm, bitwarden-json, bitwarden-csv, env, cxf [default: tell what each would lose]
    #[arg(long, value_name = "FORMAT")]
    to: Option<String>,
    /// Seal the file with age for this public key (age1…); repeat for more
    #[arg(long = "recipient", value_name = "AGE", conflicts_with_all = ["passphrase_file", "plain"])]
    recipients: Vec<String>,
    /// File that holds the passphrase under which the file is sealed with age; `-` for stdin [default: you are asked]
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    passphrase_file: Option<PathBuf>,
    /// Do not seal the file: whoever gets it has every value in it
    #[arg(long)]
    plain: bool,
    /// The file to write, which must not exist; `-` for stdout [default: none, only the review is shown]
    #[arg(short, long, value_name = "FILE")]
    output: Option<OutputPlace>,
    /// Tell what each format would hold and lose, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let (name, prefix) = match args.part.split_once('/') {
        Some((name, prefix)) => (name, Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty())),
        None => (args.part.as_str(), None),
    };
    let collection_id = client.collection(name).await?.data.id;
    let part = ExportPart { collection_id, prefix };
    let review: Reply<ExportReviewView> = client.post("/exports/review", &part, Patience::Vault).await?;
    let wanted = args.to.clone().or_else(|| app.settings.file_format.map(|format| format.to_string()));
    let chosen = match (&wanted, &args.output) {
        (Some(wanted), Some(output)) if !args.dry_run => {
            review.data.formats.iter().find(|format| format.format.as_str() == wanted).map(|format| (format, output))
        }
        _ => {
            app.console.answer_text(&review.json, || all(&review.data))?;
            app.console.next(&format!("vaultterm export {} --to FORMAT -o FILE", shell::word(&args.part)));
            return Ok(Exit::Done);
        }
    };
    let Some((format, output)) = chosen else {
        let known: Vec<_> = review.data.formats.iter().map(|format| format.format.as_str()).collect();
        return Err(Failure::local("VaultTerm does not write this format")
            .hint(format!("--to takes one of {}", known.join(", "))));
    };
    output.refuse_existing("name another file: an export never replaces one")?;
    output.refuse_terminal(app.console)?;
    app.console.about_the_question(&one(format, &review.data));
    if args.plain {
        app.console.warn("the file is not sealed: whoever gets it has every value in it; delete it as soon as you can");
    }
    input::confirm(&format!("Export {} records?", format.records), args.yes)?;
    write(&client, app, &args, part, format, output).await
}

async fn write(
    client: &Client,
    app: &App,
    args: &Args,
    part: ExportPart,
    format: &ExportFormatView,
    output: &OutputPlace,
) -> Result<Exit, Failure> {
    let body = ExportBody {
        collection_id: part.collection_id,
        prefix: part.prefix,
        format: format.format.as_str().to_owned(),
        recipients: args.recipients.clone(),
        passphrase: passphrase(args)?,
        plain: args.plain,
    };
    let bytes = client.post_for_file("/exports", &body).await?;
    let mut file = output.begin()?;
    file.write(&bytes)?;
    file.finish_new()?;
    let path = output.file().map(|path| path.display().to_string());
    let answer = json!({
        "file": path, "bytes": bytes.len(), "format": format.format, "records": format.records, "sealed": !args.plain,
    });
    output.tell(app.console, &answer, || {
        Table::of_facts()
            .fact("file", path.as_deref().unwrap_or("stdout"))
            .fact("bytes", bytes.len().to_string())
            .fact("records", format.records.to_string())
    })?;
    if !args.plain {
        app.console.note("it opens with `age --decrypt`, or with `vaultterm import`");
    }
    Ok(Exit::Done)
}

/// Returns the passphrase, if the file is sealed under one.
fn passphrase(args: &Args) -> Result<Option<Zeroizing<String>>, Failure> {
    if args.plain || !args.recipients.is_empty() {
        return Ok(None);
    }
    match &args.passphrase_file {
        Some(path) => InputFile { path, what: "the passphrase", by: "--passphrase-file" }.credential().map(Some),
        None => input::ask_new_password("--recipient, --passphrase-file or --plain").map(Some),
    }
}

/// Returns what every format would hold and lose.
fn all(review: &ExportReviewView) -> String {
    let mut text = String::new();
    for format in &review.formats {
        text.push_str(&one(format, review));
        text.push('\n');
    }
    text
}

/// Returns what one format would hold and lose.
fn one(format: &ExportFormatView, review: &ExportReviewView) -> String {
    let (name, title) = (format.format.as_str(), format.format.title());
    let all = format.records + format.left_out;
    let of = if format.left_out > 0 { format!(" of {all}") } else { String::new() };
    let mut lines =
        vec![format!("{title} ({name}): {}{of} {}", format.records, if all == 1 { "record" } else { "records" })];
    lines.extend(format.losses.iter().map(|lost| {
        let (text, example) = (&lost.loss.text, printable(&lost.example));
        if lost.loss.what.is_whole_record() {
            format!("  left out: {text}; for example {example}")
        } else {
            format!("  {}: {text}, for example of {example}", lost.loss.effect.label())
        }
    }));
    if !format.losses.iter().any(|lost| lost.loss.effect == Effect::Lost) {
        lines.push("  nothing is lost".to_owned());
    }
    match (format.trash_held, format.trash_left) {
        (0, 0) => {}
        (0, 1) => {
            lines
                .push("  1 record in the trash stays here: only the format vaultterm takes the trash along".to_owned());
        }
        (0, left) => lines
            .push(format!("  {left} records in the trash stay here: only the format vaultterm takes the trash along")),
        (1, _) => lines.push("  1 of the records is in the trash, and goes along".to_owned()),
        (held, _) => lines.push(format!("  {held} of the records are in the trash, and go along")),
    }
    match review.inject_only.len() {
        0 => {}
        1 => lines.push("  1 record stays here: only programs may get its values".to_owned()),
        several => lines.push(format!("  {several} records stay here: only programs may get their values")),
    }
    lines.join("\n") + "\n"
}
