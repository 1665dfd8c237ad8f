//! One reader that counts: it reads whatever comes at once, until it leaves or its stream ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use fanfare_oracle::{Parsed, ResponseParser};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::told::Told;
use crate::net::End;
use crate::world::World;

/// What is known of a reader.
#[derive(Debug)]
pub(crate) struct Member {
    channel: String,
    pub(crate) node: usize,
    /// Its stream has begun.
    has_begun: Cell<bool>,
    is_over: Cell<bool>,
    told: RefCell<Told>,
    wrong: RefCell<Vec<String>>,
}

impl Member {
    /// Of this channel, on this node. It asks to be told, if it `asks`.
    pub(crate) fn new(channel: &str, node: usize, asks: bool) -> Rc<Self> {
        let told = RefCell::new(Told::new(asks, vec![channel.to_owned()]));
        let (has_begun, is_over, wrong) = Default::default();
        Rc::new(Self { channel: channel.to_owned(), node, has_begun, is_over, told, wrong })
    }

    /// Whether it has its stream.
    pub(crate) fn reads(&self) -> bool {
        self.has_begun.get() && !self.is_over.get()
    }

    /// Whether it waits for its stream.
    pub(crate) fn waits(&self) -> bool {
        !self.has_begun.get() && !self.is_over.get()
    }

    /// Whether its stream has ended, or none came.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// The last number that it was told, if it asked to be told. The inner `None`: it was told nothing yet.
    pub(crate) fn told(&self) -> Option<Option<u64>> {
        let told = self.told.borrow();
        told.asked.then(|| told.latest(&self.channel))
    }

    /// What must not have been said to it.
    pub(crate) fn take_wrong(&self) -> Vec<String> {
        self.wrong.take()
    }

    /// Reads until its stream ends. When this is dropped, it has left.
    pub(crate) async fn read(self: Rc<Self>, world: Rc<World>, mut end: End) {
        let asks = if self.told.borrow().asked { "&occupancy=1" } else { "" };
        let target = format!("/events?channel={}{asks}", self.channel);
        let request = format!("GET {target} HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n\r\n");
        let _over = Over(Rc::clone(&self));
        if end.write_all(request.as_bytes()).await.is_err() {
            return;
        }
        let (mut response, mut buffer) = (ResponseParser::default(), vec![0; 4_096]);
        while let Ok(count @ 1..) = end.read(&mut buffer).await {
            world.trace.bytes(&format!("a reader of {} on node {}", self.channel, self.node), &buffer[..count]);
            let mut parsed = Vec::new();
            if let Err(error) = response.feed(&buffer[..count], &mut parsed) {
                self.wrong.borrow_mut().push(format!("a stream breaks its protocol: {error}"));
                return;
            }
            if response.head().is_some_and(|head| head.status != 200) {
                return;
            }
            parsed.iter().for_each(|item| self.see(item));
            if response.has_last_chunk() {
                return;
            }
        }
    }

    fn see(&self, item: &Parsed) {
        match item {
            Parsed::Place(_) => self.has_begun.set(true),
            Parsed::Event(event) => {
                self.has_begun.set(self.has_begun.get() || event.own_id.is_some());
                let wrong = self.told.borrow_mut().take(event, true);
                self.wrong.borrow_mut().extend(wrong);
            }
            Parsed::Retry(_) | Parsed::Comment(_) => {}
        }
    }
}

/// Notes that it is over, however that came.
struct Over(Rc<Member>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.is_over.set(true);
    }
}
