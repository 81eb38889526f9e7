//! The parts that pages are made of. Each renders itself, escaped, and says what it shows.

mod filters;
mod quoted;

use askama::{Template, filters::HtmlSafe};

use vaultterm_store::{Grant, GrantKind};

use super::{assets, words::Moment};

pub(crate) use filters::{Choice, Filter, filter_bar};
pub(crate) use quoted::quoted;

/// An icon of the sprite, beside a word that says the same.
#[derive(Template)]
#[template(
    ext = "html",
    source = "<svg class=\"icon\" aria-hidden=\"true\"><use href=\"{{ assets::address(\"icons.svg\") }}#{{ name }}\"/></svg>"
)]
pub(crate) struct Icon<'a> {
    name: &'a str,
}

impl HtmlSafe for Icon<'_> {}

/// Makes an icon.
pub(crate) fn icon(name: &str) -> Icon<'_> {
    Icon { name }
}

/// A moment: words for people, the exact time for machines and on hovering.
#[derive(Template)]
#[template(
    ext = "html",
    source = "<time datetime=\"{{ moment.exact }}\" title=\"{{ moment.exact }}\">{{ moment.words }}</time>"
)]
pub(crate) struct When<'a> {
    moment: &'a Moment,
}

impl HtmlSafe for When<'_> {}

/// Makes a moment.
pub(crate) fn when(moment: &Moment) -> When<'_> {
    When { moment }
}

/// A state in words, with a shape before it: no state rests on colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// `good`, `waits`, `bad` or `off`.
    pub(crate) tone: &'static str,
    pub(crate) words: &'static str,
}

/// The mark-up of a state.
#[derive(Template)]
#[template(ext = "html", source = "<span class=\"state {{ state.tone }}\"><span>{{ state.words }}</span></span>")]
pub(crate) struct StateWord {
    state: State,
}

impl HtmlSafe for StateWord {}

/// Makes a state.
pub(crate) fn state(state: &State) -> StateWord {
    StateWord { state: *state }
}

/// A path whose folders are quiet and whose name is not; what a search found is marked.
#[derive(Template)]
#[template(
    ext = "html",
    source = "<span class=\"folder\">{% if !collection.is_empty() %}{{ collection }} / {% endif %}\
              {% for piece in folders %}{% if piece.found %}<mark>{{ piece.text }}</mark>{% else %}{{ piece.text }}{% endif %}{% endfor %}</span>\
              {% for piece in name %}{% if piece.found %}<mark>{{ piece.text }}</mark>{% else %}{{ piece.text }}{% endif %}{% endfor %}"
)]
pub(crate) struct PathWords {
    collection: String,
    folders: Vec<Piece>,
    name: Vec<Piece>,
}

impl HtmlSafe for PathWords {}

/// A piece of a text, found or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    text: String,
    found: bool,
}

/// Makes a path; `query` is what was searched for.
pub(crate) fn path(collection: &str, path: &str, query: &str) -> PathWords {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (folders, name) = path.split_at(at);
    PathWords { collection: collection.to_owned(), folders: pieces(folders, query), name: pieces(name, query) }
}

/// Cuts a text into pieces at the words of a query, so that they can be marked. Upper and lower case count as the same.
fn pieces(text: &str, query: &str) -> Vec<Piece> {
    let words: Vec<Vec<char>> = query.split_whitespace().map(|word| word.to_lowercase().chars().collect()).collect();
    let chars: Vec<char> = text.chars().collect();
    // Letters whose lower case has another length are compared as they are.
    let lower: Vec<char> = chars
        .iter()
        .map(|c| {
            let mut low = c.to_lowercase();
            if low.len() == 1 { low.next().unwrap_or(*c) } else { *c }
        })
        .collect();
    let mut marks = vec![false; chars.len()];
    for word in words.iter().filter(|word| !word.is_empty() && word.len() <= lower.len()) {
        for at in 0..=lower.len() - word.len() {
            if lower[at..at + word.len()] == word[..] {
                marks[at..at + word.len()].fill(true);
            }
        }
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for (c, found) in chars.into_iter().zip(marks) {
        match pieces.last_mut() {
            Some(piece) if piece.found == found => piece.text.push(c),
            _ => pieces.push(Piece { text: c.to_string(), found }),
        }
    }
    pieces
}

/// Where a role comes from, in words: `given by ana@example.com, 3 May`.
#[derive(Clone, Debug, Default, Template)]
#[template(
    ext = "html",
    source = "{% if let Some(when) = when %}{{ words }}, {{ crate::web::parts::when(when) }}{% else %}{{ words }}{% endif %}"
)]
pub(crate) struct RoleSource {
    words: String,
    when: Option<Moment>,
}

impl HtmlSafe for RoleSource {}

/// Words where a role comes from. The audit log may no longer tell.
pub(crate) fn role_source(source: Option<&Grant>, now_us: i64) -> RoleSource {
    let Some(grant) = source else {
        return RoleSource { words: "given before the first entry of the audit log".to_owned(), when: None };
    };
    let words = match grant.kind {
        GrantKind::Given => format!("given by {}", grant.by),
        GrantKind::Made => "made the collection".to_owned(),
        GrantKind::First => "first owner".to_owned(),
    };
    RoleSource { words, when: Some(Moment::seen(grant.at_us, now_us)) }
}

/// The command that does the same.
#[derive(Template)]
#[template(ext = "html", source = "<p class=\"terminal\">Same in the terminal: <code>{{ command }}</code></p>")]
pub(crate) struct Terminal<'a> {
    command: &'a str,
}

impl HtmlSafe for Terminal<'_> {}

/// Makes the line with the command that does the same.
pub(crate) fn terminal(command: &str) -> Terminal<'_> {
    Terminal { command }
}

/// Where the next page of a list begins.
#[derive(Template)]
#[template(
    ext = "html",
    source = "<div class=\"pager\"><span>{{ told }}</span>\
              {% if let Some(next) = next %}<a class=\"button small\" rel=\"next\" href=\"{{ next }}\">Next page</a>{% endif %}</div>"
)]
pub(crate) struct Pager<'a> {
    told: &'a str,
    next: &'a Option<String>,
}

impl HtmlSafe for Pager<'_> {}

/// Makes the foot of a list.
pub(crate) fn pager<'a>(told: &'a str, next: &'a Option<String>) -> Pager<'a> {
    Pager { told, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(part: &impl Template) -> String {
        part.render().unwrap()
    }

    #[test]
    fn parts_escape_what_they_show() {
        let evil = "<script>\"'&";
        let escaped = "&#60;script&#62;&#34;&#39;&#38;";
        let moment = Moment { exact: evil.to_owned(), words: evil.to_owned() };
        let shown = [
            rendered(&when(&moment)),
            rendered(&path(evil, evil, "script")),
            rendered(&terminal(evil)),
            rendered(&pager(evil, &Some(evil.to_owned()))),
        ];
        for text in shown {
            assert!(!text.contains("<script"), "{text}");
            assert!(text.contains("&#60;"), "{text}");
        }
        assert!(rendered(&terminal(evil)).contains(escaped));
    }

    #[test]
    fn a_role_says_where_it_comes_from_or_that_nobody_knows_any_more() {
        let grant = |kind| Grant { kind, by: "<b>".to_owned(), at_us: 0 };
        let words = |source: Option<&Grant>| rendered(&role_source(source, 1));
        assert!(words(Some(&grant(GrantKind::Given))).starts_with("given by &#60;b&#62;, <time"));
        assert!(words(Some(&grant(GrantKind::Made))).starts_with("made the collection, <time"));
        assert!(words(Some(&grant(GrantKind::First))).starts_with("first owner, <time"));
        assert_eq!(words(None), "given before the first entry of the audit log");
    }

    #[test]
    fn what_was_searched_for_is_marked_in_the_path() {
        let text = rendered(&path("team", "apps/Payments-api", "pay"));
        assert_eq!(text, "<span class=\"folder\">team / apps/</span><mark>Pay</mark>ments-api");
        assert!(
            rendered(&path("", "pay/pay", "PAY"))
                .starts_with("<span class=\"folder\"><mark>pay</mark>/</span><mark>pay")
        );
        assert_eq!(pieces("abc", "abcd"), [Piece { text: "abc".to_owned(), found: false }]);
    }

    #[test]
    fn a_state_says_its_words_and_has_a_shape() {
        let text = rendered(&state(&State { tone: "waits", words: "needs a decision" }));
        assert_eq!(text, "<span class=\"state waits\"><span>needs a decision</span></span>");
    }
}
