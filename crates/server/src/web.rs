//! The one page there is so far: the form behind the set-up link, where the first owner chooses
//! a password. No script, no style, nothing from elsewhere.

use axum::{
    extract::{Form, Query, State},
    http::{HeaderName, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::problem::Problem;
use vaultterm_operations::{
    Origin, Refusal, Services,
    login::{self, FirstOwner},
};

#[derive(Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    token: String,
}

/// `GET /setup?token=…`: the form.
pub(crate) async fn form(Query(link): Query<Link>) -> Response {
    page(&link.token, None)
}

#[derive(Deserialize)]
pub(crate) struct Filled {
    token: String,
    email: String,
    name: String,
    password: Zeroizing<String>,
}

/// `POST /setup`: spends the link.
pub(crate) async fn submit(State(services): State<Services>, origin: Origin, Form(filled): Form<Filled>) -> Response {
    let Filled { token, email, name, password } = filled;
    let name = Some(name).filter(|name| !name.trim().is_empty());
    let owner = FirstOwner { token: token.clone(), email, name, password };
    match login::set_up(&services, &origin, owner).await {
        Ok(user) => {
            let body = format!(
                "<h1>VaultTerm is set up</h1><p>Log in with <code>vaultterm login --email {}</code>.</p>",
                escaped(&user.email)
            );
            html(&body)
        }
        Err(refusal) => page(&token, Some(refusal)),
    }
}

fn page(token: &str, refusal: Option<Refusal>) -> Response {
    let refused = refusal
        .as_ref()
        .map_or(String::new(), |refusal| format!("<p><strong>{}</strong></p>", escaped(&refusal.detail)));
    let body = format!(
        "<h1>Set up VaultTerm</h1>{refused}<form method=\"post\" action=\"/setup\">\
         <input type=\"hidden\" name=\"token\" value=\"{}\">\
         <p><label>E-mail <input type=\"email\" name=\"email\" required autocomplete=\"username\"></label></p>\
         <p><label>Name <input name=\"name\"></label></p>\
         <p><label>Password, at least 12 characters <input type=\"password\" name=\"password\" minlength=\"12\" \
         required autocomplete=\"new-password\"></label></p>\
         <p><button>Become the owner</button></p></form>",
        escaped(token)
    );
    let mut response = html(&body);
    if let Some(refusal) = refusal {
        *response.status_mut() = Problem::from(refusal).status();
    }
    response
}

fn html(body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>VaultTerm</title></head>\
         <body>{body}</body></html>"
    );
    let mut response = Html(page).into_response();
    // The link is in this page's address: nobody else learns it, and no history keeps the page.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    response
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_typed_becomes_markup() {
        assert_eq!(super::escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
