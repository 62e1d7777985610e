//! Device strings: which port to open, as an administrator writes it.

use std::fmt;
use std::str::FromStr;

/// A PCI address (`0000:03:00.0`) or a virtual device with its arguments (`net_tap0,iface=sl0`), checked.
///
/// A virtual device's name is its driver's name followed by a number or a suffix; DPDK finds the driver by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceSpec {
    name: String,
    arguments: String,
    pci: bool,
}

/// Why a device string is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Nothing before the first comma.
    #[error(
        "the device has no name; write a PCI address such as 0000:03:00.0 or a virtual device such as net_tap0"
    )]
    NoName,
    /// Longer than DPDK's 64 bytes for a name.
    #[error("the device name has {0} bytes; DPDK allows at most 63")]
    NameTooLong(usize),
    /// A character outside letters, digits, `_`, `-`, `:`, `.`.
    #[error("the device name holds {0:?}; letters, digits, '_', '-', ':' and '.' are allowed")]
    BadName(char),
    /// A control character or one that DPDK's argument parser cannot take.
    #[error("the device arguments hold {0:?}, which cannot be part of a device string")]
    BadArgument(char),
    /// Arguments longer than any real one.
    #[error("the device arguments have {0} bytes; at most 1024 are accepted")]
    ArgumentsTooLong(usize),
    /// Neither a PCI address nor a name of a virtual device, which begins with its class (`net_`).
    #[error(
        "{0:?} is neither a PCI address (0000:03:00.0) nor a virtual device (net_tap0, net_af_xdp1, virtio_user0, …)"
    )]
    Unknown(String),
}

impl DeviceSpec {
    /// The name by which DPDK knows the port: the PCI address with its domain, or the virtual device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything behind the first comma; empty where there is none.
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// True for a PCI device, which must be allowed in [`EalOptions`](crate::EalOptions) before EAL starts; a virtual
    /// device may also be attached later.
    pub fn is_pci(&self) -> bool {
        self.pci
    }
}

impl FromStr for DeviceSpec {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let (name, arguments) = text.split_once(',').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(DeviceError::NoName);
        }
        if name.len() > 63 {
            return Err(DeviceError::NameTooLong(name.len()));
        }
        if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_-:.".contains(*c))) {
            return Err(DeviceError::BadName(bad));
        }
        if arguments.len() > 1024 {
            return Err(DeviceError::ArgumentsTooLong(arguments.len()));
        }
        if let Some(bad) = arguments.chars().find(|c| c.is_control() || c.is_whitespace() || *c == '\u{feff}')
        {
            return Err(DeviceError::BadArgument(bad));
        }
        let arguments = arguments.to_owned();
        if let Some(name) = pci_address(name.strip_prefix("pci:").unwrap_or(name)) {
            return Ok(Self { name, arguments, pci: true });
        }
        let virtual_name = name.strip_prefix("vdev:").unwrap_or(name);
        let known = ["net_", "eth_", "virtio_user"].iter().any(|prefix| virtual_name.starts_with(prefix));
        if !known || virtual_name.contains([':', '.']) {
            return Err(DeviceError::Unknown(name.to_owned()));
        }
        Ok(Self { name: virtual_name.to_owned(), arguments, pci: false })
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.arguments.is_empty() {
            write!(f, ",{}", self.arguments)?;
        }
        Ok(())
    }
}

/// `[dddd:]bb:dd.f` in hexadecimal, returned with its domain and in lower case.
fn pci_address(text: &str) -> Option<String> {
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts: Vec<&str> = rest.split(':').collect();
    if parts.len() == 2 {
        parts.insert(0, "0000");
    }
    let [domain, bus, device] = parts.as_slice() else {
        return None;
    };
    let hex = |text: &str, max: u32| {
        let value = u32::from_str_radix(text, 16).ok()?;
        (text.bytes().all(|b| b.is_ascii_hexdigit()) && value <= max).then_some(value)
    };
    let domain = hex(domain, u32::MAX)?;
    let (bus, device, function) = (hex(bus, 0xff)?, hex(device, 0x1f)?, hex(function, 7)?);
    Some(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_get_their_domain_and_lower_case() {
        for (text, name) in
            [("03:00.0", "0000:03:00.0"), ("0001:AF:1f.7", "0001:af:1f.7"), ("pci:03:00.1", "0000:03:00.1")]
        {
            let device: DeviceSpec = text.parse().unwrap();
            assert!(device.is_pci());
            assert_eq!(device.name(), name);
        }
    }

    #[test]
    fn virtual_devices_keep_their_arguments() {
        let device: DeviceSpec = "net_tap0,iface=sl0,mac=02:00:00:00:00:01".parse().unwrap();
        assert!(!device.is_pci());
        assert_eq!((device.name(), device.arguments()), ("net_tap0", "iface=sl0,mac=02:00:00:00:00:01"));
        assert_eq!(device.to_string(), "net_tap0,iface=sl0,mac=02:00:00:00:00:01");
    }

    #[test]
    fn what_could_confuse_the_argument_parser_is_refused() {
        assert_eq!("".parse::<DeviceSpec>(), Err(DeviceError::NoName));
        assert_eq!(",iface=x".parse::<DeviceSpec>(), Err(DeviceError::NoName));
        assert_eq!("net_tap0 --no-huge".parse::<DeviceSpec>(), Err(DeviceError::BadName(' ')));
        assert_eq!("net_tap0,iface=a\nb".parse::<DeviceSpec>(), Err(DeviceError::BadArgument('\n')));
        assert_eq!("net_tap0,iface=a\0".parse::<DeviceSpec>(), Err(DeviceError::BadArgument('\0')));
        assert_eq!("eth0".parse::<DeviceSpec>(), Err(DeviceError::Unknown("eth0".into())));
        assert_eq!("03:00.8".parse::<DeviceSpec>(), Err(DeviceError::Unknown("03:00.8".into())));
        assert_eq!("0000:03:20.0".parse::<DeviceSpec>(), Err(DeviceError::Unknown("0000:03:20.0".into())));
        assert_eq!("net_".repeat(20).parse::<DeviceSpec>(), Err(DeviceError::NameTooLong(80)));
    }
}
