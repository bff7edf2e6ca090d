//! The words of `AssumeRoleWithWebIdentity`'s refusals. AWS says little: which condition failed is for the operator.

use carnet_trust::Refusal;
use jiff::Timestamp;

use crate::reply::ApiError;

/// Our wording where AWS's is not known.
const NOT_YET: &str = "The token is not valid yet.";
const SIGNATURE: &str = "The ID Token provided could not be validated.";

/// A refusal of the trust as STS answers it.
pub(crate) fn refused(refusal: Box<Refusal>, now: Timestamp) -> ApiError {
    let (status, code) = match refusal.code.as_str() {
        "AccessDenied" => (403, "AccessDenied"),
        "ExpiredTokenException" => (400, "ExpiredTokenException"),
        "ValidationError" => (400, "ValidationError"),
        _ => (400, "InvalidIdentityToken"),
    };
    let message = match refusal.clause {
        _ if code == "AccessDenied" => "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned(),
        "issuer" => format!("No OpenIDConnect provider found in your account for {}", refusal.seen),
        "audience" => "Incorrect token audience".to_owned(),
        "keys" => "Couldn't retrieve verification key from your identity provider, please reference \
                   AssumeRoleWithWebIdentity documentation for requirements"
            .to_owned(),
        "form" => {
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)".to_owned()
        }
        "expired" => format!(
            "Token expired: current date/time {} must be before the expiration date/time {}",
            now.as_second(),
            refusal.seen
        ),
        "not-yet" => NOT_YET.to_owned(),
        "claims" => format!("Missing a required claim: {}", refusal.seen),
        "tags" => format!("The session tags of the token are malformed: {}", refusal.seen),
        "source-identity" => format!("The source identity of the token is malformed: {}", refusal.seen),
        "duration" => "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
        _ => SIGNATURE.to_owned(),
    };
    ApiError::new(status, code, message).because(refusal)
}
