//! Tests what a file of variables may contain, and that every value comes back as it was written.

use proptest::prelude::*;

use super::{Refused, Why, parse};

/// Reads a file with a single entry.
fn one(text: &str) -> (String, String) {
    let mut entries = parse(text).unwrap_or_else(|refused| panic!("{text:?}: {refused}"));
    assert_eq!(entries.len(), 1, "{text:?}");
    let entry = entries.remove(0);
    (entry.name, entry.value.to_string())
}

fn value(text: &str) -> String {
    one(text).1
}

fn refused(text: &str) -> (usize, Why) {
    let Err(Refused { line, why }) = parse(text) else { panic!("{text:?} was read") };
    (line, why)
}

/// Quotes a value so that it comes back unchanged: runs of single quotes in double quotes, and everything
/// else in single quotes.
fn quoted(value: &str) -> String {
    if value.is_empty() {
        return "''".to_owned();
    }
    let mut out = String::new();
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let inside = |c: char| (c == '\'') == (first == '\'');
        let (part, after) = rest.split_at(rest.find(|c| !inside(c)).unwrap_or(rest.len()));
        let quote = if first == '\'' { '"' } else { '\'' };
        out.extend([quote]);
        out.push_str(part);
        out.extend([quote]);
        rest = after;
    }
    out
}

#[test]
fn dollars_and_backslashes_arrive_as_they_stand() {
    for text in [
        "Tr0ub4$dor&3",
        "${HOME}",
        "$HOME",
        "$(id)",
        "`id`",
        r"a\b",
        r"a\n",
        r"C:\new\table",
        r"\\",
        r"a\",
        "50%",
        "a=b=c",
        "it's",
        r#"{"json": "text", "n": [1, 2]}"#,
        "abc#def",
        "two words",
        "Grüße 🔑",
    ] {
        assert_eq!(value(&format!("A={text}\n")), text);
        assert_eq!(value(&format!("A={text}")), text, "at the end of the file");
        if !text.contains('\'') {
            assert_eq!(value(&format!("A='{text}'\n")), text);
        }
    }
    assert_eq!(value("A=\"Tr0ub4$dor&3 ${HOME} $(id) `id`\"\n"), "Tr0ub4$dor&3 ${HOME} $(id) `id`");
    assert_eq!(value("A=\"C:\\Users\"\n"), r"C:\Users");
}

#[test]
fn names_lines_and_quotes_are_read_as_people_expect() {
    for (text, name, value) in [
        ("\u{feff}A=1\n", "A", "1"),
        ("export A=1\n", "A", "1"),
        ("export\tA=1\n", "A", "1"),
        ("exported=1\n", "exported", "1"),
        ("export=1\n", "export", "1"),
        ("export = 1\n", "export", "1"),
        ("my-name.x=1\n", "my-name.x", "1"),
        ("  A = 1  \n", "A", "1"),
        ("# comment\n\n   # another\nA=1\n", "A", "1"),
        ("A=1\r\n", "A", "1"),
        ("A=\n", "A", ""),
        ("A=''\n", "A", ""),
        ("A=\"\"\n", "A", ""),
        ("A='a b' # comment\n", "A", "a b"),
        ("A=\" a # b \"\t# comment\r\n", "A", " a # b "),
        ("A='one\ntwo\n'\n", "A", "one\ntwo\n"),
        ("A=\"one\ntwo\"\n", "A", "one\ntwo"),
        ("A='one\r\ntwo'\r\n", "A", "one\ntwo"),
        ("A='one\r\ntwo'\n", "A", "one\r\ntwo"),
        ("A='it'\"'\"'s'\n", "A", "it's"),
        ("A=vt://app/db/a%2Fb\n", "A", "vt://app/db/a%2Fb"),
    ] {
        assert_eq!(one(text), (name.to_owned(), value.to_owned()), "{text:?}");
    }
}

#[test]
fn an_entry_knows_its_line_and_the_order_stays() {
    let entries = parse("# x\nA='1\n2'\n\nB=3\nA=4").expect("read");
    let found: Vec<_> = entries.iter().map(|entry| (entry.line, entry.name.as_str(), entry.value.as_str())).collect();
    assert_eq!(found, [(2, "A", "1\n2"), (5, "B", "3"), (6, "A", "4")]);
}

#[test]
fn a_text_that_can_be_read_in_two_ways_is_refused_with_its_line() {
    for (text, line, why) in [
        ("A=1\nhunter2 hunter2\n", 2, Why::NoAssignment),
        ("A=1\nexport B\n", 2, Why::NoAssignment),
        ("=1\n", 1, Why::Name),
        ("A B=1\n", 1, Why::Name),
        ("1A=1\n", 1, Why::Name),
        ("'A'=1\n", 1, Why::Name),
        ("a+b/c==\n", 1, Why::Name),
        ("A+=1\n", 1, Why::Name),
        ("A=hunter2 # or not\n", 1, Why::MayBeComment),
        ("A=hunter2\t#3\n", 1, Why::MayBeComment),
        ("A= #hunter2\n", 1, Why::MayBeComment),
        ("A=#hunter2\n", 1, Why::MayBeComment),
        ("A=1\nB='hunter2\nC=1\n", 2, Why::Unclosed),
        ("A='a'b\n", 1, Why::AfterQuote),
        ("A='a'#b\n", 1, Why::AfterQuote),
        ("A='a' b\n", 1, Why::AfterQuote),
        ("A='it''s'\n", 1, Why::DoubledQuote),
        ("A=\"say \"\"hi\"\"\"\n", 1, Why::DoubledQuote),
        ("A=\"a\\nb\"\n", 1, Why::MayBeEscape),
        ("A=\"a\n\\$b\"\n", 2, Why::MayBeEscape),
        ("A=\"say \\\"hi\\\"\"\n", 1, Why::MayBeEscape),
        ("A=\"C:\\\\x\"\n", 1, Why::MayBeEscape),
        ("A=1\rB=2\n", 1, Why::CarriageReturn),
        ("A=1\r", 1, Why::CarriageReturn),
        ("A=a\0b\n", 1, Why::Nul),
        ("A='a\n\0b'\n", 2, Why::Nul),
    ] {
        assert_eq!(refused(text), (line, why), "{text:?}");
        let shown = Refused { line, why }.to_string() + why.hint();
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn both_forms_of_quotes_write_every_odd_value() {
    for odd in ["", "'", "''", "'a'", "a'b\"c", "\"", "\n", "\r\n", "\r", " a ", "#", "a\\", "\\'", "\u{feff}"] {
        assert_eq!(value(&format!("A={}\n", quoted(odd))), odd, "{odd:?}");
    }
}

fn odd_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        proptest::sample::select(vec![
            "'", "\"", "\\", "$", "#", " ", "\t", "\n", "\r", "\r\n", "=", "`", "${A}", "\u{feff}", "é"
        ])
        .prop_map(str::to_owned),
        "[^\\x00]{0,3}",
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_value_that_is_quoted_comes_back_byte_for_byte(values in proptest::collection::vec(odd_text(), 1..5)) {
        let file: String = values.iter().enumerate().map(|(at, value)| format!("V{at}={}\n", quoted(value))).collect();
        let found: Vec<_> = parse(&file).expect("read").into_iter().map(|entry| entry.value.to_string()).collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn a_value_without_quotes_is_a_part_of_its_line_or_the_file_is_refused(text in odd_text()) {
        prop_assume!(!text.contains('\n') && !text.trim_start_matches([' ', '\t']).starts_with(['\'', '"']));
        if let Ok(entries) = parse(&format!("A={text}\n")) {
            prop_assert_eq!(entries.len(), 1);
            let line = text.strip_suffix('\r').unwrap_or(&text);
            prop_assert_eq!(entries[0].value.as_str(), line.trim_matches([' ', '\t']));
        }
    }
}
