//! A refusal, and how Infisical words it.

use carnet_trust::Refusal;

/// A refusal with the status and the name of the error that go with it. `refusal.code` is the text of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// `error` of the body.
    pub error: &'static str,
    /// Why, for the operator.
    pub refusal: Refusal,
}

/// What a check gives when it holds. Boxed because a refusal explains itself at length.
pub type Checked<T> = Result<T, Box<Refused>>;

/// What a failure that nobody caught answers (`error-handler.ts`).
const BROKEN: &str = "Something went wrong";
/// The text of a refusal that brings none of its own (`errors/index.ts`, `UnauthorizedError`).
const DEFAULT: &str = "You are not allowed to access this resource";

/// The parts of a refusal that are its own, in the order in which people read them.
pub(super) struct Why<'a> {
    pub(super) clause: &'static str,
    pub(super) seen: &'a str,
    pub(super) wanted: &'a str,
    pub(super) fix: &'a str,
}

impl Refused {
    /// A refusal with this status, name and text.
    pub fn new(status: u16, error: &'static str, refusal: Refusal) -> Box<Self> {
        Box::new(Self { status, error, refusal })
    }

    /// 401: the credential does not do.
    pub(super) fn unauthorized(why: &Why<'_>, text: impl Into<String>) -> Box<Self> {
        why.with(401, "UnauthorizedError", text)
    }

    /// 401 in the words that every refusal has which brings none.
    pub(super) fn unworded(why: &Why<'_>) -> Box<Self> {
        why.with(401, "UnauthorizedError", DEFAULT)
    }

    /// 403: a rule does not match.
    pub(super) fn forbidden(why: &Why<'_>, text: impl Into<String>) -> Box<Self> {
        why.with(403, "ForbiddenError", text)
    }

    /// 400: the request makes no sense.
    pub(super) fn bad(why: &Why<'_>, text: impl Into<String>) -> Box<Self> {
        why.with(400, "BadRequest", text)
    }

    /// 404: the identity has no such method.
    pub(super) fn not_found(why: &Why<'_>, text: impl Into<String>) -> Box<Self> {
        why.with(404, "NotFound", text)
    }

    /// 500: a failure that the product does not catch, whatever it is.
    pub(super) fn broken(why: &Why<'_>) -> Box<Self> {
        why.with(500, "InternalServerError", BROKEN)
    }

    /// 403: an error of the library for JWTs that the method does not catch. Three texts are made readable.
    pub(super) fn token(why: &Why<'_>, text: &str) -> Box<Self> {
        let text = match text {
            "jwt expired" => "Your token has expired. Please re-authenticate.",
            "jwt malformed" => {
                "The provided access token is malformed. Please use a valid token or generate a new one and try again."
            }
            "invalid algorithm" => {
                "The access token is signed with an invalid algorithm. Please provide a valid token and try again."
            }
            other => other,
        };
        why.with(403, "TokenError", text)
    }
}

impl Why<'_> {
    fn with(&self, status: u16, error: &'static str, text: impl Into<String>) -> Box<Refused> {
        Refused::new(status, error, Refusal::new(self.clause, self.seen, self.wanted, text, self.fix))
    }
}
