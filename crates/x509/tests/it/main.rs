//! Issuing, reading and believing, with openssl(1) as the witness from outside.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what the tests share is not inside a test function")]

mod chain;
mod issue;
mod read;
mod request;
mod spiffe;
mod support;
