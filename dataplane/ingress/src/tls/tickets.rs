//! Session tickets: with one a client comes back without a whole handshake (RFC 8446 section 2.2; TLS 1.2: RFC 5077).
//!
//! Without keys of the settings they are sealed with keys of this process, which change every six hours. With such keys, which
//! other gateways have too, a client comes back to any of them:
//!
//! ```text
//! ticket = key's name (16) │ salt (32) │ ChaCha20-Poly1305 (time of sealing (8) │ what TLS wants kept)
//! key of a ticket, with its nonce = HKDF-SHA256 (key, salt)
//! ```
//! However many gateways seal with a key, no two tickets share a nonce.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;
use sluice_model::http::TicketKey;

/// How long a ticket is of use, as with rustls's own. RFC 8446 section 4.6.1 allows 7 days.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// By how much another gateway's clock may be ahead.
const SKEW: Duration = Duration::from_secs(5 * 60);
const NAME: usize = 16;
const SALT: usize = 32;
const KEY: usize = 32;
const NONCE: usize = 12;

/// Seals and opens tickets.
#[derive(Debug)]
pub(super) struct Tickets {
    own: Arc<dyn ProducesTickets>,
    shared: RwLock<Arc<[Key]>>,
}

struct Key {
    name: [u8; NAME],
    secret: Prk,
}

/// So many bytes derived.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl std::fmt::Debug for Key {
    /// The key is no text for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Tickets {
    /// With keys of this process alone.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        Ok(Self { own: rustls::crypto::ring::Ticketer::new()?, shared: RwLock::default() })
    }

    /// Seals with the first of these from now on, and opens what any of them has sealed.
    pub(super) fn share(&self, keys: &[TicketKey]) {
        let keys = keys.iter().filter_map(|key| Key::new(key.bytes())).collect();
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn shared(&self) -> Arc<[Key]> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        match self.shared().first() {
            Some(key) => key.seal(plain, SystemTime::now()),
            None => self.own.encrypt(plain),
        }
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let shared = self.shared();
        match shared.iter().find(|key| ticket.starts_with(&key.name)) {
            Some(key) => key.open(ticket, SystemTime::now()),
            // Sealed before there were shared keys, perhaps.
            None => self.own.decrypt(ticket),
        }
    }
}

impl Key {
    fn new(bytes: &[u8]) -> Option<Self> {
        let secret = Salt::new(HKDF_SHA256, b"sluice session tickets").extract(bytes);
        let mut name = [0; NAME];
        secret.expand(&[b"name"], Length(NAME)).and_then(|derived| derived.fill(&mut name)).ok()?;
        Some(Self { name, secret })
    }

    fn seal(&self, plain: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let mut salt = [0; SALT];
        SystemRandom::new().fill(&mut salt).ok()?;
        let (key, nonce) = self.of_ticket(&salt)?;
        let mut sealed = now.duration_since(UNIX_EPOCH).ok()?.as_secs().to_be_bytes().to_vec();
        sealed.extend(plain);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).ok()?;
        Some([&self.name[..], &salt, &sealed].concat())
    }

    fn open(&self, ticket: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let (salt, sealed) = ticket.get(NAME..)?.split_first_chunk::<SALT>()?;
        let (key, nonce) = self.of_ticket(salt)?;
        let mut sealed = sealed.to_vec();
        let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        let (time, plain) = plain.split_first_chunk()?;
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*time)))?;
        let age = now.checked_add(SKEW)?.duration_since(time).ok()?;
        (age <= LIFETIME + SKEW).then(|| plain.to_vec())
    }

    fn of_ticket(&self, salt: &[u8; SALT]) -> Option<(LessSafeKey, Nonce)> {
        let mut derived = [0; KEY + NONCE];
        let info: [&[u8]; 2] = [b"ticket", salt];
        self.secret.expand(&info, Length(KEY + NONCE)).and_then(|all| all.fill(&mut derived)).ok()?;
        let (key, nonce) = derived.split_first_chunk::<KEY>()?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).ok()?;
        Some((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(nonce).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> TicketKey {
        TicketKey::new(&[byte; 48]).unwrap()
    }

    fn sharing(keys: &[TicketKey]) -> Tickets {
        let tickets = Tickets::new().unwrap();
        tickets.share(keys);
        tickets
    }

    #[test]
    fn tickets_are_opened_by_whoever_has_the_key_and_no_other() {
        let (one, two) = (sharing(&[key(1)]), sharing(&[key(2), key(1)]));
        let ticket = one.encrypt(b"kept").unwrap();
        assert_eq!(two.decrypt(&ticket).unwrap(), b"kept");
        // New ones are sealed with the first.
        assert_eq!(one.decrypt(&two.encrypt(b"kept").unwrap()), None);
        assert_eq!(sharing(&[key(2)]).decrypt(&ticket), None);
        assert_eq!(sharing(&[]).decrypt(&ticket), None);
        assert_ne!(one.encrypt(b"kept").unwrap(), ticket);
        for at in 0..ticket.len() {
            let mut other = ticket.clone();
            other[at] ^= 1;
            assert_eq!(two.decrypt(&other), None, "{at}");
            assert_eq!(two.decrypt(&ticket[..at]), None, "{at}");
        }
    }

    #[test]
    fn tickets_of_before_the_keys_were_shared_are_opened_where_they_were_sealed() {
        let tickets = sharing(&[]);
        let before = tickets.encrypt(b"before").unwrap();
        tickets.share(&[key(1)]);
        assert_eq!(tickets.decrypt(&before).unwrap(), b"before");
        let shared = tickets.encrypt(b"shared").unwrap();
        tickets.share(&[]);
        assert_eq!(tickets.decrypt(&shared), None);
    }

    #[test]
    fn tickets_have_their_time() {
        let key = Key::new(&[1; 80]).unwrap();
        let then = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let ticket = key.seal(b"", then).unwrap();
        for (now, good) in [
            (then, true),
            (then + LIFETIME, true),
            (then + LIFETIME + Duration::from_secs(1), false),
            (then - SKEW, true),
            (then - SKEW - Duration::from_secs(1), false),
        ] {
            assert_eq!(key.open(&ticket, now).is_some(), good, "{now:?}");
        }
    }
}
