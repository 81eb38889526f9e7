//! What a form sends: pairs of names and texts, in their order. Texts may be secrets, and are wiped.

use axum::{
    Form,
    extract::{FromRequest, Request, rejection::FormRejection},
    response::{IntoResponse, Response},
};
use vaultterm_operations::ReadAt;
use zeroize::Zeroizing;

use crate::problem::{Problem, ProblemKind};

/// Names with their texts.
type Fields = Vec<(String, Zeroizing<String>)>;

/// The pairs of a form.
pub(crate) struct Pairs(Fields);

impl<S: Send + Sync> FromRequest<S> for Pairs {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let read: Result<Form<Fields>, FormRejection> = Form::from_request(request, state).await;
        match read {
            Ok(Form(pairs)) => Ok(Self::of_texts(pairs)),
            Err(refused) if refused.status().as_u16() == 413 => Err(crate::request::too_large().into_response()),
            Err(_) => Err(Problem::new(ProblemKind::Malformed, "the form is not understood").into_response()),
        }
    }
}

/// Browsers end each line of a text with two characters. A private key or a script wants one.
fn unix_lines(text: Zeroizing<String>) -> Zeroizing<String> {
    if text.contains("\r\n") { Zeroizing::new(text.replace("\r\n", "\n")) } else { text }
}

impl Pairs {
    /// Returns the first text of a name; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Returns the first text of a name.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Says whether the new password of a form was typed twice alike. A form that asks for it once is fine.
    pub(crate) fn typed_twice(&self) -> bool {
        self.find("again").is_none_or(|again| again == self.text("password"))
    }

    /// Returns every text of a name, in order.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Returns the pairs whose name begins with a prefix, without it.
    pub(crate) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, text)| Some((name.strip_prefix(prefix)?, text.as_str())))
    }

    /// Returns the revision that the person saw, from the field `revision` of the form.
    pub(crate) fn read_at(&self) -> ReadAt {
        self.text("revision").parse().map_or(ReadAt::Unreadable, ReadAt::Revision)
    }

    /// Takes the texts of a form as a browser sent them.
    pub(crate) fn of_texts(texts: Fields) -> Self {
        Self(texts.into_iter().map(|(name, text)| (name, unix_lines(text))).collect())
    }

    /// Makes the pairs that a form would have sent.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), unix_lines(Zeroizing::new((*text).to_owned())));
        Self(pairs.iter().map(own).collect())
    }
}

/// Why a new password is not taken that was typed in two ways.
pub(crate) const TYPED_APART: &str = "The two passwords differ. Type the same one twice.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_typed_twice_alike() {
        assert!(Pairs::of(&[("password", "a"), ("again", "a")]).typed_twice());
        assert!(!Pairs::of(&[("password", "a"), ("again", "b")]).typed_twice());
        assert!(!Pairs::of(&[("password", "a"), ("again", "")]).typed_twice());
        assert!(Pairs::of(&[("password", "a")]).typed_twice());
    }

    #[test]
    fn line_ends_of_browsers_become_those_of_keys() {
        let pairs = Pairs::of(&[("field:key", "a\r\nb\r\n"), ("x", "1"), ("x", "2")]);
        assert_eq!(pairs.below("field:").collect::<Vec<_>>(), [("key", "a\nb\n")]);
        assert_eq!(pairs.all("x").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((pairs.text("x"), pairs.text("none"), pairs.find("none")), ("1", "", None));
    }
}
