//! CEL within bounds.
//!
//! The interpreter is the crate `cel`; what is ours is the fence around it. An expression is checked when it is
//! compiled: its length, its nodes, its depth, the functions it calls, the variables it reads, its patterns. When it is
//! evaluated nothing is converted but what it touches.

mod check;
mod depth;
mod functions;
mod lazy;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{Context, DeclarationError, Env, ExecutionError, IdedExpr};
use serde_json::{Map, Value};

use self::{
    check::Pattern,
    lazy::{Budget, LazyObject},
};

/// What stands in the way of an expression or of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CelErrorKind {
    /// A bound of [`Expression`] is exceeded: the text, its nodes, a list.
    Limit,
    /// A key or an index that is not there; `has()` would have asked first.
    MissingKey,
    /// It is not CEL, or uses what is not allowed here.
    Syntax,
    /// An operator or a function does not take values of these types.
    Type,
    /// A function that is not known, or a variable that is not given.
    Unknown,
}

/// Why an expression cannot be used or has no value. Names what stands in the expression, never a value that it was
/// evaluated with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CelError {
    /// What sort of obstacle.
    pub kind: CelErrorKind,
    /// What is wrong.
    pub message: String,
}

impl CelError {
    fn new(kind: CelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// A compiled expression. Compiling costs some 50 microseconds, evaluating about two.
pub struct Expression {
    source: String,
    root: IdedExpr,
    variables: Vec<String>,
    patterns: Vec<Pattern>,
}

impl Expression {
    /// Longest source text, in bytes. Google's limit for an attribute condition; longer rules belong into several.
    pub const MAX_LENGTH: usize = 4096;
    /// Most nodes after macros are expanded. Evaluation visits each at most once outside a loop, so that this and
    /// [`Self::MAX_LIST`] bound its time.
    pub const MAX_NODES: usize = 2000;
    /// Longest chain on one path: selections, indexings, operators of one level, as in `a.b.c` or `1 + 1 + 1`. `&&`,
    /// `||` and commas begin a new one. The interpreter recurses over it, and in a debug
    /// build takes more than 10 KB of stack for a link.
    pub const MAX_DEPTH: usize = 48;
    /// Most brackets inside one another. In a debug build the parser takes some 170 KB of stack for each, and a thread
    /// has two megabytes.
    pub const MAX_BRACKETS: usize = 8;
    /// Most loops (`all`, `exists`, `exists_one`, `map`, `filter`) inside one another. Two loops over a hundred elements
    /// take milliseconds, three half a second.
    pub const MAX_LOOPS: usize = 1;
    /// Most elements of a list or members of an object that an expression may touch or `split` may make.
    pub const MAX_LIST: usize = 1000;
    /// Most bytes of values that one evaluation may touch; what is touched twice counts twice. A token has at most 64 KB,
    /// and rules look at some hundred bytes of it.
    pub const MAX_CONVERTED: usize = 4 << 20;

    /// Compiles it. Refused: texts over [`Self::MAX_LENGTH`], more than [`Self::MAX_NODES`] nodes, loops nested more
    /// than [`Self::MAX_LOOPS`] deep, patterns that are not literal or do not compile, functions that are not known.
    pub fn compile(source: &str) -> Result<Self, CelError> {
        if source.len() > Self::MAX_LENGTH {
            let message = format!("the expression has {} bytes, more than {}", source.len(), Self::MAX_LENGTH);
            return Err(CelError::new(CelErrorKind::Limit, message));
        }
        depth::check(source)?;
        // No recovery: after an error nothing of the tree is used, and the depth was counted for the text as it stands.
        let mut root = environment()?.parser().error_recovery_limit(0).parse(source).map_err(|errors| {
            let first = errors.errors.first().map(|error| error.msg.as_str()).unwrap_or_default();
            let at = errors.errors.first().map_or((0, 0), |error| error.pos);
            CelError::new(CelErrorKind::Syntax, format!("line {} column {}: {first}", at.0, at.1))
        })?;
        let checked = check::check(&mut root)?;
        Ok(Self { source: source.to_owned(), root, variables: checked.variables, patterns: checked.patterns })
    }

    /// Compiles it, and refuses it when it reads a variable that is not one of `known`.
    pub fn compile_with(source: &str, known: &[&str]) -> Result<Self, CelError> {
        let expression = Self::compile(source)?;
        match expression.variables.iter().find(|variable| !known.contains(&variable.as_str())) {
            Some(variable) => {
                let message = format!("`{variable}` is not known here; known are {}", known.join(", "));
                Err(CelError::new(CelErrorKind::Unknown, message))
            }
            None => Ok(expression),
        }
    }

    /// The source text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables it reads, in alphabetical order.
    pub fn variables(&self) -> Vec<String> {
        self.variables.clone()
    }

    /// Whether it is a comparison or another expression that can only give a truth value.
    pub fn is_boolean(&self) -> bool {
        check::is_boolean(&self.root)
    }

    /// Its value with these variables, which are bound lazily: of an object only the members that the expression
    /// touches are converted. A member that is not there is an error of kind [`CelErrorKind::MissingKey`], not `false`.
    pub fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<Value, CelError> {
        let mut context = Context::with_env(environment()?);
        let budget = Budget::new();
        for (name, value) in variables.iter().filter(|(name, _)| self.reads(name)) {
            let value = match value {
                Value::Object(members) => Box::new(LazyObject::new(members, budget.clone())),
                other => lazy::convert(other).map_err(CelError::from)?,
            };
            context.add_variable_as_val(*name, value);
        }
        self.resolve(context)
    }

    /// [`Self::evaluate`] with variables that are objects, for claims that are not wrapped in a [`Value`].
    pub fn evaluate_members(&self, variables: &[(&str, &Map<String, Value>)]) -> Result<Value, CelError> {
        let mut context = Context::with_env(environment()?);
        let budget = Budget::new();
        for (name, members) in variables.iter().filter(|(name, _)| self.reads(name)) {
            context.add_variable_as_val(*name, Box::new(LazyObject::new(members, budget.clone())));
        }
        self.resolve(context)
    }

    fn reads(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| variable == name)
    }

    fn resolve(&self, mut context: Context<'_, '_>) -> Result<Value, CelError> {
        for pattern in &self.patterns {
            context.add_variable_as_val(pattern.name.clone(), Box::new(pattern.regex.clone()));
        }
        let value = cel::Value::resolve(&self.root, &context)?;
        value.json().map_err(|_value| CelError::new(CelErrorKind::Type, "the value of the expression is not data"))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl From<ExecutionError> for CelError {
    fn from(error: ExecutionError) -> Self {
        // Not the interpreter's own texts: they print the operands, and those come out of tokens.
        match error {
            ExecutionError::NoSuchKey(key) => Self::new(CelErrorKind::MissingKey, format!("there is no `{key}`")),
            ExecutionError::IndexOutOfBounds(_) => {
                Self::new(CelErrorKind::MissingKey, "an index is outside of its list")
            }
            ExecutionError::UndeclaredReference(name) => {
                Self::new(CelErrorKind::Unknown, format!("`{name}` is not known"))
            }
            ExecutionError::NoSuchOverload(overload) => Self::new(CelErrorKind::Type, overload.to_string()),
            ExecutionError::FunctionError { function, message } if function == lazy::LIMIT => {
                Self::new(CelErrorKind::Limit, message)
            }
            ExecutionError::FunctionError { function, message } => {
                Self::new(CelErrorKind::Type, format!("{function}: {message}"))
            }
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                Self::new(CelErrorKind::Type, "a division by zero")
            }
            ExecutionError::Overflow(operator, ..) => Self::new(CelErrorKind::Type, format!("`{operator}` overflows")),
            ExecutionError::DuplicateKey(_) => Self::new(CelErrorKind::Type, "a map names a key twice"),
            ExecutionError::UnexpectedType { got, want } => {
                Self::new(CelErrorKind::Type, format!("a value of type {got} stands where {want} is needed"))
            }
            _ => Self::new(CelErrorKind::Type, "an operator does not take values of these types"),
        }
    }
}

/// The functions that expressions may call; built once, never changed.
fn environment() -> Result<Arc<Env>, CelError> {
    static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| {
        let mut env = Env::stdlib().with_optional_support(false);
        functions::declare(&mut env)?;
        Ok(Arc::new(env))
    });
    match &*ENVIRONMENT {
        Ok(env) => Ok(Arc::clone(env)),
        Err(error) => Err(CelError::new(CelErrorKind::Unknown, error.to_string())),
    }
}

#[cfg(test)]
mod tests;
