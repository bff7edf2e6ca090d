//! Each method: one valid input, bent in one place for each refusal. Signed documents are made by openssl(1).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose stage cannot be set has failed")]

mod aws;
mod azure;
mod azure_msi;
mod certificates;
mod cms;
mod k8s;
mod protocol;
mod support;
mod template;
mod tokens;
