//! `credential.admin.v1.AdminService`: one file for each group of operations.

mod access_tokens;
mod iam_users;
mod imports;
mod instance_accounts;
mod instances;
mod mail_domains;
mod overlaps;
mod posture;
mod ram_users;
mod resets;
mod settings;
mod tenants;

use std::sync::Arc;

use super::generated::credential::admin::v1 as wire;
use super::rpcs::rpcs;
use crate::service::Service;
use wire::admin_service_server::AdminService;

/// The service on the wire.
pub(super) struct AdminEdge(pub(super) Arc<Service>);

rpcs! {
    AdminService for AdminEdge {
        create_tenant(CreateTenantRequest) -> CreateTenantResponse = tenants::create;
        describe_tenant(DescribeTenantRequest) -> DescribeTenantResponse = tenants::describe;
        list_tenants(ListTenantsRequest) -> ListTenantsResponse = tenants::list;
        delete_tenant(DeleteTenantRequest) -> DeleteTenantResponse = tenants::delete;

        create_mail_domain(CreateMailDomainRequest) -> CreateMailDomainResponse = mail_domains::create;
        describe_mail_domain(DescribeMailDomainRequest) -> DescribeMailDomainResponse = mail_domains::describe;
        list_mail_domains(ListMailDomainsRequest) -> ListMailDomainsResponse = mail_domains::list;
        delete_mail_domain(DeleteMailDomainRequest) -> DeleteMailDomainResponse = mail_domains::delete;
        set_mail_domain_status(SetMailDomainStatusRequest) -> SetMailDomainStatusResponse = mail_domains::set_status;

        create_ram_user(CreateRamUserRequest) -> CreateRamUserResponse = ram_users::create;
        describe_ram_user(DescribeRamUserRequest) -> DescribeRamUserResponse = ram_users::describe;
        list_ram_users(ListRamUsersRequest) -> ListRamUsersResponse = ram_users::list;
        delete_ram_user(DeleteRamUserRequest) -> DeleteRamUserResponse = ram_users::delete;

        create_iam_user(CreateIamUserRequest) -> CreateIamUserResponse = iam_users::create;
        describe_iam_user(DescribeIamUserRequest) -> DescribeIamUserResponse = iam_users::describe;
        list_iam_users(ListIamUsersRequest) -> ListIamUsersResponse = iam_users::list;
        delete_iam_user(DeleteIamUserRequest) -> DeleteIamUserResponse = iam_users::delete;

        create_instance(CreateInstanceRequest) -> CreateInstanceResponse = instances::create;
        describe_instance(DescribeInstanceRequest) -> DescribeInstanceResponse = instances::describe;
        list_instances(ListInstancesRequest) -> ListInstancesResponse = instances::list;
        delete_instance(DeleteInstanceRequest) -> DeleteInstanceResponse = instances::delete;
        set_instance_status(SetInstanceStatusRequest) -> SetInstanceStatusResponse = instances::set_status;

        create_instance_account(CreateInstanceAccountRequest) -> CreateInstanceAccountResponse
            = instance_accounts::create;
        describe_instance_account(DescribeInstanceAccountRequest) -> DescribeInstanceAccountResponse
            = instance_accounts::describe;
        list_instance_accounts(ListInstanceAccountsRequest) -> ListInstanceAccountsResponse = instance_accounts::list;
        delete_instance_account(DeleteInstanceAccountRequest) -> DeleteInstanceAccountResponse
            = instance_accounts::delete;
        set_instance_account_status(SetInstanceAccountStatusRequest) -> SetInstanceAccountStatusResponse
            = instance_accounts::set_status;
        describe_accounts(DescribeAccountsRequest) -> DescribeAccountsResponse = instance_accounts::describe_accounts;

        reset_password(ResetPasswordRequest) -> ResetPasswordResponse = resets::reset_password;
        reset_account_password(ResetAccountPasswordRequest) -> ResetAccountPasswordResponse
            = resets::reset_account_password;

        set_password_overlap(SetPasswordOverlapRequest) -> SetPasswordOverlapResponse = overlaps::set;
        describe_password_overlap(DescribePasswordOverlapRequest) -> DescribePasswordOverlapResponse
            = overlaps::describe;
        end_password_overlap(EndPasswordOverlapRequest) -> EndPasswordOverlapResponse = overlaps::end;

        get_password_policy(GetPasswordPolicyRequest) -> GetPasswordPolicyResponse = settings::get_password_policy;
        set_password_policy(SetPasswordPolicyRequest) -> SetPasswordPolicyResponse = settings::set_password_policy;
        show_password_policy_v5(ShowPasswordPolicyV5Request) -> ShowPasswordPolicyV5Response
            = settings::show_password_policy_v5;
        update_password_policy_v5(UpdatePasswordPolicyV5Request) -> UpdatePasswordPolicyV5Response
            = settings::update_password_policy_v5;
        get_security_preference(GetSecurityPreferenceRequest) -> GetSecurityPreferenceResponse
            = settings::get_security_preference;
        set_security_preference(SetSecurityPreferenceRequest) -> SetSecurityPreferenceResponse
            = settings::set_security_preference;

        describe_hash_posture(DescribeHashPostureRequest) -> DescribeHashPostureResponse = posture::describe;

        issue_access_token(IssueAccessTokenRequest) -> IssueAccessTokenResponse = access_tokens::issue;
        list_access_tokens(ListAccessTokensRequest) -> ListAccessTokensResponse = access_tokens::list;
        revoke_access_token(RevokeAccessTokenRequest) -> RevokeAccessTokenResponse = access_tokens::revoke;
    }
    streams {
        import_credentials(ImportCredentialsRequest) -> ImportCredentialsResponse = imports::import;
    }
}
