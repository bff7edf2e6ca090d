//! The signing keys of an authority: prepared, active, retired; sealed at rest.
