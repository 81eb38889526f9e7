//! Assignments such as `field=value`: how the command line names a field, and where its value comes from.
//!
//! | written | value |
//! |---|---|
//! | `field=-` | the text on stdin |
//! | `field=@file` | the text of a file |
//!  `field` or `field=?` | read from the terminal |
//!  `field=value` | the text itself; the command warns, because other users may see it |
//! | `field:=json` | any JSON value; also `field:=@file` and `field:=-` |

use std::{fmt, path::PathBuf, str::FromStr};

use serde_json::value::{RawValue, to_raw_value};
use zeroize::Zeroizing;

use crate::{failure::Failure, input, input_file::InputFile};

/// A field and the source of its value.
#[derive(Clone)]
pub(crate) struct Assignment {
    /// The name of the field.
    pub(crate) name: String,
    source: Source,
    json: bool,
}

/// The source of a value.
#[derive(Clone)]
enum Source {
    Given(Zeroizing<String>),
    File(PathBuf),
    Stdin,
    Terminal,
}

impl Assignment {
    /// Returns whether the value was on the command line.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.source, Source::Given(_))
    }

    /// Returns whether the value comes from stdin, which can be read only once.
    pub(crate) fn is_stdin(&self) -> bool {
        matches!(self.source, Source::Stdin)
    }

    /// Reads the value as JSON text. Numbers keep their spelling, because the server checks them.
    pub(crate) fn value(&self) -> Result<Box<RawValue>, Failure> {
        let what = format!("the value of `{}`", self.name);
        let text = match &self.source {
            Source::Given(text) => text.clone(),
            Source::File(path) => {
                InputFile { path, what: &what, by: &format!("`{}=@…`", self.name) }.secret().map_err(|failure| {
                    failure.hint(format!(
                        "for a value that begins with @: {0}=- (stdin), {0}=? (asked for), or as JSON {0}:='\"@…\"'",
                        self.name
                    ))
                })?
            }
            Source::Stdin => {
                let by = format!("`{}=@FILE`", self.name);
                InputFile { path: "-".as_ref(), what: &what, by: &by }.secret()?
            }
            Source::Terminal => {
                let instead = format!("{0}=- (stdin) or {0}=@FILE", self.name);
                input::ask_secret(&self.name, &instead)?
            }
        };
        if self.json { parse_json(&self.name, &text) } else { Ok(json_text(&text)) }
    }
}

/// Encodes a text as JSON.
pub(crate) fn json_text(text: &str) -> Box<RawValue> {
    to_raw_value(text).expect("a text always encodes")
}

fn parse_json(name: &str, text: &str) -> Result<Box<RawValue>, Failure> {
    // The error names only the position, because an excerpt would show the value.
    serde_json::from_str(text).map_err(|error| {
        Failure::local(format!("the value of `{name}` is not JSON"))
            .because_of(format!("unexpected text at line {}, column {}", error.line(), error.column()))
            .hint(format!("for plain text use `{name}=…` without the colon"))
    })
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let (name, json) = match (name.strip_suffix(':'), value) {
            (Some(name), Some(_)) => (name, true),
            _ => (name, false),
        };
        if name.is_empty() {
            return Err("a field needs a name: field=value (one whose name is empty: --fields)".to_owned());
        }
        let source = match value {
            None | Some("?") => Source::Terminal,
            Some("-") => Source::Stdin,
            Some(value) => match value.strip_prefix('@') {
                Some("") => return Err("`@` is followed by the name of a file: field=@FILE".to_owned()),
                Some(path) => Source::File(path.into()),
                None => Source::Given(Zeroizing::new(value.to_owned())),
            },
        };
        Ok(Self { name: name.to_owned(), source, json })
    }
}

/// Does not print the value.
impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Assignment {
        text.parse().expect("an assignment")
    }

    #[test]
    fn each_spelling_has_its_source() {
        assert!(parse("password").source_is_terminal());
        assert!(parse("password=?").source_is_terminal());
        assert!(parse("password=-").is_stdin());
        assert!(parse("password=hunter2").is_given());
        assert!(matches!(parse("key=@id_ed25519").source, Source::File(path) if path.as_os_str() == "id_ed25519"));
        for bad in ["", "=x", ":=1", "key=@"] {
            assert!(bad.parse::<Assignment>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_keeps_every_character_after_the_first_equals_sign() {
        assert_eq!(parse("url=postgres://a?b=c").value().expect("read").get(), r#""postgres://a?b=c""#);
        assert_eq!(parse("empty=").value().expect("read").get(), r#""""#);
    }

    #[test]
    fn json_keeps_the_spelling_of_numbers_for_the_server_to_judge() {
        assert_eq!(parse("n:=9007199254740993").value().expect("read").get(), "9007199254740993");
        assert_eq!(parse("n:=1.10").value().expect("read").get(), "1.10");
        assert_eq!(parse(r#"n:={"a":[null]}"#).value().expect("read").get(), r#"{"a":[null]}"#);
    }

    #[test]
    fn broken_json_is_refused_without_showing_it() {
        let failure = parse("n:={hunter2").value().expect_err("refused");
        assert!(!format!("{failure:?}").contains("hunter2"));
    }

    #[test]
    fn a_value_that_looks_like_the_name_of_a_file_is_not_repeated() {
        for text in ["password=@hunter2", "password:=@hunter2"] {
            let failure = parse(text).value().expect_err("there is no such file");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
            assert!(failure.message.contains("`password`"), "{failure:?}");
            assert!(failure.hints.iter().any(|hint| hint.contains("password=-")), "{failure:?}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", parse("password=hunter2")).contains("hunter2"));
    }

    impl Assignment {
        fn source_is_terminal(&self) -> bool {
            matches!(self.source, Source::Terminal)
        }
    }
}
