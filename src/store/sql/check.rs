//! Integrity check: reads everything to find damage.

use futures_util::StreamExt;

use super::rows::{self, Read, subject_columns};
use super::{
    Database, Row, Statement, attempts, audit_chain, audit_events, candidates, change_events, client_tokens,
    deliveries, endpoints, hash_pages, overlaps, sql, tenant_settings,
};
use crate::domain::access_token::AccessTokenForm;
use crate::domain::credential::PasswordHash;
use crate::domain::delivery::DeliveredPasswords;
use crate::domain::endpoint::StoredEndpoint;
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::subject::SubjectId;
use crate::ports::store::HashEntry;
use crate::ports::{Pepper, PepperError, PepperProblem, StoreError};

/// Number of damages that fit into one line.
const SHOWN: usize = 10;

/// Result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Number of rows that were read and parsed.
    pub sound_rows: u64,
    /// Number of these whose hash or secret can't be opened, because its key is declared lost.
    pub lost: u64,
    /// Everything that is damaged, one line each. Contains no stored values.
    pub damages: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// The damage in one line, as far as it fits.
    pub(in crate::store) fn summary(&self) -> String {
        let (shown, more) = self.damages.split_at(self.damages.len().min(SHOWN));
        let more = (!more.is_empty()).then(|| format!("and {} more", more.len()));
        shown.iter().cloned().chain(more).collect::<Vec<_>>().join("; ")
    }

    /// Adds an error, without the prefix that all damage messages share.
    pub(in crate::store) fn add(&mut self, before: &str, error: StoreError) {
        let detail = match error {
            StoreError::Damaged(detail) => detail,
            StoreError::Unavailable(cause) => cause.to_string(),
            error => error.to_string(),
        };
        self.damages.push(format!("{before}{detail}"));
    }
}

/// Reads every row as strictly as the service does, and checks the rules between rows. With a pepper, opens every
/// wrapped hash.
pub(in crate::store) async fn check(database: &dyn Database, pepper: Option<&dyn Pepper>, report: &mut CheckReport) {
    let mut opener = Opener { pepper, lost: 0 };
    for (table, read) in TABLES {
        check_rows(database, &mut opener, report, table, *read).await;
    }
    report.lost = opener.lost;
    for (rule, select) in RULES {
        check_rule(database, report, rule, select).await;
    }
}

/// Reads a row, as strictly as any part of the program does.
type ReadRow = fn(&Row, &mut Opener<'_>) -> Read<()>;

const TABLES: &[(&str, ReadRow)] = &[
    ("tenant", |row, _| {
        rows::tenant(row)?;
        tenant_settings::read(row).map(drop)
    }),
    ("candidate_policy", |row, _| candidates::check(row)),
    ("instance", |row, _| rows::instance(row).map(drop)),
    ("endpoint", |row, opener| {
        let StoredEndpoint { id, secret, .. } = endpoints::endpoint(row)?;
        opener.unseal(SealPurpose::NodeCredential, &id.to_string(), &secret)
    }),
    ("subject", |row, _| rows::subject(row).map(drop)),
    ("delivery", |row, opener| {
        let (subject, state) = (SubjectId(rows::uuid(row, "subject_id")?), deliveries::state(row)?);
        let bound = DeliveredPasswords::seal_bound(subject, state.version);
        let unseal = |sealed| opener.unseal(SealPurpose::DeliveredPasswords, &bound, &sealed);
        deliveries::passwords(row)?.map_or(Ok(()), unseal)
    }),
    ("credential", |row, opener| {
        rows::change_id(row)?;
        rows::credential(row)?;
        opener.open(row)
    }),
    ("earlier_hash", |row, opener| {
        rows::change_id(row)?;
        row.optional_integer("changed_at")?;
        opener.open(row)
    }),
    ("password_use", |row, _| {
        rows::version(row, "version")?;
        overlaps::password_use(row).map(drop)
    }),
    ("pair_failures", |row, _| {
        is_digest(row, "subject_key")?;
        attempts::pair_failures(row).map(drop)
    }),
    ("subject_failures", |row, _| {
        is_digest(row, "subject_key")?;
        rows::failures(row).map(drop)
    }),
    ("access_token", |row, opener| {
        let token = rows::access_token(row)?;
        match token.form {
            AccessTokenForm::Bearer => is_digest(row, "digest"),
            AccessTokenForm::AccessKey => {
                opener.unseal(SealPurpose::AccessKeySecret, &token.seal_bound(), &rows::secret(row)?)
            }
        }
    }),
    ("spent_nonce", |row, _| {
        is_digest(row, "nonce_key")?;
        rows::time(row, "expires_at").map(drop)
    }),
    ("change_event", |row, _| {
        change_events::tenant_id(row)?;
        change_events::event(row).map(drop)
    }),
    ("change_position", |row, _| change_events::kept(row).map(drop)),
    ("page_key", |row, _| is_digest(row, "key")),
    ("client_token", |row, _| {
        is_digest(row, "token_key")?;
        client_tokens::remembered(row).map(drop)
    }),
    ("leftover", |row, _| {
        rows::uuid(row, "tenant_id")?;
        row.text("after").map(drop)
    }),
    ("audit_event", |row, _| audit_events::event(row).map(drop)),
    ("audit_checkpoint", |row, _| audit_chain::checkpoint(row).map(drop)),
    ("audit_cut", |row, _| audit_chain::cut(row).map(drop)),
];

/// The columns to read, and the rest of `FROM`, in which the table is `s`.
fn selected(table: &str) -> [&'static str; 2] {
    match table {
        "subject" => [subject_columns!(), " s LEFT JOIN instance i ON i.tenant = s.tenant AND i.id = s.instance"],
        _ => ["s.*", " s"],
    }
}

/// Rules between rows, each with a query that counts the rows that break it.
const RULES: &[(&str, &str)] = &[
    (
        "earlier hashes that are not earlier than their credential",
        "SELECT count(*) AS broken FROM earlier_hash e LEFT JOIN credential c ON c.subject_id = e.subject_id
         WHERE c.version IS NULL OR c.version <= e.version",
    ),
    (
        "subjects whose failures are not those of their callers",
        "SELECT count(*) AS broken FROM subject_failures s
         WHERE s.count <> (SELECT coalesce(sum(p.count * (1 - p.stopped)), 0) FROM pair_failures p
             WHERE p.subject_key = s.subject_key)",
    ),
    (
        "failures that are not counted for their subject",
        "SELECT count(*) AS broken FROM pair_failures p
         WHERE p.stopped = 0 AND NOT EXISTS (SELECT 1 FROM subject_failures s WHERE s.subject_key = p.subject_key)",
    ),
    (
        "deliveries of accounts that are gone and not withdrawn, or withdrawn and not gone",
        "SELECT count(*) AS broken FROM delivery d LEFT JOIN subject s ON s.id = d.subject_id
         WHERE (s.id IS NULL) <> (d.phase = 'withdrawing')",
    ),
    (
        "change events that are not counted for their subject",
        "SELECT count(*) AS broken FROM change_event e JOIN subject s ON s.id = e.subject_id WHERE e.number > s.events",
    ),
    (
        "change events at positions that are not kept",
        "SELECT count(*) AS broken FROM change_event e LEFT JOIN change_position p ON p.only_row = 1
         WHERE p.last IS NULL OR e.position > p.last OR e.position <= p.purged",
    ),
];

async fn check_rows(
    database: &dyn Database,
    opener: &mut Opener<'_>,
    report: &mut CheckReport,
    table: &'static str,
    read: ReadRow,
) {
    let [columns, rest] = selected(table);
    let select =
        Statement::of_parts(&["SELECT ", database.place_of_row(), " AS place, ", columns, " FROM ", table, rest]);
    let mut found = database.scan(select);
    while let Some(row) = found.next().await {
        let row = match row {
            Ok(row) => row,
            // The rows after it cannot be reached.
            Err(error) => return report.add(&format!("{table}: "), error),
        };
        match read(&row, opener) {
            Ok(()) => report.sound_rows += 1,
            Err(error) => {
                let place = row.text("place").unwrap_or_default();
                report.add(&format!("{table}, row {place}: "), error);
            }
        }
    }
}

async fn check_rule(database: &dyn Database, report: &mut CheckReport, rule: &str, select: &'static str) {
    let broken = database
        .read(&[sql(select).taking_long()])
        .await
        .and_then(|found| found.iter().flatten().map(|row| row.integer("broken")).sum());
    match broken {
        Ok(0) => {}
        Ok(count) => report.damages.push(format!("{count} {rule}")),
        Err(error) => report.add("", error),
    }
}

/// Opens hashes and secrets, if the keys are at hand.
struct Opener<'a> {
    pepper: Option<&'a dyn Pepper>,
    /// Number of those whose keys are declared lost. The operator knows of that loss, and no backup has what is lost, so it is
    /// no damage.
    lost: u64,
}

impl Opener<'_> {
    /// Checks that the hash of a row opens in it.
    fn open(&mut self, row: &Row) -> Read<()> {
        let HashEntry { subject, version, hash } = hash_pages::entry(row)?;
        match self.pepper.map(|pepper| pepper.open(&hash, subject, version)) {
            Some(Ok(opened)) => is_verified(&opened),
            Some(Err(PepperError { problem: PepperProblem::KeyLost(_), .. })) => self.is_lost("hash", hash.expose()),
            Some(Err(error)) => Err(StoreError::Damaged(error.to_string())),
            None if hash.key().is_none() => is_verified(&PasswordHash::new(hash.expose().to_owned())),
            None => looks_encrypted("hash", hash.expose()),
        }
    }

    /// Checks that a sealed text opens in its row.
    fn unseal(&mut self, purpose: SealPurpose, bound: &str, secret: &Sealed) -> Read<()> {
        match self.pepper.map(|pepper| pepper.unseal(purpose, bound, secret)) {
            Some(Ok(_)) => Ok(()),
            Some(Err(PepperProblem::KeyLost(_))) => self.is_lost("secret", secret.expose()),
            Some(Err(problem)) => Err(StoreError::Damaged(format!("the secret {problem}"))),
            None => looks_encrypted("secret", secret.expose()),
        }
    }

    fn is_lost(&mut self, column: &str, text: &str) -> Read<()> {
        self.lost += 1;
        looks_encrypted(column, text)
    }
}

fn looks_encrypted(column: &str, text: &str) -> Read<()> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if !text.is_empty() && text.bytes().all(is_base64) { Ok(()) } else { Err(rows::damaged(column)) }
}

/// Whether passwords are verified by it: here, by a hash, or in another system.
fn is_verified(hash: &PasswordHash) -> Read<()> {
    if hash.is_verified_elsewhere() { Ok(()) } else { looks_like_phc(hash.expose()) }
}

/// Whether the text has the format of a PHC or crypt string: `$`, a name, `$`, and the rest, all visible ASCII. The
/// hash engine interprets the rest.
fn looks_like_phc(hash: &str) -> Read<()> {
    let mut parts = hash.split('$');
    let starts = parts.next() == Some("");
    let named = parts.next().is_some_and(|name| {
        (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    let goes_on = parts.next_back().is_some_and(|last| !last.is_empty());
    let visible = hash.bytes().all(|byte| byte.is_ascii_graphic());
    if starts && named && goes_on && visible { Ok(()) } else { Err(rows::damaged("hash")) }
}

fn is_digest(row: &Row, column: &str) -> Read<()> {
    rows::digest(row, column).map(drop)
}
