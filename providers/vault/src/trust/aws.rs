//! The auth method `aws`, type `iam` (Vault): whoever signs a `GetCallerIdentity` says who he is, without showing his secret
//! key. The server sends the request on and believes AWS's answer.
//!
//! No I/O: the answer of AWS comes from the caller, between [`AwsProof::check`] and [`AwsQuestion::decide`]. Sources: Vault's
//! `builtin/credential/aws/path_login.go` and `path_config_client.go`, "AWS auth method (API)".

mod caller;
mod proof;
mod role;

pub use self::{
    caller::{AwsCaller, AwsPrincipal},
    proof::{AwsClientConfig, AwsProof, SERVER_ID},
    role::{AwsIdentityConfig, AwsLogin, AwsQuestion, AwsRole, CheckedAwsRole, lint_aws},
};
use super::refuse;
