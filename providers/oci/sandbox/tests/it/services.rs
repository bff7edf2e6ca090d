//! The signed services through their routers: metadata, auth, identity, object storage, core.

mod auth;
mod identity;
mod instance;
mod resource;
mod storage;
mod support;
