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
    let (year, month, day) = date(now);
    let id = format!("{year:04}-{month:02}-{day:02}-{:04x}", u16::from_be_bytes(random));
    PepperKeyId::parse(&id).map_err(Failure::failed)
}

/// Year, month and day in the Gregorian calendar, in UTC.
///
/// By Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn date(time: Timestamp) -> (i64, i64, i64) {
    const MICROS_OF_A_DAY: i64 = 86_400_000_000;
    // Days since 0000-03-01, in eras of 400 years.
    let days = time.as_micros().div_euclid(MICROS_OF_A_DAY) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_with_the_date() {
        // Computed with Python's `datetime`.
        let table = [
            (0, (1970, 1, 1)),
            (951_782_400, (2000, 2, 29)),
            (951_868_800, (2000, 3, 1)),
            (1_795_391_999, (2026, 11, 22)),
            (4_107_542_399, (2100, 2, 28)),
            (4_107_542_400, (2100, 3, 1)),
            (-1, (1969, 12, 31)),
        ];
        for (seconds, expected) in table {
            assert_eq!(date(Timestamp::from_micros(seconds * 1_000_000)), expected, "{seconds}");
        }
        let id = today_and_random(Timestamp::from_micros(951_782_400_000_000), &SystemEntropy).unwrap();
        assert!(id.as_str().starts_with("2000-02-29-"), "{id}");
    }
}
