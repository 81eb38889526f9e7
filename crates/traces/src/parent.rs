//! Reads the header `traceparent`.

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Returns the span that a client names as the parent of its request, or `None` if the header cannot be read.
pub(crate) fn read(header: &str) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(header));
    let named = context.span().span_context().clone();
    named.is_valid().then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_cannot_be_read_names_no_parent() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let named = read(&format!("00-{trace}-b7ad6b7169203331-01")).unwrap();
        assert_eq!((named.trace_id().to_string().as_str(), named.is_sampled()), (trace, true));
        assert!(!read(&format!("00-{trace}-b7ad6b7169203331-00")).unwrap().is_sampled());
        for text in ["", "00", "zz-1-2-3", &format!("00-{trace}-0000000000000000-01"), &"9".repeat(10_000)] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
