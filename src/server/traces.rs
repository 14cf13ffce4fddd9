//! The collector of spans, from the settings.

use std::sync::Arc;

use super::{BadSettings, OperatorFile};
use crate::config::{self, Config};
use crate::domain::names::FreeName;
use crate::edge::Traces;
use crate::outgoing::Address;
use crate::ports::{BackgroundTraces, Clock, Entropy};
use crate::store::Opening;
use crate::telemetry::{AtomicMeter, Collector, CollectorProblem, Exporter};

const ENDPOINT: &str = "traces.endpoint";
const CA_FILE: &str = "traces.ca_file";
const HEADERS_FILE: &str = "traces.headers_file";

/// The collector that the settings name, or `None` if they name none.
///
/// # Errors
/// The URL, or a file that they name, can't be used.
pub fn collector(settings: &config::Traces) -> Result<Option<Collector>, BadSettings> {
    let config::Traces { endpoint, ca_file, headers_file, .. } = settings;
    if endpoint.is_empty() {
        return Ok(None);
    }
    if ca_file.is_some() && !endpoint.starts_with("https://") {
        return Err(BadSettings::one(CA_FILE, "is only for a URL that begins with https://"));
    }
    if headers_file.is_some() {
        Address::parse(endpoint)
            .map_err(|problem| BadSettings::one(ENDPOINT, format!("{problem}, with {HEADERS_FILE}")))?;
    }
    let cas = ca_file.as_deref().map(OperatorFile::read).transpose();
    let cas = cas.map_err(|error| BadSettings::one(CA_FILE, error))?;
    let headers = headers_file.as_deref().map(OperatorFile::read_secret).transpose();
    let headers = headers.map_err(|error| BadSettings::one(HEADERS_FILE, error))?;
    let cas = cas.as_ref().map(|file| file.text.as_str());
    let collector = Collector::new(endpoint, cas, headers.as_ref().map(|text| text.as_str()));
    collector.map(Some).map_err(|problem| {
        let setting = match problem {
            CollectorProblem::Url | CollectorProblem::NoCas => ENDPOINT,
            CollectorProblem::Cas => CA_FILE,
            CollectorProblem::Headers(_) => HEADERS_FILE,
        };
        BadSettings::one(setting, problem)
    })
}

/// What traces need while the process serves.
#[derive(Default)]
pub(super) struct Tracing {
    /// What sends spans, and which calls are traced. `None` without a collector.
    pub(super) calls: Option<(Exporter, Traces)>,
    /// The traces of work that no call asks for: the same part of it as of calls.
    pub(super) background: BackgroundTraces,
}

/// Begins to send spans, if the process is to serve and the settings name a collector.
pub(super) fn start(
    opening: Opening,
    config: &Config,
    process: Option<&FreeName>,
    meter: &AtomicMeter,
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
) -> Result<Tracing, BadSettings> {
    let collector = match opening {
        Opening::ToServe => collector(&config.traces)?,
        Opening::Beside => None,
    };
    let Some(collector) = collector else { return Ok(Tracing::default()) };
    let exporter = collector.start(process.map(FreeName::as_str), Arc::new(meter.clone()));
    let ratio = config.traces.sample_ratio;
    let background = BackgroundTraces::new(exporter.spans(), ratio, Arc::clone(clock), Arc::clone(entropy));
    let traces = Traces { spans: exporter.spans(), ratio };
    Ok(Tracing { calls: Some((exporter, traces)), background })
}
