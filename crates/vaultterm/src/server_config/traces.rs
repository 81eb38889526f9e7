//! The settings about traces: those of VaultTerm, and the variables by the convention of OpenTelemetry. Those of VaultTerm win,
//! because the others may be there for every program of a machine.

use std::ffi::OsString;

use vaultterm_server::TrustedProxies;
use vaultterm_traces::{Collector, CollectorError, CollectorSettings, Identity, Sampler, Sampling, pairs};
use zeroize::Zeroizing;

use super::sources::{
    OTEL_CERTIFICATE, OTEL_ENDPOINT, OTEL_HEADERS, OTEL_PROTOCOL, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED,
    OTEL_SERVICE_NAME, OTEL_TRACES_CERTIFICATE, OTEL_TRACES_ENDPOINT, OTEL_TRACES_EXPORTER, OTEL_TRACES_HEADERS,
    OTEL_TRACES_PROTOCOL, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, Sources, TRACES_CACERT, TRACES_ENDPOINT,
    TRACES_HEADERS, TRACES_PARENTS, TRACES_RATIO, Variable, unusable,
};
use crate::failure::Failure;

/// The path of a collector that takes traces.
const PATH: &str = "v1/traces";
const PROTOCOL: &str = "http/protobuf";
const RATIO: &str = "a share from 0 to 1, for example 0.1";

/// Where traces are sent to, and what is in them.
pub(crate) struct TracesConfig {
    /// The collector.
    pub(crate) collector: Collector,
    /// Which traces are kept.
    pub(crate) sampling: Sampling,
    /// Whose `traceparent` is taken over.
    pub(crate) parents: TrustedProxies,
    service: String,
    attributes: Vec<(String, String)>,
}

impl TracesConfig {
    /// Returns who sends the traces.
    pub(crate) fn identity(&self, node: uuid::Uuid) -> Identity {
        let (service, more) = (self.service.clone(), self.attributes.clone());
        Identity { service, version: env!("CARGO_PKG_VERSION"), node, more }
    }
}

/// Reads the settings. Returns `None` where no collector is named, and then judges none of the others.
pub(super) fn load(sources: &Sources<impl Fn(&str) -> Option<OsString>>) -> Result<Option<TracesConfig>, Failure> {
    let Some((url, named_by)) = endpoint(sources)? else { return Ok(None) };
    let collector = CollectorSettings { url, headers: headers(sources)?, ca_pem: ca(sources)? };
    let collector = Collector::new(&collector).map_err(|error| refused(&error, named_by))?;
    let mut attributes = Vec::new();
    let mut service = sources.text(OTEL_SERVICE_NAME)?;
    for (key, value) in list(OTEL_RESOURCE_ATTRIBUTES, &sources.text(OTEL_RESOURCE_ATTRIBUTES)?.unwrap_or_default())? {
        if key == "service.name" {
            service.get_or_insert_with(|| value.as_str().to_owned());
        } else {
            attributes.push((key, value.as_str().to_owned()));
        }
    }
    Ok(Some(TracesConfig {
        collector,
        sampling: sampling(sources)?,
        parents: sources.networks(TRACES_PARENTS)?,
        service: service.unwrap_or_else(|| "vaultterm".to_owned()),
        attributes,
    }))
}

/// Returns the address of the collector, and the variable that names it.
fn endpoint(
    sources: &Sources<impl Fn(&str) -> Option<OsString>>,
) -> Result<Option<(String, &'static Variable)>, Failure> {
    if let Some(url) = sources.text(TRACES_ENDPOINT)? {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
        return Ok(match rest.split_once('/') {
            _ if url.is_empty() || url == "off" => None,
            None | Some((_, "")) => {
                Some((format!("{scheme}://{}/{PATH}", rest.trim_end_matches('/')), TRACES_ENDPOINT))
            }
            Some(_) => Some((url, TRACES_ENDPOINT)),
        });
    }
    let exporter = sources.text(OTEL_TRACES_EXPORTER)?;
    let disabled = sources.text(OTEL_SDK_DISABLED)?.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    if disabled || exporter.as_deref() == Some("none") {
        return Ok(None);
    }
    let found = match (sources.text(OTEL_TRACES_ENDPOINT)?, sources.text(OTEL_ENDPOINT)?) {
        (Some(url), _) => (url, OTEL_TRACES_ENDPOINT),
        (None, Some(base)) => (format!("{}/{PATH}", base.trim_end_matches('/')), OTEL_ENDPOINT),
        (None, None) => return Ok(None),
    };
    let protocol = match sources.text(OTEL_TRACES_PROTOCOL)? {
        Some(protocol) => Some((protocol, OTEL_TRACES_PROTOCOL)),
        None => sources.text(OTEL_PROTOCOL)?.map(|protocol| (protocol, OTEL_PROTOCOL)),
    };
    match protocol.filter(|(protocol, _)| protocol != PROTOCOL) {
        Some((protocol, variable)) => Err(unusable(variable, &protocol, PROTOCOL).hint(
            "a collector takes it on its port 4318; VAULTTERM_TRACES_ENDPOINT names one for VaultTerm alone, or `off`",
        )),
        None => Ok(Some(found)),
    }
}

fn headers(sources: &Sources<impl Fn(&str) -> Option<OsString>>) -> Result<Vec<(String, Zeroizing<String>)>, Failure> {
    for variable in [TRACES_HEADERS, OTEL_TRACES_HEADERS, OTEL_HEADERS] {
        if let Some(text) = sources.secret(variable)? {
            return list(variable, &text);
        }
    }
    Ok(Vec::new())
}

/// Reads a list of pairs. The error does not repeat it, because it may hold a secret.
fn list(variable: &Variable, text: &str) -> Result<Vec<(String, Zeroizing<String>)>, Failure> {
    pairs(text).map_err(|error| {
        Failure::local(format!("{} cannot be used", variable.name))
            .because(&error)
            .hint("write name=value, with commas between; write a comma in a value as %2C")
    })
}

fn ca(sources: &Sources<impl Fn(&str) -> Option<OsString>>) -> Result<Option<Vec<u8>>, Failure> {
    let mut named = [TRACES_CACERT, OTEL_TRACES_CERTIFICATE, OTEL_CERTIFICATE].into_iter();
    let Some((path, variable)) = named.find_map(|variable| Some((sources.path(variable)?, variable))) else {
        return Ok(None);
    };
    std::fs::read(&path).map(Some).map_err(|error| {
        Failure::local(format!("cannot read {}, which {} names", path.display(), variable.name)).because(&error)
    })
}

fn sampling(sources: &Sources<impl Fn(&str) -> Option<OsString>>) -> Result<Sampling, Failure> {
    if let Some(text) = sources.text(TRACES_RATIO)? {
        return Ok(Sampling { sampler: Sampler::ParentBasedTraceIdRatio, ratio: ratio(TRACES_RATIO, &text)? });
    }
    let Some(text) = sources.text(OTEL_TRACES_SAMPLER)? else { return Ok(Sampling::default()) };
    let sampler = text.parse().map_err(|_| unusable(OTEL_TRACES_SAMPLER, &text, &Sampler::NAMES.join(", ")))?;
    let ratio = match sources.text(OTEL_TRACES_SAMPLER_ARG)? {
        Some(text) if matches!(sampler, Sampler::TraceIdRatio | Sampler::ParentBasedTraceIdRatio) => {
            ratio(OTEL_TRACES_SAMPLER_ARG, &text)?
        }
        _ => 1.0,
    };
    Ok(Sampling { sampler, ratio })
}

fn ratio(variable: &Variable, text: &str) -> Result<f64, Failure> {
    match text.trim().parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(unusable(variable, text, RATIO)),
    }
}

fn refused(error: &CollectorError, variable: &Variable) -> Failure {
    let what = match error {
        CollectorError::Address(_) => format!("{} cannot be used", variable.name),
        _ => "traces cannot be sent as configured".to_owned(),
    };
    let failure = Failure::local(what).because(error);
    match error {
        CollectorError::Address(_) => failure.hint("write it as http://host:4318 or https://host/v1/traces"),
        CollectorError::PlainHeaders => failure.hint("use an https address, or take the headers away"),
        CollectorError::Ca => failure.hint("give one or more CERTIFICATE blocks"),
        CollectorError::Header(_) | CollectorError::Client(_) => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(variables: &[(&str, &str)]) -> Result<Option<TracesConfig>, Failure> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        load(&Sources { environment: find, file: toml::Table::new() })
    }

    fn url(variables: &[(&str, &str)]) -> Option<String> {
        loaded(variables).expect("valid").map(|config| config.collector.url().to_owned())
    }

    #[test]
    fn no_traces_are_sent_unless_a_collector_is_named_and_the_setting_of_vaultterm_wins() {
        let ours = "VAULTTERM_TRACES_ENDPOINT";
        let (all, traces) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let here = |path: &str| Some(format!("http://127.0.0.1:4318{path}"));
        for (variables, expected) in [
            (&[][..], None),
            (&[("OTEL_TRACES_SAMPLER", "nonsense")], None),
            (&[(all, "http://127.0.0.1:4318")], here("/v1/traces")),
            (&[(all, "http://127.0.0.1:4318/x/")], here("/x/v1/traces")),
            (&[(all, "http://127.0.0.1:1"), (traces, "http://127.0.0.1:4318/y")], here("/y")),
            (&[(all, "http://127.0.0.1:1"), (ours, "http://127.0.0.1:4318")], here("/v1/traces")),
            (&[(traces, "http://127.0.0.1:1"), (ours, "http://127.0.0.1:4318/z")], here("/z")),
            (&[(ours, "http://127.0.0.1:4318/"), ("OTEL_SDK_DISABLED", "true")], here("/v1/traces")),
            (&[(all, "http://127.0.0.1:4318"), (ours, "off")], None),
            (&[(all, "http://127.0.0.1:4318"), ("OTEL_SDK_DISABLED", "true")], None),
            (&[(all, "http://127.0.0.1:4318"), ("OTEL_TRACES_EXPORTER", "none")], None),
        ] {
            assert_eq!(url(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn the_variables_of_opentelemetry_say_what_is_kept_and_who_sends_it() {
        let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let config = loaded(&[
            here,
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=x,deployment.environment.name=a%20b"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        let config = config.expect("valid").expect("a collector");
        let identity = config.identity(uuid::Uuid::nil());
        assert_eq!((identity.service.as_str(), config.sampling.ratio), ("x", 0.25));
        assert_eq!(identity.more, [("deployment.environment.name".to_owned(), "a b".to_owned())]);
        let named = loaded(&[here, ("OTEL_SERVICE_NAME", "y"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=x")]);
        assert_eq!(named.expect("valid").expect("a collector").identity(uuid::Uuid::nil()).service, "y");
        let share = loaded(&[here, ("VAULTTERM_TRACES_RATIO", "0.5"), ("OTEL_TRACES_SAMPLER", "always_off")]);
        let share = share.expect("valid").expect("a collector").sampling;
        assert_eq!((share.sampler, share.ratio), (Sampler::ParentBasedTraceIdRatio, 0.5));
    }

    #[test]
    fn headers_may_stand_in_a_file_and_no_error_repeats_them() {
        let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("headers");
        std::fs::write(&file, "authorization=Bearer%20hunter2\n").expect("written");
        let file = file.to_str().expect("UTF-8");
        assert!(loaded(&[here, ("VAULTTERM_TRACES_HEADERS_FILE", file)]).is_ok());
        assert!(loaded(&[here, ("OTEL_EXPORTER_OTLP_HEADERS_FILE", file)]).is_ok());
        let away = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.com:4318");
        for (variables, named) in [
            (&[away, ("VAULTTERM_TRACES_HEADERS_FILE", file)][..], "traces"),
            (&[here, ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")], "OTEL_EXPORTER_OTLP_HEADERS"),
            (&[here, ("VAULTTERM_TRACES_HEADERS", "a b=hunter2")], "traces"),
            (&[("VAULTTERM_TRACES_ENDPOINT", "http://u:hunter2@127.0.0.1")], "VAULTTERM_TRACES_ENDPOINT"),
            (&[("VAULTTERM_TRACES_ENDPOINT", "127.0.0.1:4318")], "VAULTTERM_TRACES_ENDPOINT"),
            (&[here, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "OTEL_EXPORTER_OTLP_PROTOCOL"),
            (&[here, ("OTEL_TRACES_SAMPLER", "jaeger_remote")], "OTEL_TRACES_SAMPLER"),
            (&[here, ("VAULTTERM_TRACES_RATIO", "2")], "VAULTTERM_TRACES_RATIO"),
            (&[here, ("VAULTTERM_TRACES_PARENTS", "gateway")], "VAULTTERM_TRACES_PARENTS"),
            (&[here, ("VAULTTERM_TRACES_CACERT", "/nowhere")], "VAULTTERM_TRACES_CACERT"),
        ] {
            let failure = loaded(variables).err().expect("refused");
            assert!(failure.message.contains(named), "{failure:?}");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
    }
}
