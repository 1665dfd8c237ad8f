//! The text of the publishing library, its version, and what becomes of it in a Redis.

/// The library for `FUNCTION LOAD` (Redis 7 or newer): `sse_publish`, `sse_spublish` and `sse_version` for publishers; `sse_read`,
/// `sse_newest` and `sse_tips` for nodes.
pub const LIBRARY: &str = include_str!("fanfare.lua");

/// The same for `EVAL` (Redis 6.2 or newer): the library without its first line. `sse_publish.lua` holds it
/// for those who send it by hand; a test makes that file and fails when it is stale.
pub const SCRIPT: &str = without_first_line(LIBRARY);

const fn without_first_line(text: &str) -> &str {
    let mut end = 0;
    while text.as_bytes()[end] != b'\n' {
        end += 1;
    }
    text.split_at(end + 1).1
}

/// The version of the text above. A newer library in Redis is left alone.
pub const VERSION: u64 = 3;

/// What an administrator runs where a node may not load the library. The path is that of the repository and of the
/// release archive.
pub const LOAD_BY_HAND: &str = "redis-cli -x FUNCTION LOAD REPLACE < crates/redis/src/functions/fanfare.lua";

/// What became of the library in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Library {
    /// This node loaded it just now.
    Loaded,
    /// This very version was there.
    Present,
    /// A newer version was there and was left alone.
    Newer(u64),
    /// There is no library, or an old one, and this node may not load it. The text says why.
    Refused(String),
    /// Redis is older than 7.0: publishers use the script.
    Unsupported,
    /// `redis.load_functions` is off.
    Off,
}

impl Library {
    /// Whether it is in Redis, and may be loaded again if it vanishes.
    pub(crate) fn is_there(&self) -> bool {
        matches!(self, Self::Loaded | Self::Present | Self::Newer(_))
    }

    /// Whether it may be loaded later though nobody changes this user's rights: memory is full, a replica or a disk is away.
    pub(crate) fn is_refused_for_now(&self) -> bool {
        let is_denial = |reason: &String| ["NOPERM", "NOAUTH", "WRONGPASS"].iter().any(|code| reason.contains(code));
        matches!(self, Self::Refused(reason) if !is_denial(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_library_without_its_first_line_and_so_is_its_file() {
        assert_eq!(LIBRARY, format!("#!lua name=fanfare\n{SCRIPT}"));
        let file = "src/functions/sse_publish.lua";
        if std::env::var_os("FANFARE_UPDATE_GOLDEN").is_some() {
            std::fs::write(file, SCRIPT).unwrap();
        }
        let kept = std::fs::read_to_string(file).unwrap();
        assert!(kept == SCRIPT, "{file} is stale; change fanfare.lua and run the tests with FANFARE_UPDATE_GOLDEN=1");
    }

    #[test]
    fn the_text_and_the_crate_agree_on_the_version_and_the_limits() {
        use fanfare_protocol::limits;
        let says = |line: String| assert!(LIBRARY.contains(&line), "{line}");
        says(format!("local VERSION = {VERSION}\n"));
        says(format!("local KEY_BYTES_MAX = {} ", limits::PREFIX_BYTES_MAX + limits::CHANNEL_NAME_MAX));
        says(format!("local NAME_BYTES_MAX = {}\n", limits::EVENT_NAME_MAX));
        says(format!("local DEDUP_BYTES_MAX = {}\n", limits::DEDUP_KEY_BYTES_MAX));
        says(format!("local PUSHED_BYTES_MAX = {} ", limits::PUSHED_DATA_BYTES_MAX));
        says(format!("local MAXLEN_DEFAULT = '{}' ", limits::STREAM_MAXLEN_DEFAULT));
        says(format!("local ID_BYTES_MAX = {}\n", fanfare_protocol::EntryId::TEXT_MAX));
        says(format!("local TTL_MIN = {} ", limits::STREAM_TTL_MIN.as_secs()));
        says(format!("local SECONDS_MAX = {}\n", limits::STREAM_TTL_MAX.as_secs()));
        says(format!("local DEDUP_WINDOW_DEFAULT = '{}'\n", limits::DEDUP_WINDOW_DEFAULT.as_secs()));
    }
}
