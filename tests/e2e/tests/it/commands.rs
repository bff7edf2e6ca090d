//! Every command, as a person or a script uses it.

mod configuration;
mod demo;
mod discovery;
mod get;
mod looking;
mod paper;
mod run;
mod sandbox;
mod schema;
