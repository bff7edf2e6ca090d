//! Google Cloud: its identities, its credentials, its trust model
