//! Preconditions on the version of an object (Cloud Storage, "Request preconditions").

use http::StatusCode;

use super::error;
use crate::{call::Call, reply::ApiError, state::Object};

/// The parameters: what of the object they speak of, and whether it has to be equal.
const CONDITIONS: [(&str, Version, bool); 4] = [
    ("ifGenerationMatch", Version::Generation, true),
    ("ifGenerationNotMatch", Version::Generation, false),
    ("ifMetagenerationMatch", Version::Metageneration, true),
    ("ifMetagenerationNotMatch", Version::Metageneration, false),
];

#[derive(Clone, Copy)]
enum Version {
    Generation,
    Metageneration,
}

/// The metageneration of every object: metadata does not change here.
const METAGENERATION: u64 = 1;

/// Whether the parameters of the request hold for what is there. Generation 0 is that of an object that is not there.
///
/// # Errors
/// 412, 304 for a read of what the caller has already, or 400 for what is no number.
pub(super) fn check(call: &Call, existing: Option<&Object>) -> Result<(), ApiError> {
    for (name, version, equal) in CONDITIONS {
        let Some(text) = call.parameter(name) else { continue };
        let wanted: u64 = text.parse().map_err(|_no_number| {
            error(StatusCode::BAD_REQUEST, "invalid", &format!("Invalid value for {name}: not a number."), None)
        })?;
        let seen = match version {
            Version::Generation => existing.map_or(0, |object| object.generation),
            Version::Metageneration => existing.map_or(0, |_| METAGENERATION),
        };
        if (seen == wanted) == equal {
            continue;
        }
        let reading = call.method == http::Method::GET && !equal;
        let status = if reading { StatusCode::NOT_MODIFIED } else { StatusCode::PRECONDITION_FAILED };
        let message = "At least one of the pre-conditions you specified did not hold.";
        return Err(error(status, "conditionNotMet", message, None));
    }
    Ok(())
}
