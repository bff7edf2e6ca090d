//! Snowflake, "Authenticating to the server" of the SQL API
//! (docs.snowflake.com/en/developer-guide/sql-api/authenticating) and "ALTER USER … ADD WORKLOAD IDENTITY": nothing
//! is exchanged; the token is shown with `WIF.OIDC.` before it and a header beside it, and a user is found by issuer
//! and subject. UNCONFIRMED: status and codes of refusals.

use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner};
use crate::{
    face::{Body, Entrance, Face, Given, Key, Life, Lookup, Reason, Refuse, Replay, Shown, USUAL, refuse},
    reply::Style,
};

pub(crate) static FACE: Face = Face {
    name: "snowflake",
    service: "oauth-snowflake",
    hosts: &[Host::Between("", ".snowflakecomputing.com")],
    entrance: Entrance {
        method: "POST",
        path: "/api/v2/statements",
        bodies: &[Body::Json],
        token: Shown::Prefixed("WIF.OIDC.", ("x-snowflake-authorization-token-type", "WORKLOAD_IDENTITY_FEDERATION")),
        fixed: &[],
        required: &["statement"],
        most: USUAL,
    },
    lookup: Lookup::Token,
    key: Key::Subject,
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: manner(Some("snowflakecomputing.com")),
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: true },
    prefix: "",
    success: 200,
    answer,
    style: Style::Snowflake,
    refuse: words,
    resources: &[],
    documents: &[],
};

/// The statement is not run: whoever asks is told as whom it would have been.
fn answer(given: &Given<'_>) -> Value {
    json!({
        "code": "090001",
        "sqlState": "00000",
        "message": "Statement executed successfully.",
        "resultSetMetaData": {
            "numRows": 1, "format": "jsonv2", "rowType": [{ "name": "CURRENT_USER()", "type": "text" }],
        },
        "data": [[given.trust.principal]],
        "createdOn": given.now.as_millisecond(),
        "statementHandle": "c0ffee00-0000-4000-8000-000000000000",
    })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body | Reason::Missing => refuse(400, "391902", "The request body is malformed."),
        Reason::TooLarge => refuse(413, "391902", "The request is too large."),
        Reason::Keys => refuse(503, "390000", "The issuer's keys could not be read."),
        Reason::Expired => refuse(401, "390318", "OAuth access token expired."),
        _ => refuse(401, "390303", "Invalid OAuth access token."),
    }
}
