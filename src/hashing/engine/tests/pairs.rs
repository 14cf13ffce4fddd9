//! Tests of hashes that are computed together.

use super::*;

/// An engine with one tame worker that computes pairs, and the decoy done, alone and as a pair.
fn held_in_pairs() -> Held {
    let held = held_with(KernelChoice::interleaving());
    held.computed.lock().unwrap().clear();
    held
}

/// Occupies the worker.
async fn occupy(held: &Held) -> tokio::task::JoinHandle<Result<PasswordHash, HasherError>> {
    let running = ask(&admit_of(&held.engine, "busy", 1), "hold");
    tokio::task::yield_now().await;
    held.entered.recv().unwrap();
    running
}

#[tokio::test]
async fn what_waits_is_computed_in_pairs_in_the_same_order() {
    let held = held_in_pairs();
    let mut asked = vec![occupy(&held).await];
    for (tenant, texts) in [("acme", ["acme-1", "acme-2", "acme-3"]), ("other", ["other-1", "other-2", "other-3"])] {
        let hashes = admit_of(&held.engine, tenant, 3);
        asked.extend(texts.map(|text| ask(&hashes, text)));
        tokio::task::yield_now().await;
    }

    held.release.send(()).unwrap();

    for hashed in asked {
        hashed.await.unwrap().unwrap();
    }
    assert_eq!(*held.computed.lock().unwrap(), ["hold", "acme-1+acme-2", "other-1+other-2", "acme-3+other-3"]);
}

#[tokio::test]
async fn who_hangs_up_costs_nothing_and_the_next_one_takes_the_place() {
    let held = held_in_pairs();
    let mut asked = vec![occupy(&held).await];
    let [first, gone, last] = ["first", "gone", "last"].map(|text| {
        let hashes = admit(&held.engine, 1);
        (ask(&hashes, text), hashes)
    });
    tokio::task::yield_now().await;

    gone.1.abandon();
    held.release.send(()).unwrap();

    asked.extend([first.0, last.0]);
    for hashed in asked {
        hashed.await.unwrap().unwrap();
    }
    assert_eq!(gone.0.await.unwrap(), Err(HasherError::Abandoned));
    assert_eq!(*held.computed.lock().unwrap(), ["hold", "first+last"]);
}

#[tokio::test]
async fn what_does_not_go_together_runs_alone_and_nothing_passes_it_by() {
    let held = held_in_pairs();
    let running = occupy(&held).await;
    let hashes = admit(&held.engine, 4);
    let first = ask(&hashes, "first");
    tokio::task::yield_now().await;
    let weaker = PasswordHash::new(held.engine.decoy().expose().replace("m=47104", "m=4096"));
    let verified = {
        let hashes = Arc::clone(&hashes);
        tokio::spawn(async move { hashes.verify(password("of other cost"), &weaker).await })
    };
    tokio::task::yield_now().await;
    let others = ["third", "fourth"].map(|text| ask(&hashes, text));
    tokio::task::yield_now().await;

    held.release.send(()).unwrap();

    for hashed in [running, first].into_iter().chain(others) {
        hashed.await.unwrap().unwrap();
    }
    assert_eq!(verified.await.unwrap(), Ok(None));
    assert_eq!(*held.computed.lock().unwrap(), ["hold", "first", "of other cost", "third+fourth"]);
}

#[tokio::test]
async fn what_fails_does_not_concern_the_other_of_its_pair() {
    let held = held_in_pairs();
    let running = occupy(&held).await;
    let hashes = admit(&held.engine, 2);
    let pair = ["panic", "fine"].map(|text| ask(&hashes, text));
    tokio::task::yield_now().await;

    held.release.send(()).unwrap();

    running.await.unwrap().unwrap();
    let [panicked, fine] = pair;
    assert_eq!(panicked.await.unwrap(), Err(HasherError::Stopped));
    assert!(fine.await.unwrap().is_ok());
    let figures = held.engine.figures();
    assert_eq!((figures.pairs, figures.failed_pairs), (1, 1));
}

#[tokio::test]
async fn what_is_over_does_not_keep_the_others_from_their_pair() {
    let held = held_in_pairs();
    let running = occupy(&held).await;
    let first = admit(&held.engine, 1);
    let first = (ask(&first, "first"), first);
    tokio::task::yield_now().await;
    let gone = admit(&held.engine, 1);
    let weaker = PasswordHash::new(held.engine.decoy().expose().replace("m=47104", "m=4096"));
    let abandoned = {
        let gone = Arc::clone(&gone);
        tokio::spawn(async move { gone.verify(password("of other cost"), &weaker).await })
    };
    tokio::task::yield_now().await;
    let last = ask(&admit(&held.engine, 1), "last");
    tokio::task::yield_now().await;

    gone.abandon();
    held.release.send(()).unwrap();

    for hashed in [running, first.0, last] {
        hashed.await.unwrap().unwrap();
    }
    assert_eq!(abandoned.await.unwrap(), Err(HasherError::Abandoned));
    assert_eq!(*held.computed.lock().unwrap(), ["hold", "first+last"]);
}

#[tokio::test]
async fn what_takes_as_long_as_several_hashes_is_computed_alone() {
    let held = held_in_pairs();
    let running = occupy(&held).await;
    let stronger = PasswordHash::new(held.engine.decoy().expose().replace("t=1", "t=3"));
    let verified = ["one", "other"].map(|text| {
        let (hashes, stronger) = (admit(&held.engine, 3), stronger.clone());
        tokio::spawn(async move { hashes.verify(password(text), &stronger).await })
    });
    tokio::task::yield_now().await;

    held.release.send(()).unwrap();

    running.await.unwrap().unwrap();
    for verified in verified {
        assert_eq!(verified.await.unwrap(), Ok(None));
    }
    assert_eq!(*held.computed.lock().unwrap(), ["hold", "one", "other"]);
}

/// The memory that the kernels of one worker were made with, in KiB, if so much is available. The last one is in use.
fn made_with(
    available_bytes: Option<u64>,
    choice: KernelChoice,
    new_kernel: impl Fn(u32) -> Result<Box<dyn Kernel>, CantAllocate> + Send + Sync + 'static,
) -> Vec<u32> {
    let made = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&made);
    let new_kernel = move |kib| {
        recorded.lock().unwrap().push(kib);
        new_kernel(kib)
    };
    let engine = start_at(choice, TurnedClock::new(), available_bytes, new_kernel).unwrap();
    let made = made.lock().unwrap().clone();
    assert_eq!(Some(engine.figures().arena_bytes), made.last().map(|kib| u64::from(*kib) << 10));
    made
}

const ONE: u32 = 47_104;

#[test]
fn a_worker_has_memory_for_two_only_where_two_are_computed_and_fit_well() {
    let made_with = |available, choice| made_with(available, choice, |_| Ok(Box::new(Forgetful(10))));
    let interleaving = KernelChoice::interleaving();
    assert_eq!(made_with(Some(184 << 20), interleaving), [2 * ONE]);
    assert_eq!(made_with(Some((184 << 20) - 1), interleaving), [ONE]);
    assert_eq!(made_with(None, interleaving), [ONE]);
    assert_eq!(made_with(PLENTY, KernelChoice::portable("a test")), [ONE]);
}

#[test]
fn where_the_memory_for_two_can_not_be_allocated_there_are_no_pairs() {
    let scarce = |kib| match kib {
        ONE => Ok(Box::new(Forgetful(10)) as Box<dyn Kernel>),
        _ => Err(io::Error::from(io::ErrorKind::OutOfMemory).into()),
    };
    assert_eq!(made_with(PLENTY, KernelChoice::interleaving(), scarce), [2 * ONE, ONE]);
}

/// Computes pairs wrongly.
struct Crossed;

impl Kernel for Crossed {
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
        tag.fill(input.password[0]);
        Ok(())
    }

    fn compute_pair(&mut self, [one, other]: [&Input<'_>; 2], tags: [&mut [u8]; 2]) -> Result<(), CantCompute> {
        [other, one].into_iter().zip(tags).try_for_each(|(input, tag)| self.compute(input, tag))
    }
}

/// Different bytes at each call.
struct Counting(AtomicU32);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes()[0]);
    }
}

#[test]
fn if_the_first_pair_differs_from_its_hashes_alone_there_are_no_pairs() {
    let settings = EngineSettings { workers: NonZeroUsize::new(1), ..EngineSettings::of(Cost::DEFAULT) };
    let new_kernel: Arc<NewKernel> = Arc::new(|_| Ok(Box::new(Crossed)));
    let (kernel, entropy) = (KernelChoice::interleaving(), Counting(AtomicU32::new(1)));
    let start = Start { settings, kernel, clock: TurnedClock::new(), entropy: &entropy, new_kernel };
    let engine = start.run(PLENTY).unwrap();
    assert_eq!(engine.figures().arena_bytes, u64::from(ONE) << 10);
}
