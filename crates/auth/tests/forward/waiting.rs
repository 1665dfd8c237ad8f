//! How many questions are asked at once, and how long the others wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare_auth::{Answering, Ask, AskError, AskRequest, Forward, ForwardError, ForwardOptions, Verdict};
use fanfare_protocol::limits::{FORWARD_MARGIN, FORWARD_WAITING_MAX};
use http::HeaderMap;
use tokio::task::JoinSet;

use super::support::NOW;
use super::{SECOND, answer, options, request_of};

/// Never answers questions about channels other than `quick`, and counts those.
#[derive(Default)]
struct Hanging(AtomicUsize);

impl Ask for Hanging {
    fn ask(&self, request: AskRequest) -> Answering {
        if request.body.windows(5).any(|part| part == b"quick") {
            return Box::pin(std::future::ready(Ok(answer(204, b""))));
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }
}

// Fails when the wait for a place has no end, and when there is no bound.
#[tokio::test(start_paused = true)]
async fn an_application_that_hangs_is_asked_so_many_questions_at_once_and_each_ends_in_time() {
    let hanging = Arc::new(Hanging::default());
    let forward = Arc::new(Forward::new(options(), hanging.clone()));
    let start = tokio::time::Instant::now();
    let mut all = JoinSet::new();
    for payer in 0..5 {
        let (forward, question) = (forward.clone(), request_of(&forward, &["c"], &HeaderMap::new(), payer));
        all.spawn(async move { forward.ask(question, || NOW).await });
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!((hanging.0.load(Ordering::Relaxed), forward.status().asking), (2, 2));
    let (late, without_place) = (ForwardError::Ask(AskError::TimedOut(3 * SECOND)), ForwardError::NoPlace(3 * SECOND));
    let all = all.join_all().await;
    let count = |error: &ForwardError| all.iter().filter(|one| one.as_ref().unwrap_err() == error).count();
    assert_eq!((count(&late), count(&without_place)), (2, 3));
    // The margin is for one who asks and keeps no deadline.
    assert_eq!(start.elapsed(), 3 * SECOND + FORWARD_MARGIN);
    assert_eq!((forward.status().asking, forward.status().failed()), (0, 5));
}

/// Answers after two seconds, and remembers how long it was given.
#[derive(Default)]
struct Slow(std::sync::Mutex<Vec<Duration>>);

impl Ask for Slow {
    fn ask(&self, request: AskRequest) -> Answering {
        self.0.lock().unwrap().push(request.timeout);
        Box::pin(async {
            tokio::time::sleep(2 * SECOND).await;
            Ok(answer(204, b""))
        })
    }
}

// Fails when who asks has the whole time however long the question waited: it would be cut off before it could say what it waited for.
#[tokio::test(start_paused = true)]
async fn who_asks_knows_how_much_time_is_left() {
    let slow = Arc::new(Slow::default());
    let forward = Arc::new(Forward::new(ForwardOptions { concurrency: 1, ..options() }, slow.clone()));
    crowd(&forward, 0..2).join_all().await;
    assert_eq!(*slow.0.lock().unwrap(), [3 * SECOND, SECOND]);
}

/// Asks about this channel for these payers, all at once.
fn crowd(forward: &Arc<Forward>, payers: impl Iterator<Item = u64>) -> JoinSet<Result<Verdict, ForwardError>> {
    let mut all = JoinSet::new();
    for payer in payers {
        let (forward, question) = (forward.clone(), request_of(forward, &["slow"], &HeaderMap::new(), payer));
        all.spawn(async move { forward.ask(question, || NOW).await });
    }
    all
}

// Fails when one payer can have all places, or all of those for questions that wait.
#[tokio::test(start_paused = true)]
async fn the_slow_questions_of_one_payer_hold_no_other_up() {
    let forward = Arc::new(Forward::new(ForwardOptions { concurrency: 8, ..options() }, Arc::new(Hanging::default())));
    let start = tokio::time::Instant::now();
    let mut slow = crowd(&forward, (0..2_000).map(|_| 1));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(forward.status().asking, 6, "three quarters");
    let refused = 2_000 - 8 - FORWARD_WAITING_MAX / 2;
    for _ in 0..refused {
        assert_eq!(slow.join_next().await.unwrap().unwrap(), Err(ForwardError::Crowded));
    }
    for payer in 2..40 {
        let question = request_of(&forward, &["quick"], &HeaderMap::new(), payer);
        assert!(matches!(forward.ask(question, || NOW).await, Ok(Verdict::Granted(_))));
    }
    assert_eq!((start.elapsed(), slow.len()), (Duration::from_millis(1), 8 + FORWARD_WAITING_MAX / 2));
    slow.join_all().await;
    let status = forward.status();
    assert_eq!((status.asking, status.refused), (0, refused as u64));
    assert!(forward.ask(request_of(&forward, &["quick"], &HeaderMap::new(), 1), || NOW).await.is_ok());
}

// Fails when the number of questions that wait has no bound: they have slots that others need.
#[tokio::test(start_paused = true)]
async fn a_bounded_number_of_questions_waits_and_others_are_refused_at_once() {
    let forward = Arc::new(Forward::new(options(), Arc::new(Hanging::default())));
    let start = tokio::time::Instant::now();
    let all = crowd(&forward, 0..1_000).join_all().await;
    let late = all.iter().filter(|one| **one == Err(ForwardError::NoPlace(3 * SECOND))).count();
    let crowded = all.iter().filter(|one| **one == Err(ForwardError::Crowded)).count();
    assert_eq!((late, crowded), (FORWARD_WAITING_MAX, 1_000 - 2 - FORWARD_WAITING_MAX));
    let status = forward.status();
    assert_eq!((start.elapsed(), status.refused), (3 * SECOND + FORWARD_MARGIN, crowded as u64));
    assert_eq!(status.failed(), 2 + late as u64);
}
