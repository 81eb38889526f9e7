//! The one table of all that a span can tell. Nothing else can be told, because a span has no other place for it.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use uuid::Uuid;
use vaultterm_names::names;

names!(
    /// What a span is about.
    What, "kind of span" {
        /// A run, from its beginning to its end: the root of a trace.
        Run = "run",
        /// A phase of a run.
        Phase = "phase",
        /// The making of a plan that nobody has applied yet.
        Plan = "plan",
        /// A request to the Vault of a connection.
        VaultRequest = "vault request",
        /// A request of a client: the root of a trace, unless a trusted client names its own.
        Request = "request",
    }
);

/// The template of a route, for example `/records/{id}`. It never holds the path of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(String);

impl Route {
    /// Takes the template from the router, which is the only place that has it.
    #[must_use]
    pub fn of_router(template: &str) -> Self {
        Self(template.to_owned())
    }

    /// Returns the template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A form in which a fact is told. There is none for texts that a program puts together: a `&'static str` is a name from the
/// code, and the only other text is the template of a route.
pub trait Form {
    /// The form, for the reference.
    const FORM: &'static str;

    /// Returns the value in the form of the protocol.
    fn value(self) -> Value;
}

impl Form for &'static str {
    const FORM: &'static str = "name";

    fn value(self) -> Value {
        Value::StringValue(self.to_owned())
    }
}

impl Form for Uuid {
    const FORM: &'static str = "id";

    fn value(self) -> Value {
        Value::StringValue(self.to_string())
    }
}

impl Form for u64 {
    const FORM: &'static str = "number";

    fn value(self) -> Value {
        Value::IntValue(i64::try_from(self).unwrap_or(i64::MAX))
    }
}

impl Form for bool {
    const FORM: &'static str = "yes or no";

    fn value(self) -> Value {
        Value::BoolValue(self)
    }
}

impl Form for Route {
    const FORM: &'static str = "template";

    fn value(self) -> Value {
        Value::StringValue(self.0)
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct FactRow {
    /// The key of the attribute.
    pub key: &'static str,
    /// The form of the value.
    pub form: &'static str,
    /// The spans that have it.
    pub on: &'static [What],
    /// The meaning, one sentence without a full stop at its end.
    pub meaning: &'static str,
}

macro_rules! facts {
    ($($fact:ident($form:ty) on [$($what:ident),+] = $key:literal, $meaning:literal;)+) => {
        /// A fact that a span tells.
        #[allow(missing_docs, reason = "the table says what each means")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fact { $($fact($form)),+ }

        /// All facts, in the order of the reference.
        pub const FACTS: &[FactRow] = &[$(FactRow {
            key: $key,
            form: <$form as Form>::FORM,
            on: &[$(What::$what),+],
            meaning: $meaning,
        }),+];

        impl Fact {
            /// Returns the key of the attribute.
            #[must_use]
            pub const fn key(&self) -> &'static str {
                match self { $(Self::$fact(_) => $key),+ }
            }

            /// Returns the spans that may tell it.
            pub(crate) const fn on(&self) -> &'static [What] {
                match self { $(Self::$fact(_) => &[$(What::$what),+]),+ }
            }

            fn value(self) -> Value {
                match self { $(Self::$fact(value) => Form::value(value)),+ }
            }
        }
    };
}

facts! {
    RunId(Uuid) on [Run] = "vaultterm.run.id",
        "The id of the run, as the API and the log have it";
    ConnectionId(Uuid) on [Run, Plan] = "vaultterm.connection.id",
        "The id of the connection";
    Mode(&'static str) on [Run] = "vaultterm.run.mode",
        "The direction of the connection: `push`, `pull` or `bidirectional`";
    Trigger(&'static str) on [Run] = "vaultterm.run.trigger",
        "What started the run, as in the metrics";
    DryRun(bool) on [Run, Plan] = "vaultterm.run.dry_run",
        "Yes where a plan is made and nothing is carried out";
    Node(Uuid) on [Run] = "vaultterm.node.id",
        "The server that carries the run out: another id at each start";
    Outcome(&'static str) on [Run] = "vaultterm.run.outcome",
        "How the run ended, as in the metrics; absent if its task broke off";
    Requests(u64) on [Run] = "vaultterm.run.requests",
        "Requests to Vault";
    CreatedRemote(u64) on [Run] = "vaultterm.run.created_remote",
        "Secrets that were created in Vault; this and the following counts are absent where they are 0";
    UpdatedRemote(u64) on [Run] = "vaultterm.run.updated_remote",
        "Secrets that got a new version in Vault";
    DeletedRemote(u64) on [Run] = "vaultterm.run.deleted_remote",
        "Secrets that were deleted in Vault";
    CreatedLocal(u64) on [Run] = "vaultterm.run.created_local",
        "Records that were created here";
    UpdatedLocal(u64) on [Run] = "vaultterm.run.updated_local",
        "Records that got a new revision here";
    DeletedLocal(u64) on [Run] = "vaultterm.run.deleted_local",
        "Records that were deleted here";
    Adopted(u64) on [Run] = "vaultterm.run.adopted",
        "Pairs that were found equal and are in step from now on";
    Unchanged(u64) on [Run] = "vaultterm.run.unchanged",
        "Pairs that were in step already";
    Accepted(u64) on [Run] = "vaultterm.run.accepted",
        "Differences that a person accepted";
    Conflicts(u64) on [Run] = "vaultterm.run.conflicts",
        "Paths that wait for a decision";
    Skipped(u64) on [Run] = "vaultterm.run.skipped",
        "Paths that were left alone";
    Failed(u64) on [Run] = "vaultterm.run.failed",
        "Paths at which a step failed";
    Stale(u64) on [Run] = "vaultterm.run.stale",
        "Paths that changed since the plan saw them";
    Operation(&'static str) on [VaultRequest] = "vaultterm.vault.operation",
        "What the request is for, as in the metrics";
    Attempt(u64) on [VaultRequest] = "vaultterm.vault.attempt",
        "1 for the first attempt at what the request is a part of, 2 for the first repetition";
    Method(&'static str) on [VaultRequest, Request] = "http.request.method",
        "The method; `_OTHER` for one that HTTP does not define";
    Template(Route) on [Request] = "http.route",
        "The template of the route, as in the metrics; absent where no route fits";
    Status(u64) on [VaultRequest, Request] = "http.response.status_code",
        "The status of the answer; absent if no complete answer came";
    RequestId(Uuid) on [Request] = "vaultterm.request.id",
        "The id of the request, as the answer, the log and the audit log have it";
    ErrorType(&'static str) on [Run, VaultRequest] = "error.type",
        "The class of what went wrong, and never its text";
}

impl Fact {
    /// Returns the attribute.
    pub(crate) fn attribute(self) -> KeyValue {
        attribute(self.key(), self.value())
    }
}

/// Returns an attribute.
pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

    use super::*;

    #[test]
    fn every_attribute_is_there_once_and_has_a_name_of_the_conventions() {
        let mut known = BTreeSet::new();
        for FactRow { key, on, meaning, .. } in FACTS {
            assert!(known.insert(key), "{key} is there twice");
            let ours = key.starts_with("vaultterm.");
            assert!(ours || key.starts_with("http.") || *key == "error.type", "{key}");
            assert!(key.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_' || sign == '.'), "{key}");
            assert!(!on.is_empty() && !meaning.ends_with('.') && !meaning.contains('|'), "{key}: {meaning}");
        }
    }

    #[test]
    fn the_page_about_traces_is_up_to_date() {
        let mut page = String::from(
            "# Traces\n\n\
             Made from the code: `UPDATE_DOCS=1 cargo test -p vaultterm-traces page` rewrites it.\n\n\
             The attributes of the spans that VaultTerm sends to a collector, if one is named \
             ([monitor](../operations/monitor.md#traces)).\n\
             No span has another attribute, an event or the text of an error. *Names* are words of the code, *ids* are those of VaultTerm.\n\
             No attribute can hold a path, a name that a person chose, a value, an address or a person.\n\n\
             | attribute | form | spans | meaning |\n|---|---|---|---|\n",
        );
        for FactRow { key, form, on, meaning } in FACTS {
            let on: Vec<_> = on.iter().map(|what| what.as_str()).collect();
            let _ = writeln!(page, "| `{key}` | {form} | {} | {meaning} |", on.join(", "));
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/traces.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == page, "{} is not up to date: UPDATE_DOCS=1 cargo test -p vaultterm-traces", path.display());
    }
}
