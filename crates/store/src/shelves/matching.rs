//! How well a path matches what was searched for. Pure: no database.

/// Returns a path in the form that is searched, without regard to case.
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// What was searched for, without regard to case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The whole query, by which matches are ranked.
    query: String,
    /// Its words, each of which the path has to hold.
    words: Vec<String>,
}

/// How many ranks there are.
pub(super) const RANKS: usize = 5;

/// The characters that a word of a name follows.
const BEFORE_A_WORD: [char; 4] = ['-', '_', '.', ' '];

impl Wanted {
    /// Reads a query. An empty one matches every path.
    pub(crate) fn of(query: &str) -> Self {
        let query = folded(query.trim());
        Self { words: query.split_whitespace().map(str::to_owned).collect(), query }
    }

    /// Reads a text that the path has to hold as it stands. Every match ranks alike.
    pub(crate) fn part(text: &str) -> Self {
        Self { query: String::new(), words: vec![folded(text)] }
    }

    /// Ranks a path, the best match least; `None` if it does not match. The name is what follows the last slash: best
    /// is the query itself, then a name that begins with it, then a word of the name that does, then a name that
    /// holds it, then a path that holds every word.
    pub(crate) fn rank(&self, folded_path: &str) -> Option<u8> {
        if !self.words.iter().all(|word| folded_path.contains(word.as_str())) {
            return None;
        }
        if self.query.is_empty() {
            return Some(0);
        }
        let name = folded_path.rsplit('/').next().unwrap_or(folded_path);
        let Some(first) = name.find(self.query.as_str()) else { return Some(4) };
        if name.len() == self.query.len() {
            return Some(0);
        }
        if first == 0 {
            return Some(1);
        }
        let begins_word = |(at, _): (usize, &str)| name[..at].ends_with(BEFORE_A_WORD);
        Some(if name.match_indices(self.query.as_str()).any(begins_word) { 2 } else { 3 })
    }
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
