//! `vaultterm webhook …`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};
use vaultterm_contract::{MadeWebhookView, TriedView, WebhookView};

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    input,
    input_file::InputFile,
    shell,
    table::{Table, moment},
};

#[derive(clap::Args, Debug)]
pub(crate) struct CreateArgs {
    /// Its name
    name: String,
    /// Where messages go: https, or plain http to loopback
    url: String,
    /// Only this action, for example RECORD_REVEALED; repeat, or separate with commas [default: all]
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',')]
    actions: Vec<String>,
    /// File that holds the signing secret (whsec_…); `-` for stdin [default: one is drawn and shown once]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The first entry of the audit log to send [default: what is written from now on]
    #[arg(long, value_name = "SEQ")]
    from_seq: Option<u64>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct UpdateArgs {
    /// Name or id
    webhook: String,
    /// New name
    #[arg(long)]
    name: Option<String>,
    /// New address
    #[arg(long)]
    url: Option<String>,
    /// Only this action from now on; repeat, or separate with commas
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',', conflicts_with = "all_actions")]
    actions: Vec<String>,
    /// Every action from now on
    #[arg(long)]
    all_actions: bool,
    /// Send nothing until it is resumed
    #[arg(long, conflicts_with = "resume")]
    pause: bool,
    /// Continue where it stopped
    #[arg(long)]
    resume: bool,
    /// File that holds a new signing secret; `-` for stdin; the old one also signs for 24 hours
    #[arg(long, value_name = "FILE", conflicts_with = "rotate_secret")]
    secret_file: Option<PathBuf>,
    /// Draw a new signing secret and show it once; the old one also signs for 24 hours
    #[arg(long)]
    rotate_secret: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List webhooks and how far they got
    Ls,
    /// Create a webhook; its signing secret is shown once
    Create(CreateArgs),
    /// Show a webhook and how far it got
    Show {
        /// Name or id
        webhook: String,
    },
    /// Change a webhook
    Update(UpdateArgs),
    /// Delete a webhook
    Delete {
        /// Name or id
        webhook: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Send a signed test message; the cursor stays where it is
    Test {
        /// Name or id
        webhook: String,
    },
    /// Continue with an entry of the audit log: send it and all later ones, again or by skipping
    Reship {
        /// Name or id
        webhook: String,
        /// The entry to continue with
        #[arg(long, value_name = "SEQ")]
        from_seq: u64,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Ls => list(&client, app).await,
        Command::Create(args) => create(&client, app, args).await,
        Command::Show { webhook } => {
            let found = client.webhook(&webhook).await?;
            app.console.answer(&found.json, || facts(&found.data))?;
            Ok(Exit::Done)
        }
        Command::Update(args) => update(&client, app, args).await,
        Command::Delete { webhook, yes } => delete(&client, app, &webhook, yes).await,
        Command::Test { webhook } => test(&client, app, &webhook).await,
        Command::Reship { webhook, from_seq } => {
            let found = client.webhook(&webhook).await?.data;
            let path = format!("/webhooks/{}/reship", found.id);
            let moved: Reply<WebhookView> =
                client.post(&path, &json!({ "from_seq": from_seq }), Patience::Usual).await?;
            app.console.answer(&moved.json, || facts(&moved.data))?;
            Ok(Exit::Done)
        }
    }
}

async fn list(client: &Client, app: &App) -> Result<Exit, Failure> {
    let list: Reply<Vec<WebhookView>> = client.list("/webhooks", &Query::default(), None).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["NAME", "STATE", "DELIVERED", "LAST DELIVERY", "URL", "ID"], "no webhooks");
        list.data.iter().fold(table, |table, webhook| {
            table.row([
                webhook.name.clone(),
                state(webhook),
                webhook.delivered_seq.to_string(),
                webhook.last_delivered_at.as_deref().map_or("never".into(), moment),
                webhook.url.clone(),
                webhook.id.to_string(),
            ])
        })
    })?;
    Ok(Exit::Done)
}

async fn create(client: &Client, app: &App, args: CreateArgs) -> Result<Exit, Failure> {
    let mut body = json!({ "name": args.name, "url": args.url });
    if !args.actions.is_empty() {
        body["actions"] = args.actions.into();
    }
    if let Some(path) = &args.secret_file {
        body["secret"] = InputFile { path, what: "the signing secret", by: "--secret-file" }.secret()?.as_str().into();
    }
    if let Some(from_seq) = args.from_seq {
        body["from_seq"] = from_seq.into();
    }
    let made: Reply<MadeWebhookView> = client.post("/webhooks", &body, Patience::Usual).await?;
    show(app, &made)?;
    app.console.next(&format!("vaultterm webhook test {}", shell::word(&made.data.webhook.name)));
    Ok(Exit::Done)
}

async fn update(client: &Client, app: &App, args: UpdateArgs) -> Result<Exit, Failure> {
    let mut body = Map::new();
    let mut change = |key: &str, value: Option<Value>| body.extend(value.map(|value| (key.to_owned(), value)));
    change("name", args.name.map(Value::from));
    change("url", args.url.map(Value::from));
    change("actions", args.all_actions.then_some(Value::Null));
    change("actions", (!args.actions.is_empty()).then_some(args.actions.into()));
    change("paused", (args.pause || args.resume).then_some(args.pause.into()));
    change("rotate_secret", args.rotate_secret.then_some(true.into()));
    if let Some(path) = &args.secret_file {
        change(
            "secret",
            Some(InputFile { path, what: "the signing secret", by: "--secret-file" }.secret()?.as_str().into()),
        );
    }
    if body.is_empty() {
        return Err(Failure::local("nothing to change was named").hint("see `vaultterm webhook update --help`"));
    }
    let found = client.webhook(&args.webhook).await?.data;
    let changed: Reply<MadeWebhookView> =
        client.patch(&format!("/webhooks/{}", found.id), found.revision, &body).await?;
    show(app, &changed)?;
    Ok(Exit::Done)
}

async fn delete(client: &Client, app: &App, name: &str, yes: bool) -> Result<Exit, Failure> {
    let found = client.webhook(name).await?.data;
    input::confirm(&format!("Delete the webhook `{}`?", found.name), yes)?;
    client.delete(&format!("/webhooks/{}", found.id), Some(found.revision)).await?;
    app.console.note(&format!("deleted the webhook `{}`", found.name));
    Ok(Exit::Done)
}

async fn test(client: &Client, app: &App, name: &str) -> Result<Exit, Failure> {
    let found = client.webhook(name).await?.data;
    let path = format!("/webhooks/{}/test", found.id);
    let tried: Reply<TriedView> = client.post(&path, &json!({}), Patience::Usual).await?;
    app.console.answer(&tried.json, || {
        Table::of_facts()
            .fact("taken", if tried.data.ok { "yes" } else { "no" })
            .fact("answer", &tried.data.detail)
            .fact("took", format!("{} ms", tried.data.took_ms))
    })?;
    if tried.data.ok {
        return Ok(Exit::Done);
    }
    Err(Failure::server(format!("`{}` did not take the message", found.name))
        .hint(format!("change its address: `vaultterm webhook update {} --url URL`", shell::word(&found.name))))
}

/// Prints a webhook, and its secret if the server just generated it.
fn show(app: &App, made: &Reply<MadeWebhookView>) -> Result<(), Failure> {
    let MadeWebhookView { webhook, secret } = &made.data;
    app.console.answer(&made.json, || {
        facts(webhook).fact_if("signing secret", secret.as_ref().map(|secret| secret.as_str()))
    })?;
    if secret.is_some() {
        app.console.note("give the receiver the signing secret: it is not shown again");
    }
    Ok(())
}

fn state(webhook: &WebhookView) -> String {
    match (webhook.paused, webhook.failures) {
        (true, _) => "paused".to_owned(),
        (false, 0) => "active".to_owned(),
        (false, failures) => format!("failing ({failures})"),
    }
}

fn facts(webhook: &WebhookView) -> Table {
    let actions = webhook.actions.as_ref().map_or_else(|| "all".to_owned(), |actions| actions.join(" "));
    Table::of_facts()
        .fact("name", &webhook.name)
        .fact("id", webhook.id.to_string())
        .fact("url", &webhook.url)
        .fact("state", state(webhook))
        .fact_if("last error", webhook.last_error.as_deref())
        .fact_if("next attempt", webhook.next_attempt_at.as_deref().map(moment))
        .fact("actions", actions)
        .fact("delivered up to", webhook.delivered_seq.to_string())
        .fact_if("last delivery", webhook.last_delivered_at.as_deref().map(moment))
        .fact_if("old secret until", webhook.old_secret_until.as_deref().map(moment))
}
