//! What helps a person to fill the form of a record: generated values with undo, and a file of variables that is pasted.
//! Each is a button that sends the form, so it works without script.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use vaultterm_operations::{Refusal, env_file, generator};
use zeroize::Zeroizing;

use super::{draft::Draft, rules::Rules};
use crate::{
    state::ServerState,
    web::{form::Pairs, refused::Refused, visitor::Visitor, words::counted},
};

/// Does what a button inside of the form asks for, and says so. `None` when none was pressed.
pub(crate) async fn press(
    app: &ServerState,
    visitor: &Visitor,
    draft: &mut Draft,
    pairs: &Pairs,
) -> Result<Option<String>, Refusal> {
    if let Some(name) = pairs.find("generate") {
        let rules = Rules::of(pairs).read()?;
        let made = generator::generate(app, &visitor.caller, rules).await?;
        let old = draft.values.insert(name.to_owned(), made.value).unwrap_or_default();
        draft.before.insert(name.to_owned(), old);
        return Ok(Some(format!("A value for {name} was generated. Nothing is saved yet.")));
    }
    if let Some(name) = pairs.find("undo") {
        match draft.before.remove(name) {
            Some(old) if !old.is_empty() => drop(draft.values.insert(name.to_owned(), old)),
            _ => drop(draft.values.remove(name)),
        }
        return Ok(Some(format!("{name} is as it was before.")));
    }
    if pairs.text("step") == "env" {
        return take_over(draft, pairs.text("env")).map(Some);
    }
    Ok(None)
}

/// Takes the entries of a file of variables over as fields.
fn take_over(draft: &mut Draft, text: &str) -> Result<String, Refusal> {
    let entries =
        env_file::parse(text).map_err(|refused| Refusal::field("env", refused.to_string()).hint(refused.why.hint()))?;
    let count = entries.len() as u64;
    for entry in entries {
        draft.values.insert(entry.name, entry.value);
    }
    Ok(format!("{} taken over. Nothing is saved yet.", counted(count, "variable was", "variables were")))
}

/// `POST /generate`: a value for a script, which puts it into the form in place.
pub(crate) async fn generate(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let made = generator::generate(&app, &visitor.caller, Rules::of(&pairs).read()?).await?;
    let value: &Zeroizing<String> = &made.value;
    Ok(Json(json!({ "value": value.as_str() })).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_variables_become_fields_and_a_doubtful_line_is_refused_without_its_text() {
        let mut draft = Draft::of(&Pairs::of(&[("field:DB_USER", "old")]));
        let told = take_over(&mut draft, "DB_USER=worker\n# a comment\nDB_PASSWORD='a b'\n").unwrap();
        assert_eq!(told, "2 variables were taken over. Nothing is saved yet.");
        assert_eq!((draft.values["DB_USER"].as_str(), draft.values["DB_PASSWORD"].as_str()), ("worker", "a b"));
        let refused = take_over(&mut draft, "SECRET hunter2").unwrap_err();
        assert!(!refused.detail.contains("hunter2") && refused.detail.contains("line 1"), "{}", refused.detail);
    }
}
