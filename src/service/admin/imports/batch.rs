//! The rows of one batch, and the verdict on each.

use std::collections::HashMap;
use std::time::Duration;

use super::remembered::Remembered;
use crate::domain::credential::PasswordHash;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::{InstanceId, Region, TenantName};
use crate::domain::subject::{Subject, SubjectId, SubjectKind, SubjectName};
use crate::domain::time::Timestamp;
use crate::ports::store::{Absent, Lookup};
use crate::service::gates::{Existing, ExistingPassword, Gates, ImportId, Newcomer};
use crate::service::requests::{ImportedPassword, RowProblem, RowToImport, SubjectFrom};

/// How far ahead the time of a change may be, as between the clocks of two machines. It then counts as now.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(30);

/// The verdict on a row.
pub(super) enum Verdict {
    /// It is to be stored.
    New,
    /// An earlier row of the batch is the same.
    Repeated,
    /// It exists already, as it is.
    Unchanged,
    /// Its subject was there before the import, and is left as it is.
    Skipped,
    /// It is refused, with all of its problems.
    Refused(Vec<RowProblem>),
}

impl Verdict {
    pub(super) fn any_refused(verdicts: &[Self]) -> bool {
        verdicts.iter().any(|verdict| matches!(verdict, Self::Refused(_)))
    }
}

/// The rows of one batch.
pub(super) struct Batch(Vec<Row>);

/// A row, as far as it could be read.
pub(super) struct Row {
    number: u64,
    tenant: Option<TenantName>,
    name: Option<SubjectName>,
    subject: Option<Subject>,
    password: Option<ImportedPassword>,
    changed_at: Timestamp,
    problems: Vec<RowProblem>,
}

/// The part that two rows of the same subject have in common.
type Key<'a> = (&'a TenantName, SubjectKind, Option<&'a InstanceId>, &'a str);

/// Rows to be stored, by the key that they share with other rows of the same subject.
pub(super) type Accepted<'a> = HashMap<Key<'a>, &'a Row>;

impl Batch {
    /// Finds all problems of each row on its own.
    pub(super) fn new(gates: &Gates, rows: Vec<RowToImport>, ids: &mut impl Iterator<Item = SubjectId>) -> Self {
        let now = gates.now();
        let read = |row: RowToImport| {
            let RowToImport { number, tenant, name, attributes, password, changed_at, mut problems } = row;
            let mut bad = |field, problem| problems.push(RowProblem::Field(InvalidField { field, problem }));
            let password = password.and_then(|password| match password {
                ImportedPassword::Absent => Some(password),
                ImportedPassword::Elsewhere if gates.has_hook() => {
                    Some(ImportedPassword::Hash(PasswordHash::verified_elsewhere()))
                }
                ImportedPassword::Elsewhere => {
                    bad(
                        "hash",
                        FieldProblem::Malformed { expected: "is absent, and no hook verifies it: set `hook.url`" },
                    );
                    None
                }
                ImportedPassword::Hash(hash) => {
                    let hash = gates.imported_hash(&hash).map_err(|problem| bad("hash", problem.into()));
                    hash.ok().map(ImportedPassword::Hash)
                }
            });
            if changed_at.is_some_and(|time| time > now.after(CLOCKS_DIFFER_BY)) {
                bad("change_time", FieldProblem::Malformed { expected: "must not lie in the future" });
            }
            let subject = match (&name, attributes, ids.next()) {
                (Some(name), Some(wanted), Some(id)) => Some(gates.new_subject(id, name.clone(), wanted)),
                _ => None,
            };
            let changed_at = changed_at.map_or(now, |time| time.min(now));
            Row { number, tenant, name, subject, password, changed_at, problems }
        };
        Self(rows.into_iter().map(read).collect())
    }

    /// The numbers of the rows.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|row| row.number)
    }

    /// The name of each row that has one.
    pub(super) fn names(&self) -> Vec<(&TenantName, &SubjectName)> {
        self.0.iter().filter_map(Row::named).collect()
    }

    /// Judges each row by what exists under its name, in the order of [`Batch::names`], and by the rows before it:
    /// those of this batch, and those of batches that are stored with it. Adds this batch to the latter if none of its
    /// rows is refused. A row that differs from a subject is refused, unless that was there before the import and those
    /// are to be skipped.
    pub(super) fn judge<'a>(
        &'a self,
        gates: &Gates,
        found: &mut impl Iterator<Item = Existing>,
        remembered: Option<&Remembered>,
        before: &mut Accepted<'a>,
        own: ImportId,
        skips_existing: bool,
    ) -> Vec<Verdict> {
        let mut new = Accepted::new();
        let judge = |row: &'a Row| {
            let mut problems = row.problems.clone();
            let mut from = SubjectFrom::EarlierRow;
            let existing = row.named().and_then(|_| found.next());
            let stored = existing.and_then(|existing| match existing.lookup {
                Lookup::Found(subject) => {
                    if !own.has_made(subject.id) {
                        from = SubjectFrom::Before;
                    }
                    Some(row.difference(&subject, &existing.password, gates))
                }
                Lookup::Missing(absent) => {
                    problems.extend(RowProblem::of(&absent));
                    None
                }
            });
            let stored = stored.or_else(|| remembered?.difference(&row.newcomer()?));
            let stored = stored.or_else(|| row.difference_in(before, gates));
            let earlier = row.difference_in(&new, gates);
            let verdict = if stored.is_some() { Verdict::Unchanged } else { Verdict::Repeated };
            match stored.or(earlier) {
                Some(difference)
                    if skips_existing
                        && from == SubjectFrom::Before
                        && (difference.is_any() || !problems.is_empty()) =>
                {
                    return Verdict::Skipped;
                }
                Some(difference) => problems.extend(difference.problems(from)),
                None if problems.is_empty() => {
                    new.extend(row.named().map(|named| (key(named), row)));
                    return Verdict::New;
                }
                None => {}
            }
            if problems.is_empty() { verdict } else { Verdict::Refused(problems) }
        };
        let verdicts: Vec<_> = self.0.iter().map(judge).collect();
        if !Verdict::any_refused(&verdicts) {
            before.extend(new);
        }
        verdicts
    }

    /// The subjects to be stored.
    pub(super) fn newcomers<'a>(&'a self, verdicts: &'a [Verdict]) -> impl Iterator<Item = Newcomer<'a>> {
        let new = self.0.iter().zip(verdicts).filter(|(_, verdict)| matches!(verdict, Verdict::New));
        new.filter_map(|(row, _)| row.newcomer())
    }

    /// The tenants of the rows that exist already.
    pub(super) fn unchanged<'a>(&'a self, verdicts: &'a [Verdict]) -> Vec<&'a TenantName> {
        let is_there = |verdict: &Verdict| matches!(verdict, Verdict::Unchanged | Verdict::Repeated);
        let there = self.0.iter().zip(verdicts).filter(|(_, verdict)| is_there(verdict));
        there.filter_map(|(row, _)| row.tenant.as_ref()).collect()
    }
}

impl Row {
    fn named(&self) -> Option<(&TenantName, &SubjectName)> {
        self.tenant.as_ref().zip(self.name.as_ref())
    }

    /// The row as a subject to be stored, if all of it could be read.
    fn newcomer(&self) -> Option<Newcomer<'_>> {
        let (tenant, subject, password) = (self.tenant.as_ref()?, self.subject.as_ref()?, self.password.as_ref()?);
        Some(Newcomer { tenant, subject, hash: password.hash(), changed_at: self.changed_at })
    }

    /// How the row differs from the row of the same subject that is to be stored, if there is one.
    fn difference_in(&self, accepted: &Accepted<'_>, gates: &Gates) -> Option<Difference> {
        let earlier = accepted.get(&key(self.named()?))?.newcomer()?;
        let hash = earlier.hash.cloned();
        Some(self.difference(
            earlier.subject,
            &ExistingPassword { is_set: hash.is_some(), hash, first_hash: None },
            gates,
        ))
    }

    /// How the row differs from a subject of the same name. Parts that could not be read do not differ.
    fn difference(&self, other: &Subject, password: &ExistingPassword, gates: &Gates) -> Difference {
        let has_own_attributes = |subject: &Subject| !own_words(subject).eq(own_words(other));
        let is_other = |own: &ImportedPassword| match own {
            ImportedPassword::Absent | ImportedPassword::Elsewhere => password.is_set,
            ImportedPassword::Hash(own) => !password.is_of(own, gates),
        };
        Difference {
            in_hash: self.password.as_ref().is_some_and(is_other),
            in_attributes: self.subject.as_ref().is_some_and(has_own_attributes),
        }
    }
}

impl RowProblem {
    /// The missing thing that a row needs. That its own subject does not exist yet is expected.
    fn of(absent: &Absent) -> Option<Self> {
        match absent {
            Absent::Tenant => Some(Self::TenantAbsent),
            Absent::Instance => Some(Self::InstanceAbsent),
            Absent::Subject { .. } => None,
        }
    }
}

/// How a row differs from a subject that exists already.
#[derive(Clone, Copy)]
pub(super) struct Difference {
    pub(super) in_hash: bool,
    pub(super) in_attributes: bool,
}

impl Difference {
    const fn is_any(self) -> bool {
        self.in_hash || self.in_attributes
    }

    fn problems(self, from: SubjectFrom) -> impl Iterator<Item = RowProblem> {
        let of_hash = self.in_hash.then_some(RowProblem::OtherHash(from));
        of_hash.into_iter().chain(self.in_attributes.then_some(RowProblem::OtherAttributes(from)))
    }
}

/// What two rows of the same subject have in common.
pub(super) fn key<'a>((tenant, name): (&'a TenantName, &'a SubjectName)) -> Key<'a> {
    (tenant, name.kind(), name.instance(), name.key())
}

/// The attributes of the subject itself, without those of its instance.
pub(super) fn own_words(subject: &Subject) -> impl Iterator<Item = &str> {
    let attributes = subject.attributes.view();
    let region = subject.own_region().map(Region::as_str);
    let tags = attributes.tags.into_iter().flatten().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    [region, attributes.status, attributes.user_name].into_iter().flatten().chain(tags)
}
