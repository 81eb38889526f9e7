//! `/imports/{id}` while the records are stored: how far that is.

use askama::Template;
use axum::response::Response;
use uuid::Uuid;
use vaultterm_operations::imports::{Head, Progress};

use crate::{
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        page::show_and_look_again,
        parts,
        refused::Refused,
        visitor::Visitor,
    },
};

/// The page.
#[derive(Debug, Template)]
#[template(path = "import/going.html")]
struct GoingPage {
    frame: Frame,
    title: String,
    told: String,
    progress: Progress,
}

/// Shows how far an import is.
pub(super) async fn show(
    app: &ServerState,
    visitor: &Visitor,
    progress: Progress,
    head: Head,
    collection: Uuid,
) -> Result<Response, Refused> {
    let frame = Frame::around(app, visitor, Here::Records).await?.in_collection(collection);
    Ok(show_and_look_again(&of(frame, head, progress)))
}

fn of(frame: Frame, head: Head, progress: Progress) -> GoingPage {
    let title = head.file_name.unwrap_or_else(|| "Import".to_owned());
    GoingPage { frame, title, told: told(progress), progress }
}

fn told(Progress { done, total }: Progress) -> String {
    match total {
        0 => "Looking at what is here already …".to_owned(),
        total => format!("Importing: {done} of {total} are stored."),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = |done, total| {
            let head = Head { file_name: Some("<b>".to_owned()), prefix: None };
            of(Frame::default(), head, Progress { done, total }).render().unwrap()
        };
        vec![("import that begins", page(0, 0)), ("import that goes on", page(3_200, 10_000))]
    }

    #[test]
    fn the_page_says_how_far_it_is_once_that_is_known() {
        let [(_, begins), (_, goes_on)] = pages().try_into().unwrap();
        assert!(begins.contains("Looking at what is here") && !begins.contains(" max="));
        assert!(goes_on.contains("3200 of 10000 are stored") && goes_on.contains("max=\"10000\" value=\"3200\""));
    }
}
