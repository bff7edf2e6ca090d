//! What a program gives: a token, or a refusal.

use std::collections::{BTreeMap, BTreeSet};

use carnet_trust::Refusal;
use ipnet::IpNet;
use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::{super::token_fields, messages::MARK, refuse};

const CONVERSION: &str = "error converting proto auth";

/// The token that a program has made (`pb.Auth`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CelAuth {
    /// In lower case, with `default` unless it is left out.
    pub policies: BTreeSet<String>,
    /// The end of the token's name.
    pub display_name: String,
    /// Metadata of the token.
    pub metadata: BTreeMap<String, String>,
    /// Who it is; without one the token is of no entity.
    pub alias: Option<Alias>,
    /// Names of external groups.
    pub groups: Vec<String>,
    /// Life at first. Zero: the system's.
    pub ttl: SignedDuration,
    /// Longest life with renewals. Zero: the system's.
    pub max_ttl: SignedDuration,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Life that each renewal gives again. Zero: none.
    pub period: SignedDuration,
    /// Longest life whatever else. Zero: none.
    pub explicit_max_ttl: SignedDuration,
    /// How often it may be used. 0: without bound.
    pub num_uses: i64,
    /// Networks from which it works. None: all.
    pub bound_cidrs: Vec<IpNet>,
    /// Whether it is a batch token.
    pub batch: bool,
}

/// Who a token is (`logical.Alias`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alias {
    /// With the mount it names the entity.
    pub name: String,
    /// Kept with the alias.
    pub metadata: BTreeMap<String, String>,
}

impl CelAuth {
    /// Of the value of a program.
    ///
    /// # Errors
    /// The clauses `condition` (the program says no) and `program` (its value is no token).
    pub(super) fn of_value(role: &str, value: &Value) -> Result<Self, Box<Refusal>> {
        let fix = "compare the claims of the token with the program of the role";
        let wanted = "a pb.Auth";
        match value {
            Value::Bool(false) => {
                let text = format!("Cel role '{role}' blocked authorization with boolean false return");
                Err(refuse("condition", "false", wanted, executing(&text), fix))
            }
            Value::String(message) => {
                let message = carnet_core::safe_text(message);
                let text = format!("Cel role '{role}' blocked authorization with message: {message}");
                Err(refuse("condition", message, wanted, executing(&text), fix))
            }
            Value::Object(members) if members.get(MARK) == Some(&Value::from("pb.Auth")) => Self::of_members(members)
                .map_err(|(clause, wrong)| {
                    let code = if clause == "policy" { wrong.clone() } else { format!("{CONVERSION}: {wrong}") };
                    refuse(clause, wrong, wanted, code, "mend the pb.Auth in the program of the role")
                }),
            other => {
                let kind = kind(other);
                let text = format!("Cel program '{role}' returned unexpected type: {kind}");
                let fix = "let the program give a pb.Auth when it says yes, and `false` or a text when it says no";
                Err(refuse("program", kind, wanted, executing(&text), fix))
            }
        }
    }

    /// How long the token lives at first.
    pub fn lifetime(&self) -> SignedDuration {
        token_fields::first_life(self.period, self.ttl, self.max_ttl, self.explicit_max_ttl)
    }

    fn of_members(members: &Map<String, Value>) -> Result<Self, (&'static str, String)> {
        let fields = Fields(members);
        let lease = fields.message("lease_options", "pb.LeaseOptions").map_err(program)?;
        let nothing = Map::new();
        let lease = Fields(lease.unwrap_or(&nothing));
        let auth = Self {
            policies: policies(&fields)?,
            display_name: fields.text("display_name").map_err(program)?,
            metadata: fields.texts_by_name("metadata").map_err(program)?,
            alias: fields
                .message("alias", "logical.Alias")
                .and_then(|alias| alias.map(Alias::of).transpose())
                .map_err(program)?,
            groups: groups(&fields).map_err(program)?,
            ttl: lease.span("TTL").map_err(program)?,
            max_ttl: lease.span("MaxTTL").map_err(program)?,
            renewable: lease.truth("renewable").map_err(program)?,
            period: fields.span("period").map_err(program)?,
            explicit_max_ttl: fields.span("explicit_max_ttl").map_err(program)?,
            num_uses: fields.number("num_uses").map_err(program)?,
            bound_cidrs: networks(&fields).map_err(program)?,
            batch: batch(&fields).map_err(program)?,
        };
        if auth.batch && (auth.period.is_positive() || auth.num_uses > 0) {
            return Err(program("batch tokens cannot be periodic or have limited uses".to_owned()));
        }
        Ok(auth)
    }
}

impl Alias {
    fn of(members: &Map<String, Value>) -> Result<Self, String> {
        let fields = Fields(members);
        let alias = Self { name: fields.text("name")?, metadata: fields.texts_by_name("metadata")? };
        if alias.name.is_empty() { Err("missing name in alias".to_owned()) } else { Ok(alias) }
    }
}

fn program(wrong: String) -> (&'static str, String) {
    ("program", wrong)
}

fn policies(fields: &Fields<'_>) -> Result<BTreeSet<String>, (&'static str, String)> {
    let policies = fields.texts("policies").map_err(program)?;
    let mut policies: BTreeSet<String> = policies.iter().map(|policy| policy.trim().to_lowercase()).collect();
    policies.remove("");
    if policies.contains("root") {
        return Err(("policy", "auth methods cannot create root tokens".to_owned()));
    }
    if !fields.truth("no_default_policy").map_err(program)? {
        policies.insert("default".to_owned());
    }
    Ok(policies)
}

fn groups(fields: &Fields<'_>) -> Result<Vec<String>, String> {
    let Some(groups) = fields.0.get("group_aliases") else { return Ok(Vec::new()) };
    let groups = groups.as_array().ok_or("`group_aliases` is not a list")?;
    let name = |group: &Value| match group {
        Value::Object(members) if members.get(MARK) == Some(&Value::from("logical.Alias")) => {
            Ok(Alias::of(members)?.name)
        }
        _ => Err("`group_aliases` holds what is no logical.Alias".to_owned()),
    };
    groups.iter().map(name).collect()
}

fn networks(fields: &Fields<'_>) -> Result<Vec<IpNet>, String> {
    token_fields::networks(&fields.texts("bound_cidrs")?).map_err(|mistake| mistake.message)
}

/// `logical.TokenType`: 0 default, 1 service, 2 batch.
fn batch(fields: &Fields<'_>) -> Result<bool, String> {
    match fields.number("token_type")? {
        0 | 1 => Ok(false),
        2 => Ok(true),
        other => Err(format!("`token_type` {other} is not evaluated: 0 (default), 1 (service) or 2 (batch)")),
    }
}

fn executing(text: &str) -> String {
    format!("error executing cel program: {text}")
}

/// The type of a value in the words of the interpreter of the product.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "types.Null",
        Value::Bool(_) => "types.Bool",
        Value::Number(number) if number.is_f64() => "types.Double",
        Value::Number(_) => "types.Int",
        Value::String(_) => "types.String",
        Value::Array(_) => "*types.baseList",
        Value::Object(_) => "*types.baseMap",
    }
}

/// The members of a message. One that is not there has the value of its type that is nothing.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> Result<String, String> {
        match self.0.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(format!("`{name}` is not a text")),
        }
    }

    fn truth(&self, name: &str) -> Result<bool, String> {
        match self.0.get(name) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(_) => Err(format!("`{name}` is not a truth value")),
        }
    }

    /// A whole number that is not negative.
    fn number(&self, name: &str) -> Result<i64, String> {
        let Some(value) = self.0.get(name) else { return Ok(0) };
        value.as_i64().filter(|number| *number >= 0).ok_or_else(|| format!("`{name}` is not a whole number from 0 on"))
    }

    /// Nanoseconds, as `time.Duration` counts, in whole seconds.
    fn span(&self, name: &str) -> Result<SignedDuration, String> {
        Ok(SignedDuration::from_secs(SignedDuration::from_nanos(self.number(name)?).as_secs()))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("`{name}` is not a list of texts");
        let Some(value) = self.0.get(name) else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(wrong)?;
        values.iter().map(|value| value.as_str().map(ToOwned::to_owned).ok_or_else(wrong)).collect()
    }

    fn texts_by_name(&self, name: &str) -> Result<BTreeMap<String, String>, String> {
        let wrong = || format!("`{name}` is not a map of texts");
        let Some(value) = self.0.get(name) else { return Ok(BTreeMap::new()) };
        let members = value.as_object().filter(|members| !members.contains_key(MARK)).ok_or_else(wrong)?;
        let text = |(name, value): (&String, &Value)| Ok((name.clone(), value.as_str().ok_or_else(wrong)?.to_owned()));
        members.iter().map(text).collect()
    }

    fn message(&self, name: &str, kind: &str) -> Result<Option<&'a Map<String, Value>>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) if members.get(MARK) == Some(&Value::from(kind)) => Ok(Some(members)),
            Some(_) => Err(format!("`{name}` is not a {kind}")),
        }
    }
}
