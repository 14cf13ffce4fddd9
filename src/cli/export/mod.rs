//! `export`.

mod entry;

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::admin::refusal;
use super::caller::{Authorization, CallerArgs};
use super::connection::administration;
use super::environment::Environment;
use super::failure::Failure;
use super::file_format::Format;
use super::new_file::NewFile;
use super::pages::each;
use super::terminal::Terminal;
use crate::grpc::generated::credential::admin::v1 as wire;
use entry::{Entry, Writer};
use wire::admin_service_client::AdminServiceClient;

const NOTES: &str = "\
Columns: tenant, kind (tenant, instance, mail-domain, ram-user, iam-user or instance-account), name, instance, region,
status, user_name, tags, subject_id, create_time, version, change_time, verified_elsewhere. A version is present if a
password is. With a column `hash` added, it is a file for `credentiald import`.
How the passwords are hashed: `credentiald admin posture --json`.

Example:
  credentiald export directory.csv --tenant acme";

/// Export the directory, without any hash, as JSON lines or CSV.
///
/// Calls a running service, and lists page after page. Changes made in the meantime may or may not be included.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct ExportArgs {
    /// File to write, which must not exist yet. `-`, the default, is standard output.
    #[arg(default_value = "-", hide_default_value = true)]
    file: PathBuf,
    /// Format of the file. Default: CSV if the file's name ends in `.csv`, otherwise JSON lines.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Tenant to export. Default: all tenants, which only an operator can export.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    caller: CallerArgs,
}

pub(super) async fn run(args: &ExportArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let (channel, authorization) = args.caller.connect(environment).await?;
    let client = administration(channel);
    let format = args.format.unwrap_or(Format::of(&args.file));
    let file = &args.file;
    if file == Path::new("-") {
        return match export(client, authorization, Box::new(terminal.output()), format, args.tenant.as_deref()).await {
            // It is no failure if the reader closes the pipe.
            Err(Interrupted::Written(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            ended => ended.map_err(|interrupted| interrupted.failure(file)),
        };
    }
    let mut written = NewFile::create(file)?;
    let ended = export(client, authorization, Box::new(&mut written), format, args.tenant.as_deref()).await;
    ended.map_err(|interrupted| interrupted.failure(file))?;
    written.finish()
}

async fn export(
    client: AdminServiceClient<Channel>,
    authorization: Authorization,
    output: Box<dyn Write + '_>,
    format: Format,
    tenant: Option<&str>,
) -> Result<(), Interrupted> {
    Walk { client, authorization, writer: Writer::new(output, format)? }.all(tenant).await
}

/// Why an export is not complete.
enum Interrupted {
    Refused(Box<Status>),
    Written(io::Error),
}

impl Interrupted {
    fn failure(self, file: &Path) -> Failure {
        match self {
            Self::Refused(status) => refusal::failure(&status),
            Self::Written(error) => Failure::caused(format!("can't write {}", file.display()), &error),
        }
    }
}

impl From<Status> for Interrupted {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Written(error)
    }
}

/// Walks through a directory.
struct Walk<'a> {
    client: AdminServiceClient<Channel>,
    authorization: Authorization,
    writer: Writer<'a>,
}

impl Walk<'_> {
    async fn all(mut self, tenant: Option<&str>) -> Result<(), Interrupted> {
        if let Some(name) = tenant {
            let request = wire::DescribeTenantRequest { tenant: name.to_owned() };
            let found = self.client.describe_tenant(self.sent(request)).await?.into_inner();
            self.tenant(found.tenant.unwrap_or_default()).await?;
        } else {
            each!(self.list_tenants(ListTenantsRequest {}).tenants, found => self.tenant(found).await);
        }
        Ok(self.writer.finish()?)
    }

    async fn tenant(&mut self, found: wire::Tenant) -> Result<(), Interrupted> {
        let tenant = found.tenant.clone();
        let tenant = tenant.as_str();
        self.writer.write(Entry::of_tenant(found))?;
        each!(self.list_mail_domains(ListMailDomainsRequest { tenant: tenant }).mail_domains, found => {
            self.writer.write(Entry::of_mail_domain(tenant, found))
        });
        each!(self.list_ram_users(ListRamUsersRequest { tenant: tenant }).ram_users, found => {
            self.writer.write(Entry::of_ram_user(tenant, found))
        });
        each!(self.list_iam_users(ListIamUsersRequest { tenant: tenant }).iam_users, found => {
            self.writer.write(Entry::of_iam_user(tenant, found))
        });
        each!(self.list_instances(ListInstancesRequest { tenant: tenant }).instances, found => {
            self.instance(tenant, found).await
        });
        Ok(())
    }

    async fn instance(&mut self, tenant: &str, found: wire::Instance) -> Result<(), Interrupted> {
        let id = found.instance_id.clone();
        self.writer.write(Entry::of_instance(tenant, found))?;
        each!(self.list_instance_accounts(ListInstanceAccountsRequest { tenant: tenant, instance_id: id }).instance_accounts,
            found => self.writer.write(Entry::of_account(tenant, found)));
        Ok(())
    }

    fn sent<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.authorization.apply(&mut request);
        request
    }
}
