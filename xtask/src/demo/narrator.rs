//! How the story is printed: plain text with a little colour, where that is wanted, and in the words
//! of the server: the story is written with `vault`, and says `bao` where OpenBao runs.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal as _},
};

use super::remote::Product;

/// Prints the story on stdout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrator {
    colour: bool,
    product: Product,
}

/// What HashiCorp Vault and OpenBao call differently.
const WORDS: [(&str, &str); 5] = [
    ("vault kv ", "bao kv "),
    ("vault policy ", "bao policy "),
    ("vault secrets ", "bao secrets "),
    ("`vault`", "`bao`"),
    ("$VAULT_ADDR", "$BAO_ADDR"),
];

impl Narrator {
    /// Looks at the terminal and at `NO_COLOR`.
    pub(super) fn new() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: io::stdout().is_terminal() && !refused && !dumb, product: Product::Vault }
    }

    /// Speaks of this product from now on.
    pub(super) fn speaking_of(self, product: Product) -> Self {
        Self { product, ..self }
    }

    /// Puts a text into the words of the product.
    pub(super) fn words(self, text: &str) -> Cow<'_, str> {
        if self.product == Product::Vault {
            return Cow::Borrowed(text);
        }
        let put = |text: String, (vault, bao): &(&str, &str)| text.replace(vault, bao);
        Cow::Owned(WORDS.iter().fold(text.to_owned(), put))
    }

    /// Begins a chapter.
    pub(super) fn chapter(self, number: usize, title: &str) {
        println!("\n{}", self.paint("1", &format!("━━ {number}. {title}")));
    }

    /// Tells something, in lines as they are.
    pub(super) fn say(self, text: &str) {
        println!();
        for line in self.words(text).lines() {
            println!("   {}", line.trim());
        }
    }

    /// Shows a command before it runs, and what it reads from stdin.
    pub(super) fn command(self, line: &str, input: Option<&str>) {
        let input = input.map_or(String::new(), |text| format!(" <<< '{text}'"));
        println!("   {} {}", self.paint("32", "$"), self.paint("1", &format!("{}{input}", self.words(line))));
    }

    /// Shows what a command said.
    pub(super) fn output(self, text: &str) {
        for line in text.trim_end().lines() {
            println!("     {}", self.paint("2", line));
        }
    }

    /// Says what was found to be as it must be.
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
