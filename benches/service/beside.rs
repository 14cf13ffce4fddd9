//! Another build of the program, in turn with this one.

use std::path::Path;
use std::time::Duration;

use credentiald::hashing::Cost;

use crate::charts::Curves;
use crate::machine::NoiseMeter;
use crate::report::Report;
use crate::sections::{self, Bench, Plan, Section};
use crate::server::{BINARY, Server};

/// How long ten times the capacity is offered at most in each round.
const SHORT_OVERLOAD: Duration = Duration::from_secs(15);

/// Runs the sections with both builds, round after round, each of them first in every other round. Prints the ratios.
pub async fn compare(other: &Path, costs: &[Cost], sections: &[Section], plan: Plan) {
    let mut ratios = String::new();
    for cost in costs {
        let programs = [Path::new(BINARY), other];
        let mut servers = Vec::new();
        for program in programs {
            servers.push(Server::start(program, *cost, plan.subjects).await);
        }
        let processes: Vec<u32> = servers.iter().map(|server| server.process.id()).collect();
        let mut benches = servers.into_iter().map(|server| Bench {
            cost: *cost,
            // The rounds are the ones below.
            plan: Plan { rounds: 1, overload: plan.overload.min(SHORT_OVERLOAD), ..plan },
            server,
            slapd: None,
            report: Report::default(),
            noise: NoiseMeter::start(),
            curves: Curves::default(),
        });
        let (Some(mut own), Some(mut others)) = (benches.next(), benches.next()) else { return };
        for process in processes {
            own.noise.add(process);
            others.noise.add(process);
        }
        let mut reports = [Report::default(), Report::default()];
        for section in sections {
            for round in 0..plan.rounds {
                for turn in [round % 2, (round + 1) % 2] {
                    let bench = if turn == 0 { &mut own } else { &mut others };
                    println!("\n{}, round {}", programs[turn].display(), round + 1);
                    bench.run(*section).await;
                    reports[turn].add(std::mem::take(&mut bench.report));
                }
            }
        }
        let [own, others] = reports;
        ratios.push_str(&own.beside(&others));
    }
    if !ratios.is_empty() {
        println!("\n# This build ÷ {}\n{ratios}", other.display());
    }
}

/// Imports with both builds, round after round, each of them first in every other round. Prints the ratios.
pub async fn compare_imports(other: &Path, plan: Plan) {
    let programs = [Path::new(BINARY), other];
    let (mut reports, mut noise) = ([Report::default(), Report::default()], NoiseMeter::start());
    for round in 0..plan.rounds {
        for turn in [round % 2, (round + 1) % 2] {
            println!("\n{}, round {}", programs[turn].display(), round + 1);
            let mut report = Report::default();
            sections::import(programs[turn], Plan { rounds: 1, ..plan }, &mut report, &mut noise).await;
            reports[turn].add(report);
        }
    }
    let [own, others] = reports;
    println!("\n# This build ÷ {}\n{}", other.display(), own.beside(&others));
}
