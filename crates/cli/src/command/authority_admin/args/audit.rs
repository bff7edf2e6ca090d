//! `carnet authority audit`

use clap::{Args, Subcommand};

/// Which rows of the audit log.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AuditRows {
    /// Not before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<jiff::Timestamp>,
    /// Only this action, for instance `token.exchange`.
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only with this outcome.
    #[arg(long, value_parser = ["allowed", "refused", "failed"])]
    pub(crate) outcome: Option<String>,
    /// Only of this actor.
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Only about this subject.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Only by this rule.
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only about this access token or SVID, by `jti` or serial number.
    #[arg(long, value_name = "ID")]
    pub(crate) token_id: Option<String>,
    /// Only with this number of a request.
    #[arg(long)]
    pub(crate) request_id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List the last rows of the log, the newest first.
    List {
        #[command(flatten)]
        rows: AuditRows,
        /// The rows that come after this one in place of the last, the oldest first.
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
        /// Most rows: 100 unless given. `--follow` with `--after` shows all there are, and takes no number.
        #[arg(long, short = 'n')]
        limit: Option<usize>,
        /// Show the last rows, the oldest first, then those that are written from now on, until Ctrl-C. With `--output json`
        /// one JSON object a line.
        #[arg(long)]
        follow: bool,
    },
    /// Look whether the log is what it was. Ends with 8 when it is not.
    Verify {
        /// A row that was noted elsewhere, as SEQ:HASH: it must be there unchanged.
        #[arg(long, value_name = "SEQ:HASH")]
        noted: Option<String>,
        /// Not through the authority but in its store: `sqlite:PATH` or `postgres://…`.
        #[arg(long, value_name = "ADDRESS")]
        store: Option<String>,
    },
    /// Write the log to standard output, one JSON object a line, the oldest row first.
    Export {
        #[command(flatten)]
        rows: AuditRows,
        /// Only what comes after this row.
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        /// Not through the authority but from its store: `sqlite:PATH` or `postgres://…`.
        #[arg(long, value_name = "ADDRESS")]
        store: Option<String>,
    },
}
