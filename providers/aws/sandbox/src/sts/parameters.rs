//! The query protocol: parameters of a form or a query, and what is said of those that break a rule.

use std::collections::BTreeMap;

use carnet_aws::trust::is_tag_character;
use carnet_trust::Refusal;
use http::Method;
use jiff::SignedDuration;

use crate::{call::Call, reply::ApiError};

/// Most parameters of one request.
const MOST: usize = 1000;

/// The parameters of a request, each once.
#[derive(Debug)]
pub(crate) struct Parameters(BTreeMap<String, String>);

/// What a text must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) shortest: usize,
    pub(crate) longest: usize,
    /// Characters besides letters, digits and underscore; `None` for any.
    pub(crate) others: Option<&'static str>,
}

/// `RoleArn` and other ARNs.
pub(crate) const ARN: Rule = Rule { shortest: 20, longest: 2048, others: None };
/// `RoleSessionName` and `SourceIdentity`.
pub(crate) const NAME: Rule = Rule { shortest: 2, longest: 64, others: Some("+=,.@-") };

impl Parameters {
    /// Reads the query, and the body of a POST.
    pub(crate) fn read(call: &Call) -> Result<Self, ApiError> {
        if call.method != Method::GET && call.method != Method::POST {
            return Err(ApiError::new(405, "MethodNotAllowed", "The query protocol takes GET and POST."));
        }
        let mut pairs = call.parameters();
        if call.method == Method::POST {
            pairs.extend(url::form_urlencoded::parse(&call.body).into_owned());
        }
        if pairs.len() > MOST {
            return Err(ApiError::new(400, "MalformedQueryString", "There are too many parameters."));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if parameters.insert(name, value).is_some() {
                // A verifier that reads one of two and a service that reads the other is how proofs are forged.
                return Err(ApiError::new(400, "MalformedQueryString", "A parameter stands there twice."));
            }
        }
        Ok(Self(parameters))
    }

    /// `Action`, for this version.
    pub(crate) fn action(&self, version: &str) -> Result<String, ApiError> {
        let missing = || ApiError::new(400, "MissingAction", "The request must contain the parameter Action");
        let action = self.text("Action").ok_or_else(missing)?;
        if self.text("Version").is_some_and(|own| own != version) {
            return Err(unknown_action(action, self.text("Version").unwrap_or_default()));
        }
        Ok(action.to_owned())
    }

    /// A parameter that is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A parameter that must be there and keep to a rule.
    pub(crate) fn required(&self, name: &str, rule: Rule) -> Result<&str, ApiError> {
        let text = self.0.get(name).map(String::as_str);
        check(name, text.ok_or_else(|| invalid(name, None, "Member must not be null"))?, rule)
    }

    /// A parameter that may be there and keeps to a rule then.
    pub(crate) fn optional(&self, name: &str, rule: Rule) -> Result<Option<&str>, ApiError> {
        self.0.get(name).map(|text| check(name, text, rule)).transpose()
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let Ok(number) = text.parse::<i64>() else {
            return Err(ApiError::new(
                400,
                "MalformedInput",
                format!("'{}' is no whole number.", carnet_core::safe_text(name)),
            ));
        };
        if number < least {
            let wanted = format!("Member must have value greater than or equal to {least}");
            return Err(invalid(name, Some(text), &wanted));
        }
        if number > most {
            return Err(invalid(name, Some(text), &format!("Member must have value less than or equal to {most}")));
        }
        Ok(Some(number))
    }

    /// `DurationSeconds` within these bounds.
    pub(crate) fn duration(&self, least: i64, most: i64) -> Result<Option<SignedDuration>, ApiError> {
        Ok(self.number("DurationSeconds", least, most)?.map(SignedDuration::from_secs))
    }

    /// A list of texts: `NAME.member.1` and so on, without gaps.
    pub(crate) fn list(&self, name: &str, suffix: &str) -> Vec<&str> {
        let texts = (1..=MOST).map(|at| self.0.get(&format!("{name}.member.{at}{suffix}")).map(String::as_str));
        texts.take_while(Option::is_some).flatten().collect()
    }

    /// A list of texts, each of which keeps to a rule.
    pub(crate) fn each(&self, name: &str, rule: Rule) -> Result<Vec<&str>, ApiError> {
        let at = format!("{name}.member");
        self.list(name, "").into_iter().map(|text| check(&at, text, rule)).collect()
    }

    /// `Tags.member.N.Key` and `.Value`.
    pub(crate) fn tags(&self) -> Result<BTreeMap<String, String>, ApiError> {
        let (keys, values) = (self.list("Tags", ".Key"), self.list("Tags", ".Value"));
        if keys.len() != values.len() {
            return Err(invalid("tags", None, "Member must have a key and a value"));
        }
        if keys.len() > 50 {
            return Err(invalid("tags", None, "Member must have length less than or equal to 50"));
        }
        let mut tags: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in keys.iter().zip(values) {
            let key_rule = Rule { shortest: 1, longest: 128, others: None };
            let value_rule = Rule { shortest: 0, longest: 256, others: None };
            check("tags.member.key", key, key_rule)?;
            check("tags.member.value", value, value_rule)?;
            for (name, text) in [("tags.member.key", *key), ("tags.member.value", value)] {
                if !text.chars().all(is_tag_character) {
                    let wanted = "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*";
                    return Err(invalid(name, Some(text), wanted));
                }
            }
            if tags.keys().any(|own| own.to_lowercase() == key.to_lowercase()) {
                let text = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(ApiError::new(400, "InvalidInput", text));
            }
            tags.insert((*key).to_owned(), value.to_owned());
        }
        Ok(tags)
    }
}

fn check<'a>(name: &str, text: &'a str, rule: Rule) -> Result<&'a str, ApiError> {
    let length = text.chars().count();
    if length < rule.shortest {
        let wanted = format!("Member must have length greater than or equal to {}", rule.shortest);
        return Err(invalid(name, Some(text), &wanted));
    }
    if length > rule.longest {
        let wanted = format!("Member must have length less than or equal to {}", rule.longest);
        return Err(invalid(name, Some(text), &wanted));
    }
    let Some(others) = rule.others else { return Ok(text) };
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || others.contains(c)) {
        return Ok(text);
    }
    let wanted = format!("Member must satisfy regular expression pattern: [\\w{others}]*");
    Err(invalid(name, Some(text), &wanted))
}

/// A parameter that breaks a rule. The name is told with a small first letter, as the service does.
pub(crate) fn invalid(name: &str, value: Option<&str>, wanted: &str) -> ApiError {
    let mut letters = name.chars();
    let name: String = letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
    let secret = name == "webIdentityToken";
    // The value of a token is never repeated.
    let value = match value {
        None => "null".to_owned(),
        Some(_) if secret => "'***'".to_owned(),
        Some(text) => format!("'{}'", carnet_core::safe_text(text)),
    };
    let text = format!("1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: {wanted}");
    let refusal =
        Refusal::new("request", format!("{name} is {value}"), wanted, "ValidationError", "correct the parameter");
    ApiError::new(400, "ValidationError", text).because(refusal)
}

/// An action that this version does not have.
pub(crate) fn unknown_action(action: &str, version: &str) -> ApiError {
    let (action, version) = (carnet_core::safe_text(action), carnet_core::safe_text(version));
    ApiError::new(400, "InvalidAction", format!("Could not find operation {action} for version {version}"))
}
