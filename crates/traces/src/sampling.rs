//! Which traces are kept.

use opentelemetry::trace::{SpanContext, SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler as Root, SamplingDecision, ShouldSample as _};
use vaultterm_names::names;

names!(
    /// A sampler, by its name in `OTEL_TRACES_SAMPLER`.
    #[allow(missing_docs, reason = "the names say it all")]
    Sampler, "sampler" {
        AlwaysOn = "always_on",
        AlwaysOff = "always_off",
        TraceIdRatio = "traceidratio",
        ParentBasedAlwaysOn = "parentbased_always_on",
        ParentBasedAlwaysOff = "parentbased_always_off",
        ParentBasedTraceIdRatio = "parentbased_traceidratio",
    }
);

/// Which traces are kept. A trace is kept as a whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The sampler.
    pub sampler: Sampler,
    /// The share of traces that the samplers with a ratio keep, 0 to 1.
    pub ratio: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { sampler: Sampler::ParentBasedAlwaysOn, ratio: 1.0 }
    }
}

impl Sampling {
    /// Returns whether a trace is kept. `parent` is what a trusted client names.
    pub(crate) fn keeps(&self, trace: TraceId, parent: Option<&SpanContext>) -> bool {
        use Sampler::{
            AlwaysOff, AlwaysOn, ParentBasedAlwaysOff, ParentBasedAlwaysOn, ParentBasedTraceIdRatio, TraceIdRatio,
        };
        let follows = matches!(self.sampler, ParentBasedAlwaysOn | ParentBasedAlwaysOff | ParentBasedTraceIdRatio);
        if let Some(parent) = parent.filter(|_| follows) {
            return parent.is_sampled();
        }
        let root = match self.sampler {
            AlwaysOn | ParentBasedAlwaysOn => Root::AlwaysOn,
            AlwaysOff | ParentBasedAlwaysOff => Root::AlwaysOff,
            TraceIdRatio | ParentBasedTraceIdRatio => Root::TraceIdRatioBased(self.ratio),
        };
        let judged = root.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
        judged.decision == SamplingDecision::RecordAndSample
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Ids, parent};

    #[test]
    fn a_share_of_traces_is_kept_and_a_parent_decides_where_the_sampler_says_so() {
        let kept = |sampler, ratio| {
            let sampling = Sampling { sampler, ratio };
            (0..1_000).filter(|_| sampling.keeps(Ids::random().trace, None)).count()
        };
        assert_eq!(kept(Sampler::AlwaysOn, 0.0), 1_000);
        assert_eq!(kept(Sampler::ParentBasedAlwaysOff, 1.0), 0);
        assert_eq!(kept(Sampler::TraceIdRatio, 0.0), 0);
        assert!((100..300).contains(&kept(Sampler::ParentBasedTraceIdRatio, 0.2)));

        let parent = |flags: &str| parent::read(&format!("00-{:032x}-{:016x}-{flags}", 7, 7)).unwrap();
        for (sampler, sampled, not_sampled) in [
            (Sampler::AlwaysOn, true, true),
            (Sampler::AlwaysOff, false, false),
            (Sampler::ParentBasedAlwaysOn, true, false),
            (Sampler::ParentBasedAlwaysOff, true, false),
            (Sampler::ParentBasedTraceIdRatio, true, false),
        ] {
            let sampling = Sampling { sampler, ratio: 0.5 };
            let judged = |flags| sampling.keeps(Ids::random().trace, Some(&parent(flags)));
            assert_eq!((judged("01"), judged("00")), (sampled, not_sampled), "{sampler}");
        }
    }
}
