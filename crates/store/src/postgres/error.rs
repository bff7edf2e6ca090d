//! What PostgreSQL's answer means for whoever runs the store.

use std::error::Error as _;

use carnet_core::safe_text;
use tokio_postgres::{Error, error::SqlState};

use crate::StoreError;

const LOST: &str = "look whether the database server runs and can be reached; carnet connects again by itself";

/// Why there is no connection.
pub(super) fn connecting(error: &Error) -> StoreError {
    let what = format!("connect to the database server: {}", text(error));
    match error.code() {
        Some(code) if code.code().starts_with("28") => StoreError::Unusable {
            what,
            hint: "look at the user, its password, and the server's pg_hba.conf".to_owned(),
        },
        Some(code) if *code == SqlState::UNDEFINED_DATABASE => {
            StoreError::Unusable { what, hint: "make it with `createdb --encoding=UTF8`".to_owned() }
        }
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Unusable {
            what,
            hint: "make the user that carnet connects as the owner of the database".to_owned(),
        },
        _ => StoreError::Unavailable { what, hint: LOST.to_owned() },
    }
}

/// Why a statement was not done.
pub(super) fn statement(error: &Error) -> StoreError {
    let Some(code) = error.code() else {
        let what = format!("the connection to the database server was lost: {}", text(error));
        return StoreError::Unavailable { what, hint: LOST.to_owned() };
    };
    let what = format!("the database server refused a statement: {} ({})", text(error), code.code());
    match code.code().get(..2).unwrap_or_default() {
        // Data exception, integrity constraint, program limit: one commit is wrong, not the store.
        "22" | "23" | "54" => StoreError::Invalid(what),
        "53" => StoreError::Unavailable {
            what,
            hint: "make room for the database server: disk, memory, connections".to_owned(),
        },
        "42" => StoreError::Unusable {
            what,
            hint: "somebody has changed the tables or the rights on them: carnet must own them".to_owned(),
        },
        "XX" | "58" => StoreError::Corrupt {
            what,
            hint: "look at the database server's log and disk; restore a backup if it says that data is damaged"
                .to_owned(),
            audit_row: None,
        },
        _ => StoreError::Unavailable { what, hint: LOST.to_owned() },
    }
}

/// Whether the connection is of no use after this: it is lost, or its server shuts down (57P01 to 57P03) or has become a
/// standby (25006).
pub(super) fn ends_connection(error: &Error) -> bool {
    error.code().is_none_or(|code| matches!(code.code(), "57P01" | "57P02" | "57P03" | "25006"))
}

/// The server does not answer.
pub(super) fn silent(what: &str) -> StoreError {
    StoreError::Unavailable { what: format!("{what}: no answer in time"), hint: LOST.to_owned() }
}

/// The answer to a COMMIT was lost.
pub(super) fn unknown(cause: &str) -> StoreError {
    StoreError::Unknown {
        what: format!("the answer to a commit was lost, and the database server could not be asked: {cause}"),
        hint: "nothing was issued on it; the audit log shows whether it was written once the server is back".to_owned(),
    }
}

fn text(error: &Error) -> String {
    let text = match error.as_db_error() {
        Some(error) => error.message().to_owned(),
        None => error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    };
    safe_text(&text)
}
