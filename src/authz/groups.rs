//! Groups of callers: an operator's own, in a file beside the policies.

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{EntityUid, PolicySet};
use sha2::{Digest, Sha256};

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
        let in_file = |message: String| PolicyProblem::in_file(file, message);
        let groups: BTreeMap<String, Vec<String>> = toml::from_str(&file.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            vec![PolicyProblem::at_offset(file, at, error.message())]
        })?;
        let file_digest = Some(Sha256::digest(&file.text).into());
        let (mut read, mut problems) = (Self { file: file_digest, ..Self::default() }, Vec::new());
        for (name, callers) in groups {
            if let Err(problem) = FreeName::parse(&name) {
                problems.push(in_file(format!("the name of the group {name:?} {problem}")));
                continue;
            }
            let group = types.group(&name);
            read.all.insert(group.clone());
            for text in callers {
                let caller = NamedCaller::parse_shown(&text).and_then(NamedCaller::for_policies);
                match caller.and_then(|caller| types.caller(&caller, &Self::default()).ok()) {
                    Some(caller) => read.of_callers.entry(caller.uid()).or_default().push(group.clone()),
                    None => problems.push(in_file(format!(
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

    /// A problem for each policy that names a group without a list of callers: a forbid for it would never apply.
    pub(super) fn unknown_in(
        &self,
        policies: &PolicySet,
        types: &EntityTypes,
    ) -> Vec<(cedar_policy::PolicyId, String)> {
        let unknown = |uid: &EntityUid| types.is_group(uid) && !self.all.contains(uid);
        let named = |policy: &cedar_policy::Policy| {
            let group = policy.entity_literals().into_iter().find(&unknown)?;
            Some((policy.id().clone(), format!("names {group}, which {GROUPS_FILE} does not have")))
        };
        policies.policies().filter_map(named).collect()
    }
}
