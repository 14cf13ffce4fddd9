//! `pepper new-key`.

use clap::Args;

use crate::ambient::{SystemClock, SystemEntropy};
use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;
use crate::domain::names::PepperKeyId;
use crate::domain::time::Timestamp;
use crate::hashing::new_key;
use crate::ports::{Clock, Entropy};

/// Create a new key and print it, as a line for the list of pepper keys.
///
/// The key is not stored anywhere. If it is lost, so is every password that was set under it.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  (umask 077; credentiald pepper new-key >> /etc/credentiald/pepper.keys)")]
pub(in crate::cli) struct NewKeyArgs {
    /// Id of the key: 1 to 32 of A-Z a-z 0-9 . _ -. Default: today's date and four random characters.
    #[arg(long, value_name = "ID", value_parser = id)]
    id: Option<PepperKeyId>,
}

fn id(text: &str) -> Result<PepperKeyId, String> {
    PepperKeyId::parse(text).map_err(|problem| problem.to_string())
}

pub(super) fn run(args: &NewKeyArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let id = match &args.id {
        Some(id) => id.clone(),
        None => today_and_random(SystemClock.now(), &SystemEntropy)?,
    };
    terminal.print(&new_key(&id, &SystemEntropy))
}

fn today_and_random(now: Timestamp, entropy: &dyn Entropy) -> Result<PepperKeyId, Failure> {
    let mut random = [0; 2];
    entropy.fill(&mut random);
    let time = prost_types::Timestamp { seconds: now.as_seconds(), nanos: 0 }.to_string();
    let (date, _) = time.split_once('T').unwrap_or((&time, ""));
    PepperKeyId::parse(&format!("{date}-{:04x}", u16::from_be_bytes(random))).map_err(Failure::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_with_the_date() {
        let table = [(0, "1970-01-01-"), (951_782_400, "2000-02-29-"), (1_795_391_999, "2026-11-22-")];
        for (seconds, date) in table {
            let id = today_and_random(Timestamp::from_micros(seconds * 1_000_000), &SystemEntropy).unwrap();
            assert!(id.as_str().starts_with(date), "{id}");
        }
    }
}
