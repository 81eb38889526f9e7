//! What every page answers: HTML with the headers that a page needs, or another address.

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::problem::Problem;

/// What a page may load and do: its own files, and nothing else. No script can make markup of text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of pages that differ from those of the API. `no-referrer` would take the origin from forms, too.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Answers a page.
pub(crate) fn show(page: &impl Template) -> Response {
    show_as(StatusCode::OK, page)
}

/// Answers a page with another status than 200.
pub(crate) fn show_as(status: StatusCode, page: &impl Template) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let mut response = (status, Html(text)).into_response();
    add_headers(response.headers_mut());
    response
}

fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Sends the browser to another page, with GET.
pub(crate) fn go_to(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    match HeaderValue::from_str(address) {
        Ok(value) => response.headers_mut().insert(header::LOCATION, value),
        Err(_) => response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/")),
    };
    add_headers(response.headers_mut());
    response
}

/// Answers a request that a link on another site started. The browser sends no cookie with such a request, so this page
/// starts the same request again from here, with the cookie.
pub(crate) fn come_again(address: &str) -> Response {
    let mut response = Html("<!doctype html><title>VaultTerm</title>").into_response();
    add_headers(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&format!("0;url={address}")) {
        response.headers_mut().insert(HeaderName::from_static("refresh"), value);
    }
    response
}

/// Answers a page that the browser asks for again in a second, because what it shows goes on.
pub(crate) fn show_and_look_again(page: &impl Template) -> Response {
    let mut response = show(page);
    response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static("1"));
    response
}

/// Says whether a script asks, which wants JSON.
pub(crate) fn asks_json(headers: &HeaderMap) -> bool {
    accepts(headers, "application/json")
}

/// Says whether a browser asks for a page.
pub(crate) fn asks_page(headers: &HeaderMap) -> bool {
    accepts(headers, "text/html")
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(kind))
}

/// Returns an address of this server that a form or a link named; the overview for any other.
pub(crate) fn own_address(address: &str) -> &str {
    let own = address.starts_with('/')
        && !address.starts_with("//")
        && !address.contains('\\')
        && address.bytes().all(|byte| byte.is_ascii_graphic());
    if own { address } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::own_address;

    #[test]
    fn nobody_is_sent_to_another_site_after_the_login() {
        for address in ["https://evil.example", "//evil.example", "/\\evil.example", "records", "", "/a\r\nb", "/ä"] {
            assert_eq!(own_address(address), "/", "{address}");
        }
        assert_eq!(own_address("/records?q=a%20b"), "/records?q=a%20b");
    }
}
