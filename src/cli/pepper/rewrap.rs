//! `pepper rewrap`.

use clap::Args;
use indicatif::ProgressBar;

use super::{name_of, ring_and_store};
use crate::ambient::SystemClock;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::progress::styled;
use crate::cli::settings::SettingArgs;
use crate::cli::terminal::Terminal;
use crate::hashing::{KeyRing, Rotated, Rotation};
use crate::ports::StoreError;
use crate::ports::store::{HashCount, StoredHashes};

/// Re-encrypt every stored hash, and every stored secret, under the first key, including hashes that are not encrypted yet.
///
/// Needs access to the store; the service may be running. What changes in the meantime is not overwritten. If it is
/// interrupted, run it again to continue. Exit status 1 if a hash or a secret was not re-encrypted.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald pepper rewrap --config /etc/credentiald/credentiald.toml")]
pub(in crate::cli) struct RewrapArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &RewrapArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let (ring, store) = ring_and_store(&args.settings, environment).await?;
    let Some(current) = ring.current() else {
        store.close().await;
        return Err(Failure::failed("no pepper key is configured: set pepper.keys_file or pepper.keys"));
    };
    let rotated = rotate(&ring, &store).await;
    let lines = match &rotated {
        Ok(rotated) => other_keys(&ring, &store, rotated).await,
        Err(_) => Ok(Vec::new()),
    };
    store.close().await;
    let lost =
        |error: StoreError| Failure::caused("can't re-encrypt everything; run the command again to continue", &error);
    let (rotated, lines) = (rotated.map_err(lost)?, lines.map_err(lost)?);
    terminal.print(&format!("re-encrypted {} under {current}", hashes(rotated.rewrapped)))?;
    if rotated.secrets > 0 {
        terminal.print(&format!("re-encrypted secrets: {}", rotated.secrets))?;
    }
    lines.iter().try_for_each(|line| terminal.print(line))?;
    if rotated.left.is_empty() {
        return Ok(());
    }
    rotated.examples.iter().for_each(|example| terminal.complain(example));
    let left: Vec<_> = rotated.left.iter().map(|(problem, count)| format!("{}: {problem}", of_both(*count))).collect();
    Err(Failure::failed(format!("not re-encrypted: {}", left.join("; "))))
}

async fn rotate(ring: &KeyRing, store: &dyn StoredHashes) -> Result<Rotated, StoreError> {
    let rotation = Rotation::new(ring, store, &SystemClock);
    let steps = rotation.ahead().await?.iter().map(|(_, count)| count).sum();
    let progress = styled(ProgressBar::new(steps), "{bar:30} {pos}/{len} {per_sec}, {eta} left");
    let rotated = rotation.run(|count| progress.inc(count)).await;
    progress.finish_and_clear();
    rotated
}

/// Which keys can be removed.
async fn other_keys(ring: &KeyRing, store: &dyn StoredHashes, rotated: &Rotated) -> Result<Vec<String>, StoreError> {
    let in_use = store.keys_in_use().await?;
    let mut lines = Vec::new();
    for id in ring.ids().skip(1) {
        let key = Some(id.clone());
        if in_use.contains(&key) {
            let count = store.count_under(Some(id)).await?;
            let why = if rotated.left.is_empty() {
                "a service still encrypts under it: make the new key its first one, and run this command again"
            } else {
                "they could not be re-encrypted"
            };
            lines.push(format!("{id}: {} left; {why}", counted(count)));
        } else {
            lines.push(format!("{id}: unused; you can remove it from the ring"));
        }
    }
    if in_use.contains(&None) {
        let count = store.count_under(None).await?;
        lines.push(format!("{}: {} left", name_of(None), counted(count)));
    }
    Ok(lines)
}

fn hashes(count: u64) -> String {
    if count == 1 { "1 hash".to_owned() } else { format!("{count} hashes") }
}

/// A number that is of both together.
fn of_both(count: u64) -> String {
    if count == 1 { "1 hash or secret".to_owned() } else { format!("{count} hashes or secrets") }
}

/// Hashes, secrets or both.
fn counted(count: HashCount) -> String {
    let secrets = if count.secrets == 1 { "1 secret".to_owned() } else { format!("{} secrets", count.secrets) };
    match (count.hashes(), count.secrets) {
        (of_hashes, 0) => hashes(of_hashes),
        (0, _) => secrets,
        (of_hashes, _) => format!("{} and {secrets}", hashes(of_hashes)),
    }
}
