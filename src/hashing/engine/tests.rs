//! Tests of the engine around kernels that the tests hold, count and break.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Instant;

use super::super::kernel::{CantAllocate, CantCompute, Input, Kernel};
use super::*;
use crate::domain::time::Timestamp;
use crate::ports::HasherError;

mod pairs;
mod turns;

/// A clock that stands still until a test turns it.
struct TurnedClock {
    started: Instant,
    seconds: AtomicU32,
}

impl TurnedClock {
    #[expect(clippy::disallowed_methods, reason = "the point itself does not matter")]
    fn new() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), seconds: AtomicU32::new(0) })
    }

    fn turn(&self, seconds: u32) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn instant(&self) -> Instant {
        self.started + Duration::from_secs(self.seconds.load(Ordering::Relaxed).into())
    }
}

/// The passwords that were hashed, in order.
type Computed = Arc<Mutex<Vec<String>>>;

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// Records the passwords; on the password "hold" it waits until released, and on "panic" it panics.
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

    fn compute_pair(&mut self, inputs: [&Input<'_>; 2], tags: [&mut [u8]; 2]) -> Result<(), CantCompute> {
        let passwords = inputs.map(|input| String::from_utf8_lossy(input.password));
        self.computed.lock().unwrap().push(passwords.join("+"));
        let before = self.computed.lock().unwrap().len();
        for (input, tag) in inputs.into_iter().zip(tags) {
            self.compute(input, tag)?;
        }
        self.computed.lock().unwrap().truncate(before);
        Ok(())
    }
}

/// An engine with one tame worker, and the channels by which the test controls it.
struct Held {
    engine: HashEngine,
    clock: Arc<TurnedClock>,
    computed: Computed,
    entered: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

fn held() -> Held {
    held_with(KernelChoice::portable("a test holds it"))
}

fn held_with(choice: KernelChoice) -> Held {
    let (entered_sender, entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let computed = Computed::default();
    let (count, released) = (Arc::clone(&computed), Arc::new(Mutex::new(released)));
    let new_kernel = move |_| {
        let (computed, released) = (Arc::clone(&count), Arc::clone(&released));
        Ok(Box::new(Tame { computed, entered: entered_sender.clone(), released }) as Box<dyn Kernel>)
    };
    let clock = TurnedClock::new();
    let engine = start_at(choice, Arc::clone(&clock), PLENTY, new_kernel).unwrap();
    Held { engine, clock, computed, entered, release }
}

/// Memory for anything.
const PLENTY: Option<u64> = Some(1 << 40);

fn start(
    available_bytes: Option<u64>,
    new_kernel: impl Fn(u32) -> Result<Box<dyn Kernel>, CantAllocate> + Send + Sync + 'static,
) -> Result<HashEngine, EngineError> {
    start_at(KernelChoice::portable("a test holds it"), TurnedClock::new(), available_bytes, new_kernel)
}

fn start_at(
    choice: KernelChoice,
    clock: Arc<TurnedClock>,
    available_bytes: Option<u64>,
    new_kernel: impl Fn(u32) -> Result<Box<dyn Kernel>, CantAllocate> + Send + Sync + 'static,
) -> Result<HashEngine, EngineError> {
    let settings = EngineSettings { workers: NonZeroUsize::new(1), ..EngineSettings::of(Cost::DEFAULT) };
    let new_kernel: Arc<NewKernel> = Arc::new(new_kernel);
    Start { settings, kernel: choice, clock, entropy: &Zeros, new_kernel }.run(available_bytes)
}

fn admit(engine: &HashEngine, count: u32) -> Arc<dyn AdmittedHashes> {
    admit_of(engine, "acme", count)
}

fn admit_of(engine: &HashEngine, tenant: &str, count: u32) -> Arc<dyn AdmittedHashes> {
    let deadline = Deadline::at(engine.shared.clock.instant() + Duration::from_hours(1));
    engine.admit(&TenantName::parse(tenant).unwrap(), HashDemand { total: count, in_sequence: 1 }, deadline).unwrap()
}

/// Requests a hash without waiting for it.
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
async fn an_abandoned_job_is_never_computed() {
    let Held { engine, computed, entered, release, .. } = held();
    let hashes = admit(&engine, 3);
    let mut running = pin!(hashes.hash(password("hold"), [0; SALT_BYTES]));
    assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // Workers are woken once the task waits.
    tokio::task::yield_now().await;
    entered.recv().unwrap();
    {
        let mut abandoned = pin!(hashes.hash(password("gone"), [0; SALT_BYTES]));
        assert!(abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    release.send(()).unwrap();
    running.await.unwrap();
    hashes.hash(password("last"), [0; SALT_BYTES]).await.unwrap();
    // The decoy, the held one, and the last.
    assert_eq!(computed.lock().unwrap().len(), 3);
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
    // Workers are woken once the task waits.
    tokio::task::yield_now().await;
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
fn arenas_that_do_not_fit_are_refused_before_any_is_made() {
    let refused = start(Some(45 << 20), |_| panic!("an arena was made")).err().unwrap();
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
    let refused = start(None, |_| Ok(Box::new(Broken))).err();
    assert!(matches!(refused, Some(EngineError::WarmUp)));
}

const SCRYPT: &str = "$scrypt$ln=10,r=4,p=3$MDEyMzQ1Njc4OWFiY2RlZg$yW+VRVPG5FPRrIHp+dqJf2w83ob7Ee+NnZGRNTSC8mA";
const PBKDF2: &str = "$pbkdf2-sha256$i=600000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$vxd2BNPHUTWmwMtqfRqteQGLvvOWmfLBg0Dk2qtKKGI";

/// Counts its living instances.
struct Counted(Arc<AtomicU32>);

impl Kernel for Counted {
    fn compute(&mut self, _: &Input<'_>, _: &mut [u8]) -> Result<(), CantCompute> {
        assert_eq!(self.0.load(Ordering::SeqCst), 1);
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_takes_memory_takes_the_place_of_the_kernel() {
    let living = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&living);
    let new_kernel = move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Counted(Arc::clone(&count))) as Box<dyn Kernel>)
    };
    let engine = start(None, new_kernel).unwrap();
    let hashes = admit(&engine, 3);
    assert_eq!(hashes.verify(password("wrong"), &PasswordHash::new(SCRYPT.to_owned())).await, Ok(None));
    assert_eq!(living.load(Ordering::SeqCst), 0);
    hashes.hash(password("next"), [0; SALT_BYTES]).await.unwrap();
    assert_eq!(living.load(Ordering::SeqCst), 1);
}

/// Loses its memory after the first hash.
struct Forgetful(u32);

impl Kernel for Forgetful {
    fn compute(&mut self, _: &Input<'_>, _: &mut [u8]) -> Result<(), CantCompute> {
        self.0 += 1;
        if self.0 == 2 { Err(CantCompute::Memory) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_kernel_that_lost_its_memory_is_replaced() {
    let engine = start(None, |_| Ok(Box::new(Forgetful(0)))).unwrap();
    let hashes = admit(&engine, 2);
    assert_eq!(hashes.hash(password("lost"), [0; SALT_BYTES]).await, Err(HasherError::Stopped));
    assert!(hashes.hash(password("next"), [0; SALT_BYTES]).await.is_ok());
}

#[tokio::test]
async fn a_slow_format_counts_as_several_hashes() {
    let Held { engine, .. } = held();
    let (slow, password) = (PasswordHash::new(PBKDF2.to_owned()), password("Tr0ub4dor&3 \u{e9}"));
    let count = engine.cost_of(&password, &slow);
    assert!((10..20).contains(&count), "{count}");
    assert_eq!(engine.cost_of(&password, &engine.decoy()), 1);
    let too_few = admit(&engine, count - 1).verify(Arc::clone(&password), &slow).await;
    assert_eq!(too_few, Err(HasherError::NotAdmitted));
    assert_eq!(admit(&engine, count).verify(password, &slow).await, Ok(Some(PasswordForm::Nfc)));
}

#[tokio::test]
async fn only_what_is_not_of_this_engine_is_tried_as_it_was_received() {
    let Held { engine, computed, .. } = held();
    let decomposed = password("cafe\u{301}");
    assert_eq!(engine.cost_of(&decomposed, &engine.decoy()), 1);
    // A hash that this engine made, of another password.
    assert_eq!(admit(&engine, 1).verify(Arc::clone(&decomposed), &engine.decoy()).await, Ok(None));
    assert_eq!(computed.lock().unwrap().len(), 2);
    let weaker = PasswordHash::new(engine.decoy().expose().replace("m=47104", "m=4096"));
    assert_eq!(engine.cost_of(&decomposed, &weaker), 2);
    assert_eq!(engine.cost_of(&password("caf\u{e9}"), &weaker), 1);
}

#[test]
fn anything_weaker_is_below_target_and_anything_stronger_is_not() {
    let engine = held().engine;
    let made = engine.decoy().expose().to_owned();
    let described = |text: &str| engine.describe(&PasswordHash::new(text.to_owned()));
    assert!(!described(&made).is_below_target);
    assert_eq!((described(&made).algorithm, &*described(&made).parameters), ("argon2id", "v=19,m=47104,t=1,p=1"));
    let with = |from: &str, to: &str| made.replacen(from, to, 1);
    let (rest, _) = made.rsplit_once('$').unwrap();
    let (front, _) = rest.rsplit_once('$').unwrap();
    let (salt, tag) = ("A".repeat(22), "A".repeat(43));
    for weaker in [
        with("argon2id", "argon2i"),
        with("v=19", "v=16"),
        with("v=19$", ""),
        with("m=47104", "m=47103"),
        format!("{front}$AAAAAAAAAAA${tag}"),
        format!("{front}${salt}${}", "A".repeat(22)),
        SCRYPT.to_owned(),
        "nonsense".to_owned(),
    ] {
        assert!(described(&weaker).is_below_target, "{weaker}");
    }
    for stronger in [with("t=1", "t=2"), with("p=1", "p=2"), format!("{front}${}${}", "A".repeat(32), "A".repeat(86))] {
        assert!(!described(&stronger).is_below_target, "{stronger}");
    }
    assert_eq!(described("nonsense").algorithm, "unreadable");
}

#[test]
fn a_password_that_was_cut_is_not_upgraded() {
    let engine = held().engine;
    let bcrypt = PasswordHash::new("$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q".to_owned());
    let is_upgradable =
        |text: &str, hash: &PasswordHash| engine.is_upgradable(&password(text), PasswordForm::Nfc, hash);
    assert!(is_upgradable(&"x".repeat(71), &bcrypt));
    assert!(!is_upgradable(&"x".repeat(72), &bcrypt));
    assert!(!is_upgradable("any", &engine.decoy()));
    assert!(!is_upgradable("any", &PasswordHash::new("nonsense".to_owned())));
    assert!(is_upgradable(&"x".repeat(72), &PasswordHash::new(PBKDF2.to_owned())));
    let (long, cut) = (password(&"e\u{301}".repeat(25)), PasswordForm::AsReceived);
    let long_nfc = PasswordForm::Nfc.of(&long).unwrap().len();
    assert!(long_nfc < 72 && cut.of(&long).unwrap().len() > 72, "{long_nfc}");
    assert!(engine.is_upgradable(&long, PasswordForm::Nfc, &bcrypt));
    assert!(!engine.is_upgradable(&long, cut, &bcrypt));
}
