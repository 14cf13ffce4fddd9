//! The built binary as a process: what it prints, what it leaves on the disk, and how it starts and ends.

mod audit;
mod backup;
mod call_lines;
mod canaries;
mod certificates;
mod connections;
mod damage;
mod edge;
mod foreign_hashes;
mod forwarded;
mod full_disk;
mod hang_up;
mod hook;
mod import;
mod jwt;
mod keyed_hashes;
mod kill;
mod limits;
mod memory;
mod metrics;
mod mounted_secrets;
mod operator;
mod pepper;
mod policies;
mod postgres;
mod quickstart;
mod refused_passwords;
mod rotation;
mod secrets;
mod start_up;
mod stop;
mod supervisor;
mod systems;
mod timing;
mod tls;

use crate::support::{installation, serving, tenant};
