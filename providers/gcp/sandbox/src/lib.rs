//! The emulated token services of gcp: verifies and refuses as the real ones do
