//! Relations between values that are each good by themselves.

use std::time::Duration;

use fanfare_protocol::limits;

use super::choice::ProxyProtocol;
use super::error::{Place, Problem};
use super::layered::Layered;
use super::value::Span;

/// What is left for the last sessions, and for what stands behind them, when the drain's window has passed.
const AFTER_WINDOW: Duration = limits::DRAIN_DEADLINE_DEFAULT.saturating_sub(limits::DRAIN_WINDOW_DEFAULT);

/// Fits defaults to values that were set, so that setting one key of a pair is enough. Explicit values are never touched.
pub(super) fn follow(layered: &mut Layered) {
    let deadline = Span(layered.config.drain.window.0.saturating_add(AFTER_WINDOW));
    if layered.place("drain.deadline") == Place::Default && layered.config.drain.deadline < deadline {
        layered.config.drain.deadline = deadline;
        layered.followed("drain.deadline", "drain.window");
    }
    if layered.place("tail.channel_bytes") == Place::Default
        && layered.config.tail.budget < layered.config.tail.channel_bytes
    {
        layered.config.tail.channel_bytes = layered.config.tail.budget;
        layered.followed("tail.channel_bytes", "tail.budget");
    }
}

/// Adds a problem for every relation that does not hold, at the place of the key that is easiest to change.
pub(super) fn relations(layered: &Layered, problems: &mut Vec<Problem>) {
    let config = &layered.config;
    let mut require = |holds: bool, (path, other): (&str, &str), message: &str| {
        if !holds {
            let own = layered.place(path);
            // The default is not the user's mistake: point at the value that was set.
            let place = if own == Place::Default { layered.place(other) } else { own };
            problems.push(Problem { place, message: format!("`{path}`: {message}") });
        }
    };
    require(
        config.drain.window <= config.drain.deadline,
        ("drain.window", "drain.deadline"),
        "must not be longer than drain.deadline, or the last sessions would be cut off",
    );
    require(
        config.redis.probe_interval.0 + config.redis.probe_timeout.0 <= config.admin.ready_probe_age.0,
        ("admin.ready_probe_age", "redis.probe_interval"),
        "must be at least redis.probe_interval and redis.probe_timeout together, or a healthy node would not be ready",
    );
    require(
        config.delivery.heartbeat.0 * 2 < config.server.tcp_user_timeout.0,
        ("server.tcp_user_timeout", "delivery.heartbeat"),
        "must be longer than two of delivery.heartbeat, or a quiet connection could not prove itself in time",
    );
    let least = limits::STALLED_MIN.max(config.delivery.heartbeat.0 * 2);
    require(
        config.delivery.stalled.0.is_none_or(|stalled| stalled.0 >= least),
        ("delivery.stalled", "delivery.heartbeat"),
        "must be at least 30s and two of delivery.heartbeat, or \"off\": a client is asked once per heartbeat, and one whose \
         answer was lost must have time to give another",
    );
    require(
        config.tail.channel_bytes <= config.tail.budget,
        ("tail.channel_bytes", "tail.budget"),
        "must not be larger than tail.budget, which all channels share",
    );
    require(
        config.limits.event_bytes <= config.tail.channel_bytes,
        ("limits.event_bytes", "tail.channel_bytes"),
        "must not be larger than tail.channel_bytes, or the largest event could not be held",
    );
    require(
        config.limits.url_bytes <= config.limits.header_bytes,
        ("limits.url_bytes", "limits.header_bytes"),
        "must not be larger than limits.header_bytes, which the URL is part of",
    );
    require(
        config.server.listen != config.admin.listen || config.server.listen.port() == 0,
        ("admin.listen", "server.listen"),
        "must differ from server.listen",
    );
    require(
        config.server.proxy_protocol == ProxyProtocol::Off || !config.server.trusted_proxies.is_empty(),
        ("server.proxy_protocol", "server.trusted_proxies"),
        "needs server.trusted_proxies, or every connection would be closed",
    );
    require(
        config.server.cors_origins.len() < 2 || !config.server.cors_origins.iter().any(|origin| origin.0 == "*"),
        ("server.cors_origins", "server.cors_origins"),
        "\"*\" admits every origin; it stands alone",
    );
}
