//! Rules of the pages that no template compiler checks.

use std::{fs, path::Path};

use anyhow::Result;

use super::files::files;

/// What must not stand in a template, and why.
const REFUSED: [(&str, &str); 6] = [
    ("|safe", "takes mark-up for granted: make a part that escapes itself"),
    ("| safe", "takes mark-up for granted: make a part that escapes itself"),
    (" style=\"", "is refused by the browser: write a rule in app.css"),
    (" onclick", "is refused by the browser: write a script of its own"),
    ("<style", "is refused by the browser: write a rule in app.css"),
    ("javascript:", "is refused by the browser: write a script of its own"),
];

/// Checks every template: files beside the pages, and texts in their code.
pub(super) fn check(folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    for ending in ["html", "rs"] {
        for path in files(folder, ending)? {
            // The test of the pages names what it refuses.
            if path.file_name().is_some_and(|name| name == "samples.rs") {
                continue;
            }
            of_text(&path.display().to_string(), &fs::read_to_string(&path)?, findings);
        }
    }
    Ok(())
}

fn of_text(name: &str, text: &str, findings: &mut Vec<String>) {
    for (refused, why) in REFUSED {
        if text.contains(refused) {
            findings.push(format!("{name}: `{}` {why}", refused.trim()));
        }
    }
    let pieces: Vec<&str> = text.split("={{").collect();
    for pair in pieces.windows(2) {
        // An attribute's name follows a space; the name of a parameter in an address does not.
        let before = pair[0].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
        if before.ends_with(char::is_whitespace) {
            let shown: String = pair[1].chars().take(20).collect();
            findings.push(format!("{name}: quote the attribute before `{{{{{shown}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_would_let_text_become_mark_up_is_found() {
        for (text, found) in [
            ("<p>{{ name }}</p>", 0),
            ("<p>{{ name|safe }}</p>", 1),
            ("<p>{{ name | safe }}</p>", 1),
            ("<a href={{ name }}>x</a>", 1),
            ("<a href=\"{{ name }}\">x</a>", 0),
            ("<a href=\"/x?in={{ name }}\">x</a>", 0),
            ("<p style=\"color:red\" onclick=\"x()\">", 2),
        ] {
            let mut findings = Vec::new();
            of_text("page.html", text, &mut findings);
            assert_eq!(findings.len(), found, "{text}: {findings:?}");
        }
    }
}
