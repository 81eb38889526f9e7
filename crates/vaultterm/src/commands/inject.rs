//! `vaultterm inject`: turns a template with references into a file with values.

use std::{collections::BTreeSet, path::PathBuf};

use zeroize::Zeroizing;

use crate::{
    app::App,
    failure::{Exit, Failure},
    field_ref::{FieldRef, SCHEME, Told, injected},
    input_file::InputFile,
    output_place::OutputPlace,
};

#[derive(clap::Args, Debug)]
#[command(after_help = "\
In the template {{ vt://collection/path/field }} stands for a value (a `/` in the field's name is %2F).
It is put there as it is: nothing is quoted or escaped. Any other {{ … }} stays, for whatever reads the file next.")]
pub(crate) struct Args {
    /// The template; `-` for stdin
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where to write, readable only by you (mode 0600); `-` for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: OutputPlace,
    /// Replace the file that is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Field(FieldRef),
}

/// Fills the template. The audit log records the access.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let Args { input, output, force, reason } = args;
    if !force {
        output.refuse_existing("replace it with --force")?;
    }
    let template = InputFile { path: &input, what: "the template", by: "--input" }.text()?;
    let parts = parts(&template)?;
    let wanted: BTreeSet<_> = parts.iter().filter_map(Part::reference).cloned().collect();
    if wanted.is_empty() {
        app.console.warn("the template holds no reference: write {{ vt://collection/path/field }}");
    }
    let into = output.file().map_or_else(|| "stdout".into(), |path| path.to_string_lossy());
    let told = Told { into: &into, reason: reason.as_deref() };
    let values = injected(&app.client()?, wanted, &told).await?;

    let mut filled = Zeroizing::new(String::new());
    for part in &parts {
        filled.push_str(match part {
            Part::Text(text) => text,
            Part::Field(reference) => &values[reference],
        });
    }
    let mut begun = output.begin()?;
    begun.write(filled.as_bytes())?;
    if force { begun.finish() } else { begun.finish_new() }?;
    if let Some(path) = output.file() {
        app.console.note(&format!("wrote {}", path.display()));
    }
    Ok(Exit::Done)
}

impl Part<'_> {
    fn reference(&self) -> Option<&FieldRef> {
        match self {
            Self::Field(reference) => Some(reference),
            Self::Text(_) => None,
        }
    }
}

/// Splits a template into its parts.
fn parts(template: &str) -> Result<Vec<Part<'_>>, Failure> {
    const OPEN: &str = "{{";
    const CLOSE: &str = "}}";
    let (mut parts, mut text_from, mut at) = (Vec::new(), 0, 0);
    while let Some(open) = template[at..].find(OPEN).map(|found| at + found) {
        let inside = open + OPEN.len();
        let body = template[inside..].trim_start();
        at = open + 1;
        if !body.starts_with(SCHEME) {
            continue;
        }
        let line = || template[..open].matches('\n').count() + 1;
        let wrong =
            |why: &str| Failure::local(format!("the reference in line {} cannot be read", line())).because_of(why);
        let close = template[inside..].find(CLOSE).map(|found| inside + found);
        let close = close.ok_or_else(|| wrong("it does not end with }}"))?;
        let reference = template[inside..close].trim().parse().map_err(wrong)?;
        parts.extend([Part::Text(&template[text_from..open]), Part::Field(reference)]);
        at = close + CLOSE.len();
        text_from = at;
    }
    parts.push(Part::Text(&template[text_from..]));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Part<'static> {
        Part::Field(text.parse().expect("a reference"))
    }

    #[test]
    fn references_are_found_and_all_else_stays() {
        let template = "a={{ vt://app/db/user name }}&b={{vt://app/x/y}}{{ .Other }} {{{ }} vt://app/x/y";
        let expected = [
            Part::Text("a="),
            field("vt://app/db/user name"),
            Part::Text("&b="),
            field("vt://app/x/y"),
            Part::Text("{{ .Other }} {{{ }} vt://app/x/y"),
        ];
        assert_eq!(parts(template).expect("good"), expected);
        assert_eq!(parts("{{").expect("good"), [Part::Text("{{")]);
        assert_eq!(parts("{{{vt://a/b/c}}}").expect("good"), [Part::Text("{"), field("vt://a/b/c"), Part::Text("}")]);
    }

    #[test]
    fn a_broken_reference_is_named_by_its_line() {
        for (template, why) in
            [("a\n{{ vt://app }}", "a reference looks like"), ("a\n{{ vt://app/x/y }", "it does not end with }}")]
        {
            let failure = parts(template).expect_err("broken");
            assert!(failure.message.contains("line 2"), "{}", failure.message);
            assert!(failure.causes[0].contains(why), "{:?}", failure.causes);
        }
    }
}
