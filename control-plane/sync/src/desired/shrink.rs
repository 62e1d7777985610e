//! Losses that are held back.

/// Things below which no loss is worth holding back: a few come and go all the time.
const MANY: usize = 20;

/// A loss so large that it may be a mistake rather than meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrink {
    /// What there would be less of.
    pub of: Things,
    /// How many are published.
    pub before: usize,
    /// What would be left of them.
    pub after: usize,
}

/// What is not to be lost by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Things {
    /// Endpoints that take connections, or stand behind a headless Service's name.
    Endpoints,
    /// Routes of Ingresses.
    Routes,
}

impl Shrink {
    /// Whether it may be a mistake: over half of many.
    pub(super) fn is_large(&self) -> bool {
        self.before >= MANY && self.after * 2 < self.before
    }
}

impl std::fmt::Display for Shrink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { of, before, after } = self;
        let of = match of {
            Things::Endpoints => "endpoints",
            Things::Routes => "routes",
        };
        write!(
            f,
            "of {before} {of} {after} would be left at once; the former state is served until this is released"
        )
    }
}
