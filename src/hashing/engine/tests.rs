//! The engine around a kernel that tests hold, count and break.

use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::time::Instant;

use super::super::kernel::{CantCompute, Input};
use super::*;
use crate::domain::time::Timestamp;

struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    #[expect(clippy::disallowed_methods, reason = "the point itself does not matter")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The passwords that were hashed, in their order.
type Computed = Arc<Mutex<Vec<String>>>;

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// Notes the passwords; waits in the one of "hold" until released, and panics in the one of "panic".
struct Tame {
    computed: Computed,
    entered: mpsc::Sender<()>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Kernel for Tame {
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
        self.computed.lock().unwrap().push(String::from_utf8_lossy(input.password).into_owned());
        match input.password {
            b"hold" => {
                self.entered.send(()).unwrap();
                self.released.lock().unwrap().recv().unwrap();
            }
            b"panic" => std::panic::resume_unwind(Box::new(())),
            password => tag.fill(u8::try_from(password.len()).unwrap()),
        }
        Ok(())
    }
}

/// An engine with one tame worker, and the ends by which the test holds it.
struct Held {
    engine: HashEngine,
    computed: Computed,
    entered: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

fn held() -> Held {
    let (entered_sender, entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let computed = Computed::default();
    let (count, released) = (Arc::clone(&computed), Arc::new(Mutex::new(released)));
    let new_kernel = move || {
        let (computed, released) = (Arc::clone(&count), Arc::clone(&released));
        Ok(Tame { computed, entered: entered_sender.clone(), released })
    };
    let engine = HashEngine::start_with(settings(), Arc::new(RealClock), &Zeros, None, new_kernel).unwrap();
    Held { engine, computed, entered, release }
}

fn settings() -> EngineSettings {
    EngineSettings { cost: Cost::DEFAULT, workers: NonZeroUsize::new(1), longest_wait: Duration::from_hours(1) }
}

fn admit(engine: &HashEngine, count: u32) -> Arc<dyn AdmittedHashes> {
    admit_of(engine, "acme", count)
}

fn admit_of(engine: &HashEngine, tenant: &str, count: u32) -> Arc<dyn AdmittedHashes> {
    let deadline = Deadline::at(RealClock.instant() + Duration::from_hours(1));
    engine.admit(&TenantName::parse(tenant).unwrap(), count, deadline).unwrap()
}

/// Asks for a hash without waiting for it.
fn ask(
    hashes: &Arc<dyn AdmittedHashes>,
    text: &'static str,
) -> tokio::task::JoinHandle<Result<PasswordHash, HasherError>> {
    let hashes = Arc::clone(hashes);
    tokio::spawn(async move { hashes.hash(password(text), [0; SALT_BYTES]).await })
}

fn password(text: &str) -> Arc<Password> {
    Arc::new(Password::parse(text.to_owned()).unwrap())
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_is_never_computed() {
    let Held { engine, computed, entered, release } = held();
    let hashes = admit(&engine, 3);
    let mut running = pin!(hashes.hash(password("hold"), [0; SALT_BYTES]));
    assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    entered.recv().unwrap();
    {
        let mut abandoned = pin!(hashes.hash(password("gone"), [0; SALT_BYTES]));
        assert!(abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    release.send(()).unwrap();
    running.await.unwrap();
    hashes.hash(password("last"), [0; SALT_BYTES]).await.unwrap();
    // The decoy, the one that was held, and the last.
    assert_eq!(computed.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn tenants_are_served_in_turn() {
    let Held { engine, computed, entered, release } = held();
    let greedy = admit_of(&engine, "greedy", 4);
    let held = ask(&greedy, "hold");
    tokio::task::yield_now().await;
    entered.recv().unwrap();
    let mut asked: Vec<_> = ["greedy-1", "greedy-2", "greedy-3"].map(|text| ask(&greedy, text)).into();
    tokio::task::yield_now().await;
    let modest = admit_of(&engine, "modest", 2);
    asked.extend(["modest-1", "modest-2"].map(|text| ask(&modest, text)));
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    for hashed in asked.into_iter().chain([held]) {
        hashed.await.unwrap().unwrap();
    }
    let order = computed.lock().unwrap()[2..].to_vec();
    assert_eq!(order, ["greedy-1", "modest-1", "greedy-2", "modest-2", "greedy-3"]);
}

#[tokio::test]
async fn abandoned_hashes_are_computed_all_or_none() {
    let Held { engine, computed, entered, release } = held();
    let begun = admit(&engine, 2);
    let held = ask(&begun, "hold");
    tokio::task::yield_now().await;
    entered.recv().unwrap();
    let second = ask(&begun, "second of a pair");
    let waiting = admit(&engine, 2);
    let pair = [ask(&waiting, "third"), ask(&waiting, "fourth")];
    tokio::task::yield_now().await;

    begun.abandon();
    waiting.abandon();
    release.send(()).unwrap();

    assert!(held.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    for hashed in pair {
        assert_eq!(hashed.await.unwrap(), Err(HasherError::Abandoned));
    }
    assert_eq!(computed.lock().unwrap()[1..], ["hold", "second of a pair"]);
}

#[tokio::test]
async fn a_panic_costs_one_hash_and_no_worker() {
    let Held { engine, .. } = held();
    let hashes = admit(&engine, 2);
    assert_eq!(hashes.hash(password("panic"), [0; SALT_BYTES]).await, Err(HasherError::Stopped));
    assert!(hashes.hash(password("fine"), [0; SALT_BYTES]).await.is_ok());
}

#[tokio::test]
async fn more_hashes_than_were_admitted_are_refused() {
    let Held { engine, computed, .. } = held();
    let hashes = admit(&engine, 1);
    hashes.hash(password("first"), [0; SALT_BYTES]).await.unwrap();
    assert_eq!(hashes.hash(password("second"), [0; SALT_BYTES]).await, Err(HasherError::NotAdmitted));
    assert_eq!(computed.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn stopping_finishes_what_runs_and_drops_what_waits() {
    let Held { engine, entered, release, .. } = held();
    let hashes = admit(&engine, 3);
    let mut running = pin!(hashes.hash(password("hold"), [0; SALT_BYTES]));
    assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    entered.recv().unwrap();
    let mut waiting = pin!(hashes.hash(password("late"), [0; SALT_BYTES]));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let stopping = thread::spawn(move || drop(engine));
    assert_eq!(waiting.await, Err(HasherError::Stopped));
    release.send(()).unwrap();
    assert!(running.await.is_ok());
    stopping.join().unwrap();
    assert_eq!(hashes.hash(password("later"), [0; SALT_BYTES]).await, Err(HasherError::Stopped));
}

#[tokio::test]
async fn an_unreadable_hash_is_never_computed() {
    let Held { engine, computed, .. } = held();
    let hostile = PasswordHash::new("$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0".to_owned());
    let verified = admit(&engine, 1).verify(password("any"), &hostile).await;
    assert!(matches!(verified, Err(HasherError::Unreadable(_))));
    assert_eq!(computed.lock().unwrap().len(), 1);
}

#[test]
fn arenas_that_do_not_fit_are_refused_at_start() {
    let new_kernel = || PortableKernel::new(Ceiling::of(Cost::DEFAULT));
    let available = Some(45 << 20);
    let refused = HashEngine::start_with(settings(), Arc::new(RealClock), &Zeros, available, new_kernel).err();
    let message = refused.unwrap().to_string();
    assert!(message.contains("1 hash workers of 46 MiB") && message.contains("45 MiB"), "{message}");
}

#[test]
fn a_worker_that_fails_its_first_hash_stops_the_start() {
    struct Broken;
    impl Kernel for Broken {
        fn compute(&mut self, _: &Input<'_>, _: &mut [u8]) -> Result<(), CantCompute> {
            std::panic::resume_unwind(Box::new(()))
        }
    }
    let refused = HashEngine::start_with(settings(), Arc::new(RealClock), &Zeros, None, || Ok(Broken)).err();
    assert!(matches!(refused, Some(EngineError::WarmUp)));
}
