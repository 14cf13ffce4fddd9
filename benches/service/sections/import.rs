//! Imports into an empty store, in each of the databases.

use std::path::Path;

use credentiald::hashing::Cost;

use super::Plan;
use crate::machine::NoiseMeter;
use crate::report::{Report, Series, Target};
use crate::site::{Database, Site};

pub async fn run(program: &Path, plan: Plan, report: &mut Report, noise: &mut NoiseMeter) {
    let databases = [("SQLite", Target::AtLeast(60_000.0)), ("PostgreSQL", Target::None)];
    for (name, target) in databases {
        let (mut rates, mut cpu_times) = <(Series, Series)>::default();
        for _ in 0..plan.rounds {
            let database = if name == "SQLite" { Database::Sqlite } else { Database::postgres().await };
            let site = Site::start(program, Cost::DEFAULT, database).await;
            noise.add(site.process.id());
            let before = site.process.cpu_time();
            rates.push(site.fill(plan.rows));
            let used = site.process.cpu_time().saturating_sub(before);
            cpu_times.push(used.as_secs_f64() * 1e6 / plan.rows as f64);
        }
        report.row(&format!("Into {name}: rows/s"), target, "", &rates);
        report.row(&format!("Into {name}: CPU time of a row in the service"), Target::None, "µs", &cpu_times);
    }
}
