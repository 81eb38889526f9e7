//! `POST /export`: the file, after a fresh proof that it is the person.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use vaultterm_operations::{
    RefusalKind,
    exports::{self, Exported, Protection},
};
use zeroize::Zeroizing;

use super::{
    show::{Typed, again},
    words::Sealing,
};
use crate::{
    state::ServerState,
    web::{
        form::Pairs,
        refused::{Refused, sentence},
        visitor::Visitor,
    },
};

/// Hands out the file.
pub(crate) async fn save(State(app): State<ServerState>, visitor: Visitor, pairs: Pairs) -> Result<Response, Refused> {
    let typed = Typed::of(&pairs);
    let protection = match protection(&typed, &pairs) {
        Ok(protection) => protection,
        Err(wrong) => return again(&app, &visitor, typed, wrong).await,
    };
    match exports::export(&app, &visitor.caller, &typed.part(), &typed.format, protection).await {
        Ok(exported) => Ok(file(exported)),
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let wrong = fault(&refusal);
            again(&app, &visitor, typed, wrong).await
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

/// Reads how the file is protected, or says at which field that is not clear.
fn protection(typed: &Typed, pairs: &Pairs) -> Result<Protection, (&'static str, String)> {
    let passphrase = pairs.text("passphrase");
    match typed.sealing {
        Sealing::Passphrase if passphrase != pairs.text("again") => {
            Err(("passphrase", "The two passphrases differ. Type the same one twice.".to_owned()))
        }
        Sealing::Passphrase => Ok(Protection::Passphrase(Zeroizing::new(passphrase.to_owned()))),
        Sealing::Recipients => Ok(Protection::Recipients(typed.recipients())),
        Sealing::Plain if pairs.find("sure").is_none() => {
            Err(("plain", "Tick the box if the file shall hold every value as plain text.".to_owned()))
        }
        Sealing::Plain => Ok(Protection::Plain),
    }
}

/// Returns what is wrong, with the field of the form that it is about.
fn fault(refusal: &vaultterm_operations::Refusal) -> (&'static str, String) {
    let Some(fault) = refusal.fields.first() else { return ("format", sentence(&refusal.detail)) };
    let known = ["prefix", "passphrase", "recipients"].into_iter().find(|name| *name == fault.field);
    (known.unwrap_or("format"), sentence(&fault.message))
}

/// Answers with a file to be saved.
fn file(exported: Exported) -> Response {
    let Exported { bytes, file_name, .. } = exported;
    let mut response = bytes.to_vec().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\""));
    headers.insert(header::CONTENT_DISPOSITION, disposition.expect("names of exported files are ASCII"));
    response
}

#[cfg(test)]
mod tests {
    use vaultterm_operations::Refusal;

    use super::*;

    #[test]
    fn a_file_is_plain_only_for_somebody_who_ticked_that() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs = Pairs::of(pairs);
            protection(&Typed::of(&pairs), &pairs)
        };
        assert_eq!(read(&[("sealing", "plain")]).err().unwrap().0, "plain");
        assert!(matches!(read(&[("sealing", "plain"), ("sure", "on")]), Ok(Protection::Plain)));
        let typed = [("passphrase", "correct horse battery")];
        assert_eq!(read(&typed).err().unwrap().0, "passphrase", "a form without the choice seals with a passphrase");
        let twice = [("passphrase", "correct horse battery"), ("again", "correct horse battery")];
        assert!(matches!(read(&twice), Ok(Protection::Passphrase(_))));
        assert!(matches!(read(&[("sealing", "recipients")]), Ok(Protection::Recipients(none)) if none.is_empty()));
    }

    #[test]
    fn what_is_wrong_is_said_at_a_field_of_the_form() {
        assert_eq!(fault(&Refusal::field("passphrase", "is short")), ("passphrase", "Is short.".to_owned()));
        assert_eq!(fault(&Refusal::field("other", "is odd")).0, "format");
        assert_eq!(fault(&Refusal::new(RefusalKind::Invalid, "odd")).0, "format");
    }
}
