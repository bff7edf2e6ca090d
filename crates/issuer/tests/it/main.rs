//! The issuer's endpoints over a real store, with keys from the key manager and other issuers played by the network of a test.

mod delegation;
mod discovery;
mod exchange;
mod network;
mod refused_tokens;
mod risk;
mod rules;
mod single_use;
mod support;
mod world;
