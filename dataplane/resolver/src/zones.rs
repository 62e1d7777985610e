//! Suffixes of names.

use std::collections::HashMap;

use hickory_proto::rr::Name;

/// Values by zone; a name belongs to the longest suffix of it that is there.
#[derive(Debug)]
pub(crate) struct Suffixes<T> {
    zones: HashMap<Name, T>,
}

impl<T> FromIterator<(Name, T)> for Suffixes<T> {
    fn from_iter<I: IntoIterator<Item = (Name, T)>>(zones: I) -> Self {
        Self { zones: zones.into_iter().collect() }
    }
}

impl<T> Suffixes<T> {
    pub(crate) fn find(&self, name: &Name) -> Option<&T> {
        if self.zones.len() == 1 {
            return self.zones.iter().find(|(zone, _)| zone.zone_of(name)).map(|(_, value)| value);
        }
        (0..=usize::from(name.num_labels())).rev().find_map(|labels| {
            // A wildcard's asterisk is not counted by the codec.
            self.zones.get(&name.trim_to(labels))
        })
    }
}

/// Whether a name is one of these or below.
pub(crate) fn under_any(name: &Name, zones: &[Name]) -> bool {
    zones.iter().any(|zone| zone.zone_of(name))
}

/// The longest of these that the name is or is below.
pub(crate) fn longest<'a>(name: &Name, zones: &'a [Name]) -> Option<&'a Name> {
    zones.iter().filter(|zone| zone.zone_of(name)).max_by_key(|zone| zone.iter().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    #[test]
    fn the_longest_suffix_counts_on_label_boundaries_and_in_any_case() {
        let zones: Suffixes<u8> =
            [(name("."), 0), (name("b.c."), 2), (name("a.b.c."), 3)].into_iter().collect();
        for (asked, zone) in
            [("x.", 0), ("ab.c.", 0), ("b.c.", 2), ("x.B.C.", 2), ("xa.b.c.", 2), ("q.A.b.c.", 3)]
        {
            assert_eq!(zones.find(&name(asked)), Some(&zone), "{asked}");
        }
        for asked in ["*.a.b.c.", "*.b.c.", "*."] {
            assert!(zones.find(&name(asked)).is_some(), "{asked}");
        }
        assert_eq!(zones.find(&name("*.a.b.c.")), Some(&3));
        let one: Suffixes<u8> = [(name("b.c."), 2)].into_iter().collect();
        assert_eq!((one.find(&name("a.b.c.")), one.find(&name("ab.c."))), (Some(&2), None));
    }
}
