//! `verify --checkpassword`: the protocol of <https://cr.yp.to/checkpwd/interface.html>, which Dovecot speaks too.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{RelyingArgs, SignIn, Verifier, read};
use crate::cli::environment::Environment;
use crate::cli::failure::{Failure, Kind};
use crate::cli::password::ConnectionArgs;

/// The address of the client, in the environment of UCSPI and of Dovecot.
const ORIGIN_VARIABLE: &str = "TCPREMOTEIP";
/// Set if Dovecot looks a user up, without a password.
const LOOK_UP_VARIABLE: &str = "AUTHORIZED";
/// The exit statuses of the protocol.
const WRONG: u8 = 1;
const TEMPORARY: u8 = 111;

pub(super) async fn run(
    args: &RelyingArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
) -> Result<(), Failure> {
    let verified = connection.in_time(verify(args, connection, environment)).await;
    let failed = match verified.and_then(|user| start(args, environment, &user)) {
        Ok(()) => return Ok(()),
        Err(failed) => failed,
    };
    Err(match failed.kind() {
        Kind::Usage => failed,
        // A wrong password is an everyday thing, and what is printed becomes an error in the caller's log.
        Kind::WrongPassword => Failure::of(Kind::WithStatus(WRONG), ""),
        Kind::PasswordToChange => Failure::of(Kind::WithStatus(WRONG), failed.message()),
        _ => Failure::of(Kind::WithStatus(TEMPORARY), &failed),
    })
}

/// Verifies what descriptor 3 holds, and returns the user's name.
async fn verify(args: &RelyingArgs, connection: &ConnectionArgs, environment: &Environment) -> Result<String, Failure> {
    let names = args.names()?;
    if environment.text(LOOK_UP_VARIABLE).is_some() {
        return Err(Failure::usage("users can't be looked up here: only their passwords are verified"));
    }
    let input = File::open("/dev/fd/3")
        .map_err(|error| Failure::usage(format!("descriptor 3 must hold a user name and a password: {error}")))?;
    let input = read(input, "descriptor 3").await?;
    let mut parts = input.split(|byte| *byte == 0);
    // The last part is not ended.
    let (Some(user), Some(password), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Failure::usage("descriptor 3 must hold a user name and a password, each ended by a NUL"));
    };
    let (Ok(user), Ok(password)) = (str::from_utf8(user), str::from_utf8(password)) else {
        return Err(Failure::wrong_password("it is not UTF-8"));
    };
    let (channel, authorization) = connection.connect(environment).await?;
    let verifier = Verifier { names, channel, authorization, within: connection.within() };
    verifier.verify(SignIn { user, password, origin: environment.text(ORIGIN_VARIABLE) }).await?;
    Ok(user.to_owned())
}

/// Becomes the program, if there is one. It works for the user, who must not get the token.
fn start(args: &RelyingArgs, environment: &Environment, user: &str) -> Result<(), Failure> {
    let Some((program, arguments)) = args.program.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    for name in environment.variables().keys().filter(|name| name.starts_with("CREDENTIALD_")) {
        command.env_remove(name);
    }
    let error = command.args(arguments).env("USER", user).exec();
    Err(Failure::caused(format!("can't run {}", program.display()), &error))
}
