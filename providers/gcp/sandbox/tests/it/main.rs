//! The emulated services through their routers, as clients see them.

mod certs;
mod credentials;
mod iam;
mod metadata;
mod project;
mod storage;
mod sts;
mod support;
