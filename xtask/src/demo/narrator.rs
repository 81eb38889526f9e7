//! Prints the story as plain text, with a little colour on terminals. The story is written with the words of
//! `vault`; where OpenBao runs, the narrator replaces them with the words of `bao`.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal as _},
};

use super::remote::Product;

/// The printer of the story. It writes to stdout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrator {
    colour: bool,
    product: Product,
}

/// The words that differ between HashiCorp Vault and OpenBao.
const WORDS: [(&str, &str); 5] = [
    ("vault kv ", "bao kv "),
    ("vault policy ", "bao policy "),
    ("vault secrets ", "bao secrets "),
    ("`vault`", "`bao`"),
    ("$VAULT_ADDR", "$BAO_ADDR"),
];

impl Narrator {
    /// Returns a narrator that uses colour if stdout is a terminal and `NO_COLOR` is not set.
    pub(super) fn new() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: io::stdout().is_terminal() && !refused && !dumb, product: Product::Vault }
    }

    /// Returns a narrator that uses the words of this product.
    pub(super) fn speaking_of(self, product: Product) -> Self {
        Self { product, ..self }
    }

    /// Returns a text in the words of the product.
    pub(super) fn words(self, text: &str) -> Cow<'_, str> {
        if self.product == Product::Vault {
            return Cow::Borrowed(text);
        }
        let put = |text: String, (vault, bao): &(&str, &str)| text.replace(vault, bao);
        Cow::Owned(WORDS.iter().fold(text.to_owned(), put))
    }

    /// Prints the title of a chapter.
    pub(super) fn chapter(self, number: usize, title: &str) {
        println!("\n{}", self.paint("1", &format!("━━ {number}. {title}")));
    }

    /// Prints a text and keeps its lines.
    pub(super) fn say(self, text: &str) {
        println!();
        for line in self.words(text).lines() {
            println!("   {}", line.trim());
        }
    }

    /// Prints a command before it runs, with its standard input.
    pub(super) fn command(self, line: &str, input: Option<&str>) {
        let input = input.map_or(String::new(), |text| format!(" <<< '{text}'"));
        println!("   {} {}", self.paint("32", "$"), self.paint("1", &format!("{}{input}", self.words(line))));
    }

    /// Prints the output of a command.
    pub(super) fn output(self, text: &str) {
        for line in text.trim_end().lines() {
            println!("     {}", self.paint("2", line));
        }
    }

    /// Prints that a check succeeded.
    pub(super) fn checked(self, what: &str) {
        println!("   {} {}", self.paint("36", "✓"), self.words(what));
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_text_stays_as_it_is() {
        let narrator = |colour| Narrator { colour, product: Product::Vault };
        assert_eq!(narrator(false).paint("1", "a"), "a");
        assert_eq!(narrator(true).paint("1", "a"), "\u{1b}[1ma\u{1b}[0m");
    }

    #[test]
    fn a_line_is_put_into_the_words_of_the_server() {
        let line = "vault kv get -mount=secret a && vaultterm connection create a --address $VAULT_ADDR";
        let narrator = Narrator { colour: false, product: Product::Vault };
        assert_eq!(narrator.words(line), line);
        let bao = "bao kv get -mount=secret a && vaultterm connection create a --address $BAO_ADDR";
        assert_eq!(narrator.speaking_of(Product::OpenBao).words(line), bao);
    }
}
