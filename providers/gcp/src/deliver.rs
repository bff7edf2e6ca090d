//! Credentials in the forms that Google's libraries and tools read.

mod credential_file;
mod env;
mod executable;

pub use self::{
    credential_file::{ExecutableForm, FileForm, GcpCredentialFile, TokenFormat, UrlForm},
    env::GcpEnv,
    executable::{GcpExecutable, executable_failure},
};
