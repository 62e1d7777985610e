//! The little of a certificate that people ask for (RFC 5280): names and the end of validity.
//!
//! Whether it is any good is TLS's to say; here it is only read.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// `subjectAltName`: DNS names and addresses; of a certificate without any the subject's common name.
    pub names: Vec<String>,
    /// `notAfter`, in seconds since 1970.
    pub not_after: i64,
}

/// Reads a certificate.
///
/// # Errors
/// What makes it none.
pub fn describe(der: &[u8]) -> Result<Described, X509Error> {
    let (_, certificate) = X509Certificate::from_der(der)?;
    let alternative = certificate.subject_alternative_name()?;
    let alternative = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let mut names: Vec<String> = alternative.filter_map(text).collect();
    if names.is_empty() {
        let common = certificate.subject().iter_common_name().next();
        names.extend(common.and_then(|name| Some(name.as_str().ok()?.to_owned())));
    }
    Ok(Described { names, not_after: certificate.validity().not_after.timestamp() })
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(address) => match address.len() {
            4 => address.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).to_string()),
            _ => address.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_the_end_of_validity_are_read() {
        let mut params =
            rcgen::CertificateParams::new(vec!["a.example".into(), "*.b.example".into(), "192.0.2.1".into()])
                .unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap();
        let described = describe(der.der()).unwrap();
        assert_eq!(described.names, ["a.example", "*.b.example", "192.0.2.1"]);
        assert_eq!(described.not_after, 1_927_843_200);
        // Without alternative names the subject's own counts.
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        params.distinguished_name.push(rcgen::DnType::CommonName, "c.example");
        assert_eq!(describe(params.self_signed(&key).unwrap().der()).unwrap().names, ["c.example"]);
        // Cut anywhere it is none, and nothing else happens.
        for length in 0..der.der().len() {
            assert!(describe(&der.der()[..length]).is_err(), "{length}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at: proptest::sample::Index, byte: u8) {
            let _ = describe(&bytes);
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap();
            let mut der = params.self_signed(&key).unwrap().der().to_vec();
            let at = at.index(der.len());
            der[at] = byte;
            let _ = describe(&der);
        }
    }
}
