//! What parses and cannot be meant.

use carnet_trust::Warning;

use super::{Statement, Subject, What, variables, verbs};
use crate::trust::condition::nearest;

/// What is in a statement that works otherwise than it reads: variables, resource types and permissions that do not exist,
/// and `any-user` or `any-group` without a condition.
pub fn lint(statement: &Statement) -> Vec<Warning> {
    let mut found = Vec::new();
    if let Some(condition) = &statement.condition {
        let unknown: Vec<&str> = condition
            .tests()
            .into_iter()
            .map(|test| test.variable.as_str())
            .filter(|name| !variables::exists(&name.to_ascii_lowercase()))
            .collect();
        found.extend(variables::warnings(&unknown));
    } else if matches!(statement.subject, Subject::AnyGroup | Subject::AnyUser) {
        found.push(Warning {
            clause: "subject",
            message: "every principal of the tenancy is allowed this".to_owned(),
            fix: "add where all {request.principal.type = '…', …}, or name a group".to_owned(),
        });
    }
    match &statement.what {
        What::Verb(_, resource) if !verbs::is_known(resource) => found.push(Warning {
            clause: "policy",
            message: format!("{resource} is no resource type that is known here, so the statement allows nothing"),
            fix: match nearest(&resource.to_ascii_lowercase(), verbs::names()) {
                Some(near) => format!("write {near}"),
                None => "look the name up in Oracle's policy reference".to_owned(),
            },
        }),
        What::Permissions(permissions) => found.extend(
            permissions
                .iter()
                .filter(|own| !verbs::is_known_permission(own) && !own.eq_ignore_ascii_case("GET_RPST"))
                .map(|own| Warning {
                    clause: "policy",
                    message: format!("{own} is no permission that is known here"),
                    fix: "look the name up in Oracle's policy reference".to_owned(),
                }),
        ),
        What::Verb(..) => {}
    }
    found
}
