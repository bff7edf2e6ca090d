//! `carnet authority token`

use clap::{ArgGroup, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List access tokens, by their `jti`. JWT-SVIDs and X509-SVIDs have no row here: they are not remembered and end by
    /// themselves. `audit list` shows what was issued.
    List {
        /// Only of this subject.
        #[arg(long)]
        subject: Option<String>,
        /// Only by this rule.
        #[arg(long)]
        rule: Option<String>,
        /// Only those that stand so.
        #[arg(long, value_parser = ["active", "used-up", "revoked", "expired"])]
        state: Option<String>,
        /// Only what comes after this `jti`.
        #[arg(long, value_name = "JTI")]
        after: Option<String>,
        /// Most tokens.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show what is remembered of an access token.
    Show {
        /// Its `jti`.
        id: String,
    },
    /// Revoke an access token, or all of a subject, of a rule, or of a subject by a rule. Verifiers that introspect are told so
    /// from now on. SVIDs cannot be revoked: take their rule or entry away, and they end by themselves.
    #[command(group = ArgGroup::new("whose").args(["id", "subject", "rule"]).required(true).multiple(true))]
    Revoke {
        /// Its `jti`.
        id: Option<String>,
        /// All of this subject.
        #[arg(long, conflicts_with = "id")]
        subject: Option<String>,
        /// All by this rule. Take the rule away first, or it allows others meanwhile.
        #[arg(long, conflicts_with = "id")]
        rule: Option<String>,
        /// Only count those that would be revoked.
        #[arg(long, conflicts_with = "id")]
        dry_run: bool,
    },
}
