//! Keeps the surfaces out of `operations`, and the rules out of `server`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::{Item, spanned::Spanned as _};

use super::files::files;

/// The libraries that `operations` must not use, because a rule knows no surface.
const LIBRARIES: [&str; 8] = ["axum", "http", "hyper", "hyper-util", "tower-http", "utoipa", "utoipa-axum", "askama"];

/// The crates whose sentences name no command, because each surface words what to do next.
const WITHOUT_COMMANDS: [&str; 11] =
    ["feed", "hcv", "ledger", "license", "operations", "outbound", "reconcile", "sealing", "store", "sync", "traces"];

/// How a sentence that names a command of ours quotes it.
const COMMAND: &str = concat!("`vault", "term ");

/// The names of a database engine, in code and in SQL. Only the folder `engine` of the store has them, so that every statement
/// has one text for all engines.
const ENGINES: [&str; 9] = [
    "sqlx::sqlite",
    "sqlx::postgres",
    "Pools::Sqlite",
    "Pools::Postgres",
    "PRAGMA",
    "pragma_",
    "sqlite_master",
    "information_schema",
    "pg_",
];

/// The lines of a handler, from its signature to its end.
const HANDLER_LINES_MAX: usize = 30;

/// Checks both crates, and adds a finding for each fault.
pub(super) fn check(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let operations = root.join("crates/operations");
    findings.extend(libraries(&fs::read_to_string(operations.join("Cargo.toml"))?));
    for room in WITHOUT_COMMANDS {
        for path in files(&root.join("crates").join(room).join("src"), "rs")? {
            let text = fs::read_to_string(&path)?;
            let shown = path.display();
            findings.extend(commands(&text)?.into_iter().map(|finding| format!("{shown}: {finding}")));
        }
    }
    let store = root.join("crates/store/src");
    for path in files(&store, "rs")?.into_iter().filter(|path| !path.starts_with(store.join("engine"))) {
        let text = fs::read_to_string(&path)?;
        let shown = path.display();
        findings.extend(engines(&text).into_iter().map(|finding| format!("{shown}: {finding}")));
    }
    for path in files(&root.join("crates/server/src/api"), "rs")? {
        let text = fs::read_to_string(&path)?;
        let shown = path.display();
        findings.extend(handlers(&text)?.into_iter().map(|finding| format!("{shown}: {finding}")));
    }
    Ok(())
}

/// Finds libraries of a surface among the dependencies of `operations`.
fn libraries(manifest: &str) -> Vec<String> {
    let named = manifest.lines().filter_map(|line| line.split_once(['.', ' ', '=']).map(|(name, _)| name));
    let refused = named.filter(|name| LIBRARIES.contains(name));
    refused.map(|name| format!("an operation knows no surface: crates/operations must not use {name}")).collect()
}

/// Finds texts that name a command. Comments may.
fn commands(source: &str) -> Result<Vec<String>> {
    let tokens: TokenStream = source.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut texts = Vec::new();
    literals(tokens, &mut texts);
    let naming = texts.into_iter().filter(|text| text.contains(COMMAND));
    Ok(naming.map(|text| format!("the text {text} names a command; the surface words what to do next")).collect())
}

/// Finds the names of a database engine. Comments may have them.
fn engines(source: &str) -> Vec<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let named = code.filter_map(|line| ENGINES.iter().find(|name| line.contains(**name)));
    named.map(|name| format!("`{name}` belongs to one database engine: move it to crates/store/src/engine")).collect()
}

/// Collects the literals of a source, except those of attributes, which hold the comments of its items.
fn literals(tokens: TokenStream, found: &mut Vec<String>) {
    let mut after_hash = false;
    for token in tokens {
        let is_attribute = after_hash;
        after_hash = match token {
            TokenTree::Punct(mark) => mark.as_char() == '#' || (is_attribute && mark.as_char() == '!'),
            TokenTree::Group(group) => {
                if !is_attribute {
                    literals(group.stream(), found);
                }
                false
            }
            TokenTree::Literal(literal) => {
                found.push(literal.to_string());
                false
            }
            TokenTree::Ident(_) => false,
        };
    }
}

/// Finds handlers that are too long for one that only reads, calls and answers.
fn handlers(source: &str) -> Result<Vec<String>> {
    let file = syn::parse_file(source).context("a source cannot be parsed")?;
    let mut found = Vec::new();
    for item in file.items {
        let Item::Fn(function) = item else { continue };
        let is_handler = function.attrs.iter().any(|attribute| {
            let path = attribute.path();
            path.segments.len() == 2 && path.segments[0].ident == "utoipa" && path.segments[1].ident == "path"
        });
        let lines = function.block.span().end().line + 1 - function.sig.span().start().line;
        if is_handler && lines > HANDLER_LINES_MAX {
            let name = &function.sig.ident;
            found.push(format!("the handler `{name}` has {lines} lines: move its rules to operations"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_of_a_surface_is_refused_in_operations() {
        let manifest = "[dependencies]\naxum.workspace = true # x\nreqwest.workspace = true # messages\n\
                        utoipa = { workspace = true } # y\nhttp = \"1\"\nhttparse = \"1\"\n";
        let found = libraries(manifest);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("axum") && found[1].contains("utoipa") && found[2].ends_with("http"), "{found:?}");
    }

    #[test]
    fn a_text_that_names_a_command_is_refused_and_a_comment_is_not() {
        let source = format!(
            "//! See {COMMAND}doctor`.\n/// Like {COMMAND}login`.\nfn hint() -> &'static str {{\n    \
             // As {COMMAND}key`.\n    \"run {COMMAND}login`\"\n}}\nfn other() -> String {{ format!(\"ask vaultterm\") }}\n"
        );
        let found = commands(&source).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("login"), "{found:?}");
    }

    #[test]
    fn a_name_of_an_engine_is_refused_outside_of_its_folder() {
        let source =
            "// PRAGMA is SQLite's.\nlet sql = \"SELECT pg_sleep(1)\";\nuse sqlx::sqlite::SqlitePool;\nlet x = upg;\n";
        let found = engines(source);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("pg_") && found[1].contains("sqlx::sqlite"), "{found:?}");
    }

    #[test]
    fn a_long_handler_is_refused_and_another_long_function_is_not() {
        let body = "    let _ = 1;\n".repeat(HANDLER_LINES_MAX);
        let long = format!("#[utoipa::path(get, path = \"/x\")]\nasync fn show() {{\n{body}}}\n");
        assert_eq!(handlers(&long).unwrap().len(), 1);
        let helper = format!("async fn helper() {{\n{body}}}\n");
        let short = "#[utoipa::path(get, path = \"/x\")]\nasync fn show() {\n    let _ = 1;\n}\n";
        assert!(handlers(&format!("{helper}{short}")).unwrap().is_empty());
    }
}
