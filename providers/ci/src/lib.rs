//! CI systems: the identity tokens of GitHub Actions and GitLab
