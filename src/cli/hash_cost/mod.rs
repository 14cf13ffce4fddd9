//! `hash-cost`.

mod candidates;
mod report;

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::configuration::load;
use super::environment::Environment;
use super::failure::Failure;
use super::output::OutputArgs;
use super::progress::styled;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::hashing::{Cost, EngineSettings, Gauge, KernelChoice, MeasureError, usable_cpus};
use crate::server::engine_settings;
use candidates::{Budget, Candidate, Outcome, costs};
use report::Report;

/// How long each cost is measured with one worker, and how long with all workers together.
const MEASURED_FOR: Duration = Duration::from_millis(250);

/// Measure how long hashes take on this machine, and propose a cost within a budget.
///
/// Uses the kernel and the number of workers that the service would use, so run it on the machine of the service, with
/// nothing else running. Proposes the cost with the most memory, then the most passes (RFC 9106, section 4), whose hash
/// takes at most the latency while every worker is busy, and whose workers take at most the memory. `--output name` prints the
/// proposal alone, as in m=47104,t=1,p=1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald hash-cost
  credentiald hash-cost --latency-ms 100 --memory-mib 512 --hashing-workers 4
  credentiald hash-cost --json > costs.json")]
pub(super) struct HashCostArgs {
    /// Milliseconds that one hash may take while every worker is busy.
    #[arg(long, value_name = "NUMBER", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    latency_ms: u32,
    /// MiB of memory that all workers may take together.
    #[arg(long, value_name = "NUMBER", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    memory_mib: u32,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) fn run(args: &HashCostArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let config = load(&args.settings, environment)?.config;
    let EngineSettings { cost, kernel, workers, pairs, .. } = engine_settings(&config).map_err(Failure::failed)?;
    let kernel = KernelChoice::new(kernel, cost, &SystemEntropy);
    let budget = Budget {
        latency: Duration::from_millis(args.latency_ms.into()),
        memory_mib: args.memory_mib,
        workers: workers.and_then(|workers| NonZeroU32::try_from(workers).ok()).unwrap_or_else(usable_cpus),
        pairs: pairs && kernel.interleaves(),
    };
    let candidates =
        measure(&costs(cost), &budget, kernel).map_err(|error| Failure::caused("can't measure", &error))?;
    let report = Report { kernel, budget, candidates, in_force: cost };
    // As argon2 writes its parameters.
    let name = |cost: Cost| format!("m={},t={},p={}", cost.memory_kib(), cost.iterations(), cost.parallelism());
    let name = report.proposal().map(name).unwrap_or_default();
    terminal.print(&args.output.shown(&report.json(), &report.text(), &name))?;
    match report.proposal() {
        Some(_) => Ok(()),
        None => Err(Failure::failed("no cost within the budget is strong enough")),
    }
}

/// Measures the costs whose memory is within the budget.
fn measure(costs: &[Cost], budget: &Budget, kernel: KernelChoice) -> Result<Vec<Candidate>, MeasureError> {
    let has_memory = |cost: &&Cost| budget.has_memory_for(**cost);
    let Some(largest) = costs.iter().filter(has_memory).map(|cost| budget.kib_each(*cost)).max() else {
        return Ok(costs.iter().map(|cost| Candidate { cost: *cost, outcome: Outcome::TooLarge }).collect());
    };
    let steps = costs.iter().filter(has_memory).count().try_into().unwrap_or(u64::MAX);
    let progress = styled(ProgressBar::new(steps), "{bar:30} {pos}/{len} {msg}");
    let mut gauge = Gauge::new(kernel, budget.workers, largest, &SystemClock)?;
    let candidate = |cost: &Cost| {
        let outcome = if budget.has_memory_for(*cost) {
            progress.set_message(format!("{} KiB, {} passes", cost.memory_kib(), cost.iterations()));
            let measured = gauge.measure(*cost, budget.is_in_pairs(*cost), MEASURED_FOR)?;
            progress.inc(1);
            budget.judge(measured)
        } else {
            Outcome::TooLarge
        };
        Ok(Candidate { cost: *cost, outcome })
    };
    let candidates = costs.iter().map(candidate).collect();
    progress.finish_and_clear();
    candidates
}
