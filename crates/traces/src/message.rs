//! Spans in the form of the protocol.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{InstrumentationScope, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span as Message, SpanFlags, Status, span, status::StatusCode},
};
use prost::Message as _;
use uuid::Uuid;

use crate::{
    fact::attribute,
    id::Ids,
    queue::{Parent, Span},
};

/// The flag of a span that is kept.
const SAMPLED: u32 = 1;

/// Who sends the spans.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name of the service.
    pub service: String,
    /// The version of the server.
    pub version: &'static str,
    /// This process, among all servers.
    pub node: Uuid,
    /// Attributes that the operator adds. They replace none of the others.
    pub more: Vec<(String, String)>,
}

impl Identity {
    fn resource(&self) -> Resource {
        let own = [
            ("service.name", self.service.clone()),
            ("service.version", self.version.to_owned()),
            ("service.instance.id", self.node.to_string()),
        ];
        let others = self.more.iter().filter(|(key, _)| own.iter().all(|(known, _)| known != key));
        let others = others.map(|(key, value)| attribute(key, Value::StringValue(value.clone())));
        let own = own.iter().map(|(key, value)| attribute(key, Value::StringValue(value.clone())));
        Resource { attributes: own.chain(others).collect(), ..Resource::default() }
    }
}

/// Returns the body of a request with spans. Without spans it only asks whether the collector answers. It is never empty: some
/// servers refuse a request without a body.
pub(crate) fn body(identity: &Identity, batch: Vec<Span>) -> Vec<u8> {
    let scope = InstrumentationScope {
        name: "vaultterm".to_owned(),
        version: identity.version.to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = batch.into_iter().map(message).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
    let spans = ResourceSpans { resource: Some(identity.resource()), scope_spans, schema_url: String::new() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
}

fn message(span: Span) -> Message {
    let Span { name, facts, failed, ids, parent, links, began, took } = span;
    let what = name.what();
    debug_assert!(facts.iter().all(|fact| fact.on().contains(&what)), "{what} must not tell all of {facts:?}");
    let attributes = facts.into_iter().filter(|fact| fact.on().contains(&what)).map(crate::Fact::attribute).collect();
    let code = if failed { StatusCode::Error } else { StatusCode::Unset };
    Message {
        trace_id: ids.trace.to_bytes().to_vec(),
        span_id: ids.span.to_bytes().to_vec(),
        parent_span_id: parent.map(|parent| parent.span.to_bytes().to_vec()).unwrap_or_default(),
        flags: flags(parent),
        name: name.text(),
        kind: name.kind().into(),
        start_time_unix_nano: nanos(began),
        end_time_unix_nano: nanos(began + took),
        attributes,
        links: links.into_iter().map(link).collect(),
        // The text of a status stays empty: it would be the text of an error.
        status: Some(Status { code: code.into(), message: String::new() }),
        ..Message::default()
    }
}

fn flags(parent: Option<Parent>) -> u32 {
    let remote = if parent.is_some_and(|parent| parent.is_remote) { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32 | remote
}

fn link(ids: Ids) -> span::Link {
    span::Link {
        trace_id: ids.trace.to_bytes().to_vec(),
        span_id: ids.span.to_bytes().to_vec(),
        flags: flags(None),
        ..span::Link::default()
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, Name, Sampling, Traces};

    #[test]
    fn a_span_keeps_its_place_its_facts_and_its_times_in_the_form_of_the_protocol() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 1_000);
        let trace = traces.run(Uuid::nil(), vec![Fact::DryRun(false)], []);
        trace.ended(Name::Vault("read"), Duration::from_nanos(7), vec![Fact::Status(403)], true);
        trace.end(vec![Fact::Requests(3)], false);
        let batch = std::iter::from_fn(|| spans.next_now()).collect();
        let more = [("service.name", "other"), ("team", "infra")];
        let more = more.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let identity = Identity { service: "vault".to_owned(), version: "1.0", node: Uuid::nil(), more };
        let read = ExportTraceServiceRequest::decode(body(&identity, batch).as_slice()).unwrap();
        let resource = read.resource_spans[0].resource.as_ref().unwrap();
        let keys: Vec<_> = resource.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        assert_eq!(keys, ["service.name", "service.version", "service.instance.id", "team"]);
        let [vault, run] = read.resource_spans[0].scope_spans[0].spans.as_slice() else { panic!("{read:?}") };
        assert_eq!((vault.name.as_str(), run.name.as_str()), ("vault read", "run"));
        assert_eq!((&vault.trace_id, &vault.parent_span_id), (&run.trace_id, &run.span_id));
        assert_eq!(vault.end_time_unix_nano - vault.start_time_unix_nano, 7);
        assert_eq!(vault.status.as_ref().unwrap().code, StatusCode::Error as i32);
        assert_eq!(vault.kind, span::SpanKind::Client as i32);
        assert_eq!(run.attributes.len(), 2);
        assert!(run.parent_span_id.is_empty() && run.trace_id.len() == 16 && run.span_id.len() == 8);
        let question = ExportTraceServiceRequest::decode(body(&identity, Vec::new()).as_slice()).unwrap();
        assert!(question.resource_spans[0].scope_spans[0].spans.is_empty());
    }
}
