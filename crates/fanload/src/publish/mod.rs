//! How events get to the thing under test.

mod breaks;
mod broken;
mod event;
pub mod feed;
mod http;
mod ledger;
mod mended;
mod redis;
mod socket;
mod span;

use anyhow::{Result, bail};

pub use self::breaks::Breaks;
pub use self::broken::Broken;
pub use self::event::Event;
pub use self::mended::Mended;
pub use self::span::Span;
use crate::stage::Stage;
use crate::target::Publish;

/// A connected publisher. Events of one channel arrive in the order in which they were published.
#[derive(Debug)]
pub struct Publisher {
    way: Way,
    names: String,
}

#[derive(Debug)]
enum Way {
    Redis(Box<redis::Redis>),
    Feed(feed::Feed),
    Http(http::Http),
}

impl Publisher {
    /// Connects. The names of channels begin with `names`; the index follows. Whatever it waits for ends with an error soon
    /// after the stage is asked to end.
    ///
    /// # Errors
    /// When no server answers there, or a login is refused.
    pub fn connect(publish: &Publish, names: &str, stage: &Stage) -> Result<Self> {
        let way = match publish {
            Publish::Redis { address, login, prefix, way } => {
                let keys = format!("{prefix}{names}");
                let server = redis::Server { address: *address, login: login.clone(), keys, way: *way };
                Way::Redis(Box::new(redis::Redis::connect(server, stage)?))
            }
            Publish::Feed { address } => Way::Feed(feed::Feed::connect(*address, stage)?),
            Publish::Http { .. } => Way::Http(http::Http::connect(publish, stage)?),
        };
        Ok(Self { way, names: names.to_owned() })
    }

    /// Makes the first `channels` channels, where they have to be made before a client subscribes.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn prepare(&mut self, channels: usize) -> Result<()> {
        match &mut self.way {
            Way::Http(http) => http.create((0..channels).map(|channel| format!("{}{channel}", self.names))),
            Way::Redis(_) | Way::Feed(_) => Ok(()),
        }
    }

    /// Publishes an event. It may stay in a buffer, and its answer be outstanding, until [`flush`](Self::flush); both are
    /// bounded, so this may wait.
    ///
    /// # Errors
    /// When this or an earlier event was refused; with [`Broken`] when the connection broke.
    pub fn publish(&mut self, event: Event, data: &[u8]) -> Result<()> {
        match &mut self.way {
            Way::Redis(redis) => redis.publish(event, data),
            Way::Feed(feed) => feed.publish(event.channel, data),
            Way::Http(http) => http.publish(event, &format!("{}{}", self.names, event.channel), data),
        }
    }

    /// Sends what is buffered and waits until everything published so far is accepted.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.way {
            Way::Redis(redis) => redis.flush(),
            Way::Feed(feed) => feed.flush(),
            Way::Http(http) => http.flush(),
        }
    }

    /// Whether anything was accepted since it connected, or was last mended.
    pub fn accepts(&self) -> bool {
        match &self.way {
            Way::Redis(redis) => redis.accepts(),
            Way::Http(http) => http.accepts(),
            Way::Feed(_) => true,
        }
    }

    /// Connects again after an error that is [`Broken`], and finds out what became of the events that were not answered.
    ///
    /// # Errors
    /// With [`Broken`]: not yet, but it may be tried again. Without: there is no way to go on.
    pub fn mend(&mut self) -> Result<Mended> {
        match &mut self.way {
            Way::Redis(redis) => redis.mend(),
            Way::Http(http) => http.mend(),
            Way::Feed(_) => bail!("a feed answers nothing, so nobody can say which events it took"),
        }
    }

    /// Lets what was stored for the first `channels` channels vanish in some minutes, where that is possible.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn clean(&mut self, channels: usize) -> Result<()> {
        match &mut self.way {
            Way::Redis(redis) => redis.clean(channels),
            Way::Feed(_) | Way::Http(_) => Ok(()),
        }
    }

    /// Lets Redis close the connections over which nodes receive Pub/Sub messages; says how many there were.
    ///
    /// # Errors
    /// When the publisher is not Redis, or Redis refuses.
    pub fn cut_feeds(&mut self) -> Result<i64> {
        match &mut self.way {
            Way::Redis(redis) => redis.cut_feeds(),
            Way::Feed(_) | Way::Http(_) => bail!("only Redis has feeds that can be cut"),
        }
    }
}
