//! Where the fields of a record go in a file of another program.

use serde_json::Value;
use zeroize::Zeroizing;

use crate::{outgoing::Outgoing, usual};

/// Returns the text of a field, if it is one and not empty. Only such fields go where the other program has a place for
/// them: an empty place says that there is no field.
pub(super) fn text<'a>(record: &'a Outgoing, name: &str) -> Option<&'a str> {
    record.fields.expose().get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Returns any value as text: a text as it is, and anything else as JSON.
pub(super) fn any_text(value: &Value) -> Zeroizing<String> {
    Zeroizing::new(match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string(other).expect("a JSON value always encodes"),
    })
}

/// Returns the fields that hold addresses, in their order, without a gap, as far as `fits` allows.
pub(super) fn urls(record: &Outgoing, fits: impl Fn(&str) -> bool) -> Vec<String> {
    (0..).map(usual::url).take_while(|name| text(record, name).is_some_and(&fits)).collect()
}

/// Returns the field for the one place that a format has for one-time codes.
pub(super) fn one_time(record: &Outgoing) -> Option<&'static str> {
    ["otpauth_url", "totp_secret"]
        .into_iter()
        .find(|name| text(record, name).is_some_and(|text| usual::one_time(text) == *name))
}
