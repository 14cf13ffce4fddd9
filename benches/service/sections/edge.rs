//! Changes over the edge for the vendors' SDKs at 80 % of its capacity: some of its clients give up after three seconds.

use std::path::Path;
use std::time::Duration;

use credentiald::hashing::Cost;

use super::Plan;
use crate::callers::SignedChange;
use crate::client::generated::credential::admin::v1::admin_service_client::AdminServiceClient;
use crate::load::{closed, ms, open};
use crate::machine::NoiseMeter;
use crate::process::free_address;
use crate::report::{Report, Target};
use crate::server::{BINARY, Server, access_key, edge_flags};

/// Callers of the closed loop. The best count is the capacity.
const CALLERS: [usize; 4] = [4, 8, 16, 32];
/// Users, each with a key and a connection of its own: more than are ever busy at the load.
const USERS: usize = 256;
/// What is offered, as a part of the capacity.
const OFFERED: f64 = 0.8;
const WARM_UP: Duration = Duration::from_millis(1500);
const WITHIN: Duration = Duration::from_secs(2);

pub async fn run(plan: Plan, report: &mut Report, noise: &NoiseMeter) {
    let folder = tempfile::tempdir().unwrap();
    let http = free_address();
    let flags = edge_flags(http, folder.path());
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let mut server = Server::start_with(Path::new(BINARY), Cost::DEFAULT, "bench", USERS, &flags).await;
    noise.add(server.process.id());
    let (connection, origin) = server.connections.next();
    let mut admin = AdminServiceClient::with_origin(connection, origin);
    let mut users = Vec::new();
    for subject in &server.tenant.subjects {
        let key = access_key(&mut admin, &server.tenant.root, &subject.name).await;
        users.push(SignedChange::new(key, http));
    }
    let mut capacity: f64 = 0.0;
    for count in CALLERS.into_iter().step_by(plan.step) {
        let mut callers: Vec<_> = users.drain(..count).collect();
        let tally = closed(&mut callers, WARM_UP, plan.window * 3).await;
        users.extend(callers);
        capacity = capacity.max(tally.rate());
        report.row(&format!("Changes/s, {count} callers"), Target::None, "", &tally.rate().into());
    }
    report.row("Capacity: the best of these", Target::None, "changes/s", &capacity.into());
    let tally = open(&mut users, capacity * OFFERED, plan.overload * 2).await;
    let sent = tally.offered() * tally.window.as_secs_f64();
    let in_time = tally.done.count_between(0, u64::try_from(WITHIN.as_micros()).unwrap()) as f64;
    let late = (sent - in_time) / sent * 100.0;
    report.row("At 80 % of it: not made within 2 s", Target::AtMost(0.1), "%", &late.into());
    for (quantile, name) in [(0.5, "median"), (0.99, "p99"), (0.999, "p99.9"), (1.0, "slowest")] {
        report.row(&format!("At 80 % of it: {name}"), Target::None, "ms", &ms(&tally.done, quantile).into());
    }
    report.row("Changes that were sent", Target::None, "", &sent.into());
    let silent = tally.untyped + tally.lost + tally.unsent;
    report.row("Not sent, or not answered", Target::AtMost(0.0), "", &(silent as f64).into());
    for (reason, count) in &tally.reasons {
        report.row(&format!("Refused: `{reason}`"), Target::None, "", &(*count as f64).into());
    }
}
