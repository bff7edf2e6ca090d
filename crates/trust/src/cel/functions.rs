//! Functions that CEL's standard library lacks and the clouds have.
#![expect(clippy::needless_pass_by_value, reason = "the signature of `cel::common::functions::Function`")]

use std::{any::Any, sync::Arc};

use cel::{
    DeclarationError, Env, ExecutionError,
    common::{
        types::{CelBool, CelList, CelString, LIST_TYPE, STRING_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
};
use regex::Regex;

use super::{Expression, check::MATCHES, lazy};

/// Largest compiled pattern, in bytes: some twenty times what a rule for a repository needs.
pub(super) const MAX_PATTERN: usize = 256 * 1024;

/// The type of a compiled pattern; no expression can make or name one.
static PATTERN_TYPE: Type = Type::new_unspecified_type(PATTERN_NAME);
const PATTERN_NAME: &str = "carnet.Pattern";

/// A compiled pattern as a value.
#[derive(Clone, Debug)]
pub(super) struct PatternValue(pub(super) Arc<Regex>);

impl Val for PatternValue {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for PatternValue {}

type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// Declares them.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let pattern = Type::new_unspecified_type(PATTERN_NAME);
    env.add_overload(MATCHES, "carnet_matches", vec![STRING_TYPE, pattern], matches)?;
    env.add_member_overload("extract", "carnet_extract", STRING_TYPE, vec![STRING_TYPE], extract)?;
    env.add_member_overload("split", "carnet_split", STRING_TYPE, vec![STRING_TYPE], split)?;
    env.add_member_overload("lowerAscii", "carnet_lower", STRING_TYPE, vec![], lower)?;
    env.add_member_overload("upperAscii", "carnet_upper", STRING_TYPE, vec![], upper)?;
    env.add_member_overload("join", "carnet_join", LIST_TYPE, vec![], join)?;
    env.add_member_overload("join", "carnet_join_with", LIST_TYPE, vec![STRING_TYPE], join)
}

/// The literal parts of a template for `extract`: exactly one `{name}` stands between them.
pub(super) fn template(template: &str) -> Result<(&str, &str), &'static str> {
    const WRONG: &str = "the template of `extract` must hold exactly one {name}";
    let (before, rest) = template.split_once('{').ok_or(WRONG)?;
    let (name, after) = rest.split_once('}').ok_or(WRONG)?;
    if name.is_empty() || before.contains('}') || name.contains('{') || after.contains(['{', '}']) {
        return Err(WRONG);
    }
    Ok((before, after))
}

fn matches<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let pattern = arguments.get(1).and_then(|value| value.downcast_ref::<PatternValue>());
    let pattern = pattern.ok_or_else(ExecutionError::missing_argument_or_target)?;
    let found = pattern.0.is_match(text(&arguments, 0)?);
    Ok(CowVal::owned(CelBool::from(found)))
}

/// The shortest text between the literal parts, or the empty string. Google: "Manage workload identity pools and
/// providers", attribute mappings.
fn extract<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (before, after) =
        template(text(&arguments, 1)?).map_err(|wrong| ExecutionError::function_error("extract", wrong))?;
    let subject = text(&arguments, 0)?;
    let found = subject.split_once(before).and_then(|(_, rest)| match after {
        "" => Some(rest),
        after => rest.split_once(after).map(|(found, _)| found),
    });
    Ok(CowVal::owned(CelString::from(found.unwrap_or_default().to_owned())))
}

fn split<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (subject, separator) = (text(&arguments, 0)?, text(&arguments, 1)?);
    let mut parts: Vec<Box<dyn Val + 'v>> = Vec::new();
    let mut add = |part: &str| {
        if parts.len() >= Expression::MAX_LIST {
            return Err(lazy::too_long());
        }
        parts.push(Box::new(CelString::from(part.to_owned())));
        Ok(())
    };
    if separator.is_empty() {
        subject.chars().try_for_each(|part| add(part.encode_utf8(&mut [0; 4])))?;
    } else {
        subject.split(separator).try_for_each(&mut add)?;
    }
    Ok(CowVal::owned(CelList::from(parts)))
}

fn join<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let separator = if arguments.len() > 1 { text(&arguments, 1)? } else { "" };
    let list = arguments.first().and_then(|value| value.downcast_ref::<CelList<'v>>());
    let list = list.ok_or_else(ExecutionError::missing_argument_or_target)?;
    let parts: Result<Vec<&str>, ExecutionError> = list
        .inner()
        .iter()
        .map(|part| {
            let part = part.downcast_ref::<CelString<'v>>();
            part.map(CelString::inner)
                .ok_or_else(|| ExecutionError::function_error("join", "the list holds not only text"))
        })
        .collect();
    Ok(CowVal::owned(CelString::from(parts?.join(separator))))
}

fn lower<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    Ok(CowVal::owned(CelString::from(text(&arguments, 0)?.to_ascii_lowercase())))
}

fn upper<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    Ok(CowVal::owned(CelString::from(text(&arguments, 0)?.to_ascii_uppercase())))
}

fn text<'a>(arguments: &'a [CowVal<'_, '_>], at: usize) -> Result<&'a str, ExecutionError> {
    let value = arguments.get(at).and_then(|value| value.downcast_ref::<CelString<'_>>());
    value.map(CelString::inner).ok_or_else(ExecutionError::missing_argument_or_target)
}
