//! The names of spans. They are put together from words of the code and from templates of routes.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::fact::{Route, What};

/// The name of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A run.
    Run,
    /// A phase of a run, by its name.
    Phase(&'static str),
    /// The making of a plan.
    Plan,
    /// A request to a Vault, by what it is for.
    Vault(&'static str),
    /// A request of a client.
    Request {
        /// The method, or `_OTHER`.
        method: &'static str,
        /// The template of the route, if one fits.
        route: Option<Route>,
    },
}

impl Name {
    /// Returns what the span is about.
    #[must_use]
    pub const fn what(&self) -> What {
        match self {
            Self::Run => What::Run,
            Self::Phase(_) => What::Phase,
            Self::Plan => What::Plan,
            Self::Vault(_) => What::VaultRequest,
            Self::Request { .. } => What::Request,
        }
    }

    /// Returns the kind by the conventions of OpenTelemetry.
    pub(crate) const fn kind(&self) -> SpanKind {
        match self {
            Self::Run | Self::Phase(_) | Self::Plan => SpanKind::Internal,
            Self::Vault(_) => SpanKind::Client,
            Self::Request { .. } => SpanKind::Server,
        }
    }

    /// Returns the name as a collector shows it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Run => "run".to_owned(),
            Self::Phase(phase) => (*phase).to_owned(),
            Self::Plan => "plan".to_owned(),
            Self::Vault(operation) => format!("vault {operation}"),
            // The conventions have the word HTTP in the place of a method that is not known.
            Self::Request { method, route } => {
                let method = if *method == OTHER_METHOD { "HTTP" } else { method };
                route.as_ref().map_or_else(|| method.to_owned(), |route| format!("{method} {}", route.as_str()))
            }
        }
    }
}

/// What the conventions call a method that HTTP does not define.
const OTHER_METHOD: &str = "_OTHER";
