//! What handlers take from a request: strict bodies, paths, queries, preconditions.
//!
//! Everything refuses what it does not know, with a problem that names the field and never its
//! value.

use std::net::IpAddr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// Where a request came from, and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// `UUIDv7`; in the log, in the audit, in problem documents and in `X-Request-Id`.
    pub(crate) request_id: String,
    /// The address of the other end of the socket.
    pub(crate) source_ip: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let origin = parts.extensions.get::<Self>().cloned();
        origin.ok_or_else(|| Problem::new(Kind::Internal, "the request did not pass the gate"))
    }
}

/// A JSON body. Unknown fields are refused; an empty body is an empty object.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| match refused.status().as_u16() {
            413 => too_large(),
            _ => Problem::new(Kind::Malformed, "the body broke off"),
        })?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        if !is_json {
            return Err(Problem::new(Kind::UnsupportedMediaType, "send `content-type: application/json`"));
        }
        parse(&bytes).map(Self)
    }
}

pub(crate) fn too_large() -> Problem {
    Problem::new(Kind::TooLarge, format!("a body may have {} bytes at most", crate::gate::BODY_BYTES_MAX))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// Reads a body. The parser's own words are not passed on: they quote what they read.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => misfit(&path, &error.to_string()),
            _ => Problem::new(
                Kind::Malformed,
                format!("the body is not JSON (line {}, column {})", error.line(), error.column()),
            ),
        }
    })?;
    reader.end().map_err(|_| Problem::new(Kind::Malformed, "something follows the JSON document in the body"))?;
    Ok(value)
}

/// Says what is wrong with a value of the wrong shape, without the value.
fn misfit(path: &str, words: &str) -> Problem {
    let within = |name: &str| if path == "." { name.to_owned() } else { format!("{path}.{name}") };
    let quoted = |words: &str| words.split('`').nth(1).unwrap_or("?").to_owned();
    if words.starts_with("unknown field `") {
        // The path ends with the unknown field itself, where there is one.
        let name = quoted(words);
        let field = if path.split('.').next_back() == Some(name.as_str()) { path.to_owned() } else { within(&name) };
        return Problem::field(field, "there is no such field")
            .hint("the names are in the API's description, /api/v1/openapi.json");
    }
    if words.starts_with("missing field `") {
        return Problem::field(within(&quoted(words)), "is missing");
    }
    if words.starts_with("duplicate field `") {
        return Problem::field(within(&quoted(words)), "stands there twice");
    }
    let expected = words.split_once("expected ").map_or("something else", |(_, expected)| expected);
    let expected = expected.split(" at line ").next().unwrap_or(expected);
    Problem::field(if path == "." { "body" } else { path }, format!("expected {expected}"))
}

/// An id in the path.
pub(crate) struct Id(pub(crate) uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) =
            <Path<String> as FromRequestParts<S>>::from_request_parts(parts, state).await.map_err(|_| no_id())?;
        text.parse().map(Self).map_err(|_| no_id())
    }
}

/// A collection's id and a person's, in the path.
pub(crate) struct IdPair(pub(crate) uuid::Uuid, pub(crate) uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for IdPair {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path((one, two)) = <Path<(String, String)> as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map_err(|_| no_id())?;
        match (one.parse(), two.parse()) {
            (Ok(one), Ok(two)) => Ok(Self(one, two)),
            _ => Err(no_id()),
        }
    }
}

fn no_id() -> Problem {
    Problem::new(Kind::NotFound, "the path holds no id").hint("ids are UUIDs; find them with the list of the resource")
}

/// A query. Unknown parameters are refused.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(refused) => {
                let words = refused.body_text();
                let words = words.split_once(": ").map_or(words.as_str(), |(_, words)| words);
                match words.split_once(": ") {
                    // serde_urlencoded names the parameter first.
                    Some((path, words)) => Err(misfit(path, words)),
                    None => Err(misfit(".", words)),
                }
            }
        }
    }
}

/// `If-Match: "<revision>"`.
pub(crate) struct IfMatch(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await? {
            Some(revision) => Ok(revision),
            None => Err(Problem::new(Kind::PreconditionRequired, "an update needs `If-Match: \"<revision>\"`")
                .hint("read the object, then send its `revision` in quotes")),
        }
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        let Some(header) = parts.headers.get(header::IF_MATCH) else { return Ok(None) };
        let text = header.to_str().unwrap_or_default().trim();
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match inner.and_then(|digits| digits.parse().ok()) {
            Some(revision) => Ok(Some(Self(revision))),
            None => Err(Problem::new(Kind::Malformed, "If-Match is not a revision in quotes, such as \"3\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its shape counts")]
    struct Inner {
        count: u32,
        kind: Option<Kinds>,
        fields: Option<BTreeMap<String, Box<RawValue>>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kinds {
        One,
        Two,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Inner,
    }

    fn refused(json: &str) -> String {
        let problem = parse::<Outer>(json.as_bytes()).expect_err("refused");
        serde_json::to_string(&problem).expect("JSON")
    }

    #[test]
    fn a_wrong_field_is_named_and_its_value_is_not() {
        for (json, field) in [
            (r#"{"inner":{"count":"hunter2"}}"#, "inner.count"),
            (r#"{"inner":{"count":1,"kind":"hunter2"}}"#, "inner.kind"),
            (r#"{"inner":{"count":1,"password":"hunter2"}}"#, "inner.password"),
            (r#"{"inner":{}}"#, "inner.count"),
            (r#"{"inner":{"count":1},"hunter":"hunter2"}"#, "hunter"),
            (r#""hunter2""#, "body"),
        ] {
            let problem = refused(json);
            assert!(problem.contains(&format!(r#""field":"{field}""#)), "{json}: {problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        assert!(refused(r#"{"inner":{"count":1,"kind":"x"}}"#).contains("`one` or `two`"));
        assert!(refused(r#"{"inner": hunter2"#).contains("not JSON"));
    }

    #[test]
    fn numbers_in_fields_keep_their_spelling() {
        let body: Outer = parse(br#"{"inner":{"count":1,"fields":{"n":9007199254740993,"f":1.0}}}"#).expect("valid");
        let fields = body.inner.fields.expect("there");
        assert_eq!(fields["n"].get(), "9007199254740993");
        assert_eq!(fields["f"].get(), "1.0");
    }
}
