//! Who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::packages::{Package, packages};

/// Every crate of the workspace with its layer. A crate sees lower layers only, and nothing sideways except what
/// [`SIDEWAYS`] allows. A crate that is not here fails the check, so that a new one is placed on purpose.
const LAYERS: &[(&str, u8)] = &[
    ("carnet-core", 0),
    ("carnet-jose", 1),
    ("carnet-trust", 1),
    ("carnet-net", 2),
    ("carnet-x509", 2),
    ("carnet-renew", 2),
    ("carnet-grpc", 2),
    ("carnet-sigv4", 2),
    ("carnet-generic", 3),
    ("carnet-ci", 3),
    ("carnet-oci", 3),
    ("carnet-gcp", 3),
    ("carnet-azure", 3),
    ("carnet-vault", 3),
    ("carnet-aws", 3),
    ("carnet-spiffe", 3),
    ("carnet-oauth", 3),
    ("carnet-kubernetes", 3),
    ("carnet-infisical", 3),
    ("carnet-sandbox-kit", 3),
    ("carnet-ops", 3),
    ("carnet-ci-sandbox", 4),
    ("carnet-oci-sandbox", 4),
    ("carnet-gcp-sandbox", 4),
    ("carnet-azure-sandbox", 4),
    ("carnet-aws-sandbox", 4),
    ("carnet-oauth-sandbox", 4),
    ("carnet-vault-sandbox", 4),
    ("carnet-kubernetes-sandbox", 4),
    ("carnet-infisical-sandbox", 4),
    ("carnet-route", 4),
    ("carnet-store", 4),
    ("carnet-attest", 4),
    ("carnet-sandbox", 5),
    ("carnet-keys", 5),
    ("carnet-issuer", 6),
    ("carnet-discovery", 6),
    ("carnet-entries", 7),
    ("carnet-agent", 7),
    ("carnet-csi", 7),
    ("carnet-authority", 8),
    ("carnet-operator", 8),
    ("carnet", 9),
    ("carnet-e2e", 10),
    ("carnet-benches", 10),
    ("xtask", 10),
];

/// Pairs of one layer, or of layers that must not meet, that may see each other after all.
const SIDEWAYS: &[(&str, &str)] = &[
    // It signs a request to Oracle with the one signer of such requests, rather than with a copy of it.
    ("carnet-infisical", "carnet-oci"),
    // The exchange `carnet` shows a request that is signed as these clouds want it.
    ("carnet-oauth", "carnet-oci"),
    ("carnet-oauth", "carnet-aws"),
];

/// Pairs that no layer number forbids and that are wrong: the client must not know the emulators, the emulators must
/// not know how routes are run.
const FORBIDDEN: &[(&str, &str)] = &[
    ("carnet-sandbox", "carnet-route"),
    ("carnet-route", "carnet-net"),
    ("carnet-oci-sandbox", "carnet-gcp"),
    ("carnet-gcp-sandbox", "carnet-oci"),
    ("carnet-oci", "carnet-net"),
    ("carnet-gcp", "carnet-net"),
    ("carnet-azure", "carnet-net"),
    ("carnet-vault", "carnet-net"),
    ("carnet-aws", "carnet-net"),
    ("carnet-ci", "carnet-net"),
    ("carnet-kubernetes", "carnet-net"),
    ("carnet-infisical", "carnet-net"),
    ("carnet-generic", "carnet-net"),
    ("carnet-oauth", "carnet-net"),
    ("carnet-spiffe", "carnet-net"),
    ("carnet-agent", "carnet-store"),
    ("carnet-agent", "carnet-issuer"),
];

/// Foreign crates that only some of ours may name.
const KEPT_APART: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["carnet-jose", "carnet-x509", "carnet-keys", "carnet-benches"]),
    ("rustls", &["carnet-net"]),
    ("tokio-rustls", &["carnet-net"]),
    ("hyper", &["carnet-net"]),
    ("hyper-util", &["carnet-net"]),
    ("cel", &["carnet-trust"]),
    ("rusqlite", &["carnet-store"]),
    ("tokio-postgres", &["carnet-store"]),
    ("tonic", &["carnet-grpc"]),
    ("prost", &["carnet-grpc"]),
    ("cryptoki", &["carnet-keys"]),
    ("clap", &["carnet"]),
    ("jsonwebtoken", &[]),
];

/// Reads `cargo metadata` and checks every arrow.
///
/// # Errors
/// All breaches at once.
pub(crate) fn check() -> anyhow::Result<String> {
    let packages = packages(&super::test::root().join("Cargo.toml"))?;
    let breaches = breaches(&packages);
    if breaches.is_empty() {
        return Ok(format!("layers: {} crates, every arrow points down", packages.len()));
    }
    bail!("layers broken:\n  {}", breaches.join("\n  "))
}

fn breaches(packages: &[Package]) -> Vec<String> {
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let ours: BTreeSet<&str> =
        packages.iter().filter(|one| one.source.is_none()).map(|one| one.name.as_str()).collect();
    let mut breaches = Vec::new();
    for package in packages.iter().filter(|package| ours.contains(package.name.as_str())) {
        let Some(layer) = layers.get(package.name.as_str()) else {
            breaches.push(format!("{} has no layer in xtask/src/layers.rs", package.name));
            continue;
        };
        // Tests may look at anything: an emulator's test needs the client and the other way round.
        for needed in package.dependencies.iter().filter(|needed| needed.kind.as_deref() != Some("dev")) {
            let arrow = (package.name.as_str(), needed.name.as_str());
            if let Some((_, keepers)) = KEPT_APART.iter().find(|(name, _)| *name == needed.name)
                && !keepers.contains(&package.name.as_str())
            {
                breaches.push(format!("{} names {}, which is kept to {}", arrow.0, arrow.1, keepers.join(", ")));
            }
            if FORBIDDEN.contains(&arrow) {
                breaches.push(format!("{} must not know {}", arrow.0, arrow.1));
            }
            if let Some(below) = layers.get(needed.name.as_str())
                && below >= layer
                && !SIDEWAYS.contains(&arrow)
            {
                breaches.push(format!("{} (layer {layer}) depends on {} (layer {below})", arrow.0, arrow.1));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::Dependency;

    fn package(name: &str, needs: &[&str]) -> Package {
        Package::named(name, needs.iter().map(|need| Dependency::on(need)).collect())
    }

    #[test]
    fn arrows_that_point_down_pass() {
        assert!(breaches(&[package("carnet-oci", &["carnet-core", "carnet-jose"])]).is_empty());
    }

    #[test]
    fn an_arrow_that_points_up_is_a_breach() {
        assert_eq!(breaches(&[package("carnet-core", &["carnet-jose"])]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_is_a_breach() {
        assert_eq!(breaches(&[package("carnet-new", &[])]).len(), 1);
    }

    #[test]
    fn a_client_that_names_the_tls_crate_is_a_breach() {
        assert_eq!(breaches(&[package("carnet-gcp", &["rustls"])]).len(), 1);
    }

    #[test]
    fn the_emulators_do_not_know_the_routes() {
        assert_eq!(breaches(&[package("carnet-sandbox", &["carnet-route"])]).len(), 1);
    }
}
