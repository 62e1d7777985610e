//! The few of DPDK's own arguments that make sense in a configuration.

use std::path::PathBuf;
use std::str::FromStr;

/// An argument for DPDK's EAL. Everything that the rest of the configuration decides (cores, memory, devices, file
/// names) cannot be said here a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EalArgument {
    /// `--iova-mode=va`: devices use virtual addresses; real ones then need an IOMMU.
    VirtualAddresses,
    /// `--iova-mode=pa`: devices use physical addresses.
    PhysicalAddresses,
    /// `--log-level=1` to `8`, or `error`, `warning`, `notice`, `info`, `debug`.
    LogLevel(u8),
    /// `--driver=PATH`: loads this driver, or folder of drivers, instead of those of the distribution.
    Driver(PathBuf),
}

/// An argument that is none of those.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of --iova-mode=va, --iova-mode=pa, --log-level=LEVEL, --driver=PATH")]
pub struct UnknownArgument(String);

impl FromStr for EalArgument {
    type Err = UnknownArgument;

    fn from_str(text: &str) -> Result<Self, UnknownArgument> {
        let unknown = || UnknownArgument(text.to_owned());
        let (key, value) = text.split_once('=').ok_or_else(unknown)?;
        match (key, value) {
            ("--iova-mode", "va") => Ok(Self::VirtualAddresses),
            ("--iova-mode", "pa") => Ok(Self::PhysicalAddresses),
            ("--driver", path) if path.starts_with('/') => Ok(Self::Driver(path.into())),
            ("--log-level", level) => {
                const NAMES: [(&str, u8); 5] =
                    [("error", 4), ("warning", 5), ("notice", 6), ("info", 7), ("debug", 8)];
                let named = NAMES.iter().find(|(name, _)| *name == level).map(|(_, number)| *number);
                let number = named.or_else(|| level.parse().ok().filter(|number| (1..=8).contains(number)));
                number.map(Self::LogLevel).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_arguments_are_read_and_others_refused() {
        let read = |text: &str| text.parse::<EalArgument>();
        assert_eq!(read("--iova-mode=pa"), Ok(EalArgument::PhysicalAddresses));
        assert_eq!(read("--log-level=debug"), Ok(EalArgument::LogLevel(8)));
        assert_eq!(read("--log-level=3"), Ok(EalArgument::LogLevel(3)));
        assert_eq!(read("--driver=/opt/pmds"), Ok(EalArgument::Driver("/opt/pmds".into())));
        for text in
            ["", "--no-huge", "--iova-mode=x", "--log-level=9", "--log-level=loud", "--driver=pmds", "-d=/x"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
