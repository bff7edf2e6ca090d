//! The emulated services through their routers.

mod domain;
mod services;
