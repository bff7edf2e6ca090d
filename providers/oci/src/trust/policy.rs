//! IAM policies: statements, verbs and permissions, conditions.
