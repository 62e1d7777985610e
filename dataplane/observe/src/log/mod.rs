//! What is logged of clients, a line for each: where lines go, how many there may be, and how a query is written.

mod query;
mod rate;
mod target;

pub use query::Queried;
pub use rate::Rate;
pub use target::Target;
