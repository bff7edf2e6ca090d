//! Keys that are made when they are first needed, so that a sandbox starts at once.

use std::sync::{Arc, Mutex, PoisonError};

use carnet_jose::{Algorithm, KeyError, SigningKey};

/// A signing key that is made at its first use and can be replaced.
///
/// Making an RSA key takes 50 ms at the median and twice that at times, and whoever asks meanwhile waits: call
/// [`LazyKey::get`] in [`crate::Emulator::warm`], so that the first request finds it made.
#[derive(Debug)]
pub struct LazyKey {
    algorithm: Algorithm,
    kid: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    key: Option<Arc<SigningKey>>,
    rotations: u32,
}

impl LazyKey {
    /// A key that will have this algorithm and `kid`.
    pub fn new(algorithm: Algorithm, kid: impl Into<String>) -> Self {
        Self { algorithm, kid: kid.into(), state: Mutex::default() }
    }

    /// The key. The first caller makes it, others wait for that one.
    ///
    /// # Errors
    /// When the crypto library cannot make a key of this algorithm.
    pub fn get(&self) -> Result<Arc<SigningKey>, KeyError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &state.key {
            return Ok(Arc::clone(key));
        }
        let kid = match state.rotations {
            0 => self.kid.clone(),
            count => format!("{}-{count}", self.kid),
        };
        let key = Arc::new(SigningKey::generate(self.algorithm)?.with_kid(kid));
        state.key = Some(Arc::clone(&key));
        Ok(key)
    }

    /// Forgets the key; the next use makes another with another `kid`.
    pub fn rotate(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.key = None;
        state.rotations = state.rotations.saturating_add(1);
    }
}
