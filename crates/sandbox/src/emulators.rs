//! The list of emulators. Adding a cloud to the sandbox is one line here.

use std::sync::Arc;

use carnet_ci_sandbox::CiEmulator;
use carnet_sandbox_kit::{Emulator, World};

/// Emulators by the name of their provider, which is also their place in the control API: `/emulator/NAME`.
pub type Emulators = Vec<(&'static str, Arc<dyn Emulator>)>;

/// All that there are. `ci` is given, because whoever has the sandbox also mints with it.
pub(crate) fn all(world: &World, ci: CiEmulator) -> Emulators {
    vec![
        ("aws", Arc::new(carnet_aws_sandbox::emulator(world.clone()))),
        ("azure", Arc::new(carnet_azure_sandbox::emulator(world.clone()))),
        ("ci", Arc::new(ci)),
        ("gcp", Arc::new(carnet_gcp_sandbox::emulator(world.clone()))),
        ("infisical", Arc::new(carnet_infisical_sandbox::emulator(world.clone()))),
        ("kubernetes", Arc::new(carnet_kubernetes_sandbox::emulator(world))),
        ("oauth", Arc::new(carnet_oauth_sandbox::emulator(world.clone()))),
        ("oci", Arc::new(carnet_oci_sandbox::emulator(world.clone()))),
        ("vault", Arc::new(carnet_vault_sandbox::emulator(world.clone()))),
    ]
}
