//! Parse, dispatch, exit status.

fn main() -> std::process::ExitCode {
    credentiald::cli::run(std::env::args_os(), std::env::vars_os())
}
