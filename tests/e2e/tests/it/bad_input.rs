//! Input that is malformed, services that misbehave, disks that are full: each is answered with an error that names the
//! thing, the place and the fix, with the right exit code, and nothing on standard output.

mod configuration;
mod disk;
mod profiles;
mod services;
mod tokens;
