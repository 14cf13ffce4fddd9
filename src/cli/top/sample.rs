//! Metrics as they are scraped, and what happened between two scrapes.

use std::collections::BTreeMap;

/// The values of one scrape, by name and labels.
#[derive(Debug, Default)]
pub(super) struct Scrape(Vec<(String, BTreeMap<String, String>, f64)>);

/// What is shown.
#[derive(Debug, Default, PartialEq)]
pub(super) struct View {
    /// The version of the program.
    pub(super) version: String,
    /// Whether the store answers.
    pub(super) is_store_up: bool,
    /// Open connections and open watches.
    pub(super) connections: [f64; 2],
    /// Hash workers, those that are busy, and hashes that wait.
    pub(super) workers: [f64; 3],
    /// The methods that were called, the busiest first.
    pub(super) calls: Vec<Calls>,
    /// Refusals in a second by reason, the most frequent first.
    pub(super) refusals: Vec<(String, f64)>,
}

/// The calls of one method.
#[derive(Debug, PartialEq)]
pub(super) struct Calls {
    /// The method.
    pub(super) rpc: String,
    /// Calls in a second, and those that failed.
    pub(super) rates: [f64; 2],
    /// Half of the calls, and all but one in a hundred, took no more than so many seconds.
    pub(super) durations: [Option<f64>; 2],
}

impl Scrape {
    /// Reads the text format of `OpenMetrics`. Leaves out what it does not understand.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The values of that name, with their labels.
    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a BTreeMap<String, String>, f64)> + 'a {
        self.0.iter().filter(move |(own, ..)| own == name).map(|(_, labels, value)| (labels, *value))
    }

    /// The values of that name, summed for each value of a label.
    fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (labels, value) in self.of(name) {
            *sums.entry(labels.get(label).cloned().unwrap_or_default()).or_default() += value;
        }
        sums
    }

    fn gauge(&self, name: &str) -> f64 {
        self.of(name).map(|(_, value)| value).sum()
    }
}

impl View {
    /// What happened between two scrapes, which are so many seconds apart.
    pub(super) fn between(before: &Scrape, after: &Scrape, seconds: f64) -> Self {
        let rates = |name: &str, label: &str| {
            let earlier = before.by(name, label);
            let rate = |(key, value): (String, f64)| {
                let grown = value - earlier.get(&key).copied().unwrap_or_default();
                // A counter that is smaller than before is that of another process.
                let grown = if grown < 0.0 { value } else { grown };
                (key, grown / seconds)
            };
            let mut rates: Vec<_> =
                after.by(name, label).into_iter().map(rate).filter(|(_, rate)| *rate > 0.0).collect();
            rates.sort_by(|(_, a), (_, b)| b.total_cmp(a));
            rates
        };
        let failed: BTreeMap<_, _> = rates("credentiald_refusals_total", "rpc").into_iter().collect();
        let calls = rates("credentiald_requests_total", "rpc").into_iter().map(|(rpc, rate)| Calls {
            rates: [rate, failed.get(&rpc).copied().unwrap_or_default()],
            durations: [0.5, 0.99].map(|part| quantile(part, &buckets(before, after, &rpc))),
            rpc,
        });
        let version = after.of("credentiald_build_info").find_map(|(labels, _)| labels.get("version").cloned());
        Self {
            version: version.unwrap_or_default(),
            is_store_up: after.gauge("credentiald_store_up") > 0.0,
            connections: ["credentiald_connections", "credentiald_watches"].map(|name| after.gauge(name)),
            workers: ["credentiald_hash_workers", "credentiald_hash_workers_busy", "credentiald_hashes_waiting"]
                .map(|name| after.gauge(name)),
            calls: calls.collect(),
            refusals: rates("credentiald_refusals_total", "reason"),
        }
    }
}

/// The upper bounds of the durations of a method's calls between two scrapes, each with the number of calls up to it.
fn buckets(before: &Scrape, after: &Scrape, rpc: &str) -> Vec<(f64, f64)> {
    let of = |scrape: &Scrape| {
        let all = scrape.of("credentiald_request_duration_seconds_bucket");
        let own = all.filter(|(labels, _)| labels.get("rpc").is_some_and(|own| own == rpc));
        let bound = |labels: &BTreeMap<String, String>| labels.get("le")?.replace("+Inf", "inf").parse::<f64>().ok();
        let mut own: Vec<_> = own.filter_map(|(labels, count)| Some((bound(labels)?, count))).collect();
        own.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        own
    };
    let earlier = of(before);
    let earlier = |bound: f64| earlier.iter().find(|(own, _)| own.total_cmp(&bound).is_eq()).map_or(0.0, |(_, n)| *n);
    of(after).into_iter().map(|(bound, count)| (bound, count - earlier(bound))).collect()
}

/// The value that this part of the calls does not exceed: within its bucket, as if they were spread evenly.
fn quantile(part: f64, buckets: &[(f64, f64)]) -> Option<f64> {
    let (_, all) = buckets.last().filter(|(_, all)| *all > 0.0)?;
    let wanted = part * all;
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= wanted {
            let share = (wanted - below) / (count - below);
            return Some(if bound.is_finite() { low + (bound - low) * share } else { low });
        }
        (low, below) = (*bound, *count);
    }
    None
}

/// A line with a name, perhaps labels, and a value.
fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, value) = inner.trim_start_matches(',').split_once("=\"")?;
            let mut text = String::new();
            let mut characters = value.char_indices();
            let end = loop {
                match characters.next()? {
                    (end, '"') => break end,
                    (_, '\\') => text.push(characters.next()?.1),
                    (_, character) => text.push(character),
                }
            };
            labels.insert(label.to_owned(), text);
            inner = value.get(end..)?.strip_prefix('"')?;
        }
        rest = inner.strip_prefix('}')?;
    }
    Some((name.to_owned(), labels, rest.split_whitespace().next()?.parse().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two scrapes with 20 calls between them, of which 5 failed.
    pub(in super::super) fn scrapes() -> [Scrape; 2] {
        let text = |calls: u32, failed: u32, fast: u32| {
            format!(
                "# TYPE credentiald_requests counter\n\
                 credentiald_requests_total{{rpc=\"VerifyPassword\",code=\"OK\"}} {}\n\
                 credentiald_requests_total{{rpc=\"VerifyPassword\",code=\"NOT_FOUND\"}} {failed}\n\
                 credentiald_requests_total{{rpc=\"WatchChanges\",code=\"OK\"}} 1\n\
                 credentiald_refusals_total{{rpc=\"VerifyPassword\",reason=\"OVERLOADED\"}} {failed}\n\
                 credentiald_request_duration_seconds_bucket{{le=\"0.01\",rpc=\"VerifyPassword\"}} {fast}\n\
                 credentiald_request_duration_seconds_bucket{{le=\"0.1\",rpc=\"VerifyPassword\"}} {calls} # {{a=\"}} 7\"}} 0.05\n\
                 credentiald_request_duration_seconds_bucket{{le=\"+Inf\",rpc=\"VerifyPassword\"}} {calls}\n\
                 credentiald_hash_workers 2\ncredentiald_hash_workers_busy 1\ncredentiald_hashes_waiting 3\n\
                 credentiald_connections 4\ncredentiald_watches 1\ncredentiald_store_up 1\n\
                 credentiald_build_info{{version=\"0.1.0 \\\"x\\\"\"}} 1\nnonsense\nodd{{a=\"\n# EOF\n",
                calls - failed
            )
        };
        [text(10, 0, 10), text(30, 5, 20)].map(|text| Scrape::parse(&text))
    }

    #[test]
    fn rates_and_quantiles_are_those_between_two_scrapes() {
        let [before, after] = scrapes();
        let view = View::between(&before, &after, 2.0);
        assert_eq!((view.version.as_str(), view.is_store_up), ("0.1.0 \"x\"", true));
        assert_eq!(format!("{:?} {:?}", view.workers, view.connections), "[2.0, 1.0, 3.0] [4.0, 1.0]");
        let [calls] = &view.calls[..] else { panic!("one method was called: {view:?}") };
        assert_eq!(format!("{} {:?}", calls.rpc, calls.rates), "VerifyPassword [10.0, 2.5]");
        let [half, most] = calls.durations.map(Option::unwrap);
        assert!((half - 0.01).abs() < 1e-9 && (most - 0.0982).abs() < 1e-9, "{half} {most}");
        assert_eq!(format!("{:?}", view.refusals), r#"[("OVERLOADED", 2.5)]"#);
        // Another process has begun from 0.
        let restarted = View::between(&after, &before, 2.0);
        assert_eq!(format!("{:?}", restarted.calls[0].rates), "[5.0, 0.0]");
        assert_eq!(View::between(&Scrape::default(), &Scrape::default(), 2.0), View::default());
    }
}
