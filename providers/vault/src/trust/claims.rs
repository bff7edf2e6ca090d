//! Finding a claim and comparing it.

use carnet_jose::Claims;
use carnet_trust::{Glob, Refusal};
use serde_json::{Number, Value};

use super::{
    printed::{float, printed},
    refuse,
    role::{Bound, CheckedRole},
};

/// What a lookup found.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked<'a> {
    /// The value as it stands in the token.
    Value(&'a Value),
    /// Nothing, or `null`, which the products take for nothing (`vault-plugin-auth-jwt`, `claims.go`).
    Absent,
}

/// The claim of this name. A name that begins with `/` is a JSON pointer (RFC 6901); any other is a member at the top, and
/// dots and slashes in it mean nothing.
pub fn look_up<'a>(claims: &'a Claims, name: &str) -> Looked<'a> {
    let found = if name.starts_with('/') { pointer(claims, name) } else { claims.get(name) };
    Looked::of(found)
}

impl<'a> Looked<'a> {
    /// What a member of the token is.
    pub(super) fn of(member: Option<&'a Value>) -> Self {
        member.filter(|value| !value.is_null()).map_or(Self::Absent, Self::Value)
    }
}

fn pointer<'a>(claims: &'a Claims, pointer: &str) -> Option<&'a Value> {
    let rest = pointer.strip_prefix('/')?;
    let (first, below) = match rest.find('/') {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, ""),
    };
    let first = first.replace("~1", "/").replace("~0", "~");
    claims.get(&first)?.pointer(below)
}

/// Whether every bound claim of the role holds.
///
/// # Errors
/// The clauses `bound-claims` (another value, or one that cannot be compared) and `claim-missing`.
pub(super) fn check(claims: &Claims, role: &CheckedRole) -> Result<(), Box<Refusal>> {
    for (name, bound) in role.bound_claims() {
        let wanted = || shown_bound(role, name);
        let Looked::Value(value) = look_up(claims, name) else {
            let text = format!("error validating claims: claim {name:?} is missing");
            let fix = format!("let the issuer put {name} into the token, or take it out of `bound_claims` of the role");
            return Err(refuse("claim-missing", format!("no {name}"), wanted(), text, fix));
        };
        if value.is_object() {
            let value = printed(value, float);
            let text = format!("error validating claims: received claim is not a string, bool, int or list: {value}");
            let fix = "bind a value inside of the object, by a JSON pointer that begins with `/`";
            return Err(refuse("bound-claims", format!("{name} is an object"), wanted(), text, fix));
        }
        if !holds(value, bound) {
            let text =
                format!("error validating claims: claim {name:?} does not match any associated bound claim values");
            let fix = "compare the claim with `bound_claims` of the role; case, type (a text is not a number or a truth \
                       value) and every character count, and `*` only with `bound_claims_type` `glob`";
            return Err(refuse("bound-claims", format!("{name} {}", shown(value)), wanted(), text, fix));
        }
    }
    Ok(())
}

fn holds(value: &Value, bound: &Bound) -> bool {
    match (value, bound) {
        (Value::Array(values), Bound::Globs(globs)) => values.iter().any(|value| globs_hold(value, globs)),
        (value, Bound::Globs(globs)) => globs_hold(value, globs),
        // Numbers in lists stay floating-point there and equal nothing that is configured.
        (Value::Array(values), Bound::Values(wanted)) => {
            values.iter().any(|value| !value.is_number() && wanted.contains(value))
        }
        (Value::Number(number), Bound::Values(wanted)) => {
            let seen = whole(number);
            wanted.iter().any(|wanted| wanted.as_number().is_some_and(|wanted| wanted.to_string() == seen))
        }
        (value, Bound::Values(wanted)) => wanted.contains(value),
    }
}

/// A pattern is compared with texts only; what is none is passed over.
fn globs_hold(value: &Value, globs: &[Glob]) -> bool {
    value.as_str().is_some_and(|text| globs.iter().any(|glob| glob.matches(text)))
}

/// A number as the product compares it: as a decimal integer, the fraction cut off.
fn whole(number: &Number) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the product truncates as well; `as` saturates")]
    let cut = || number.as_f64().map(|number| number as i64).map(|number| number.to_string());
    number.as_i64().map(|number| number.to_string()).or_else(cut).unwrap_or_default()
}

/// Whether a number was changed for the comparison: it lost its fraction, or it is out of the range of 64 bits with a sign and
/// was taken for the end of it.
pub(super) fn was_cut(value: &Value) -> bool {
    value.as_number().is_some_and(|number| number.as_i64().is_none())
}

fn shown(value: &Value) -> String {
    carnet_core::safe_text(&value.to_string())
}

fn shown_bound(role: &CheckedRole, name: &str) -> String {
    role.role().bound_claims.get(name).map(|value| format!("{name} {}", shown(value))).unwrap_or_default()
}
