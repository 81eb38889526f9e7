//! Tests of the check for circles, on small sources and on a circle planted in a real crate.

use std::{collections::BTreeMap, path::Path};

use super::{circles, sources};

/// Finds the circles of a crate that has these files.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let sources: BTreeMap<_, _> = files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    circles(&sources).unwrap()
}

#[test]
fn a_circle_of_two_files_is_refused_and_its_names_are_told() {
    let circles = found(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::Lower; pub struct Upper(Lower);"),
        ("b.rs", "pub struct Lower; fn upper() -> super::a::Upper { todo() }"),
    ]);
    let [circle] = circles.as_slice() else { panic!("{circles:?}") };
    assert!(circle.contains("a circle of 2 files"), "{circle}");
    assert!(circle.contains("a.rs uses crate::b::Lower of b.rs"), "{circle}");
    assert!(circle.contains("b.rs uses super::a::Upper of a.rs"), "{circle}");
}

#[test]
fn a_circle_through_names_that_lib_re_exports_is_refused() {
    let lib = "mod a; mod b; mod c; pub use a::A; pub use b::{B as Renamed, *}; pub use c::C;";
    let circles = found(&[
        ("lib.rs", lib),
        ("a.rs", "use crate::Renamed; pub struct A(Renamed);"),
        ("b.rs", "use crate::C; pub struct B(C);"),
        ("c.rs", "pub struct C; fn a() { let _ = crate::A::new(); }"),
    ]);
    assert_eq!(circles.len(), 1, "{circles:?}");
    assert!(circles[0].contains("a circle of 3 files"), "{}", circles[0]);
}

#[test]
fn a_circle_between_a_folder_and_a_file_in_it_is_refused() {
    let inside = ("plan/step.rs", "use super::Plan; pub fn step(_: Plan) {}");
    let uses = "mod step; pub struct Plan; fn run() { step::step(Plan) }";
    assert_eq!(found(&[("lib.rs", "mod plan;"), ("plan/mod.rs", uses), inside]).len(), 1);
    let re_exports = "mod step; pub use step::step; pub struct Plan;";
    assert_eq!(found(&[("lib.rs", "mod plan;"), ("plan/mod.rs", re_exports), inside]), [""; 0]);
}

#[test]
fn paths_in_macros_and_functions_count() {
    for text in ["fn f() { println!(\"{}\", crate::b::NAME); }", "fn f() { use crate::b::g as h; h(); }"] {
        let circles = found(&[("lib.rs", "mod a; mod b;"), ("a.rs", text), ("b.rs", "use crate::a::f;")]);
        assert_eq!(circles.len(), 1, "{text}");
    }
}

#[test]
fn test_code_does_not_count() {
    let circles = found(&[
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod testing;"),
        ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; #[cfg(test)] impl B {} }"),
        ("b.rs", "use crate::a::A; pub struct B(A);"),
        ("testing.rs", "use crate::b::B; pub fn b() -> B { crate::a::A }"),
    ]);
    assert_eq!(circles, [""; 0]);
}

#[test]
fn names_of_other_crates_and_local_names_do_not_count() {
    let circles = found(&[
        ("lib.rs", "mod a; mod serde;"),
        ("a.rs", "use std::fmt; pub struct A; impl fmt::Debug for A {} fn f(a: A) { let serde = a; g(serde) }"),
        ("serde.rs", "use crate::a::A; use ::serde::Serialize;"),
    ]);
    assert_eq!(circles, [""; 0]);
}

#[test]
fn a_circle_planted_in_a_real_crate_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sealing/src");
    let mut sources = sources(&folder).unwrap();
    assert_eq!(circles(&sources).unwrap(), [""; 0]);
    sources.get_mut("secret.rs").unwrap().push_str("\nfn planted(_: &crate::Keyring) {}\n");
    let circles = circles(&sources).unwrap();
    assert_eq!(circles.len(), 1, "{circles:?}");
    assert!(circles[0].contains("secret.rs uses crate::Keyring of keyring.rs"), "{}", circles[0]);
}
