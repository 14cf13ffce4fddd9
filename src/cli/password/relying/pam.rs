//! `verify --pam`: for `pam_exec(8)` with `expose_authtok`.

use std::io;

use super::{RelyingArgs, SignIn, Verifier, read};
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::password::ConnectionArgs;

pub(super) async fn run(
    args: &RelyingArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
) -> Result<(), Failure> {
    let names = args.names()?;
    let user = match (environment.text("PAM_TYPE"), environment.text("PAM_USER")) {
        (Some("auth"), Some(user)) => user,
        (Some("auth") | None, _) => return Err(Failure::usage("pam_exec sets PAM_TYPE and PAM_USER")),
        (Some(_), _) => return Err(Failure::usage("pam_exec must call this for `auth` alone")),
    };
    let verified = async {
        let input = read(io::stdin(), "the password from standard input").await?;
        // pam_exec ends it with a NUL.
        let password = input.strip_suffix(&[0]).unwrap_or(&input);
        let password = str::from_utf8(password).map_err(|_| Failure::wrong_password("it is not UTF-8"))?;
        let (channel, authorization) = connection.connect(environment).await?;
        let verifier = Verifier { names, channel, authorization, within: connection.within() };
        verifier.verify(SignIn { user, password, origin: environment.text("PAM_RHOST") }).await
    };
    connection.in_time(verified).await
}
