//! The name by which the sandbox knows the demo's authority, and tokens say it.

use carnet_sandbox::{Service, aws};

use crate::command::guest::Guest;

/// What the clouds of the sandbox know the authority by.
pub(super) const ISSUER: &str = aws::SVID_ISSUER;
/// The same without its scheme.
const HOST: &str = "authority.demo.test";

/// The authority as a service of the sandbox.
pub(super) fn service(gate: &Guest) -> Service {
    gate.service("demo-authority", HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_has_the_name_that_the_clouds_know() {
        assert_eq!(ISSUER, format!("https://{HOST}"));
    }
}
