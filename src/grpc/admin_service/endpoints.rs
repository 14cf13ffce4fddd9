//! Where the passwords of an instance's accounts are delivered, and how far that is.

use std::time::Duration;

use super::wire;
use crate::domain::delivery::DeliveryState;
use crate::domain::endpoint::{
    Comparison, Discovery, Endpoint, MAX_CA_BYTES, MAX_COMPARISON, MAX_NODES, MIN_COMPARISON, NodeAddress,
    StoredEndpoint, Transport,
};
use crate::domain::field::{FieldProblem, LengthUnit};
use crate::domain::names::{InstanceId, MasterName, NodeUser};
use crate::edge::Fields;
use crate::grpc::convert::statuses::Numbered;
use crate::grpc::convert::times::timestamp;
use crate::service::requests::EndpointToSet;
use crate::service::{Call, Service, ServiceError};

const TLS_OR_PLAINTEXT: FieldProblem =
    FieldProblem::Malformed { expected: "must be empty if allow_plaintext is set: there is no certificate to check" };

pub(super) async fn set(
    service: &Service,
    call: Call,
    message: wire::SetInstanceEndpointRequest,
) -> Result<wire::SetInstanceEndpointResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let instance = fields.take("instance_id", InstanceId::parse(&message.instance_id));
    let discovery = fields.take("sentinel_master", discovery(message.cluster, &message.sentinel_master));
    let nodes = fields.take("nodes", nodes(&message.nodes, message.cluster || !message.sentinel_master.is_empty()));
    let user = fields.take("user_name", NodeUser::parse(&message.user_name));
    let password = fields.password("password", message.password);
    let transport = fields.take("ca_pem", transport(message.ca_pem, message.allow_plaintext));
    let saves_acl = message.acl_save;
    let comparison = fields.take("compare_seconds", comparison(message.compare_seconds, message.mend));
    let wanted = fields.all(|| {
        let endpoint = Endpoint {
            nodes: nodes?,
            discovery: discovery?,
            transport: transport?,
            user: user?,
            saves_acl,
            comparison: comparison?,
        };
        Some(EndpointToSet { instance: instance?, endpoint, password: password? })
    })?;
    let endpoint = service.set_instance_endpoint(call, tenant, wanted).await?;
    Ok(wire::SetInstanceEndpointResponse { endpoint: Some(endpoint.into()) })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeInstanceEndpointRequest,
) -> Result<wire::DescribeInstanceEndpointResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let instance = fields.take("instance_id", InstanceId::parse(&message.instance_id));
    let endpoint = service.describe_instance_endpoint(call, tenant, fields.all(|| instance)?).await?;
    Ok(wire::DescribeInstanceEndpointResponse { endpoint: endpoint.map(Into::into) })
}

pub(super) async fn delete(
    service: &Service,
    call: Call,
    message: wire::DeleteInstanceEndpointRequest,
) -> Result<wire::DeleteInstanceEndpointResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let instance = fields.take("instance_id", InstanceId::parse(&message.instance_id));
    service.delete_instance_endpoint(call, tenant, fields.all(|| instance)?).await?;
    Ok(wire::DeleteInstanceEndpointResponse {})
}

pub(super) async fn describe_delivery(
    service: &Service,
    call: Call,
    message: wire::DescribeDeliveryRequest,
) -> Result<wire::DescribeDeliveryResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let account = fields.account(&message.instance_id, &message.account_name);
    let delivery = service.describe_delivery(call, tenant, fields.all(|| account)?).await?;
    Ok(wire::DescribeDeliveryResponse { delivery: delivery.map(Into::into) })
}

/// The most nodes of a cluster, or Sentinels, that are asked for all nodes.
const MAX_SEEDS: usize = 16;

/// The nodes, each named once.
fn nodes(texts: &[String], are_asked: bool) -> Result<Vec<NodeAddress>, FieldProblem> {
    if texts.is_empty() {
        return Err(FieldProblem::Missing);
    }
    let max = if are_asked { MAX_SEEDS } else { MAX_NODES };
    if texts.len() > max {
        return Err(FieldProblem::TooLong { max, found: texts.len(), unit: LengthUnit::Entries });
    }
    let mut nodes: Vec<NodeAddress> = Vec::with_capacity(texts.len());
    for text in texts {
        let node = NodeAddress::parse(text)?;
        if nodes.contains(&node) {
            return Err(FieldProblem::Malformed { expected: "must name each node once" });
        }
        nodes.push(node);
    }
    Ok(nodes)
}

fn discovery(is_cluster: bool, master: &str) -> Result<Discovery, FieldProblem> {
    match (is_cluster, master) {
        (false, "") => Ok(Discovery::Named),
        (true, "") => Ok(Discovery::Cluster),
        (true, _) => {
            Err(FieldProblem::Malformed { expected: "must be empty if cluster is set: Sentinel is not for clusters" })
        }
        (false, master) => MasterName::parse(master).map(Discovery::Sentinel),
    }
}

fn transport(ca: String, is_plaintext: bool) -> Result<Transport, FieldProblem> {
    match (ca.len(), is_plaintext) {
        (0, true) => Ok(Transport::Plaintext),
        (_, true) => Err(TLS_OR_PLAINTEXT),
        (0, false) => Ok(Transport::Tls { ca: None }),
        (found, false) if found > MAX_CA_BYTES => {
            Err(FieldProblem::TooLong { max: MAX_CA_BYTES, found, unit: LengthUnit::Bytes })
        }
        (_, false) => Ok(Transport::Tls { ca: Some(ca) }),
    }
}

fn comparison(seconds: u32, mends: bool) -> Result<Option<Comparison>, FieldProblem> {
    let every = Duration::from_secs(seconds.into());
    if seconds == 0 {
        return if mends { Err(FieldProblem::Missing) } else { Ok(None) };
    }
    if (MIN_COMPARISON..=MAX_COMPARISON).contains(&every) {
        return Ok(Some(Comparison { every, mends }));
    }
    let (min, max) = (MIN_COMPARISON.as_secs(), MAX_COMPARISON.as_secs());
    Err(FieldProblem::OutOfRange { min, max, found: seconds.into() })
}

impl From<StoredEndpoint> for wire::InstanceEndpoint {
    fn from(StoredEndpoint { endpoint, set_at, .. }: StoredEndpoint) -> Self {
        let Endpoint { nodes, discovery, transport, user, saves_acl, comparison } = endpoint;
        let (ca_pem, allow_plaintext) = match transport {
            Transport::Tls { ca } => (ca.unwrap_or_default(), false),
            Transport::Plaintext => (String::new(), true),
        };
        Self {
            nodes: nodes.iter().map(ToString::to_string).collect(),
            user_name: user.as_str().to_owned(),
            ca_pem,
            allow_plaintext,
            acl_save: saves_acl,
            set_time: Some(timestamp(set_at)),
            compare_seconds: comparison
                .map_or(0, |comparison| u32::try_from(comparison.every.as_secs()).unwrap_or(u32::MAX)),
            cluster: discovery == Discovery::Cluster,
            sentinel_master: match discovery {
                Discovery::Sentinel(master) => master.as_str().to_owned(),
                Discovery::Named | Discovery::Cluster => String::new(),
            },
            mend: comparison.is_some_and(|comparison| comparison.mends),
        }
    }
}

impl From<DeliveryState> for wire::Delivery {
    fn from(state: DeliveryState) -> Self {
        let DeliveryState { version, phase, set_at, due_at, attempts, nodes, reached, failure, drift } = state;
        let (drift_at, drifted_node) = drift.unzip();
        Self {
            version: version.number(),
            phase: phase.number(),
            reached_nodes: reached,
            nodes,
            failed_attempts: attempts,
            failure: failure.unwrap_or_default(),
            set_time: Some(timestamp(set_at)),
            due_time: due_at.map(timestamp),
            drifted_node: drifted_node.unwrap_or_default(),
            drift_time: drift_at.map(timestamp),
        }
    }
}
