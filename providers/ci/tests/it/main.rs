//! Jobs of the emulated CI systems: how they get their tokens, and what they become elsewhere.

#[cfg(test)]
mod routes;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod world;
