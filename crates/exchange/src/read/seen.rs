//! Says what a file looks like whose format nothing tells, so that a person knows what to do. No text of the file is repeated:
//! any of it may be a secret.

use std::cmp::Reverse;

use serde_json::error::Category;
use zeroize::Zeroizing;

use super::managers::TABLES;
use crate::{
    archive::{Archive, MAGIC},
    document::wipe,
    env::lines,
    table, text,
};

/// The bytes at the beginning of a file that tell whether it is text.
const LOOK: usize = 4096;

/// Says what a file looks like, as the end of a sentence about it.
pub(crate) fn seen(bytes: &[u8]) -> String {
    if bytes.starts_with(MAGIC) {
        return if Archive::open(bytes).is_ok() {
            "it is a zip archive, but holds none of the files by which VaultTerm knows 1PUX, CXF or Bitwarden"
                .to_owned()
        } else {
            "it begins like a zip archive, but ends too early or is damaged: copy or export it again".to_owned()
        };
    }
    let Ok(text) = text::decode(bytes) else { return undecoded(bytes) };
    let start = text.trim_start();
    if start.is_empty() {
        return "it is empty".to_owned();
    }
    if start.starts_with(['{', '[']) {
        return json(start);
    }
    let table = table(&text);
    if let Some(table) = table.filter(|_| !is_of_variables(&text)) {
        return table;
    }
    match lines::parse(&text) {
        Err(refused) if is_of_variables(&text) => format!(
            "it looks like a file of variables, but line {} cannot be read: {}. {}",
            refused.line,
            refused.why.words(),
            first_upper(refused.why.hint())
        ),
        _ => "it is text, but neither JSON, nor a table (CSV), nor lines of NAME=VALUE".to_owned(),
    }
}

fn undecoded(bytes: &[u8]) -> String {
    if bytes.iter().take(LOOK).any(|byte| text::is_binary(*byte)) {
        return "it is no text, and none of the databases and archives that VaultTerm reads".to_owned();
    }
    let at = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to() + 1, |_| 1);
    format!("it is text, but not UTF-8 (see byte {at}): save it as UTF-8")
}

fn json(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Err(error) if error.classify() == Category::Eof => {
            "it begins like JSON, but ends too early: copy or export it again".to_owned()
        }
        Err(error) => format!("it begins like JSON, but line {} is not well formed", error.line()),
        Ok(mut value) => {
            let is_list = value.is_array();
            let is_flat =
                value.as_object().is_some_and(|map| map.values().all(|value| !value.is_object() && !value.is_array()));
            wipe(&mut value);
            match (is_list, is_flat) {
                (true, _) => "it is a list in JSON, and no program that VaultTerm knows exports one".to_owned(),
                (_, true) => {
                    "it is one JSON object of names and values, and no program that VaultTerm knows exports that: \
                              write variables as lines of NAME=VALUE"
                        .to_owned()
                }
                _ => {
                    "it is JSON, but has none of the members by which VaultTerm knows the file of a program".to_owned()
                }
            }
        }
    }
}

/// Says which table is nearest to the names in the first row. `None` if that is no row of names.
fn table(text: &Zeroizing<String>) -> Option<String> {
    let rows = table::names(text);
    let has = |names: &[String], wanted: &&&str| names.iter().any(|name| name == **wanted);
    let found = rows.iter().flat_map(|names| {
        TABLES.iter().map(move |(format, columns)| {
            let there = columns.required.iter().filter(|name| has(names, name)).count();
            (there, *format, *columns, names)
        })
    });
    // The one that lacks nothing, or has most of the names. Of two with as many, the one that lacks fewer.
    let nearest = found.rev().max_by_key(|(there, _, columns, _)| {
        let wanted = columns.required.len();
        (*there == wanted, *there, Reverse(wanted))
    });
    let (there, format, columns, names) = nearest?;
    if there * 2 < columns.required.len() {
        let is_wide = rows.iter().any(|names| names.len() > 2) && text.trim_end().contains('\n');
        let words =
            "it looks like a table (CSV), but its first row has not the column names of a program that VaultTerm knows";
        return is_wide.then(|| words.to_owned());
    }
    let missing: Vec<_> =
        columns.required.iter().filter(|name| !has(names, name)).map(|name| format!("`{name}`")).collect();
    if missing.is_empty() {
        return Some(format!(
            "it has the columns of `{format}`, but also {} that VaultTerm does not know there",
            columns.unknown(names)
        ));
    }
    Some(format!(
        "it looks like a table (CSV) whose columns are nearest to `{format}`, but its first row lacks {}: exports of other \
         languages have other names there, which you can change to these",
        missing.join(", ")
    ))
}

/// Says whether most lines assign a variable.
fn is_of_variables(text: &str) -> bool {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut all, mut assigned) = (0, 0);
    for line in lines {
        let name = line.split_once('=').map(|(name, _)| name.trim_end());
        let name = name.map(|name| name.strip_prefix("export ").unwrap_or(name).trim_start());
        all += 1;
        assigned += usize::from(name.is_some_and(|name| lines::name(name) == Some(name)));
    }
    assigned * 2 >= all && assigned > 0
}

fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zipped;

    #[test]
    fn each_file_that_is_not_recognised_is_told_what_it_looks_like() {
        for (bytes, words) in [
            (&b""[..], "it is empty"),
            (b"{\"encrypted\": false, \"items\": [{\"name\": \"hunter2", "begins like JSON, but ends too early"),
            (b"{\"a\": hunter2}", "begins like JSON, but line 1"),
            (b"[{\"name\": \"hunter2\"}]", "a list in JSON"),
            (b"{\"DB_PASSWORD\": \"hunter2\"}", "one JSON object of names and values"),
            (b"{\"a\": [1]}", "none of the members"),
            (b"name,url,username,password\nhunter2,\xE9,u,p\n", "not UTF-8 (see byte 36)"),
            (b"hunter2\0\x01\xFF\xFE", "no text"),
            (
                b"Name,URL,Nutzername,Passwort\nhunter2,b,c,d\n",
                "nearest to `chrome-csv`, but its first row lacks `username`, `password`",
            ),
            (
                b"name,url,username,password,my_pin\nhunter2,b,c,d,e\n",
                "it has the columns of `chrome-csv`, but also 1 that",
            ),
            (b"hunter2,b,c\nd,e,f\n", "has not the column names"),
            (b"title,login,pass,website\nhunter2,b,c,d\n", "has not the column names"),
            (
                b"name,url,username,password,note,my_pin\nhunter2,b,c,d,e,f\n",
                "it has the columns of `chrome-csv`, but also 1",
            ),
            (b"A=1\nB=two hunter2 # c\n", "line 2 cannot be read: a blank and `#` may begin a comment"),
            (b"KEY=hunter2\nother=1\nFOO : bar\n", "line 3 cannot be read: there is no `=`"),
            (b"hunter2 hunter2\n", "neither JSON"),
            (MAGIC, "begins like a zip archive"),
            (&zipped(&[("index.json", b"{}")]), "it is a zip archive"),
        ] {
            let seen = seen(bytes);
            assert!(seen.contains(words) && !seen.contains("hunter2"), "{seen}, and not {words}");
        }
    }
}
