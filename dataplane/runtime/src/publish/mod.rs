//! From the feed and from Linux to the tables that the lcores use.

mod feed;
mod publisher;
mod view;

pub use feed::FeedThread;
pub use publisher::{Input, Inputs, PublisherThread};
pub use view::{FeedState, View};
