//! What the time of an answer tells: pairs of calls that must not be told apart, and one that must.

use std::time::{Duration, Instant};

use tonic::{Code, Status};

use super::{Bench, PATIENT};
use crate::client::generated::credential::admin::v1::admin_service_client::AdminServiceClient;
use crate::client::generated::credential::admin::v1::{CreateRamUserRequest, DescribeRamUserRequest};
use crate::client::generated::credential::v1::subject_name::Subject as Named;
use crate::client::generated::credential::v1::verification_service_client::VerificationServiceClient;
use crate::client::generated::credential::v1::{SubjectName, VerifyPasswordRequest, VerifyPasswordResult};
use crate::client::{Connection, Token};
use crate::report::{Report, Series, Target};
use crate::statistics::Comparison;

/// Beyond so many standard deviations two samples are told apart: p < 0.001.
const APART: f64 = 3.29;
/// Wrong passwords of one subject in a row, fewer than the allowance.
const GUESSES: usize = 4;
/// How much longer the control takes, as a part of the call.
const CONTROL: f64 = 0.05;

pub async fn run(bench: &mut Bench) {
    sign_in(bench).await;
    other_tenant(bench).await;
}

type Answer = Result<(), Status>;

async fn sign_in(bench: &mut Bench) {
    let samples = bench.plan.samples;
    let (connection, origin) = bench.server.connections.next();
    let mut admin = AdminServiceClient::with_origin(connection.clone(), origin.clone());
    let mut client = VerificationServiceClient::with_origin(connection, origin);
    let tenant = &bench.server.tenant;
    for number in 0..samples.div_ceil(GUESSES) {
        let user_name = format!("without-{number}");
        let request = CreateRamUserRequest { user_name, ..CreateRamUserRequest::default() };
        admin.create_ram_user(tenant.root.request(request, PATIENT)).await.unwrap();
    }
    // The last subjects, since other sections take the first ones. Three contenders guess at subjects of their own.
    let known = |turn: usize, contender: usize| {
        let place = contender * samples.div_ceil(GUESSES) + turn / GUESSES;
        tenant.subjects[tenant.subjects.len() - 1 - place].name.clone()
    };
    // Three guess at a known subject, one at a subject without a password, and one at an unknown one.
    let mut turns = Turns::<5>::new();
    let mut control = Duration::ZERO;
    for turn in 0..samples {
        for contender in turns.shuffled() {
            let name = match contender {
                0..=2 => known(turn, contender),
                3 => format!("without-{}", turn / GUESSES),
                // As often as the others: the first failure of a name takes longer than those that follow.
                _ => format!("unknown-{}", turn / GUESSES),
            };
            let delay = if contender == 2 { control } else { Duration::ZERO };
            turns.time(contender, delay, verify(&mut client, &tenant.service, name)).await.unwrap();
        }
        control = Duration::from_secs_f64(turns.times[0].median() / 1e6 * CONTROL);
    }
    let report = &mut bench.report;
    turns.compare(report, "A wrong password, an unknown subject", 0, 4, false);
    turns.compare(report, "A wrong password, a subject without one", 0, 3, false);
    turns.compare(report, "The same call twice", 0, 1, false);
    turns.compare(report, "The same call and one that takes 5 % longer", 0, 2, true);
}

async fn verify(client: &mut VerificationServiceClient<Connection>, token: &Token, name: String) -> Answer {
    let subject = Some(SubjectName { subject: Some(Named::RamUser(name)) });
    let request = VerifyPasswordRequest { subject, password: "a-wrong-guess".to_owned(), origin: String::new() };
    let answer = client.verify_password(token.request(request, PATIENT)).await?;
    assert_eq!(answer.get_ref().result(), VerifyPasswordResult::NotMatched);
    Ok(())
}

async fn other_tenant(bench: &mut Bench) {
    let (connection, origin) = bench.server.connections.next();
    let mut admin = AdminServiceClient::with_origin(connection, origin);
    let root = bench.server.tenant.root.clone();
    let mut turns = Turns::<5>::new();
    let mut control = Duration::ZERO;
    for _ in 0..bench.plan.samples {
        for contender in turns.shuffled() {
            let (tenant, user_name) = match contender {
                0..=2 => ("neighbour", "user-0".to_owned()),
                // Always the same name: refusals that repeat are recorded together, and new ones take longer.
                3 => ("neighbour", "nobody".to_owned()),
                _ => ("nowhere", "user-0".to_owned()),
            };
            let request = DescribeRamUserRequest { tenant: tenant.to_owned(), user_name };
            let delay = if contender == 2 { control } else { Duration::ZERO };
            let call = async { admin.describe_ram_user(root.request(request, PATIENT)).await.map(|_| ()) };
            let answer = turns.time(contender, delay, call).await;
            assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied);
        }
        control = Duration::from_secs_f64(turns.times[0].median() / 1e6 * CONTROL);
    }
    let report = &mut bench.report;
    turns.compare(report, "A user of another tenant, no such user", 0, 3, false);
    turns.compare(report, "A user of another tenant, no such tenant", 0, 4, false);
    turns.compare(report, "The same refusal twice", 0, 1, false);
    turns.compare(report, "The same refusal and one that takes 5 % longer", 0, 2, true);
}

/// The times of contenders that take turns, in random order, in microseconds.
struct Turns<const N: usize> {
    times: [Series; N],
    random: fastrand::Rng,
}

impl<const N: usize> Turns<N> {
    fn new() -> Self {
        Self { times: std::array::from_fn(|_| Series::default()), random: fastrand::Rng::new() }
    }

    fn shuffled(&mut self) -> [usize; N] {
        let mut order = std::array::from_fn(|place| place);
        self.random.shuffle(&mut order);
        order
    }

    /// Times a call, and an idle loop after it. The loop is part of the control only: a timer is coarser than that.
    async fn time(&mut self, contender: usize, delay: Duration, call: impl Future<Output = Answer>) -> Answer {
        let began = Instant::now();
        let answer = call.await;
        let answered = Instant::now();
        while answered.elapsed() < delay {
            std::hint::spin_loop();
        }
        self.times[contender].push(began.elapsed().as_secs_f64() * 1e6);
        answer
    }

    fn compare(&self, report: &mut Report, what: &str, one: usize, other: usize, is_control: bool) {
        let (one, other) = (&self.times[one], &self.times[other]);
        let found = Comparison::of(one.values(), other.values());
        let target = if is_control { Target::AtLeast(APART) } else { Target::AtMost(APART) };
        let figure = format!("{what}: distance (p = {:.1e}; of the shapes, {:.1e})", found.p, found.shape_p);
        report.row(&figure, target, "σ", &found.z.into());
        report.row(
            "The second is the longer one in this part of all pairs",
            Target::None,
            "",
            &found.second_is_longer.into(),
        );
        report.row("Medians: difference", Target::None, "µs", &(other.median() - one.median()).into());
        report.row("Medians: the first", Target::None, "µs", &one.median().into());
    }
}
