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
    assert_eq!(verified.await.unwrap(), Ok(false));
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
}

/// The memory that the kernel of one worker is made with, in KiB, if so much is available.
fn kib_with(available_bytes: Option<u64>, choice: KernelChoice) -> u32 {
    let made = Arc::new(AtomicU32::new(0));
    let recorded = Arc::clone(&made);
    let new_kernel = move |kib| {
        recorded.store(kib, Ordering::SeqCst);
        Ok(Box::new(Forgetful(10)) as Box<dyn Kernel>)
    };
    let engine = start_at(choice, TurnedClock::new(), available_bytes, new_kernel).unwrap();
    assert_eq!(engine.figures().arena_bytes, u64::from(made.load(Ordering::SeqCst)) << 10);
    made.load(Ordering::SeqCst)
}

#[test]
fn a_worker_has_memory_for_two_only_where_two_are_computed_and_fit() {
    let interleaving = KernelChoice::interleaving();
    assert_eq!(kib_with(None, interleaving), 2 * 47_104);
    assert_eq!(kib_with(Some(92 << 20), interleaving), 2 * 47_104);
    assert_eq!(kib_with(Some((92 << 20) - 1), interleaving), 47_104);
    assert_eq!(kib_with(None, KernelChoice::portable("a test")), 47_104);
}
