//! Every page, rendered with samples: what is typed by people never becomes mark-up, and rules that hold on all pages.

use super::{
    audit, conflicts, connect, export, house, import, login, me, people, prove, records, refused, second, setup, sync,
};

fn all() -> Vec<(&'static str, String)> {
    let refused = askama::Template::render(&refused::RefusedPage {
        title: "Not found",
        detail: "There is no such <record>.".to_owned(),
        advice: Some("Ask an admin of the collection.".to_owned()),
        request_id: "0192",
    });
    let refused = vec![("refused", refused.unwrap())];
    let proofs = [second::samples::pages(), prove::samples::pages()].concat();
    let doors = [login::samples::pages(), setup::samples::pages(), proofs, refused];
    let framed = [
        me::samples::pages(),
        people::samples::pages(),
        records::samples::pages(),
        import::samples::pages(),
        export::samples::pages(),
        sync::samples::pages(),
        connect::samples::pages(),
        conflicts::samples::pages(),
        audit::samples::pages(),
        house::samples::pages(),
    ];
    doors.into_iter().chain(framed).flatten().collect()
}

#[test]
fn every_page_has_one_heading_that_takes_the_focus_and_one_status_at_most() {
    for (name, text) in all() {
        assert_eq!(text.matches("<h1").count(), 1, "{name}");
        assert!(text.contains("<h1 tabindex=\"-1\">"), "{name}");
        assert!(text.matches("role=\"status\"").count() <= 1, "{name}");
        assert!(text.contains("<title>") && text.contains("lang=\"en\""), "{name}");
    }
}

#[test]
fn no_page_holds_script_or_style_of_its_own_or_a_foreign_address() {
    for (name, text) in all() {
        assert_eq!(text.matches("<script").count(), 1, "{name}");
        for refused in [" style=\"", " onclick", " onload", "javascript:", "<style", "src=\"http", "href=\"http"] {
            assert!(!text.contains(refused), "{name} holds {refused}");
        }
    }
}

#[test]
fn what_people_type_never_becomes_mark_up() {
    for (name, text) in all() {
        for evil in ["<b>", "<record>", "\"Ann\"", "<evil>"] {
            assert!(!text.contains(evil), "{name} holds {evil}");
        }
    }
}

#[test]
fn every_label_names_a_field_that_is_there_and_ids_are_unique() {
    let values = |text: &str, mark: &str| -> Vec<String> {
        text.split(mark).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    for (name, text) in all() {
        let ids = values(&text, " id=\"");
        for label in values(&text, "<label for=\"").into_iter().chain(values(&text, "aria-describedby=\"")) {
            assert!(ids.contains(&label), "{name}: nothing is called {label}");
        }
        let mut unique = ids.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
    }
}
