//! The authority as a service: configuration, wiring, listeners, admin API.
