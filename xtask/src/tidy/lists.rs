//! Refuses a second definition of a list of names: `names!` declares each list once. `open_names!` of `ledger` declares the
//! lists to which a newer version may add.
//!
//! A list is written again by an enum with the same variants, by a `match` or a table between texts and variants, and by
//! an array of its texts. Each of them compiles after a name changed, and is wrong then. Test code does not count.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{
    Arm, Attribute, Expr, ExprArray, ExprLit, ExprMatch, File, ItemEnum, ItemMod, Lit, Macro, Pat, PatLit, visit,
    visit::Visit,
};

use super::files::files;

/// The texts that a copy repeats at least. A single text may be a word by chance.
const TEXTS_MIN: usize = 2;
/// The variants that a repeated enum has at least.
const VARIANTS_MIN: usize = 3;

/// A list that `names!` declares.
#[derive(Debug, PartialEq, Eq)]
struct List {
    name: String,
    /// Each variant with its text.
    variants: Vec<(String, String)>,
}

/// Checks the sources of all crates, and adds a finding for each copy of a list.
pub(super) fn check(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        sources.extend(files(&entry?.path().join("src"), "rs")?);
    }
    sources.retain(|path| !is_test(path));
    sources.sort();
    let mut parsed = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path)?;
        let file = syn::parse_file(&text).with_context(|| format!("cannot parse {}", path.display()))?;
        parsed.push((path, file));
    }
    let lists: Vec<List> = parsed.iter().flat_map(|(_, file)| lists(file)).collect();
    for (path, file) in &parsed {
        let shown = path.display();
        findings.extend(copies(file, &lists).into_iter().map(|finding| format!("{shown}: {finding}")));
    }
    Ok(())
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing" || stem == "matrix")
        || path.components().any(|part| part.as_os_str() == "testkit")
}

/// Finds the lists that a source declares.
fn lists(file: &File) -> Vec<List> {
    struct Lists(Vec<List>);

    impl<'ast> Visit<'ast> for Lists {
        fn visit_item_mod(&mut self, item: &'ast ItemMod) {
            if !only_in_tests(&item.attrs) {
                visit::visit_item_mod(self, item);
            }
        }

        fn visit_macro(&mut self, item: &'ast Macro) {
            if item.path.segments.last().is_some_and(|last| last.ident == "names" || last.ident == "open_names") {
                self.0.extend(list(item.tokens.clone()));
            }
        }
    }

    let mut found = Lists(Vec::new());
    found.visit_file(file);
    found.0
}

/// Reads `Name, "what" { Variant = "text" | "older", … }`, or the same without `"what"`. `None` for a macro of another form.
fn list(tokens: TokenStream) -> Option<List> {
    let mut tokens = without_attributes(tokens).into_iter();
    let TokenTree::Ident(name) = tokens.next()? else { return None };
    let TokenTree::Group(body) = tokens.last()? else { return None };
    if body.delimiter() != Delimiter::Brace {
        return None;
    }
    let mut variants = Vec::new();
    let mut variant = None;
    for token in without_attributes(body.stream()) {
        match token {
            TokenTree::Ident(ident) => variant = Some(ident.to_string()),
            TokenTree::Literal(literal) => {
                let text = literal.to_string().trim_matches('"').to_owned();
                variants.extend(variant.take().map(|variant| (variant, text)));
            }
            TokenTree::Punct(_) | TokenTree::Group(_) => {}
        }
    }
    Some(List { name: name.to_string(), variants })
}

/// Leaves out attributes: each `#` and the group that follows it.
fn without_attributes(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut after_hash = false;
    for token in tokens {
        let is_hash = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '#');
        if !is_hash && !after_hash {
            kept.push(token);
        }
        after_hash = is_hash;
    }
    kept
}

fn only_in_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// Finds the copies of lists in a source.
fn copies(file: &File, lists: &[List]) -> Vec<String> {
    let mut copies = Copies { lists, found: Vec::new() };
    copies.visit_file(file);
    copies.found
}

struct Copies<'a> {
    lists: &'a [List],
    found: Vec<String>,
}

impl Copies<'_> {
    /// Adds a finding if all texts are of one list.
    fn texts(&mut self, texts: &BTreeSet<String>, how: &str) {
        let of = |list: &&List| texts.iter().all(|text| list.variants.iter().any(|(_, known)| known == text));
        if texts.len() >= TEXTS_MIN
            && let Some(list) = self.lists.iter().find(of)
        {
            let shown: Vec<_> = texts.iter().map(String::as_str).collect();
            self.found.push(format!("{how} repeats names of `{}` ({}): use the list", list.name, shown.join(", ")));
        }
    }
}

impl<'ast> Visit<'ast> for Copies<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !only_in_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        let variants: BTreeSet<String> = item.variants.iter().map(|variant| variant.ident.to_string()).collect();
        let plain = item.variants.iter().all(|variant| variant.fields.is_empty());
        let same = |list: &&List| {
            variants.len() == list.variants.len() && list.variants.iter().all(|(name, _)| variants.contains(name))
        };
        if plain
            && variants.len() >= VARIANTS_MIN
            && let Some(list) = self.lists.iter().find(same)
        {
            self.found.push(format!("the enum `{}` repeats the list `{}`: use the list", item.ident, list.name));
        }
    }

    fn visit_expr_match(&mut self, item: &'ast ExprMatch) {
        let read: BTreeSet<String> = item.arms.iter().flat_map(|arm| literals(&arm.pat)).collect();
        self.texts(&read, "a `match` on texts");
        let written: BTreeSet<String> = item.arms.iter().filter_map(|arm| self.named_by(arm)).collect();
        self.texts(&written, "a `match` to texts");
        visit::visit_expr_match(self, item);
    }

    fn visit_expr_array(&mut self, item: &'ast ExprArray) {
        let texts: Option<BTreeSet<String>> = item.elems.iter().map(text_of).collect();
        self.texts(&texts.unwrap_or_default(), "an array");
        visit::visit_expr_array(self, item);
    }
}

impl Copies<'_> {
    /// Returns the text of an arm whose pattern is a variant of that name.
    fn named_by(&self, arm: &Arm) -> Option<String> {
        let text = text_of(&arm.body)?;
        let Pat::Path(path) = &arm.pat else { return None };
        let variant = path.path.segments.last()?.ident.to_string();
        let pair = (variant, text);
        self.lists.iter().any(|list| list.variants.contains(&pair)).then_some(pair.1)
    }
}

/// Returns the texts that a pattern compares with.
fn literals(pattern: &Pat) -> Vec<String> {
    match pattern {
        Pat::Lit(PatLit { lit: Lit::Str(text), .. }) => vec![text.value()],
        Pat::Or(or) => or.cases.iter().flat_map(literals).collect(),
        _ => Vec::new(),
    }
}

/// Returns the text of an expression: of a literal, or the only one in a tuple.
fn text_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        Expr::Tuple(tuple) => {
            let mut texts = tuple.elems.iter().filter_map(text_of);
            texts.next().filter(|_| texts.next().is_none())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{List, copies, lists};

    const DECLARED: &str = r#"
        names!(
            /// How it stands.
            #[derive(Default)]
            State, "state" {
                /// It goes on.
                #[default]
                Running = "running",
                Done = "done" | "finished",
                Failed = "failed",
            }
        );
    "#;

    fn declared() -> Vec<List> {
        lists(&syn::parse_file(DECLARED).unwrap())
    }

    #[test]
    fn a_list_is_read_without_its_comments_and_older_names() {
        let pairs = [("Running", "running"), ("Done", "done"), ("Failed", "failed")];
        let variants = pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
        assert_eq!(declared(), [List { name: "State".to_owned(), variants }]);
    }

    #[test]
    fn a_list_with_a_place_for_newer_names_counts() {
        let open = lists(
            &syn::parse_file("open_names!(\n/// It.\nState { Running = \"running\", Done = \"done\" });").unwrap(),
        );
        assert_eq!(open.len(), 1);
        let found = copies(&syn::parse_file(r#"const ALL: [&str; 2] = ["done", "running"];"#).unwrap(), &open);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_second_definition_is_found_in_each_form() {
        for (planted, how) in [
            ("enum Copy { Done, Failed, Running }", "the enum `Copy` repeats"),
            (r#"const ALL: [&str; 2] = ["done", "failed"];"#, "an array repeats"),
            (
                r#"const ALL: [(State, &str); 2] = [(State::Done, "done"), (State::Failed, "failed")];"#,
                "an array repeats",
            ),
            (r#"fn f(s: &str) -> u8 { match s { "done" | "failed" => 1, _ => 0 } }"#, "a `match` on texts repeats"),
            (
                r#"fn f(s: State) -> &'static str { match s { State::Done => "done", State::Failed => "failed", _ => "x" } }"#,
                "a `match` to texts repeats",
            ),
        ] {
            let found = copies(&syn::parse_file(planted).unwrap(), &declared());
            assert_eq!(found.len(), 1, "{planted}: {found:?}");
            assert!(found[0].starts_with(how), "{found:?}");
        }
    }

    #[test]
    fn other_words_other_variants_and_tests_are_left_alone() {
        for fine in [
            "enum Other { Done, Failed }",
            "enum Other { Done(u8), Failed, Running }",
            r#"const ALL: [&str; 3] = ["done", "failed", "all"];"#,
            r#"fn f(s: &str) -> u8 { match s { "done" => 1, "-" => 2, _ => 0 } }"#,
            r#"fn f(s: State) -> &'static str { match s { State::Done => "it is done", _ => "failed" } }"#,
            "#[cfg(test)] mod tests { enum Copy { Done, Failed, Running } }",
        ] {
            assert_eq!(copies(&syn::parse_file(fine).unwrap(), &declared()), [""; 0], "{fine}");
        }
    }
}
