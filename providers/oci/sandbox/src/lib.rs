//! The emulated token services of oci: verifies and refuses as the real ones do
