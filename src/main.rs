//! Parse, dispatch, exit status.

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// Wipes memory when it is freed. Passwords are also in memory that does not wipe itself: the buffers of HTTP/2, of the
/// protobuf decoder and of TLS.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    credentiald::cli::run(std::env::args_os(), std::env::vars_os())
}
