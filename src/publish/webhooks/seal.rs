//! Secrets at rest: sealed with a key of the settings, so that whoever reads the store or a backup
//! cannot sign in the hub's name.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;

const PREFIX: &str = "sealed1:";

/// The key under which secrets lie in the store.
#[derive(Clone)]
pub struct Seal([u8; 32]);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    pub fn new(key: &str) -> Self {
        Self(blake3::derive_key(
            "passerelle webhook secrets 2026-11",
            key.trim().as_bytes(),
        ))
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.0).ok()?;
        Some(LessSafeKey::new(key))
    }

    /// `secret` as it may lie in the store, for the endpoint `id` alone.
    fn close(&self, id: &str, secret: &str) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut bytes = secret.as_bytes().to_vec();
        let sealing = Nonce::assume_unique_for_key(nonce);
        let cipher = self.cipher()?;
        cipher
            .seal_in_place_append_tag(sealing, Aad::from(id), &mut bytes)
            .ok()?;
        Some(format!(
            "{PREFIX}{}",
            STANDARD.encode([&nonce[..], &bytes].concat())
        ))
    }

    fn open(&self, id: &str, stored: &str) -> Option<String> {
        let bytes = STANDARD.decode(stored.strip_prefix(PREFIX)?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.cipher()?;
        let plain = plain
            .open_in_place(nonce, Aad::from(id), &mut sealed)
            .ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

/// `secret` as the store gets it. Without a key it stays as it is.
pub fn close(seal: Option<&Seal>, id: &str, secret: String) -> String {
    let sealed = seal.filter(|_| !is_sealed(&secret));
    sealed.and_then(|s| s.close(id, &secret)).unwrap_or(secret)
}

/// The secret that the store has; `None` where it was sealed with another key.
pub fn open(seal: Option<&Seal>, id: &str, stored: &str) -> Option<String> {
    match is_sealed(stored) {
        true => seal?.open(id, stored),
        // Of before there was a key.
        false => Some(stored.to_owned()),
    }
}

pub fn is_sealed(stored: &str) -> bool {
    stored.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_endpoint_open_a_secret() {
        let (one, other) = (Seal::new("one"), Seal::new("other"));
        let stored = close(Some(&one), "a", "whsec_x".into());
        assert!(!stored.contains("whsec_x"));
        assert_ne!(stored, close(Some(&one), "a", "whsec_x".into()));
        assert_eq!(open(Some(&one), "a", &stored).as_deref(), Some("whsec_x"));
        assert_eq!(open(Some(&one), "b", &stored), None);
        assert_eq!(open(Some(&other), "a", &stored), None);
        assert_eq!(open(None, "a", &stored), None);
        let cut = &stored[..stored.len() - 4];
        assert_eq!(open(Some(&one), "a", cut), None);
        // Without a key, and of before there was one.
        assert_eq!(close(None, "a", "whsec_x".into()), "whsec_x");
        assert_eq!(open(Some(&one), "a", "whsec_x").as_deref(), Some("whsec_x"));
        assert_eq!(close(Some(&one), "a", stored.clone()), stored);
    }
}
