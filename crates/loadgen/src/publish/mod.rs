//! How events get to the thing under test.

pub mod feed;
mod http;
mod redis;

use std::time::Duration;

use anyhow::Result;

use crate::target::Publish;

/// How long a publisher waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connected publisher. Events of one channel arrive in the order in which they were published.
#[derive(Debug)]
pub struct Publisher {
    way: Way,
    prefix: String,
}

#[derive(Debug)]
enum Way {
    Redis(redis::Redis),
    Feed(feed::Feed),
    Http(http::Http),
}

impl Publisher {
    /// Connects. The names of channels begin with `prefix`; the index follows.
    ///
    /// # Errors
    /// When nobody answers there, or a login is refused.
    pub fn connect(publish: &Publish, prefix: &str) -> Result<Self> {
        let way = match publish {
            Publish::Redis { address, login, prefix, way } => {
                Way::Redis(redis::Redis::connect(*address, login.as_ref(), prefix, *way)?)
            }
            Publish::Feed { address } => Way::Feed(feed::Feed::connect(*address)?),
            Publish::Http { .. } => Way::Http(http::Http::connect(publish)?),
        };
        Ok(Self { way, prefix: prefix.to_owned() })
    }

    /// Makes so many channels, where they have to be made before anybody subscribes.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn prepare(&mut self, channels: usize) -> Result<()> {
        match &mut self.way {
            Way::Http(http) => http.create((0..channels).map(|channel| format!("{}{channel}", self.prefix))),
            Way::Redis(_) | Way::Feed(_) => Ok(()),
        }
    }

    /// Publishes an event. It may stay in a buffer, and its answer be outstanding, until [`flush`](Self::flush); both are
    /// bounded, so this may wait.
    ///
    /// # Errors
    /// When this or an earlier event was refused, or the connection broke.
    pub fn publish(&mut self, channel: u32, data: &[u8]) -> Result<()> {
        match &mut self.way {
            Way::Redis(redis) => redis.publish(&format!("{}{channel}", self.prefix), data),
            Way::Feed(feed) => feed.publish(channel, data),
            Way::Http(http) => http.publish(channel, &format!("{}{channel}", self.prefix), data),
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

    /// Lets what was stored for so many channels vanish in some minutes, where that is possible.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn clean(&mut self, channels: usize) -> Result<()> {
        match &mut self.way {
            Way::Redis(redis) => redis.clean((0..channels).map(|channel| format!("{}{channel}", self.prefix))),
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
            Way::Feed(_) | Way::Http(_) => anyhow::bail!("only Redis has feeds that can be cut"),
        }
    }
}
