//! The names that people give to things, checked.

use uuid::Uuid;

use crate::refusal::Refusal;

const NAME_CHARS_MAX: usize = 200;
const EMAIL_CHARS_MAX: usize = 254;

/// Checks an e-mail address no further than needed: mail proves the rest.
pub(crate) fn email(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let wrong = || Refusal::field("email", "is not an e-mail address");
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let odd = text.chars().any(|character| character.is_whitespace() || character.is_control());
    if local.is_empty() || domain.is_empty() || odd || text.chars().count() > EMAIL_CHARS_MAX {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// Checks the name of a person, a token or a webhook.
pub(crate) fn plain(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if !fits(text) {
        return Err(Refusal::field("name", format!("has 1 to {NAME_CHARS_MAX} printable characters")));
    }
    Ok(text.to_owned())
}

/// Checks the name of a collection. It has no `/`, because records are named COLLECTION/PATH.
pub(crate) fn collection(text: &str) -> Result<&str, Refusal> {
    let text = text.trim();
    if fits(text) && !text.contains('/') {
        return Ok(text);
    }
    Err(Refusal::field("name", format!("has 1 to {NAME_CHARS_MAX} printable characters and no `/`")))
}

/// Checks the name of a connection. It is not an id, so that the two can be told apart.
pub(crate) fn connection(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if !fits(text) || text.parse::<Uuid>().is_ok() {
        return Err(Refusal::field("name", format!("has 1 to {NAME_CHARS_MAX} printable characters and is no id")));
    }
    Ok(text.to_owned())
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(char::is_control)
}
