//! Tair's own operation to describe accounts.

use super::{subjects, wire};
use crate::edge::RequestId;
use crate::service::{Call, Service, ServiceError};

/// One account, or all of an instance.
pub(super) async fn describe_accounts(
    service: &Service,
    call: Call,
    message: wire::DescribeAccountsRequest,
) -> Result<wire::DescribeAccountsResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let wire::DescribeAccountsRequest { tenant, instance_id, account_name, page_size, page_token } = message;
    if !account_name.is_empty() {
        let one = wire::DescribeInstanceAccountRequest { tenant, instance_id, account_name };
        let found: wire::DescribeInstanceAccountResponse = subjects::describe(service, call, one).await?;
        let accounts = found.instance_account.into_iter().collect();
        return Ok(wire::DescribeAccountsResponse { accounts, request_id, ..Default::default() });
    }
    let all = wire::ListInstanceAccountsRequest { tenant, instance_id, page_size, page_token };
    let found = subjects::list(service, call, all).await?;
    let (accounts, next_page_token) = (found.instance_accounts, found.next_page_token);
    Ok(wire::DescribeAccountsResponse { accounts, request_id, next_page_token })
}
