//! CEL within bounds.

use serde_json::Value;

/// Why an expression cannot be used or has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CelError(pub String);

/// A compiled expression. Compiling costs some 50 microseconds, evaluating about two.
pub struct Expression {
    // filled in by the implementation
}

impl Expression {
    /// Longest source text, in bytes.
    pub const MAX_LENGTH: usize = 4096;

    /// Compiles it. Refused: texts over [`Self::MAX_LENGTH`], more than 2,000 nodes, comprehensions nested more than one
    /// deep, patterns that do not compile, functions that are not known.
    pub fn compile(source: &str) -> Result<Self, CelError> {
        let _ = source;
        todo!()
    }

    /// The source text.
    pub fn source(&self) -> &str {
        todo!()
    }

    /// The variables it reads.
    pub fn variables(&self) -> Vec<String> {
        todo!()
    }

    /// Its value with these variables, which are bound lazily: only what the expression touches is converted.
    pub fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<Value, CelError> {
        let _ = variables;
        todo!()
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").finish()
    }
}
