//! What handlers take from a request: strict bodies, paths, queries, preconditions.
//!
//! Everything refuses what it does not know, with a problem that names the field and never its
//! value.

use std::convert::Infallible;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;
use vaultterm_operations::ReadAt;
use vaultterm_sealing::{JsonFault, examine};

use crate::problem::{Problem, ProblemKind};

/// The largest body, in bytes. A record has at most 1 MiB, and JSON may double that.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest body that brings a file for import, in bytes: 32 MiB in base64, and what stands beside it.
pub(crate) const UPLOAD_BYTES_MAX: usize = 45 * 1024 * 1024;

/// A JSON body. Unknown fields are refused; an empty body is an empty object.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| match refused.status().as_u16() {
            413 => too_large(),
            _ => Problem::new(ProblemKind::Malformed, "the body broke off"),
        })?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        if !is_json {
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, "send `content-type: application/json`"));
        }
        parse(&bytes).map(Self)
    }
}

pub(crate) fn too_large() -> Problem {
    let why = format!("a body may have {BODY_BYTES_MAX} bytes at most, and {UPLOAD_BYTES_MAX} where it brings a file");
    Problem::new(ProblemKind::TooLarge, why)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// Reads a body. The parser's own words are not passed on: they quote what they read.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    look_through(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => misfit(&path, &error.to_string()),
            _ => Problem::new(
                ProblemKind::Malformed,
                format!("the body is not JSON (line {}, column {})", error.line(), error.column()),
            ),
        }
    })?;
    reader
        .end()
        .map_err(|_| Problem::new(ProblemKind::Malformed, "something follows the JSON document in the body"))?;
    Ok(value)
}

/// The member of a body that holds what records keep. Its texts may hold every character.
const VALUES: &str = "fields";

/// Refuses what parsers pass over: names that stand twice, nesting without end, and NUL characters, which no
/// text of ours may hold (a database may not be able to store them). Values of records may.
fn look_through(bytes: &[u8]) -> Result<(), Problem> {
    let texts = examine(bytes).map_err(|fault| match fault {
        // A name further inside is part of a value.
        JsonFault::Twice { path } => Problem::field(path[..path.len().min(2)].join("."), "a name stands twice")
            .hint("leave one of the two: readers differ in which one they take"),
        JsonFault::TooDeep => Problem::new(ProblemKind::Invalid, fault.to_string()),
    })?;
    match texts.with_nul.into_iter().find(|name| name != VALUES) {
        Some(name) => Err(nul(&name)),
        None => Ok(()),
    }
}

fn nul(name: &str) -> Problem {
    Problem::field(if name.is_empty() { "body" } else { name }.replace('\0', ""), "holds a NUL character")
        .hint("leave it out: no text but a field's value may hold one")
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

/// The number of an entry of the audit log, in the path.
pub(crate) struct Seq(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for Seq {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = <Path<String> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        let seq = path.ok().and_then(|Path(text)| text.parse().ok());
        seq.map(Self).ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "the path holds no number of an entry")
                .hint("entries are numbered from 1")
        })
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
    Problem::new(ProblemKind::NotFound, "the path holds no id")
        .hint("ids are UUIDs; find them with the list of the resource")
}

/// A query. Unknown parameters are refused.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            && let Some((name, _)) = pairs.iter().find(|(name, text)| name.contains('\0') || text.contains('\0'))
        {
            return Err(nul(name));
        }
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

/// `If-Match: "<revision>"`, as the revision that the caller read. The operation looks at it after it has checked the
/// scope and the role, so a caller who may not change the object at all learns that first.
pub(crate) struct IfMatch(pub(crate) ReadAt);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(header) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(ReadAt::NotTold)) };
        let text = header.to_str().unwrap_or_default().trim();
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let revision = inner.and_then(|digits| digits.parse().ok());
        Ok(Self(revision.map_or(ReadAt::Unreadable, ReadAt::Revision)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::value::RawValue;
    use vaultterm_operations::Refusal;

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
    fn a_name_that_stands_twice_is_refused_at_every_depth_and_values_are_not_told() {
        for json in [
            r#"{"inner":{"count":1,"fields":{"a":1,"a":2}}}"#,
            r#"{"inner":{"count":1,"fields":{"a":{"hunter2":1,"hunter2":2}}}}"#,
            r#"{"inner":{"count":1},"inner":{"count":1}}"#,
        ] {
            let problem = refused(json);
            assert!(problem.contains("a name stands twice"), "{json}: {problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn json_that_is_nested_too_deep_is_refused_for_that_reason() {
        let deep = format!(r#"{{"inner":{{"count":1,"fields":{{"a":{}{}}}}}}}"#, "[".repeat(200), "]".repeat(200));
        let problem = refused(&deep);
        assert!(problem.contains("nested more than 100 deep") && problem.contains("422"), "{problem}");
    }

    #[tokio::test]
    async fn a_nul_is_refused_in_queries_and_in_texts_of_bodies_but_not_in_values() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "only its shape counts")]
        struct Search {
            q: Option<String>,
        }
        for (query, fits) in [("q=a", true), ("q=a%00b", false), ("%00=a", false), ("", true)] {
            let request = Request::get(format!("/?{query}")).body(axum::body::Body::empty()).expect("a request");
            let (mut parts, _) = request.into_parts();
            let found = Parameters::<Search>::from_request_parts(&mut parts, &()).await;
            assert_eq!(found.is_ok(), fits, "{query}");
        }
        assert!(refused(r#"{"inner":{"count":"\u0000"}}"#).contains("NUL"));
        assert!(look_through(br#"{"fields":{"a":"\u0000"},"path":"x"}"#).is_ok());
        assert!(look_through(br#"{"fields":{},"reason":"\u0000"}"#).is_err());
    }

    #[tokio::test]
    async fn a_missing_or_wrong_revision_is_refused_only_when_the_operation_asks_for_it() {
        let if_match = async |text: Option<&str>| {
            let mut request = Request::get("/");
            if let Some(text) = text {
                request = request.header(header::IF_MATCH, text);
            }
            let (mut parts, _) = request.body(axum::body::Body::empty()).expect("a request").into_parts();
            IfMatch::from_request_parts(&mut parts, &()).await.expect("it never refuses by itself").0
        };
        let status = |refused: Result<u64, Refusal>| Problem::from(refused.expect_err("refused")).status();
        assert_eq!(if_match(Some("\"3\"")).await, ReadAt::Revision(3));
        assert_eq!(status(if_match(None).await.needed()), 428);
        for wrong in ["3", "\"x\"", "*"] {
            assert_eq!(status(if_match(Some(wrong)).await.needed()), 400, "{wrong}");
        }
    }

    #[test]
    fn numbers_in_fields_keep_their_spelling() {
        let body: Outer = parse(br#"{"inner":{"count":1,"fields":{"n":9007199254740993,"f":1.0}}}"#).expect("valid");
        let fields = body.inner.fields.expect("there");
        assert_eq!(fields["n"].get(), "9007199254740993");
        assert_eq!(fields["f"].get(), "1.0");
    }
}
