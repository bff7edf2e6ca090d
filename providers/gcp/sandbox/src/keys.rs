//! Google's own signing keys.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_jose::{Algorithm, KeyError, SigningKey};
use carnet_sandbox_kit::LazyKey;

use crate::seed;

/// The key of Google's OIDC issuer, and one for each service account that signs.
#[derive(Debug)]
pub(crate) struct Keys {
    google: LazyKey,
    accounts: Mutex<BTreeMap<String, Arc<LazyKey>>>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            google: LazyKey::new(Algorithm::Rs256, "c4a9e70000000000000000000000000000000001"),
            accounts: Mutex::default(),
        }
    }
}

impl Keys {
    /// The key that signs ID tokens.
    pub(crate) fn google(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.google.get()
    }

    /// The key that Google holds for a service account, by e-mail. The caller knows that the account exists.
    pub(crate) fn account(&self, email: &str) -> Result<Arc<SigningKey>, KeyError> {
        let key = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(LazyKey::new(Algorithm::Rs256, format!("{:0>40}", hexadecimal(email))));
            Arc::clone(accounts.entry(email.to_owned()).or_insert_with(new))
        };
        key.get()
    }

    /// Makes those that will be needed soon.
    pub(crate) fn warm(&self) {
        // Whoever needs them next makes them again and reports the failure.
        drop(self.google());
        drop(self.account(seed::READER));
    }

    /// Replaces all.
    pub(crate) fn rotate(&self) {
        self.google.rotate();
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.values().for_each(|key| key.rotate());
    }
}

/// The first 20 bytes of the hash of a name, for a key id of the usual form.
fn hexadecimal(name: &str) -> String {
    let hash = carnet_jose::sha256(name.as_bytes());
    let digits = hash.iter().take(20).flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}
