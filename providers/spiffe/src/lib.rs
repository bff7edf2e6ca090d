//! SPIFFE: identities, bundles, SVIDs, and the workload's own identity as a source.
