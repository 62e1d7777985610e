//! Plugins that have no options: their name says it all.

use super::{Read, Repeat, Write};
use crate::grammar::Directive;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

macro_rules! bare {
    ($($(#[$doc:meta])* $name:ident $repeat:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Read for $name {
            const REPEAT: Repeat = Repeat::$repeat;

            fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
                reader.nothing(&directive.name, &directive.args);
                reader.no_body(directive);
                Self
            }
        }

        impl Write for $name {
            fn write(&self, _: &mut Stanza, _: &[Zone]) {}
        }
    )* };
}

bare! {
    /// `any`: queries for ANY get a minimal answer (RFC 8482).
    Any First;
    /// `debug`: panics are not caught.
    Debug First;
    /// `loop`: forwarding in circles is noticed.
    Loop Once;
    /// `minimal`: replies have no more sections than they need.
    Minimal First;
    /// `shed`: overload drops queries early.
    Shed Once;
    /// `whoami`: the client's own address is the answer.
    Whoami First;
}
