//! Immutable tables of one generation, and the publisher that makes them.
