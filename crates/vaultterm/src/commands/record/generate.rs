//! `vaultterm record generate`: generates passwords with the randomness of the operating system.

use serde_json::json;
use vaultterm_sealing::PasswordRules;

use super::{
    set::{Change, Fields, infer, save},
    shared::{facts, name_of},
};
use crate::{
    app::App,
    assignment::json_text,
    failure::{Exit, Failure},
    lookup::RecordRef,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// COLLECTION/PATH or id to put it into, unseen [default: print it]
    #[arg(value_parser = RecordRef::parse)]
    record: Option<RecordRef>,
    /// Field to put it into
    #[arg(long, default_value = "password", value_name = "NAME")]
    field: String,
    /// Characters
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(8..=1024))]
    length: u16,
    /// Letters and digits only
    #[arg(long)]
    no_symbols: bool,
    /// Leave out characters that look alike (I l 1 O 0 o |)
    #[arg(long)]
    no_ambiguous: bool,
}

/// Generates a password.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let rules = PasswordRules { length: args.length, symbols: !args.no_symbols, ambiguous: !args.no_ambiguous };
    let password = rules.draw().map_err(|error| Failure::local("no password can be generated").because(&error))?;
    let Some(reference) = args.record else {
        let answer = json!({ "value": password.as_str() });
        app.console.answer_text(&answer, || format!("{}\n", password.as_str()))?;
        return Ok(Exit::Done);
    };
    let fields = Fields::from([(args.field, json_text(&password))]);
    let saved = save(&app.client()?, &reference, None, |existing| Change {
        record_type: existing.is_none().then(|| infer(&fields)),
        fields,
        remove: Vec::new(),
        tags: Vec::new(),
        inject_only: None,
        ask_again: None,
    })
    .await?;
    app.console.answer(&saved.json, || facts(&saved.data))?;
    app.console.next(&format!("vaultterm record get {} --reveal", name_of(&reference, &saved.data)));
    Ok(Exit::Done)
}
