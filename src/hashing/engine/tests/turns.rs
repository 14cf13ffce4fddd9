//! Tests of which hashes come next, and which are never computed.

use super::*;

#[tokio::test]
async fn what_can_not_be_finished_in_time_any_more_is_never_computed() {
    let Held { engine, clock, computed, entered, release } = held();
    let begun = admit(&engine, 2);
    let held = ask(&begun, "hold");
    tokio::task::yield_now().await;
    entered.recv().unwrap();
    let second = ask(&begun, "second of a pair");
    let waiting = admit(&engine, 2);
    let late = [ask(&waiting, "third"), ask(&waiting, "fourth")];
    tokio::task::yield_now().await;

    clock.turn(3601);
    release.send(()).unwrap();

    assert!(held.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    for hashed in late {
        assert_eq!(hashed.await.unwrap(), Err(HasherError::Abandoned));
    }
    assert_eq!(computed.lock().unwrap()[1..], ["hold", "second of a pair"]);
}

#[tokio::test]
async fn a_newcomer_goes_first_for_one_turn() {
    let Held { engine, computed, entered, release, .. } = held();
    let greedy = admit_of(&engine, "greedy", 6);
    let mut asked = vec![ask(&greedy, "hold")];
    tokio::task::yield_now().await;
    entered.recv().unwrap();
    asked.extend(["greedy-2", "hold", "greedy-4", "greedy-5", "greedy-6"].map(|text| ask(&greedy, text)));
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    // In the middle of a turn.
    entered.recv().unwrap();
    let modest = admit_of(&engine, "modest", 3);
    asked.extend(["modest-1", "modest-2", "modest-3"].map(|text| ask(&modest, text)));
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    for hashed in asked {
        hashed.await.unwrap().unwrap();
    }
    let order = computed.lock().unwrap()[4..].to_vec();
    assert_eq!(order, ["modest-1", "modest-2", "greedy-4", "modest-3", "greedy-5", "greedy-6"]);
}

#[tokio::test]
async fn who_comes_again_and_again_is_no_newcomer_before_the_others_had_a_turn() {
    let Held { engine, computed, entered, release, .. } = held();
    let patient = admit_of(&engine, "patient", 3);
    let mut asked: Vec<_> = ["hold", "patient-2", "patient-3"].map(|text| ask(&patient, text)).into();
    tokio::task::yield_now().await;
    entered.recv().unwrap();
    let restless = admit_of(&engine, "restless", 4);
    asked.extend(["restless-1", "hold"].map(|text| ask(&restless, text)));
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    entered.recv().unwrap();
    // The restless tenant has nothing waiting now, and its turn is over.
    asked.extend(["restless-3", "restless-4"].map(|text| ask(&restless, text)));
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    for hashed in asked {
        hashed.await.unwrap().unwrap();
    }
    let order = computed.lock().unwrap()[2..].to_vec();
    assert_eq!(order, ["patient-2", "restless-1", "hold", "patient-3", "restless-3", "restless-4"]);
}

#[tokio::test]
async fn abandoned_hashes_take_no_part_of_a_turn() {
    let Held { engine, computed, entered, release, .. } = held();
    let busy = admit_of(&engine, "busy", 1);
    let mut asked = vec![ask(&busy, "hold")];
    tokio::task::yield_now().await;
    entered.recv().unwrap();
    let gone = admit_of(&engine, "unlucky", 2);
    let abandoned = ["gone-1", "gone-2"].map(|text| ask(&gone, text));
    tokio::task::yield_now().await;
    let (unlucky, other) = (admit_of(&engine, "unlucky", 2), admit_of(&engine, "other", 2));
    asked.extend(["unlucky-1", "unlucky-2"].map(|text| ask(&unlucky, text)));
    tokio::task::yield_now().await;
    asked.extend(["other-1", "other-2"].map(|text| ask(&other, text)));
    tokio::task::yield_now().await;

    gone.abandon();
    release.send(()).unwrap();

    for hashed in asked {
        hashed.await.unwrap().unwrap();
    }
    for hashed in abandoned {
        assert_eq!(hashed.await.unwrap(), Err(HasherError::Abandoned));
    }
    assert_eq!(computed.lock().unwrap()[2..], ["unlucky-1", "unlucky-2", "other-1", "other-2"]);
}

#[tokio::test]
async fn abandoned_hashes_are_computed_all_or_none() {
    let Held { engine, computed, entered, release, .. } = held();
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
