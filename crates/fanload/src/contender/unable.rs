//! A contender that cannot do what a case asks for.

/// Why a contender cannot be measured in a case, in a few words. No failure: the others are measured all the same.
#[derive(Clone, Debug)]
pub struct Unable(pub String);

impl std::fmt::Display for Unable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unable {}
