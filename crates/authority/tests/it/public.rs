//! The listener for relying parties as they reach it: straight, through proxies, and over a reload.

mod clock;
mod metadata;
mod proxies;
mod reload;
mod world;
