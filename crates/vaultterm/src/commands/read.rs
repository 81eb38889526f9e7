//! `vaultterm read vt://collection/path/field`.

use serde_json::json;
use vaultterm_contract::RevealedView;

use crate::{
    app::App,
    client::{Patience, Reply},
    console::Format,
    failure::{Exit, Failure},
    field_ref::{FieldRef, no_field, plain},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The field: vt://collection/path/field; a `/` in its name is %2F
    #[arg(value_name = "REF")]
    reference: FieldRef,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Print no line end after the value
    #[arg(short = 'n', long)]
    no_newline: bool,
}

/// Prints the value of a field. The audit log records the access.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let record = client.record(&args.reference.record()).await?.data;
    let field = args.reference.field;
    let mut body = json!({ "fields": [field] });
    if let Some(reason) = args.reason {
        body["reason"] = reason.into();
    }
    let path = format!("/records/{}/reveal", record.id);
    let revealed: Reply<RevealedView> = client.post(&path, &body, Patience::Usual).await?;
    if app.console.format() == Format::Json {
        app.console.json(&revealed.json)?;
        return Ok(Exit::Done);
    }
    let value = revealed.data.fields.expose().get(&field).ok_or_else(|| no_field(&field, &record.field_names))?;
    app.console.value(&plain(value), !args.no_newline)?;
    Ok(Exit::Done)
}
