//! `pepper status`.

use clap::Args;
use serde_json::{Value, json};

use super::{name_of, ring_and_store};
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::settings::SettingArgs;
use crate::cli::table::{plain, trimmed};
use crate::cli::terminal::Terminal;
use crate::domain::names::PepperKeyId;
use crate::hashing::KeyRing;
use crate::ports::StoreError;
use crate::ports::store::{HashCount, StoredHashes};

const COLUMNS: [&str; 5] = ["KEY", "IN THE RING", "CURRENT HASHES", "EARLIER HASHES", "SECRETS"];

/// Show how many stored hashes and secrets need each key, and which configured keys are no longer needed.
///
/// Secrets are those of access keys, the passwords of the users of instance endpoints, and what is to be delivered to nodes.
///
/// Exit status 1 if a key is missing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald pepper status --config /etc/credentiald/credentiald.toml --json")]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &StatusArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let (ring, store) = ring_and_store(&args.settings, environment).await?;
    let rows = rows(&ring, &store).await.map_err(|error| Failure::caused("can't count hashes and secrets", &error))?;
    store.close().await;
    let names: Vec<_> = rows.iter().filter_map(|row| row.key.as_ref()).map(PepperKeyId::as_str).collect();
    terminal.print(&args.output.shown(&to_json(&rows), &table(&rows), &names.join("\n")))?;
    let missing: Vec<_> = rows.iter().filter(|row| row.place == Place::Missing).map(Row::name).collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::failed(format!("missing keys: {}", missing.join(", ")))) }
}

/// A key, and the hashes and secrets under it.
struct Row {
    key: Option<PepperKeyId>,
    place: Place,
    count: HashCount,
}

/// The role of a key in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The key that encrypts.
    First,
    /// A key that only decrypts.
    Other,
    /// The key is missing, although hashes or secrets need it.
    Missing,
    /// Nothing any more.
    Lost,
    /// Nothing, and none is needed: these hashes are not wrapped.
    None,
}

impl Place {
    const fn word(self) -> &'static str {
        match self {
            Self::First => "encrypts",
            Self::Other => "decrypts",
            Self::Missing => "missing",
            Self::Lost => "lost",
            Self::None => "-",
        }
    }
}

impl Row {
    fn name(&self) -> &str {
        name_of(self.key.as_ref())
    }

    fn is_unused(&self) -> bool {
        self.place == Place::Other && self.count.total() == 0
    }
}

/// The keys of the ring in its order, then the others that hashes or secrets are wrapped under, then what is not wrapped.
async fn rows(ring: &KeyRing, store: &dyn StoredHashes) -> Result<Vec<Row>, StoreError> {
    let in_use = store.keys_in_use().await?;
    let others = in_use.iter().flatten().filter(|id| !ring.has(id));
    let keys = ring.ids().chain(others).cloned().map(Some).chain([None]);
    let mut rows = Vec::new();
    for key in keys {
        let place = match &key {
            None => Place::None,
            Some(id) if ring.has_lost(id) => Place::Lost,
            Some(id) if !ring.has(id) => Place::Missing,
            id if id.as_ref() == ring.current() => Place::First,
            Some(_) => Place::Other,
        };
        let count = store.count_under(key.as_ref()).await?;
        rows.push(Row { key, place, count });
    }
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let mut table = plain();
    table.set_header(COLUMNS);
    table.add_rows(rows.iter().map(|row| {
        let place = if row.is_unused() { "decrypts, unused" } else { row.place.word() };
        let HashCount { current, earlier, secrets } = row.count;
        let [current, earlier, secrets] = [current, earlier, secrets].map(|count| count.to_string());
        [row.name().to_owned(), place.to_owned(), current, earlier, secrets]
    }));
    trimmed(&table)
}

fn to_json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "key": row.key.as_ref().map(PepperKeyId::as_str),
            "in_the_ring": row.place.word(),
            "current_hashes": row.count.current,
            "earlier_hashes": row.count.earlier,
            "secrets": row.count.secrets,
            "unused": row.is_unused(),
        })
    };
    json!({ "keys": rows.iter().map(row).collect::<Vec<_>>() })
}
