//! The Workload API as stock clients use it: over the real socket, with no option that they would not have.

mod envoy;
mod files;
mod generated;
mod sources;
