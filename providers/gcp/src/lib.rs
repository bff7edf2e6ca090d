//! Google Cloud: its identities, its credentials, its trust model

pub mod trust;
