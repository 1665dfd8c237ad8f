//! How many files the process may open, and how many of those its clients may have.

use anyhow::ensure;
use fanfare_protocol::limits::{
    CONNECTIONS_HEADROOM, DESCRIPTORS_FOR_CLIENTS_MIN, DESCRIPTORS_PER_CORE, DESCRIPTORS_RESERVED,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Config;
use crate::node::redis;

/// The limit of open files (`ulimit -n`, `LimitNOFILE=`), or one node's share of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// `None`: there is none.
    pub limit: Option<usize>,
}

/// What of them clients may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Connections that are served: `admission.max_connections`, or fewer.
    pub connections: usize,
    /// Connections beyond those that are accepted to be told so.
    pub headroom: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one, as any process may.
    #[must_use]
    pub fn raise() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            warn!(%error, "the limit of open files was not raised to the hard one");
        }
        let soft = getrlimit(Resource::Nofile).current;
        Self { limit: soft.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)) }
    }

    /// One node's share where `nodes` run in the process.
    #[must_use]
    pub fn shared_by(self, nodes: usize) -> Self {
        Self { limit: self.limit.map(|limit| limit / nodes.max(1)) }
    }

    /// The places for clients of a node with so many core threads: what is left when the node has what it needs itself, for
    /// operators, Redis and the way back to it. Warns, once, if that is less than `admission.max_connections`.
    ///
    /// # Errors
    /// Next to nothing would be left.
    pub fn places(self, config: &Config, cores: usize) -> anyhow::Result<Places> {
        let wanted = Places { connections: config.admission.max_connections, headroom: CONNECTIONS_HEADROOM };
        let redis = config.redis.pool_size + redis::options(config).history_connections();
        let own = DESCRIPTORS_RESERVED + DESCRIPTORS_PER_CORE * cores + redis;
        let needed = own.saturating_add(wanted.connections).saturating_add(wanted.headroom);
        let Some(limit) = self.limit.filter(|limit| *limit < needed) else { return Ok(wanted) };
        let left = limit.saturating_sub(own);
        ensure!(
            left >= DESCRIPTORS_FOR_CLIENTS_MIN,
            "the limit of open files is {limit}, and a node with this configuration needs {own} for itself: raise it to {needed} \
             (ulimit -n, LimitNOFILE=)"
        );
        let places = wanted.within(left);
        if places.connections < wanted.connections {
            warn!(
                limit,
                connections = places.connections,
                "the limit of open files admits fewer connections than admission.max_connections = {}: raise it to {needed} \
                 (ulimit -n, LimitNOFILE=), or lower the key",
                wanted.connections
            );
        }
        Ok(places)
    }
}

impl Places {
    /// As many of these as `left` descriptors allow; a quarter at most is for refusals, unless nobody else wants it.
    fn within(self, left: usize) -> Self {
        let headroom = (left / 4).max(left.saturating_sub(self.connections)).min(self.headroom);
        Self { connections: (left - headroom).min(self.connections), headroom }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(limit: usize, max_connections: usize) -> Option<(usize, usize)> {
        let mut config = Config::default();
        config.admission.max_connections = max_connections;
        let descriptors = Descriptors { limit: Some(limit) };
        descriptors.places(&config, 2).ok().map(|places| (places.connections, places.headroom))
    }

    #[test]
    fn clients_get_what_the_node_does_not_need_itself_refusals_included() {
        let redis = Config::default().redis.pool_size * 5 / 4;
        let own = DESCRIPTORS_RESERVED + 2 * DESCRIPTORS_PER_CORE + redis;
        assert_eq!(places(own + 100, 100_000), Some((75, 25)));
        assert_eq!(places(own + 100, 10), Some((10, 90)));
        assert_eq!(places(own + 20_000, 100_000), Some((20_000 - CONNECTIONS_HEADROOM, CONNECTIONS_HEADROOM)));
        assert_eq!(places(1 << 20, 100_000), Some((100_000, CONNECTIONS_HEADROOM)));
    }

    #[test]
    fn a_limit_that_leaves_next_to_nothing_for_clients_is_an_error() {
        assert_eq!(places(128, 100_000), None);
        assert_eq!(Descriptors::default().places(&Config::default(), 2).unwrap().connections, 100_000);
    }

    #[test]
    fn nodes_of_one_process_share_its_limit() {
        assert_eq!(Descriptors { limit: Some(1_000) }.shared_by(2).limit, Some(500));
        assert_eq!(Descriptors::default().shared_by(2).limit, None);
    }
}
