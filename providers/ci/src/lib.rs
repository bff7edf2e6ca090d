//! The identity tokens that CI systems give to a job, and what it takes to trust them.
//!
//! All are OIDC ID tokens (JWTs) about the job. Some systems make one when the job asks, for the audience that it names
//! (GitHub, Buildkite, CircleCI by its program, Google Cloud Build); with others the audience is fixed by the job's definition
//! (GitLab, Bitbucket, HCP Terraform, Jenkins) or by the system (Azure DevOps, Spacelift). Nothing here verifies a token: that
//! is done by whoever it is shown to.
//!
//! [`SYSTEMS`] is what the claims of each system mean; [`lint`] says what is dangerous about trusting them, and [`look`] what
//! there is to say of one token.

mod ask;
mod azure_devops;
mod bitbucket;
mod buildkite;
mod circleci;
mod cloud_build;
mod github;
mod gitlab;
mod hcp_terraform;
mod jenkins;
mod program;
mod spacelift;
mod system;
#[cfg(test)]
mod testing;
mod token;
mod trust;

pub use azure_devops::{AzureDevOps, parse_oidc_token_answer};
pub use bitbucket::BitbucketPipelines;
pub use buildkite::Buildkite;
pub use circleci::{CircleCi, CircleSubject};
pub use cloud_build::GoogleCloudBuild;
pub use github::{GitHubActions, parse_token_answer};
pub use gitlab::GitLabCi;
pub use hcp_terraform::HcpTerraform;
pub use jenkins::Jenkins;
pub use spacelift::Spacelift;
pub use system::{Audience, Claim, SYSTEMS, System, Weight, subject_claims};
pub use token::parse_plain_token;
pub use trust::{CiTrust, Seen, lint, look};

/// Names the sources of this crate, in the order in which `auto` asks them.
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<GitHubActions>();
    register.source::<GitLabCi>();
    register.source::<BitbucketPipelines>();
    register.source::<CircleCi>();
    register.source::<Buildkite>();
    register.source::<AzureDevOps>();
    register.source::<HcpTerraform>();
    register.source::<Spacelift>();
    register.source::<Jenkins>();
    register.source::<GoogleCloudBuild>();
}
