//! How the story is printed: plain text with a little colour, where that is wanted.

use std::{
    env,
    io::{self, IsTerminal as _},
};

/// Prints the story on stdout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrator {
    colour: bool,
}

impl Narrator {
    /// Looks at the terminal and at `NO_COLOR`.
    pub(super) fn new() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: io::stdout().is_terminal() && !refused && !dumb }
    }

    /// Begins a chapter.
    pub(super) fn chapter(self, number: usize, title: &str) {
        println!("\n{}", self.paint("1", &format!("━━ {number}. {title}")));
    }

    /// Tells something, in lines as they are.
    pub(super) fn say(self, text: &str) {
        println!();
        for line in text.lines() {
            println!("   {}", line.trim());
        }
    }

    /// Shows a command before it runs, and what it reads from stdin.
    pub(super) fn command(self, line: &str, input: Option<&str>) {
        let input = input.map_or(String::new(), |text| format!(" <<< '{text}'"));
        println!("   {} {}", self.paint("32", "$"), self.paint("1", &format!("{line}{input}")));
    }

    /// Shows what a command said.
    pub(super) fn output(self, text: &str) {
        for line in text.trim_end().lines() {
            println!("     {}", self.paint("2", line));
        }
    }

    /// Says what was found to be as it must be.
    pub(super) fn checked(self, what: &str) {
        println!("   {} {what}", self.paint("36", "✓"));
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
        assert_eq!(Narrator { colour: false }.paint("1", "a"), "a");
        assert_eq!(Narrator { colour: true }.paint("1", "a"), "\u{1b}[1ma\u{1b}[0m");
    }
}
