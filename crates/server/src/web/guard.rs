//! Forms from elsewhere: a page of another site must not act for the person whose cookie the browser holds.
//!
//! The cookie is `SameSite=Strict` already. This looks at what the browser says about where a form comes from, and
//! refuses one about which it says nothing.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use vaultterm_operations::{Refusal, RefusalKind};

use super::refused::Refused;

/// Where a browser says that a request comes from.
pub(crate) const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The layer around every page.
pub(crate) async fn own_forms(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_own(request.headers()) {
        return next.run(request).await;
    }
    let why = "the form did not come from a page of this VaultTerm; nothing was done";
    Refused(Refusal::new(RefusalKind::Forbidden, why).hint("Open the page again, and send the form from there."))
        .into_response()
}

fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or("?"));
    let origin = text(header::ORIGIN);
    if origin == Some("null") {
        return false;
    }
    match (text(FETCH_SITE), origin) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = text(header::HOST).filter(|host| !host.is_empty());
            let named = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && named == host
        }
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "vault.example.com".parse().unwrap());
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        is_own(&headers)
    }

    #[test]
    fn a_form_from_elsewhere_is_refused_in_four_ways_and_an_own_one_is_not() {
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "https://vault.example.com")]));
        assert!(own(&[("origin", "https://vault.example.com")]));
        assert!(!own(&[]), "no header");
        assert!(!own(&[("origin", "https://evil.example")]), "a foreign origin");
        for site in ["cross-site", "same-site", "none"] {
            assert!(!own(&[("sec-fetch-site", site), ("origin", "https://vault.example.com")]), "{site}");
        }
        assert!(!own(&[("sec-fetch-site", "same-origin"), ("origin", "null")]), "a null origin");
        assert!(!own(&[("origin", "null")]));
    }
}
