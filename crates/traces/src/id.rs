//! Ids of traces and spans. Those of a run follow from the id of the run, so that any server can link to the trace of a run
//! that another one carried out.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use uuid::Uuid;

/// The ids of a span: its trace and itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}

impl Ids {
    /// Returns new ones.
    pub(crate) fn random() -> Self {
        Self { trace: RandomIdGenerator::default().new_trace_id(), span: random_span() }
    }

    /// Returns the ids of the root of a run. The bits of a run's id are mixed, because it begins with the time and samplers
    /// choose traces by the bits of their ids. The mixing can be undone, so two runs never share a trace. Servers of other
    /// versions link to these ids, so the function never changes.
    pub(crate) fn of_run(run: Uuid) -> Self {
        let (mut left, mut right) = run.as_u64_pair();
        for round in 1..=4_u64 {
            let mixed = left ^ mix(right.wrapping_add(round.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            (left, right) = (right, mixed);
        }
        let trace = TraceId::from(u128::from(left) << 64 | u128::from(right));
        Self { trace, span: SpanId::from(mix(left ^ right.rotate_left(32)).max(1)) }
    }
}

/// Returns the id of a new span.
pub(crate) fn random_span() -> SpanId {
    RandomIdGenerator::default().new_span_id()
}

/// Mixes bits (the finalizer of `SplitMix64`).
const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns ids as the database draws them: the time in milliseconds, and random bits.
    fn run(number: u64) -> Uuid {
        Uuid::from_u128(
            (0x0199_0000_0000_u128 + u128::from(number)) << 80 | 0x7abc_8000 << 48 | u128::from(number * 7919),
        )
    }

    #[test]
    fn the_ids_of_a_run_are_the_same_on_every_server_and_in_every_version() {
        let ids = Ids::of_run("0199b2a4-7c11-7b3e-8f00-0123456789ab".parse().unwrap());
        assert_eq!(
            (ids.trace.to_string().as_str(), ids.span.to_string().as_str()),
            ("127284b496dd8cf65dc0ba57d14e7229", "8b52b345b7d51854")
        );
    }

    #[test]
    fn traces_of_runs_differ_and_a_share_of_them_is_a_share_of_all_runs() {
        let traces: BTreeSet<_> = (0..4_000).map(|number| Ids::of_run(run(number)).trace.to_bytes()).collect();
        assert_eq!(traces.len(), 4_000);
        // The sampler of OpenTelemetry looks at the last eight bytes.
        let low = traces.iter().filter(|trace| trace[8] < 26).count();
        assert!((300..520).contains(&low), "{low} of 4000 are in the first tenth");
        assert_ne!(Ids::of_run(Uuid::nil()).trace, TraceId::INVALID);
        assert_ne!(Ids::of_run(Uuid::nil()).span, SpanId::INVALID);
    }
}
