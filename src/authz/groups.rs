//! Groups of callers: an operator's own, in a file beside the policies.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use cedar_policy::{EntityUid, Policy, PolicySet};
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::entities::EntityTypes;
use super::policies::PolicyFile;
use super::problem::PolicyProblem;
use crate::domain::named_caller::NamedCaller;
use crate::domain::names::FreeName;

/// The name of the file.
pub const GROUPS_FILE: &str = "groups.toml";

/// The groups of each caller.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The SHA-256 of the file, if there is one.
    file: Option<[u8; 32]>,
    all: HashSet<EntityUid>,
    of_callers: HashMap<EntityUid, Vec<EntityUid>>,
}

impl Groups {
    /// Reads the groups from the file: each group's name with the list of its callers.
    pub(super) fn read(file: &PolicyFile, types: &EntityTypes) -> Result<Self, Vec<PolicyProblem>> {
        let at = |span: Range<usize>, message: String| PolicyProblem::at_offset(file, span.start, message);
        let groups: BTreeMap<Spanned<String>, Vec<Spanned<String>>> = toml::from_str(&file.text)
            .map_err(|error| vec![at(error.span().unwrap_or_default(), error.message().to_owned())])?;
        let file_digest = Some(Sha256::digest(&file.text).into());
        let (mut read, mut problems) = (Self { file: file_digest, ..Self::default() }, Vec::new());
        for (name, callers) in groups {
            let (span, name) = (name.span(), name.into_inner());
            if let Err(problem) = FreeName::parse(&name) {
                problems.push(at(span, format!("the name of the group {name:?} {problem}")));
                continue;
            }
            let group = types.group(&name);
            read.all.insert(group.clone());
            for text in callers {
                let (span, text) = (text.span(), text.into_inner());
                let caller = NamedCaller::parse_shown(&text).and_then(NamedCaller::for_policies);
                match caller.and_then(|caller| types.caller(&caller, &Self::default()).ok()) {
                    Some(caller) => read.of_callers.entry(caller.uid()).or_default().push(group.clone()),
                    None => problems.push(at(span, format!(
                        "{text:?} in the group {name:?} must be tenant/kind/name, as in acme/ram-user/jane or -/operator/ops"
                    ))),
                }
            }
        }
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    /// Whether both are of the same file. Each decision asks this while there are candidates, so the groups themselves,
    /// which may have many callers, are not compared.
    pub(super) fn are_of_the_same_file(&self, other: &Self) -> bool {
        self.file == other.file
    }

    /// The groups that a caller is in.
    pub(super) fn of(&self, caller: &EntityUid) -> impl Iterator<Item = EntityUid> {
        self.of_callers.get(caller).into_iter().flatten().cloned()
    }

    /// The groups without a list of callers that policies name, each with its policy: a forbid for it would never apply.
    pub(super) fn unknown_in<'a>(
        &'a self,
        policies: &'a PolicySet,
        types: &'a EntityTypes,
    ) -> impl Iterator<Item = (&'a Policy, EntityUid)> {
        policies.policies().flat_map(move |policy| {
            let named: BTreeSet<_> = policy.entity_literals().into_iter().collect();
            let unknown = named.into_iter().filter(|uid| types.is_group(uid) && !self.all.contains(uid));
            unknown.map(move |group| (policy, group))
        })
    }
}
