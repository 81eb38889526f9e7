//! How well a path matches what was searched for. Pure: no database.

use memchr::{memmem::Finder, memrchr};

/// Returns a path in the form that is searched, without regard to case.
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// What was searched for, without regard to case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The whole query, by which matches are ranked.
    query: Option<Finder<'static>>,
    /// Its words, each of which the path has to hold.
    words: Vec<Finder<'static>>,
}

/// How many ranks there are.
pub(super) const RANKS: usize = 5;

/// The characters that a word of a name follows.
const BEFORE_A_WORD: [u8; 4] = *b"-_. ";

impl Wanted {
    /// Reads a query. An empty one matches every path.
    pub(crate) fn of(query: &str) -> Self {
        let query = folded(query.trim());
        let words = query.split_whitespace().map(finder).collect();
        Self { query: (!query.is_empty()).then(|| finder(&query)), words }
    }

    /// Reads a text that the path has to hold as it stands. Every match ranks alike.
    pub(crate) fn part(text: &str) -> Self {
        Self { query: None, words: vec![finder(&folded(text))] }
    }

    /// Ranks a path, the best match least; `None` if it does not match. The name is what follows the last slash: best
    /// is the query itself, then a name that begins with it, then a word of the name that does, then a name that
    /// holds it, then a path that holds every word.
    pub(crate) fn rank(&self, folded_path: &str) -> Option<u8> {
        let path = folded_path.as_bytes();
        if !self.words.iter().all(|word| word.find(path).is_some()) {
            return None;
        }
        let Some(query) = &self.query else { return Some(0) };
        let name = &path[memrchr(b'/', path).map_or(0, |slash| slash + 1)..];
        let Some(first) = query.find(name) else { return Some(4) };
        if name.len() == query.needle().len() {
            return Some(0);
        }
        if first == 0 {
            return Some(1);
        }
        let begins_word = |at: usize| BEFORE_A_WORD.contains(&name[at - 1]);
        Some(if query.find_iter(name).any(begins_word) { 2 } else { 3 })
    }
}

fn finder(text: &str) -> Finder<'static> {
    Finder::new(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_itself_comes_before_its_beginning_its_words_its_parts_and_the_path() {
        let wanted = Wanted::of(" Pay ");
        for (path, rank) in [
            ("team/pay", Some(0)),
            ("payments", Some(1)),
            ("apps/api-pay", Some(2)),
            ("apps/api_payments", Some(2)),
            ("apps/repay-pay", Some(2)),
            ("apps/repay", Some(3)),
            ("pay/db", Some(4)),
            ("apps/db", None),
        ] {
            assert_eq!(wanted.rank(path), rank, "{path}");
        }
    }

    #[test]
    fn every_word_has_to_stand_somewhere_in_the_path() {
        let wanted = Wanted::of("db prod");
        assert_eq!(wanted.rank("prod/main-db"), Some(4));
        assert_eq!(wanted.rank("prod/main"), None);
        assert_eq!(Wanted::of("  ").rank("anything"), Some(0));
    }
}
