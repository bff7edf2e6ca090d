//! The grammar of statements.

use super::{Location, Reference, Statement, Subject, Verb, What};
use crate::trust::condition::{Condition, Cursor, SyntaxError, Token, nearest, tokens};

/// Statements that exist and are not evaluated here.
const OTHER_STATEMENTS: [&str; 4] = ["deny", "define", "endorse", "admit"];

/// Parses one statement. Spaces and line breaks do not matter, keywords are without case.
///
/// # Errors
/// Where it is malformed, and what was expected there.
pub fn parse_statement(text: &str) -> Result<Statement, SyntaxError> {
    let tokens = tokens(text)?;
    let mut cursor = Cursor::new(&tokens, text);
    if let Some(Token::Word(word)) = cursor.peek()
        && OTHER_STATEMENTS.contains(&word.to_ascii_lowercase().as_str())
    {
        return Err(cursor.error("expected \"allow\"; Deny, Define, Endorse and Admit are not evaluated here"));
    }
    cursor.expect_word("allow")?;
    let subject = subject(&mut cursor)?;
    cursor.expect_word("to")?;
    let what = what(&mut cursor)?;
    cursor.expect_word("in")?;
    let location = location(&mut cursor)?;
    let condition = if cursor.take_word("where") { Some(Condition::parse(&mut cursor, false)?) } else { None };
    cursor.expect_end()?;
    let source = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Statement { source, subject, what, location, condition })
}

fn subject(cursor: &mut Cursor<'_>) -> Result<Subject, SyntaxError> {
    const SUBJECTS: [&str; 6] = ["any-user", "any-group", "group", "dynamic-group", "service", "resource"];
    let missing = cursor.error("expected group, dynamic-group, any-user, any-group, service or resource");
    let word = cursor.word("group, dynamic-group, any-user, any-group, service or resource")?;
    match word.to_ascii_lowercase().as_str() {
        "any-user" => Ok(Subject::AnyUser),
        "any-group" => Ok(Subject::AnyGroup),
        "group" => Ok(Subject::Groups(references(cursor, "group")?)),
        "dynamic-group" => Ok(Subject::DynamicGroups(references(cursor, "dynamic-group")?)),
        "service" => {
            let mut names = vec![cursor.word("the name of a service")?];
            while cursor.take(&Token::Comma) {
                names.push(cursor.word("the name of a service")?);
            }
            Ok(Subject::Services(names))
        }
        "resource" => Ok(Subject::Resource {
            kind: cursor.word("a resource type")?,
            name: name(cursor, "the name of a resource")?,
        }),
        other => Err(match nearest(other, SUBJECTS.into_iter()) {
            Some(near) => SyntaxError { message: format!("{}; did you mean {near}", missing.message), ..missing },
            None => missing,
        }),
    }
}

/// A list with commas; the keyword may be repeated before each.
fn references(cursor: &mut Cursor<'_>, keyword: &str) -> Result<Vec<Reference>, SyntaxError> {
    let mut found = vec![reference(cursor)?];
    while cursor.take(&Token::Comma) {
        cursor.take_word(keyword);
        found.push(reference(cursor)?);
    }
    Ok(found)
}

fn reference(cursor: &mut Cursor<'_>) -> Result<Reference, SyntaxError> {
    if cursor.take_word("id") {
        return Ok(Reference::Id(cursor.word("the OCID of a group")?));
    }
    let quoted = matches!(cursor.peek(), Some(Token::Quoted(_)));
    let first = name(cursor, "the name of a group")?;
    if cursor.take(&Token::Slash) {
        return Ok(Reference::Named { domain: Some(first), name: name(cursor, "the name of a group")? });
    }
    match first.split_once('/') {
        Some((domain, name)) if !quoted => match (domain.is_empty(), name.is_empty()) {
            (false, false) => Ok(Reference::Named { domain: Some(domain.to_owned()), name: name.to_owned() }),
            _ => Err(cursor.error("expected DOMAIN/NAME before this")),
        },
        _ => Ok(Reference::Named { domain: None, name: first }),
    }
}

/// A name, plain or in quotes.
fn name(cursor: &mut Cursor<'_>, wanted: &str) -> Result<String, SyntaxError> {
    if let Some(Token::Quoted(text)) = cursor.peek()
        && !text.is_empty()
    {
        cursor.advance();
        return Ok(text.clone());
    }
    cursor.word(wanted)
}

fn what(cursor: &mut Cursor<'_>) -> Result<What, SyntaxError> {
    if cursor.take(&Token::Open) {
        let mut permissions = vec![cursor.word("a permission")?];
        while cursor.take(&Token::Comma) {
            permissions.push(cursor.word("a permission")?);
        }
        cursor.expect(&Token::Close, ", or }")?;
        return Ok(What::Permissions(permissions));
    }
    let wrong = cursor.error("expected inspect, read, use, manage or {PERMISSION, …}");
    let verb = Verb::from_name(&cursor.word("inspect, read, use, manage or {PERMISSION, …}")?).ok_or(wrong)?;
    Ok(What::Verb(verb, cursor.word("a resource type")?))
}

fn location(cursor: &mut Cursor<'_>) -> Result<Location, SyntaxError> {
    if cursor.take_word("tenancy") {
        return Ok(Location::Tenancy);
    }
    if !cursor.take_word("compartment") {
        return Err(cursor.error("expected tenancy or compartment"));
    }
    if cursor.take_word("id") {
        return Ok(Location::CompartmentId(cursor.word("the OCID of a compartment")?));
    }
    let column = cursor.column();
    let name = name(cursor, "the name of a compartment")?;
    if name.starts_with("ocid1.") {
        return Ok(Location::CompartmentId(name));
    }
    let path: Vec<String> = name.split(':').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(SyntaxError { column, message: "a path of compartments with an empty name in it".to_owned() });
    }
    Ok(Location::CompartmentPath(path))
}
