//! Roles that are a program (`OpenBao`, CEL): the program says yes or no, and makes the token.
//!
//! Sources: `OpenBao`'s `builtin/credential/jwt/path_cel_role.go`, `path_cel_login.go`, `sdk/plugin/pb/backend.proto` and
//! `translation.go` (2.6). Programs run within the bounds of [`Expression`]; a function, a variable or a message that is not
//! known here is refused when the role is written.

mod auth;
mod login;
mod messages;

use std::sync::Arc;

use carnet_core::Mistake;
use carnet_trust::{CelError, Expression};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::{
    auth::{Alias, CelAuth},
    login::{CelAdmitted, CelLogin, CelQuestion, evaluate_cel},
};
use super::{
    refuse, role,
    times::Leeways,
    wire_types::{list, seconds},
};

/// Variables that every program has. `now`, which the product has too, is a timestamp, and those are not evaluated here.
const GIVEN: [&str; 2] = ["claims", "operation"];
/// What a program is tried with when a role is written.
const SAMPLE: [(&str, &str); 3] = [("sub", "email@example.com"), ("aud", "audience"), ("iss", "issuer")];
/// What a login is to the program.
const OPERATION: &str = "update";
/// Most variables of a program; each is bounded by itself.
const MAX_VARIABLES: usize = 50;

/// `POST auth/MOUNT/cel/role/NAME`. A write replaces all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CelRole {
    /// What decides.
    pub cel_program: CelProgram,
    /// Kept and read back; no decision depends on it.
    pub message: String,
    /// As in [`super::Role`].
    #[serde(deserialize_with = "seconds")]
    pub expiration_leeway: i64,
    /// As in [`super::Role`].
    #[serde(deserialize_with = "seconds")]
    pub not_before_leeway: i64,
    /// As in [`super::Role`].
    #[serde(deserialize_with = "seconds")]
    pub clock_skew_leeway: i64,
    /// `aud` must hold one of these.
    #[serde(deserialize_with = "list")]
    pub bound_audiences: Vec<String>,
}

impl Default for CelRole {
    fn default() -> Self {
        Self {
            cel_program: CelProgram::default(),
            message: String::new(),
            expiration_leeway: 150,
            not_before_leeway: 150,
            clock_skew_leeway: 60,
            bound_audiences: Vec::new(),
        }
    }
}

/// A program: expressions with names, and one that uses them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CelProgram {
    /// Evaluated in order; each may use those before it.
    pub variables: Vec<CelVariable>,
    /// Gives a `pb.Auth`, which is the token; or `false` or a text, which is a refusal.
    pub expression: String,
}

/// An expression with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CelVariable {
    /// How later expressions call it.
    pub name: String,
    /// Its value.
    pub expression: String,
}

/// A role whose program compiles.
#[derive(Clone, Debug)]
pub struct CheckedCelRole {
    name: String,
    role: CelRole,
    variables: Vec<(String, Arc<Expression>)>,
    expression: Arc<Expression>,
}

impl CheckedCelRole {
    /// Compiles the program and tries it, as a write does. The message of a mistake is the text of the product as far as it
    /// has one.
    ///
    /// # Errors
    /// The first mistake.
    pub fn new(name: &str, role: CelRole) -> Result<Self, Mistake> {
        role::check_name(name)?;
        let program = &role.cel_program;
        if program.expression.trim().is_empty() {
            return Err(Mistake::new("cel_program", "missing required field 'cel_program'")
                .hint("{\"expression\": \"…\"}, and `variables` if there are any"));
        }
        if program.variables.len() > MAX_VARIABLES {
            return Err(invalid("cel_program.variables", &format!("more than {MAX_VARIABLES} variables")));
        }
        let mut known: Vec<&str> = GIVEN.to_vec();
        let mut variables = Vec::new();
        for variable in &program.variables {
            let field = format!("cel_program.variables.{}", variable.name);
            if !is_identifier(&variable.name) || known.contains(&variable.name.as_str()) {
                return Err(invalid(&field, "the name of a variable is none, or is taken"));
            }
            let expression = compile(&field, &variable.expression, &known)?;
            variables.push((variable.name.clone(), Arc::new(expression)));
            known.push(&variable.name);
        }
        let expression = Arc::new(compile("cel_program.expression", &program.expression, &known)?);
        let checked = Self { name: name.to_owned(), role, variables, expression };
        let sample: Map<String, Value> =
            SAMPLE.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        checked.run(&sample).map_err(|error| {
            invalid("cel_program", &error.to_string()).hint(
                "the server tries a program with `sub`, `aud` and `iss` only: ask `has(claims.x)` before `claims.x`",
            )
        })?;
        Ok(checked)
    }

    /// Its name as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was checked.
    pub fn role(&self) -> &CelRole {
        &self.role
    }

    /// Whether any expression looks at the token.
    pub fn reads_claims(&self) -> bool {
        let all = self.variables.iter().map(|(_, expression)| expression);
        all.chain([&self.expression]).any(|expression| expression.variables().iter().any(|name| name == "claims"))
    }

    fn leeways(&self) -> Leeways {
        Leeways::of(self.role.expiration_leeway, self.role.not_before_leeway, self.role.clock_skew_leeway)
    }

    /// The value of the program for these claims.
    fn run(&self, claims: &Map<String, Value>) -> Result<Value, CelError> {
        let claims = Value::Object(claims.clone());
        let operation = Value::from(OPERATION);
        let mut values: Vec<(&str, Value)> = Vec::new();
        let evaluate = |expression: &Expression, values: &[(&str, Value)]| {
            let given = [("claims", &claims), ("operation", &operation)];
            let bound: Vec<(&str, &Value)> =
                given.into_iter().chain(values.iter().map(|(name, value)| (*name, value))).collect();
            expression.evaluate(&bound)
        };
        for (name, expression) in &self.variables {
            let value = evaluate(expression, &values)?;
            values.push((name, value));
        }
        evaluate(&self.expression, &values)
    }
}

fn compile(field: &str, source: &str, known: &[&str]) -> Result<Expression, Mistake> {
    let source = messages::as_maps(source).map_err(|wrong| invalid(field, &wrong))?;
    Expression::compile_with(&source, known).map_err(|error| {
        invalid(field, &error.message).hint(
            "a program has `claims`, `operation`, its own variables, the macros, contains, endsWith, extract, join, lowerAscii, \
             matches, size, split, startsWith, upperAscii, conversions, and the messages pb.Auth, pb.LeaseOptions and \
             logical.Alias; `now` and the other functions of OpenBao are not evaluated here",
        )
    })
}

fn invalid(field: &str, why: &str) -> Mistake {
    Mistake::new(field, format!("failed to validate CEL program: {why}"))
}

fn is_identifier(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(word) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}
