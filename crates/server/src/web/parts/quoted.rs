//! Sentences in which names stand between backticks, as the operations word them: each name becomes code.

use askama::{Template, filters::HtmlSafe};

/// The mark-up of a sentence with names.
#[derive(Template)]
#[template(
    ext = "html",
    source = "{% for piece in pieces %}{% if loop.index0 % 2 == 1 %}<code>{{ piece }}</code>{% else %}{{ piece }}{% endif %}{% endfor %}"
)]
pub(crate) struct Quoted<'a> {
    pieces: Vec<&'a str>,
}

impl HtmlSafe for Quoted<'_> {}

/// Makes a sentence. One whose backticks are no pairs stays as it is.
pub(crate) fn quoted(text: &str) -> Quoted<'_> {
    let pieces: Vec<&str> = text.split('`').collect();
    Quoted { pieces: if pieces.len() % 2 == 1 { pieces } else { vec![text] } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_between_backticks_become_code_and_no_text_becomes_mark_up() {
        let rendered = |text| quoted(text).render().unwrap();
        assert_eq!(rendered("field `a<b` is lost"), "field <code>a&#60;b</code> is lost");
        assert_eq!(rendered("one ` alone <b>"), "one ` alone &#60;b&#62;");
        assert_eq!(rendered("plain"), "plain");
    }
}
