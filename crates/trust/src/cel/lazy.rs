//! JSON as CEL values, converted when it is touched.

use std::{
    collections::HashMap,
    fmt, slice,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use cel::{
    ExecutionError,
    common::{
        traits::{self, Container, Indexer, Iterable, Sizer},
        types::{self, CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, Type},
        value::{CowVal, Val},
    },
};
use serde_json::{Map, Value};

use super::Expression;

/// The function that an [`ExecutionError`] names when a bound is exceeded.
pub(super) const LIMIT: &str = "@limit";

/// Deepest JSON that is converted; the parser of the token has its own limit, this one guards the stack here.
const MAX_JSON_DEPTH: usize = 64;

/// An object of which a member is converted when the expression selects it.
pub(super) struct LazyObject<'a> {
    members: &'a Map<String, Value>,
    keys: OnceLock<Vec<CelString<'a>>>,
    budget: Budget,
}

/// How many bytes may still be converted in this evaluation. Every touch of a member converts it again, in a loop once for
/// each element: without a bound a token of 40 KB and a rule of one line fill the memory of the machine.
#[derive(Clone)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// That of a new evaluation.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(Expression::MAX_CONVERTED)))
    }

    fn spend(&self, value: &Value) -> Result<(), ExecutionError> {
        let take = |left: usize| left.checked_sub(size(value));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_left| {
            let message = format!("an evaluation touches more than {} bytes of values", Expression::MAX_CONVERTED);
            ExecutionError::function_error(LIMIT, message)
        })
    }
}

/// About how much memory a value takes, in bytes.
fn size(value: &Value) -> usize {
    /// What a value takes besides its text.
    const EACH: usize = 32;
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(size).fold(0, usize::saturating_add),
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len().saturating_add(size(value))).fold(0, usize::saturating_add)
        }
    };
    inside.saturating_add(EACH)
}

impl<'a> LazyObject<'a> {
    pub(super) fn new(members: &'a Map<String, Value>, budget: Budget) -> Self {
        Self { members, keys: OnceLock::new(), budget }
    }

    fn member(&self, key: &dyn Val) -> Result<Option<&'a Value>, ExecutionError> {
        match key.downcast_ref::<CelString<'_>>() {
            Some(key) => Ok(self.members.get(key.inner())),
            None => Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "a member's name".to_owned(),
            }),
        }
    }
}

/// The value of a JSON text. Lists and nested objects are converted whole, so that they compare with literals.
pub(super) fn convert<'v>(value: &'v Value) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    convert_at(value, 0)
}

/// A list or an object is longer than an expression may touch.
pub(super) fn too_long() -> ExecutionError {
    let message = format!("a list or an object has more than {} entries", Expression::MAX_LIST);
    ExecutionError::function_error(LIMIT, message)
}

fn convert_at<'v>(value: &'v Value, depth: usize) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    if depth > MAX_JSON_DEPTH {
        return Err(ExecutionError::function_error(LIMIT, "a value is nested too deep"));
    }
    let below = depth.saturating_add(1);
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => {
            if let Some(number) = number.as_i64() {
                Box::new(CelInt::from(number))
            } else if let Some(number) = number.as_u64() {
                Box::new(CelUInt::from(number))
            } else {
                Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
            }
        }
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(elements) if elements.len() > Expression::MAX_LIST => return Err(too_long()),
        Value::Array(elements) => {
            let elements: Result<Vec<_>, _> = elements.iter().map(|element| convert_at(element, below)).collect();
            Box::new(CelList::from(elements?))
        }
        Value::Object(members) if members.len() > Expression::MAX_LIST => return Err(too_long()),
        Value::Object(members) => {
            let members: Result<HashMap<_, _>, _> = members
                .iter()
                .map(|(name, value)| {
                    Ok::<_, ExecutionError>((
                        CelMapKey::String(CelString::from(name.as_str())),
                        convert_at(value, below)?,
                    ))
                })
                .collect();
            Box::new(CelMap::from(members?))
        }
    })
}

impl fmt::Debug for LazyObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LazyObject({} members)", self.members.len())
    }
}

impl Val for LazyObject<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &types::MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        // A loop over more is refused by handing out nothing to loop over.
        (self.members.len() <= Expression::MAX_LIST).then_some(self as &(dyn Iterable + 'v))
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(self.members, self.budget.clone()))
    }
}

impl Container for LazyObject<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.member(key)?.is_some())
    }
}

impl Indexer for LazyObject<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(value) = self.member(key)? {
            self.budget.spend(value)?;
            return convert(value).map(CowVal::Owned);
        }
        let name = key.downcast_ref::<CelString<'_>>().map_or_else(String::new, |key| key.inner().to_owned());
        Err(ExecutionError::no_such_key(&name))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Sizer for LazyObject<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.members.len()).unwrap_or(i64::MAX))
    }
}

impl Iterable for LazyObject<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        let keys = self.keys.get_or_init(|| self.members.keys().map(|key| CelString::from(key.as_str())).collect());
        Box::new(Keys(keys.iter()))
    }
}

struct Keys<'b, 'a>(slice::Iter<'b, CelString<'a>>);

impl<'b, 'v, 'a: 'v> traits::Iterator<'b, 'v> for Keys<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|key| key as &(dyn Val + 'v))
    }
}
