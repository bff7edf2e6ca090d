//! OIDC discovery documents, SPIFFE bundles and federation.
