//! The emulated token services of ci: verifies and refuses as the real ones do
