//! Messages as maps: the interpreter within bounds makes maps and no messages of protobuf.
//!
//! `pb.Auth{policies: ["a"]}` becomes `{"carnet:message": "pb.Auth", "policies": ["a"]}`. Only the names are looked at; what
//! the values are is seen when the program has run.

/// The member that says which message a map is. No program and no token may hold this text.
pub(super) const MARK: &str = "carnet:message";

/// A message that a program may make.
struct Message {
    name: &'static str,
    fields: &'static [&'static str],
    /// Fields that the product fills in or drops.
    idle: &'static [&'static str],
}

/// `sdk/plugin/pb/backend.proto` and `sdk/logical/identity.proto` of `OpenBao` 2.6.
static MESSAGES: [Message; 3] = [
    Message {
        name: "pb.Auth",
        fields: &[
            "alias",
            "bound_cidrs",
            "display_name",
            "explicit_max_ttl",
            "group_aliases",
            "lease_options",
            "metadata",
            "no_default_policy",
            "num_uses",
            "period",
            "policies",
            "token_type",
        ],
        idle: &["accessor", "client_token", "entity_id", "identity_policies", "internal_data", "token_policies"],
    },
    Message { name: "pb.LeaseOptions", fields: &["MaxTTL", "TTL", "renewable"], idle: &["increment", "issue_time"] },
    Message {
        name: "logical.Alias",
        fields: &["metadata", "name"],
        idle: &["custom_metadata", "id", "local", "mount_accessor", "mount_type", "namespace_id"],
    },
];

/// Rewrites an expression.
///
/// # Errors
/// A message or a field that is not known, in words.
pub(super) fn as_maps(source: &str) -> Result<String, String> {
    if source.contains(MARK) {
        return Err(format!("the text {MARK:?} is taken"));
    }
    let mut rewriter =
        Rewriter { rest: source, made: String::with_capacity(source.len()), open: Vec::new(), at_field: false };
    while let Some(first) = rewriter.rest.chars().next() {
        rewriter.step(first)?;
    }
    Ok(rewriter.made)
}

struct Rewriter<'a> {
    rest: &'a str,
    made: String,
    /// The brackets that are open; of a message its fields.
    open: Vec<Option<&'static Message>>,
    /// Whether the next name is that of a field.
    at_field: bool,
}

impl Rewriter<'_> {
    fn step(&mut self, first: char) -> Result<(), String> {
        match first {
            '\'' | '"' => self.quoted(false),
            _ if first.is_ascii_alphabetic() || first == '_' => return self.word(),
            '(' | '[' | '{' => {
                self.open.push(None);
                self.copy(1);
            }
            ')' | ']' | '}' => {
                self.open.pop();
                self.at_field = false;
                self.copy(1);
            }
            ',' => {
                self.at_field = matches!(self.open.last(), Some(Some(_)));
                self.copy(1);
            }
            _ => self.copy(first.len_utf8()),
        }
        Ok(())
    }

    fn copy(&mut self, bytes: usize) {
        let (copied, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.made.push_str(copied);
        self.rest = rest;
    }

    /// A text. Where a quote is not closed the rest is the text; the compiler refuses that.
    fn quoted(&mut self, raw: bool) {
        let mut characters = self.rest.char_indices();
        let quote = characters.next().map(|(_, quote)| quote);
        let mut escaped = false;
        let end = characters.find_map(|(at, next)| {
            let ends = !escaped && Some(next) == quote;
            escaped = !raw && !escaped && next == '\\';
            ends.then(|| at.saturating_add(next.len_utf8()))
        });
        self.copy(end.unwrap_or(self.rest.len()));
    }

    /// A name with the dots in it, and what it begins: a text with a prefix, a message, a field.
    fn word(&mut self) -> Result<(), String> {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let (name, after) = self.rest.split_at(self.rest.find(|c| !word(c)).unwrap_or(self.rest.len()));
        if after.starts_with(['\'', '"']) && name.len() <= 2 {
            self.copy(name.len());
            self.quoted(name.contains(['r', 'R']));
            return Ok(());
        }
        let inside = after.trim_start().strip_prefix('{');
        if let Some(inside) = inside.filter(|_| name != "in") {
            let message = MESSAGES.iter().find(|message| message.name == name);
            let known = || MESSAGES.iter().map(|message| message.name).collect::<Vec<_>>().join(", ");
            let message =
                message.ok_or_else(|| format!("the message `{name}` is not known here; known are {}", known()))?;
            self.at_field = !inside.trim_start().starts_with('}');
            let comma = if self.at_field { "," } else { "" };
            for piece in ["{\"", MARK, "\": \"", name, "\"", comma] {
                self.made.push_str(piece);
            }
            self.open.push(Some(message));
            self.rest = inside;
            return Ok(());
        }
        match self.open.last() {
            Some(Some(message)) if self.at_field => {
                check_field(message, name)?;
                for piece in ["\"", name, "\""] {
                    self.made.push_str(piece);
                }
                self.rest = after;
            }
            _ => self.copy(name.len()),
        }
        self.at_field = false;
        Ok(())
    }
}

fn check_field(message: &Message, field: &str) -> Result<(), String> {
    if message.fields.contains(&field) {
        return Ok(());
    }
    if message.idle.contains(&field) {
        return Err(format!("the field `{field}` of `{}` is not evaluated here", message.name));
    }
    Err(format!("no such field: `{field}` of `{}`; there are {}", message.name, message.fields.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_maps_and_nothing_else_changes() {
        for (source, made) in [
            ("claims.sub == 'a'", "claims.sub == 'a'"),
            ("pb.Auth{}", r#"{"carnet:message": "pb.Auth"}"#),
            ("pb.Auth { policies : ['a,b'], }", r#"{"carnet:message": "pb.Auth", "policies" : ['a,b'], }"#),
            (
                "pb.Auth{alias: logical.Alias{name: claims.sub}, period: 1}",
                r#"{"carnet:message": "pb.Auth","alias": {"carnet:message": "logical.Alias","name": claims.sub}, "period": 1}"#,
            ),
            (
                "pb.Auth{metadata: {'policies': a, b: c}}",
                r#"{"carnet:message": "pb.Auth","metadata": {'policies': a, b: c}}"#,
            ),
            (
                "ok ? pb.Auth{policies: f(a, policies)} : 'pb.Auth{x: 1}'",
                r#"ok ? {"carnet:message": "pb.Auth","policies": f(a, policies)} : 'pb.Auth{x: 1}'"#,
            ),
            (r"'it\'s pb.Auth{' + r'\' + x", r"'it\'s pb.Auth{' + r'\' + x"),
            ("'a' in {'a': 1}", "'a' in {'a': 1}"),
        ] {
            assert_eq!(as_maps(source).as_deref(), Ok(made), "{source}");
        }
    }

    #[test]
    fn rejects_messages_and_fields_that_are_not_known() {
        for (source, wrong) in [
            ("google.protobuf.Duration{seconds: 1}", "`google.protobuf.Duration` is not known"),
            ("pb.Auth{no_field: 1}", "no such field: `no_field`"),
            ("pb.Auth{policies: [], name: ''}", "no such field: `name`"),
            ("pb.Auth{entity_id: ''}", "`entity_id` of `pb.Auth` is not evaluated"),
            ("{'carnet:message': 'pb.Auth'}", "is taken"),
        ] {
            assert!(as_maps(source).unwrap_err().contains(wrong), "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_rewritten_or_refused(source in "[a-z.'\"{}\\[\\](),: \\\\]{0,40}") {
            drop(as_maps(&source));
        }
    }
}
