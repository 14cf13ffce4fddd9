//! Calls an RPC of which only the descriptor is known.

use std::time::Duration;

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor, Value};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use super::object::Object;
use super::{refusal, schema};
use crate::cli::caller::Authorization;
use crate::cli::connection::{MAX_RESPONSE_BYTES, lost};
use crate::cli::failure::Failure;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const MAX_PAGE_SIZE: u32 = 1000;

/// Calls one RPC.
pub(super) struct Client {
    channel: Channel,
    authorization: Authorization,
    path: PathAndQuery,
    method: MethodDescriptor,
}

impl Client {
    pub(super) fn new(
        channel: Channel,
        authorization: Authorization,
        method: &MethodDescriptor,
    ) -> Result<Self, Failure> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = PathAndQuery::try_from(path).map_err(Failure::failed)?;
        Ok(Self { channel, authorization, path, method: method.clone() })
    }

    /// Calls the RPC. A list is fetched page by page, up to its end or the limit, and returned as one response.
    pub(super) async fn call(
        &self,
        mut request: DynamicMessage,
        limit: Option<u32>,
    ) -> Result<DynamicMessage, Failure> {
        let items = self.method.output().fields().find(FieldDescriptor::is_list);
        let Some(items) = items.filter(|_| schema::is_paged(&self.method.input())) else {
            return self.once(request).await;
        };
        let mut all = DynamicMessage::new(self.method.output());
        loop {
            let wanted = limit.map_or(MAX_PAGE_SIZE, |limit| limit.saturating_sub(length(&all, &items)));
            set(&mut request, "page_size", Value::U32(wanted.min(MAX_PAGE_SIZE)))?;
            let mut page = self.once(request.clone()).await?;
            let next = page.take_field_by_name("next_page_token").filter(|token| token.as_str() != Some(""));
            all = joined(all, page, &items);
            match next {
                Some(_) if limit.is_some_and(|limit| length(&all, &items) >= limit) => return Ok(all),
                Some(token) => set(&mut request, "page_token", token)?,
                None => return Ok(all),
            }
        }
    }

    async fn once(&self, message: DynamicMessage) -> Result<DynamicMessage, Failure> {
        let object = Object::of_request(&message);
        let request = self.authorization.request(message, ANSWER_WITHIN);
        let mut client = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES);
        client.ready().await.map_err(|error| lost("the connection was lost".to_owned(), &error))?;
        let codec = DynamicCodec(self.method.output());
        let response = client.unary(request, self.path.clone(), codec).await;
        response.map(tonic::Response::into_inner).map_err(|status| refusal::about(&status, &object))
    }
}

fn length(message: &DynamicMessage, items: &FieldDescriptor) -> u32 {
    message.get_field(items).as_list().map_or(0, |list| u32::try_from(list.len()).unwrap_or(u32::MAX))
}

fn set(request: &mut DynamicMessage, name: &str, value: Value) -> Result<(), Failure> {
    request.try_set_field_by_name(name, value).map_err(Failure::failed)
}

/// A page with the items of the earlier pages before its own.
fn joined(mut before: DynamicMessage, mut page: DynamicMessage, items: &FieldDescriptor) -> DynamicMessage {
    if let Some(Value::List(mut list)) = before.take_field(items)
        && let Value::List(own) = page.get_field_mut(items)
    {
        list.append(own);
        *own = list;
    }
    page
}

/// Encodes any message, and decodes the one described.
pub(super) struct DynamicCodec(pub(super) MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), buffer);
        message.map(Some).map_err(|error| Status::internal(format!("the answer is unreadable: {error}")))
    }
}
