//! The files that pages load: one style sheet, one sprite of icons, a few scripts. They are part of the program.
//!
//! Their address holds a hash of them all, so that a browser may keep them for ever and asks for new ones after an
//! update. Scripts name one another without the hash, because all lie in the same folder.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::LazyLock,
};

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::problem::{Problem, ProblemKind};

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($kind:ident $name:literal),+ $(,)?) => {
        [$(($name, $kind, include_str!(concat!("assets/", $name)))),+]
    };
}

/// Every file: its name, its media type, its content.
const FILES: [(&str, &str, &str); 19] = files![
    CSS "app.css",
    SVG "icons.svg",
    SVG "mark.svg",
    JS "again.js",
    JS "ask.js",
    JS "banner.js",
    JS "choices.js",
    JS "focus.js",
    JS "generate.js",
    JS "keys.js",
    JS "live.js",
    JS "otp.js",
    JS "page.js",
    JS "passkey.js",
    JS "place.js",
    JS "secret.js",
    JS "setup.js",
    JS "ticks.js",
    JS "unsaved.js",
];

/// The folder of the files: it changes when one of them does.
static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut hash = DefaultHasher::new();
    FILES.hash(&mut hash);
    format!("/static/{:016x}", hash.finish())
});

/// The address of each file.
static ADDRESSES: LazyLock<BTreeMap<&'static str, String>> =
    LazyLock::new(|| FILES.iter().map(|(name, ..)| (*name, format!("{}/{name}", *FOLDER))).collect());

/// Returns the address of a file; empty for a file that does not exist.
pub(crate) fn address(name: &str) -> &'static str {
    ADDRESSES.get(name).map_or("", String::as_str)
}

/// `GET /static/{hash}/{name}`: answers a file. The hash of another version answers nothing, so that no cache keeps a
/// file under the wrong name.
pub(crate) async fn file(Path((hash, name)): Path<(String, String)>) -> Response {
    let current = FOLDER.strip_prefix("/static/") == Some(hash.as_str());
    let found = FILES.iter().find(|(known, ..)| current && *known == name);
    let Some((_, kind, content)) = found else {
        return Problem::new(ProblemKind::NotFound, "there is no such file").into_response();
    };
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_that_is_imported_is_one_of_the_files() {
        for (name, _, content) in FILES {
            for imported in content.split("\"./").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(FILES.iter().any(|(known, ..)| *known == imported), "{name} imports {imported}");
            }
        }
    }

    #[test]
    fn own_scripts_stay_small() {
        let lines: usize = FILES.iter().filter(|(_, kind, _)| *kind == JS).map(|(.., text)| text.lines().count()).sum();
        assert!(lines <= 400, "{lines} lines");
    }

    #[test]
    fn no_script_and_no_style_writes_markup_or_asks_elsewhere() {
        for (name, kind, content) in FILES.iter().filter(|(_, kind, _)| *kind != SVG) {
            for refused in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "http://", "https://", "@import", "Storage"]
            {
                assert!(!content.contains(refused), "{name} ({kind}) holds `{refused}`");
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_kept_for_ever_under_its_hash_and_unknown_under_another() {
        let hash = address("app.css").split('/').nth(2).unwrap().to_owned();
        let found = file(Path((hash, "app.css".to_owned()))).await;
        assert_eq!(found.status(), 200);
        assert!(found.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(file(Path(("0".to_owned(), "app.css".to_owned()))).await.status(), 404);
    }
}
