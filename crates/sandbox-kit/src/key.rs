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
    /// Whose numbers the first key has.
    twin: Option<Arc<Self>>,
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
        Self { algorithm, kid: kid.into(), twin: None, state: Mutex::default() }
    }

    /// A key that has the numbers of another and this `kid`, until it is replaced. For a key that a sandbox cannot start
    /// without, where nobody is kept from signing with the other.
    pub fn twin(of: &Arc<Self>, kid: impl Into<String>) -> Self {
        Self { twin: Some(Arc::clone(of)), ..Self::new(of.algorithm, kid) }
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
        let key = match &self.twin {
            Some(twin) if state.rotations == 0 => SigningKey::from_pkcs8(self.algorithm, &twin.get()?.to_pkcs8()?)?,
            _ => SigningKey::generate(self.algorithm)?,
        };
        let key = Arc::new(key.with_kid(kid));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_the_same_key() {
        let key = LazyKey::new(Algorithm::Es256, "k");
        let made = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| key.get().unwrap())).collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(made.iter().all(|other| Arc::ptr_eq(other, &made[0])));
    }

    #[test]
    fn a_twin_is_the_same_key_under_its_own_name_until_it_is_replaced() {
        let key = Arc::new(LazyKey::new(Algorithm::Es256, "k"));
        let twin = LazyKey::twin(&key, "t");
        let first = twin.get().unwrap();
        assert_eq!((first.public_spki(), first.kid()), (key.get().unwrap().public_spki(), Some("t")));
        twin.rotate();
        let second = twin.get().unwrap();
        assert_ne!(second.public_spki(), first.public_spki());
        assert_eq!((second.kid(), key.get().unwrap().kid()), (Some("t-1"), Some("k")));
    }

    #[test]
    fn a_replaced_key_has_another_name() {
        let key = LazyKey::new(Algorithm::Es256, "k");
        let before = key.get().unwrap();
        key.rotate();
        let after = key.get().unwrap();
        assert_eq!((before.kid(), after.kid()), (Some("k"), Some("k-1")));
    }
}
