//! Which route a request comes to: pure, and of the model's words only.
//!
//! ```text
//! target → normalise → Hosts (precise, wildcard, all) → Paths (longest text, Exact before Prefix; patterns) → route
//! ```

mod decoded;
mod hosts;
mod name;
mod pages;
mod path;
mod paths;
mod pattern;

pub use hosts::Hosts;
pub use name::{Authority, AuthorityError};
pub use pages::Pages;
pub use path::{PathError, normalise};
pub use paths::{Found, Paths, PathsBuilder};
pub use pattern::{Groups, Pattern, PatternError};
