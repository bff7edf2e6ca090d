//! The only HTTP client, with the outbound guard, and the listeners.
