//! What it takes to find every rule that a password breaks: `cargo bench --bench policies`.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark stops where it can't go on"
)]

use std::hint::black_box;
use std::sync::Arc;

use credentiald::domain::names::{AccountName, DomainName, IamUserId, IamUserName, InstanceId, RamUserName, Region};
use credentiald::domain::password::NewPassword;
use credentiald::domain::subject::{
    IamUser, InstanceAccount, InstanceAccountStatus, InstanceStatus, MailDomain, MailDomainStatus, RamUser, Subject,
    SubjectAttributes, SubjectId, SubjectName, Tags,
};
use credentiald::domain::tenant_settings::TenantSettings;
use credentiald::domain::time::Timestamp;
use credentiald::policy::{Baseline, Policy, RefusedList};
use criterion::{BenchmarkId, Criterion};
use uuid::Uuid;

/// As many refused passwords as the common lists have.
const REFUSED: u32 = 100_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let refused = (0..REFUSED).map(|number| format!("password{number}")).collect::<Vec<_>>().join("\n");
    let baseline = Baseline { refused: Some(Arc::new(RefusedList::from_lines(&refused))), refuse_subject_names: true };
    let settings = TenantSettings::default();

    let mut group = criterion.benchmark_group("policy");
    for (kind, subject) in subjects() {
        for (length, password) in [("usual", "Xk3vq8Lw21".to_owned()), ("longest", "Xk3vq8Lw".repeat(4))] {
            let password = NewPassword::parse(password).unwrap();
            let policy = Policy::of_subject(&subject, &settings, &baseline);
            group.bench_function(BenchmarkId::new(kind, length), |bencher| {
                bencher.iter(|| black_box(policy.violations(black_box(&password))));
            });
        }
        group.bench_function(BenchmarkId::new(kind, "made for the subject"), |bencher| {
            bencher.iter(|| black_box(Policy::of_subject(black_box(&subject), &settings, &baseline)));
        });
    }
    group.finish();
    criterion.final_summary();
}

fn subjects() -> [(&'static str, Subject); 4] {
    let region = Region::parse("cn-hangzhou").unwrap();
    let subject = |name, attributes| Subject {
        id: SubjectId(Uuid::nil()),
        name,
        attributes,
        created_at: Timestamp::from_micros(0),
    };
    let status = MailDomainStatus::Verified;
    let mail_domain = SubjectAttributes::MailDomain(MailDomain { region: region.clone(), status });
    let user_name = IamUserName::parse("Jane Doe").unwrap();
    let iam_user = SubjectAttributes::IamUser(IamUser { user_name, tags: Tags::new() });
    let account = SubjectAttributes::InstanceAccount(InstanceAccount {
        region,
        instance_status: InstanceStatus::Normal,
        status: InstanceAccountStatus::Available,
    });
    let account_name =
        SubjectName::account(InstanceId::parse("r-bp1zxszhcgatnx").unwrap(), AccountName::parse("app").unwrap());
    [
        ("mail domain", subject(SubjectName::MailDomain(DomainName::parse("example.com").unwrap()), mail_domain)),
        (
            "RAM user",
            subject(SubjectName::RamUser(RamUserName::parse("alice").unwrap()), SubjectAttributes::RamUser(RamUser)),
        ),
        ("IAM user", subject(SubjectName::IamUser(IamUserId::parse("07609e7e").unwrap()), iam_user)),
        ("instance account", subject(account_name, account)),
    ]
}
