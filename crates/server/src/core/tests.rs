use std::cell::RefCell;

use fanfare_log::memory::MemoryStore;
use fanfare_log::{Next, Options, Payer};
use fanfare_protocol::ChannelName;

use tokio::time::sleep;

use super::*;
use crate::scene;

/// Readers of the large channel.
const READERS: usize = 2_000;

/// What happened, in its order: a reader has everything so far, or the first event.
type Order = Rc<RefCell<Vec<(&'static str, bool)>>>;

/// Reads until the first event of a channel as a session does, only when it is woken; calls `served` with it.
async fn read_one(core: Rc<Core>, name: &'static str, order: Order, served: impl FnOnce()) {
    let session = core.sessions.insert();
    let (view, mut cursor) = core.log.open(ChannelName::parse(name).unwrap(), None, session, Payer::NODE).unwrap();
    let mut is_live = false;
    poll_fn(|cx| {
        core.sessions.set_waker(session, cx.waker());
        if !core.log.resolve_start(view, &mut cursor) {
            return Poll::Pending;
        }
        let is_served = core.log.next(view, &mut cursor, |_, _, next| matches!(next, Next::Tail(..)));
        if !is_served && !std::mem::replace(&mut is_live, true) {
            order.borrow_mut().push((name, false));
        }
        if is_served { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    order.borrow_mut().push((name, true));
    served();
    core.log.close(view, &cursor);
    core.sessions.remove(session);
}

// Seen to fail when all readers of a channel are woken at once: then nobody is served before the last of them.
#[test]
fn an_event_for_one_reader_is_not_behind_the_thousands_that_another_event_is_for() {
    scene::run(async {
        let store = MemoryStore::default();
        let core = scene::core(&store, Options::default());
        let [large, small] = ["large", "small"].map(|name| ChannelName::parse(name).unwrap());
        let order = Order::default();
        for number in 0..READERS {
            let (store, small) = (store.clone(), small.clone());
            // When the first of them has its event, somebody publishes to the other channel.
            let served = move || {
                if number == 0 {
                    scene::publish(&store, &small, "now".to_owned());
                }
            };
            scene::spawn(read_one(Rc::clone(&core), "large", Rc::clone(&order), served));
        }
        scene::spawn(read_one(Rc::clone(&core), "small", Rc::clone(&order), || {}));
        while order.borrow().len() < READERS + 1 {
            sleep(Duration::from_millis(1)).await;
        }
        scene::publish(&store, &large, "first".to_owned());
        while core.sessions() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let order = order.borrow();
        let served: Vec<_> = order.iter().filter(|(_, is_served)| *is_served).map(|(name, _)| *name).collect();
        assert_eq!(served.len(), READERS + 1, "everybody was served once");
        let before = served.iter().position(|name| *name == "small").unwrap();
        assert!(before < READERS / 4, "{before} readers were served before");
    });
}
