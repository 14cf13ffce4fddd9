//! The engine around a kernel that tests hold, count and break.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
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

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// Counts the hashes; waits in the one of "hold" until released, and panics in the one of "panic".
struct Tame {
    computed: Arc<AtomicU32>,
    entered: mpsc::Sender<()>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Kernel for Tame {
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
        self.computed.fetch_add(1, Ordering::SeqCst);
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
    computed: Arc<AtomicU32>,
    entered: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

fn held() -> Held {
    let (entered_sender, entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let computed = Arc::new(AtomicU32::new(0));
    let (count, released) = (Arc::clone(&computed), Arc::new(Mutex::new(released)));
    let new_kernel = move || {
        let (computed, released) = (Arc::clone(&count), Arc::clone(&released));
        Ok(Box::new(Tame { computed, entered: entered_sender.clone(), released }) as Box<dyn Kernel>)
    };
    let engine = start(None, new_kernel).unwrap();
    Held { engine, computed, entered, release }
}

fn start(
    available_bytes: Option<u64>,
    new_kernel: impl Fn() -> Result<Box<dyn Kernel>, CantAllocate> + Clone + Send + 'static,
) -> Result<HashEngine, EngineError> {
    let settings = EngineSettings {
        cost: Cost::DEFAULT,
        ceiling: Ceiling::of(Cost::DEFAULT),
        kernel: KernelSetting::Portable,
        workers: NonZeroUsize::new(1),
        longest_wait: Duration::from_hours(1),
    };
    let choice = KernelChoice::portable("a test holds it");
    HashEngine::start_with(settings, choice, Arc::new(RealClock), &Zeros, available_bytes, new_kernel)
}

fn admit(engine: &HashEngine, count: u32) -> Box<dyn AdmittedHashes> {
    let deadline = Deadline::at(RealClock.instant() + Duration::from_hours(1));
    engine.admit(&TenantName::parse("acme").unwrap(), count, deadline).unwrap()
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
    assert_eq!(computed.load(Ordering::SeqCst), 3);
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
    assert_eq!(computed.load(Ordering::SeqCst), 2);
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
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[test]
fn arenas_that_do_not_fit_are_refused_before_any_is_made() {
    let refused = start(Some(45 << 20), || panic!("an arena was made")).err().unwrap();
    assert!(matches!(refused, EngineError::TooLittleMemory(_)), "{refused}");
}

#[test]
fn a_worker_that_fails_its_first_hash_stops_the_start() {
    struct Broken;
    impl Kernel for Broken {
        fn compute(&mut self, _: &Input<'_>, _: &mut [u8]) -> Result<(), CantCompute> {
            std::panic::resume_unwind(Box::new(()))
        }
    }
    let refused = start(None, || Ok(Box::new(Broken))).err();
    assert!(matches!(refused, Some(EngineError::WarmUp)));
}
