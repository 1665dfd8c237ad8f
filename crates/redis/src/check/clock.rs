//! Whether the server's clock and this machine's agree.
//!
//! What is revoked is revoked as of the server's time, and judged by that of nodes and of issuers.

use std::time::Duration;

use fanfare_protocol::limits::CLOCKS_APART_MAX;

use super::report::Report;

/// This machine's time, in milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the machine's own clock is what is looked at")]
pub(super) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `server_ms`: what the server answered when it was asked at `asked_ms` and its answer came at `answered_ms`.
pub(super) fn judge(report: &mut Report, asked_ms: u64, server_ms: u64, answered_ms: u64) {
    let (behind, ahead) = (asked_ms.saturating_sub(server_ms), server_ms.saturating_sub(answered_ms));
    let apart = Duration::from_millis(behind.max(ahead));
    if apart <= CLOCKS_APART_MAX {
        report.ok("clock", "the server's and this machine's agree");
        return;
    }
    let (direction, follows) = if behind > 0 {
        (
            "behind",
            "tokens that were signed shortly before they are revoked stay good, and where it is behind by a token's whole life revoking \
             does nothing",
        )
    } else {
        ("ahead of", "who was revoked and signs in again is refused for as long")
    };
    let finding = format!("the server's is {} s {direction} this machine's: {follows}", apart.as_secs());
    report.warn("clock", finding, "");
}

#[cfg(test)]
mod tests {
    use super::super::report::Grade;
    use super::*;

    fn graded(server_ms: u64) -> (Grade, String) {
        let mut report = Report::default();
        judge(&mut report, 100_000, server_ms, 102_000);
        let line = &report.lines[0];
        (line.grade, line.finding.clone())
    }

    // Fails when the way of the question counts as a difference.
    #[test]
    fn clocks_are_apart_only_by_what_the_way_of_the_answer_does_not_explain() {
        for server_ms in [97_000, 100_000, 101_000, 105_000] {
            assert_eq!(graded(server_ms).0, Grade::Ok, "{server_ms}");
        }
        for (server_ms, finding) in [(96_000, "is 4 s behind this"), (106_000, "is 4 s ahead of this")] {
            let (grade, found) = graded(server_ms);
            assert!(grade == Grade::Warn && found.contains(finding), "{found}");
        }
    }
}
