//! The list of emulators. Adding a cloud to the sandbox is one line here.

use std::sync::Arc;

use carnet_sandbox_kit::{Emulator, World};

/// Emulators by the name of their provider, which is also their place in the control API: `/emulator/NAME`.
pub type Emulators = Vec<(&'static str, Arc<dyn Emulator>)>;

/// All that this build has.
pub(crate) fn all(world: &World) -> Emulators {
    let _ = world;
    vec![
        #[cfg(feature = "ci")]
        ("ci", Arc::new(carnet_ci_sandbox::emulator(world.clone())) as Arc<dyn Emulator>),
        #[cfg(feature = "oci")]
        ("oci", Arc::new(carnet_oci_sandbox::emulator(world.clone())) as Arc<dyn Emulator>),
    ]
}
