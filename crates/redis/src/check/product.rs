//! Which product answers, by what it says of itself (`INFO server`).

use crate::value::info_field;

/// A server that speaks the protocol of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) kind: Kind,
    /// Its own version, as it writes it.
    version: String,
    /// The version of Redis whose commands it says to have; empty if it does not say.
    redis: String,
}

/// Products that are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Redis,
    Valkey,
    /// Redis Software and Redis Cloud.
    RedisEnterprise,
    /// Any other, by the name that it gives itself.
    Other(String),
}

impl Product {
    /// By `INFO`, of which the section about the server counts.
    pub(super) fn of(info: &str) -> Self {
        let server = info.split_once("# Server").map_or(info, |(_, after)| after);
        let server = server.split("\n#").next().unwrap_or_default();
        let field = |name| info_field(server, name).filter(|value| !value.is_empty());
        let redis = field("redis_version").unwrap_or_default().to_owned();
        let named = |kind, version: &str| Self { kind, version: version.to_owned(), redis: redis.clone() };
        if let Some(version) = field("valkey_version") {
            return named(Kind::Valkey, version);
        }
        if let Some(version) = field("rlec_version") {
            return named(Kind::RedisEnterprise, version);
        }
        // KeyDB says only where its program lies (https://github.com/Snapchat/KeyDB/issues/981).
        if field("executable").is_some_and(|path| path.ends_with("keydb-server")) {
            return named(Kind::Other("KeyDB".to_owned()), &redis);
        }
        if let Some((name, version)) = foreign_version(server) {
            return named(Kind::Other(name.to_owned()), version);
        }
        match field("server_name").filter(|name| *name != "redis") {
            Some(name) => named(Kind::Other(name.to_owned()), field("server_version").unwrap_or_default()),
            None => named(Kind::Redis, &redis),
        }
    }

    /// Its name and version, and whose commands it has where that is another's.
    pub(super) fn shown(&self) -> String {
        let name = match &self.kind {
            Kind::Redis => "Redis",
            Kind::Valkey => "Valkey",
            Kind::RedisEnterprise => "Redis Enterprise",
            Kind::Other(name) => name,
        };
        match (self.version.as_str(), self.redis.as_str()) {
            (version, redis) if redis.is_empty() || redis == version => {
                format!("{name} {version}").trim_end().to_owned()
            }
            (version, redis) => format!("{name} {version} (the commands of Redis {redis})"),
        }
    }

    /// The version of Redis whose commands it has: major and minor. `None`: it does not say.
    pub(super) fn redis_version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.redis.split('.').map(|part| part.parse().ok());
        Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
    }
}

/// A field `<name>_version` that Redis does not have. Dragonfly has one, and Kvrocks.
fn foreign_version(server: &str) -> Option<(&str, &str)> {
    let known = ["redis", "gcc", "server"];
    let fields = server.lines().filter_map(|line| line.trim().split_once(':'));
    let mut foreign = fields.filter_map(|(field, version)| Some((field.strip_suffix("_version")?, version)));
    foreign.find(|(name, _)| !known.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(info: &str) -> String {
        Product::of(info).shown()
    }

    // Seen to fail when `redis_version` is all that is looked at: every one of them was "Redis".
    #[test]
    fn each_product_is_called_by_its_name() {
        assert_eq!(shown("# Server\r\nredis_version:8.2.3\r\ngcc_version:12.2.0\r\n\r\n# Clients\r\n"), "Redis 8.2.3");
        let valkey = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n";
        assert_eq!(shown(valkey), "Valkey 9.1.2 (the commands of Redis 7.2.4)");
        let enterprise = "# Server\r\nredis_version:7.4.3\r\nrlec_version:7.22.0-28\r\n";
        assert_eq!(shown(enterprise), "Redis Enterprise 7.22.0-28 (the commands of Redis 7.4.3)");
        assert_eq!(shown("# Server\nredis_version:6.3.4\nexecutable:/data/keydb-server\n"), "KeyDB 6.3.4");
        let dragonfly = "# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.30.0\r\nredis_mode:standalone\r\n";
        assert_eq!(shown(dragonfly), "dragonfly df-v1.30.0 (the commands of Redis 7.4.0)");
        assert_eq!(shown("# Server\r\nserver_name:other\r\nserver_version:3\r\n"), "other 3");
    }

    #[test]
    fn only_the_section_about_the_server_counts() {
        let info = "# Server\r\nredis_version:7.0.15\r\n# Modules\r\nsearch_version:2.8\r\n";
        assert_eq!(shown(info), "Redis 7.0.15");
        assert_eq!(Product::of(info).redis_version(), Some((7, 0)));
        assert_eq!(Product::of("redis_version:df-dev\r\n").redis_version(), None);
    }
}
