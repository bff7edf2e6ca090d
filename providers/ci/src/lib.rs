//! The identity tokens that CI systems give to a job: GitHub Actions and GitLab.
//!
//! Both are OIDC ID tokens (JWTs) about the job. GitHub makes one when the job asks, for any audience; GitLab puts
//! them into variables when the job starts, with the audiences that `.gitlab-ci.yml` names. Nothing here verifies a
//! token: that is done by whoever it is shown to.

mod github;
mod gitlab;
#[cfg(test)]
mod testing;

pub use github::{GitHubActions, parse_token_answer};
pub use gitlab::GitLabCi;

/// Names the sources of this crate, in the order in which `auto` asks them.
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<GitHubActions>();
    register.source::<GitLabCi>();
}
