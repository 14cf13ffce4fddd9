//! Every RPC over a real socket, as its callers see it.

mod admin;
mod attempts;
mod change_password;
mod change_password_v5;
mod characters;
mod client_tokens;
mod concurrency;
mod consequences;
mod imports;
mod isolation;
mod modify_account_password;
mod modify_pw_by_domain;
mod password_age;
mod password_overlap;
mod pepper;
mod protocol;
mod quotas;
mod refusals;
mod refused_passwords;
mod retries;
mod revocations;
mod unrecorded;
mod upgrades;
mod watch_changes;
mod watch_costs;
mod wire;
