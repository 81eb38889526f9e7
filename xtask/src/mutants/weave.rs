//! Weaves mutants into a source. An expression `a < b` becomes `(if crate::mutant(7) { a == b } else { a < b
//! })`, and a function whose result is replaced begins with `if crate::mutant(8) { return …; }`.

use anyhow::{Context, Result};
use proc_macro2::LineColumn;
use syn::{
    BinOp, Expr, UnOp,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::mutant::{Genre, Mutant, Place};

/// A change of the text. Ranges may be nested but must not overlap otherwise.
enum Edit {
    /// Inserts a text.
    Insert { at: usize, text: String },
    /// Removes a range.
    Blank { from: usize, to: usize },
    /// Replaces an expression by one of several while the mutant of that branch is active.
    Wrap { from: usize, to: usize, branches: Vec<(u32, String)> },
}

/// Weaves mutants into a text. Returns the new text and the numbers of the mutants that found no place.
pub(super) fn weave(text: &str, mutants: &[&Mutant]) -> Result<(String, Vec<u32>)> {
    let file = syn::parse_file(text).context("the source does not parse")?;
    let mut finder = Finder { text, lines: line_starts(text), mutants, edits: Vec::new(), placed: Vec::new() };
    for mutant in mutants {
        finder.place_by_itself(mutant);
    }
    finder.visit_file(&file);
    let Finder { mut edits, placed, .. } = finder;
    let left_out = mutants.iter().map(|mutant| mutant.number).filter(|number| !placed.contains(number)).collect();
    // At the same start, the outer edit comes first.
    edits.sort_by_key(|edit| match edit {
        Edit::Insert { at, .. } => (*at, 0, 0),
        Edit::Blank { from, to } => (*from, 1, usize::MAX - to),
        Edit::Wrap { from, to, .. } => (*from, 2, usize::MAX - to),
    });
    Ok((render(text, (0, text.len()), &mut edits.into_iter().peekable()), left_out))
}

/// Renders a range of the text with its edits.
fn render(text: &str, (from, to): (usize, usize), edits: &mut std::iter::Peekable<std::vec::IntoIter<Edit>>) -> String {
    let mut rendered = String::new();
    let mut at = from;
    loop {
        let begins = match edits.peek() {
            Some(Edit::Insert { at, .. }) => *at,
            Some(Edit::Blank { from, .. } | Edit::Wrap { from, .. }) => *from,
            None => to,
        };
        if begins >= to {
            rendered.push_str(&text[at..to]);
            return rendered;
        }
        rendered.push_str(&text[at..begins]);
        match edits.next() {
            Some(Edit::Insert { text: inserted, .. }) => {
                rendered.push_str(&inserted);
                at = begins;
            }
            Some(Edit::Blank { to, .. }) => at = to,
            Some(Edit::Wrap { from, to, branches }) => {
                rendered.push('(');
                for (number, branch) in branches {
                    rendered.push_str(&format!("if crate::mutant({number}) {{\n{branch}\n}} else "));
                }
                let inner = render(text, (from, to), edits);
                rendered.push_str(&format!("{{\n{inner}\n}})"));
                at = to;
            }
            None => {}
        }
    }
}

struct Finder<'a> {
    text: &'a str,
    lines: Vec<usize>,
    mutants: &'a [&'a Mutant],
    edits: Vec<Edit>,
    placed: Vec<u32>,
}

impl Finder<'_> {
    /// Places a mutant that needs only its own span.
    fn place_by_itself(&mut self, mutant: &Mutant) {
        let (from, to) = (self.byte(mutant.span.start), self.byte(mutant.span.end));
        let number = mutant.number;
        match mutant.genre {
            Genre::FnValue => {
                let text = format!("\nif crate::mutant({number}) {{ return {}; }}\n", mutant.replacement);
                self.edits.push(Edit::Insert { at: from, text });
            }
            Genre::MatchArmGuard => {
                self.edits.push(Edit::Wrap { from, to, branches: vec![(number, mutant.replacement.clone())] });
            }
            _ => return,
        }
        self.placed.push(number);
    }

    /// Returns the mutants of a kind that begin at a place.
    fn here(&self, genre: Genre, start: LineColumn) -> Vec<Mutant> {
        let start = place(start);
        let here = |mutant: &&&Mutant| mutant.genre == genre && mutant.span.start == start;
        self.mutants.iter().filter(here).map(|mutant| (**mutant).clone()).collect()
    }

    /// Wraps an expression. Each mutant replaces the part of the expression that it names.
    fn wrap(&mut self, expr: &impl Spanned, mutants: &[Mutant]) {
        if mutants.is_empty() {
            return;
        }
        let (from, to) = self.range(expr);
        let branch = |mutant: &Mutant| {
            let (cut, resumed) = (self.byte(mutant.span.start), self.byte(mutant.span.end));
            let mutated = format!("{} {} {}", &self.text[from..cut], mutant.replacement, &self.text[resumed..to]);
            (mutant.number, mutated)
        };
        let branches = mutants.iter().map(branch).collect();
        self.edits.push(Edit::Wrap { from, to, branches });
        self.placed.extend(mutants.iter().map(|mutant| mutant.number));
    }

    /// Removes `const` from a function, because a constant function cannot call the question.
    fn unbind(&mut self, constness: Option<&syn::Token![const]>) {
        let Some(constness) = constness else { return };
        let (from, to) = self.range(constness);
        self.edits.push(Edit::Blank { from, to });
    }

    fn range(&self, of: &impl Spanned) -> (usize, usize) {
        let span = of.span();
        (self.byte(place(span.start())), self.byte(place(span.end())))
    }

    fn byte(&self, place: Place) -> usize {
        let start = self.lines[place.line - 1];
        let line = &self.text[start..];
        line.char_indices().nth(place.column - 1).map_or(self.text.len(), |(offset, _)| start + offset)
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.unbind(item.sig.constness.as_ref());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.unbind(item.sig.constness.as_ref());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'ast syn::ExprBinary) {
        // A chain with `let` is not a value, so no other expression can stand in its place.
        if !(matches!(expr.op, BinOp::And(_)) && has_let(&expr.left) | has_let(&expr.right)) {
            let mutants = self.here(Genre::BinaryOperator, expr.op.span().start());
            self.wrap(expr, &mutants);
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast syn::ExprUnary) {
        if matches!(expr.op, UnOp::Not(_) | UnOp::Neg(_)) {
            let mutants = self.here(Genre::UnaryOperator, expr.op.span().start());
            self.wrap(expr, &mutants);
        }
        visit::visit_expr_unary(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        for mutant in self.here(Genre::MatchArm, arm.span().start()) {
            let (_, at) = self.range(&arm.pat);
            self.edits.push(Edit::Insert { at, text: format!(" if !crate::mutant({})", mutant.number) });
            self.placed.push(mutant.number);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, expr: &'ast syn::ExprStruct) {
        let fields = expr.fields.iter().flat_map(|field| self.here(Genre::StructField, field.span().start()));
        let mutants: Vec<_> = fields.collect();
        self.wrap(expr, &mutants);
        visit::visit_expr_struct(self, expr);
    }
}

fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn place(of: LineColumn) -> Place {
    Place { line: of.line, column: of.column + 1 }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::mutant::Span, *};

    fn mutant(number: u32, genre: Genre, (from, to): (Place, Place), replacement: &str) -> Mutant {
        let (name, file) = (String::new(), "x.rs".into());
        Mutant { name, file, span: Span { start: from, end: to }, replacement: replacement.to_owned(), genre, number }
    }

    fn at(line: usize, column: usize) -> Place {
        Place { line, column }
    }

    #[test]
    fn each_mutant_stands_behind_its_question_and_the_rest_stays() {
        let text = "const fn f(a: u8) -> bool {\n    !(a < 7) || a == 9\n}\n";
        let mutants = [
            mutant(1, Genre::FnValue, (at(2, 5), at(2, 23)), "true"),
            mutant(2, Genre::BinaryOperator, (at(2, 9), at(2, 10)), ">"),
            mutant(3, Genre::UnaryOperator, (at(2, 5), at(2, 6)), ""),
            mutant(4, Genre::BinaryOperator, (at(2, 14), at(2, 16)), "&&"),
            mutant(5, Genre::BinaryOperator, (at(9, 1), at(9, 2)), "-"),
        ];
        let (woven, left_out) = weave(text, &mutants[..4].iter().collect::<Vec<_>>()).expect("it parses");
        assert!(left_out.is_empty());
        assert!(woven.starts_with(" fn f"), "{woven}");
        let squeezed = woven.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            squeezed,
            "fn f(a: u8) -> bool { if crate::mutant(1) { return true; } \
             (if crate::mutant(4) { !(a < 7) && a == 9 } else { \
             (if crate::mutant(3) { (a < 7) } else { \
             !((if crate::mutant(2) { a > 7 } else { a < 7 })) }) || a == 9 }) }"
        );
    }

    #[test]
    fn what_has_no_place_is_named() {
        let text = "fn f(a: Option<u8>) -> bool {\n    if let Some(b) = a && b == 1 { true } else { false }\n}\n";
        let mutants = [
            mutant(1, Genre::BinaryOperator, (at(2, 24), at(2, 26)), "||"),
            mutant(2, Genre::BinaryOperator, (at(2, 29), at(2, 31)), "!="),
        ];
        let (woven, left_out) = weave(text, &mutants.iter().collect::<Vec<_>>()).expect("it parses");
        assert_eq!(left_out, [1]);
        assert!(woven.contains("&& (if crate::mutant(2) {"), "{woven}");
    }
}
