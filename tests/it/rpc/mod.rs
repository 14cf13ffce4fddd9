//! Every RPC over a real socket, as its callers see it.

mod attempts;
mod change_password;
mod change_password_v5;
mod concurrency;
mod modify_account_password;
mod modify_pw_by_domain;
mod wire;
