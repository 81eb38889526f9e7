//! Tests what a document may hold, and that none unfolds.

use super::*;

fn shown(node: &Node) -> String {
    let mut out = Vec::new();
    node.write(&mut out);
    String::from_utf8(out).unwrap()
}

fn yaml(text: &str) -> String {
    match Node::json_or_yaml(text) {
        Ok(node) => shown(&node),
        Err(error) => error.to_string(),
    }
}

#[test]
fn json_keeps_the_order_of_names_and_the_text_of_numbers() {
    let text = r#"{"b":[1.10,-0,12345678901234567890123],"a":{"x":null,"y":true},"":"\u00e9"}"#;
    assert_eq!(shown(&Node::json(text).unwrap()), text.replace("\\u00e9", "é"));
}

#[test]
fn a_number_that_vault_would_change_becomes_a_text() {
    let node = Node::json(r#"[1.0, 3, 12345678901234567890123]"#).unwrap();
    let Node::List(nodes) = node else { panic!("a list") };
    let values: Vec<_> = nodes.iter().map(Node::value).collect();
    assert_eq!(values, [(1.into(), false), (3.into(), false), ("12345678901234567890123".into(), true)]);
}

#[test]
fn names_that_stand_twice_are_refused_in_both_languages() {
    for text in [r#"{"a":{"b":1,"b":2}}"#, "a:\n  b: 1\n  b: 2\n"] {
        assert!(yaml(text).contains("`b` stands twice"), "{}", yaml(text));
    }
}

#[test]
fn yaml_is_read_as_it_is_typed() {
    assert_eq!(
        yaml(
            "a: yes\nb: 'true'\nc: true\nd: 1e+06\ne: 0x1f\nf: ~\ng: 007\nh: |\n  x\n  y\n1: [on, 2]\ni: 2001-01-01\n"
        ),
        r#"{"a":"yes","b":"true","c":true,"d":1e+06,"e":"0x1f","f":null,"g":"007","h":"x\ny\n","1":["on",2],"i":"2001-01-01"}"#
    );
}

#[test]
fn nothing_unfolds() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        bomb.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
    }
    for text in [bomb.as_str(), "a: &x 1\n", "a: *x\n", "<<: *x\n"] {
        let refused = yaml(text);
        assert!(refused.contains("alias") || refused.contains("not YAML"), "{refused}");
    }
    assert!(yaml("a: !!binary YQ==\n").contains("tag"));
    assert!(yaml("a: 1\n---\nb: 2\n").contains("second document"));
}

#[test]
fn depth_is_bounded() {
    for text in ["[".repeat(100_000), "{\"a\":".repeat(100_000), "- ".repeat(5_000) + "x"] {
        assert!(Node::json_or_yaml(&text).is_err());
    }
    for (open, close, depth) in [("{\"a\":", "}", 65), ("{\"a\":", "}", 64)] {
        let text = open.repeat(depth) + "1" + &close.repeat(depth);
        assert_eq!(Node::json(&text).is_ok(), depth == 64);
    }
    assert!(yaml(&("- ".repeat(65) + "x")).contains("levels of nesting"));
}
