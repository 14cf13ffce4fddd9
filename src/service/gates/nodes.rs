//! Asks the nodes of an instance.

use futures_util::future::join_all;
use zeroize::Zeroizing;

use super::Gates;
use super::delivery::Round;
use crate::domain::endpoint::{Discovery, Endpoint, NodeAddress, StoredEndpoint};
use crate::domain::sealed::SealPurpose;
use crate::ports::call_record;
use crate::ports::meter::{Counter, NodeOutcome};
use crate::ports::spans::{OpenSpan, Work};
use crate::ports::{AccountPasswords, NodeProblem};
use crate::service::ServiceError;

/// How many nodes of an instance are asked at a time.
const NODES_AT_ONCE: usize = 32;

/// The nodes that an account's passwords did not reach, and why.
pub(super) type Problems = Vec<(NodeAddress, NodeProblem)>;

/// What became of an account on the nodes.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Problems,
    /// The first node that had other passwords before.
    pub(super) different: Option<NodeAddress>,
}

impl Gates {
    /// The password of the endpoint's user, and the nodes that the endpoint stands for now; or why they are not known.
    pub(super) async fn nodes_of(&self, round: &Round) -> Result<(Zeroizing<String>, Vec<NodeAddress>), String> {
        let StoredEndpoint { id, endpoint, secret, .. } = &round.leased;
        let secret = self.ports.pepper.unseal(SealPurpose::NodeCredential, &id.to_string(), secret);
        let secret = secret.map_err(|problem| format!("the password of the endpoint's user {problem}"))?;
        let nodes = self.ports.nodes.nodes(endpoint, &secret).await;
        let told_by = match endpoint.discovery {
            Discovery::Sentinel(_) => "a Sentinel",
            Discovery::Cluster | Discovery::Named => "a node of the cluster",
        };
        Ok((secret, nodes.map_err(|problem| format!("{told_by} {problem}"))?))
    }

    /// Sets the passwords on all nodes, for as long as the round holds its instance. Returns what became of each account, in the
    /// order of the nodes.
    pub(super) async fn set_on_nodes(
        &self,
        round: &Round,
        nodes: &[NodeAddress],
        secret: &Zeroizing<String>,
        passwords: &[AccountPasswords],
    ) -> Result<Option<Vec<Found>>, ServiceError> {
        let mut found: Vec<Found> = passwords.iter().map(|_| Found::default()).collect();
        let endpoint = &round.leased.endpoint;
        for nodes in nodes.chunks(NODES_AT_ONCE) {
            if !self.holds(round).await? {
                return Ok(None);
            }
            let asked = nodes.iter().map(|node| self.set_on_node(endpoint, secret, node, passwords));
            for (node, answer) in nodes.iter().zip(join_all(asked).await) {
                let of_accounts = answer.unwrap_or_else(|problem| vec![Err(problem); passwords.len()]);
                for (found, outcome) in found.iter_mut().zip(of_accounts) {
                    match outcome {
                        Ok(is_different) if is_different && found.different.is_none() => {
                            found.different = Some(node.clone());
                        }
                        Ok(_) => {}
                        Err(problem) => found.problems.push((node.clone(), problem)),
                    }
                }
            }
        }
        Ok(Some(found))
    }

    /// Sets the passwords on one node, with a span, and counts the outcome.
    async fn set_on_node(
        &self,
        endpoint: &Endpoint,
        secret: &Zeroizing<String>,
        node: &NodeAddress,
        passwords: &[AccountPasswords],
    ) -> Result<Vec<Result<bool, NodeProblem>>, NodeProblem> {
        let mut span = call_record::span(|| Work::Node { has_failed: false });
        let answer = self.ports.nodes.set_passwords(endpoint, secret, node, passwords).await;
        let outcome = if answer.is_ok() { NodeOutcome::Answered } else { NodeOutcome::Failed };
        self.ports.meter.count(Counter::NodesAsked(outcome));
        if answer.is_err() {
            span.iter_mut().for_each(OpenSpan::note_failed);
        }
        answer
    }
}

/// The first problem, and how many nodes have others; `None` without one.
pub(super) fn described(problems: &Problems) -> Option<String> {
    let ((node, problem), others) = problems.split_first()?;
    Some(match others.len() {
        0 => format!("{node} {problem}"),
        more => format!("{node} {problem}; and {more} more"),
    })
}
