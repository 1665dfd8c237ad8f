use fanfare_log::memory::MemoryStore;

use super::*;
use crate::scene;

// Seen to fail when no proof is taken for one that was over when the node started: the node was said to know nothing for as long as it ran.
#[test]
fn who_finds_that_there_is_no_proof_says_since_now() {
    scene::run(async {
        tokio::time::pause();
        let known = scene::knowing(&MemoryStore::default()).await;
        let uptime = Duration::from_secs(3_600);
        tokio::time::advance(uptime).await;
        scene::until(|| known.unknown().is_none()).await;
        assert_eq!(known.incomplete_for(), Duration::ZERO);
        known.good_until.store(0, Ordering::Release);
        assert!(known.unknown().is_some() && known.incomplete_for() < uptime, "{:?}", known.incomplete_for());
    });
}

// Fails when what the reader has told gives way to when somebody asked.
#[test]
fn since_when_it_is_not_known_is_what_the_reader_tells() {
    scene::run(async {
        tokio::time::pause();
        let known = scene::knowing(&MemoryStore::default()).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        scene::until(|| known.unknown().is_none()).await;
        assert_eq!(known.incomplete_for(), Duration::ZERO);
        let since = Instant::now() - Duration::from_secs(1);
        known.tell_incomplete(since);
        assert!(known.unknown().is_some() && known.incomplete_for() == since.elapsed(), "{:?}", known.incomplete_for());
    });
}
