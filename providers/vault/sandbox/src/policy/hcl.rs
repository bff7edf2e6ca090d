//! As much of HCL (version 1) as policies are written in: blocks, attributes, strings, numbers, booleans, lists, objects and
//! comments. Heredocs and interpolation are refused.

use serde_json::{Map, Number, Value};

/// How deep objects and lists may nest.
const MAX_DEPTH: usize = 16;

/// `key "label" { … }` or `key = value`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// The key and the labels.
    pub(super) keys: Vec<String>,
    pub(super) body: Body,
}

/// What an item holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Block(Vec<Item>),
    Value(Value),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Parses a text. The error says where.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let items = parser.items(0)?;
    match parser.peek() {
        None => Ok(items),
        Some(_) => Err(parser.unexpected("a key")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at = self.at.saturating_add(1);
        token
    }

    fn takes(&mut self, sign: char) -> bool {
        let is = self.peek() == Some(&Token::Sign(sign));
        if is {
            self.at = self.at.saturating_add(1);
        }
        is
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.tokens.get(self.at) {
            Some((line, token)) => {
                let seen = match token {
                    Token::Word(word) => word.clone(),
                    Token::Text(_) => "a string".to_owned(),
                    Token::Sign(sign) => sign.to_string(),
                };
                format!("line {line}: expected {wanted}, found {seen}")
            }
            None => format!("the text ends where {wanted} is expected"),
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Item>, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        let mut items = Vec::new();
        while let Some(Token::Word(key) | Token::Text(key)) = self.peek() {
            let mut keys = vec![key.clone()];
            self.at = self.at.saturating_add(1);
            while let Some(Token::Text(label) | Token::Word(label)) = self.peek() {
                keys.push(label.clone());
                self.at = self.at.saturating_add(1);
            }
            items.push(Item { body: self.body(depth)?, keys });
            // Objects may have commas between their members.
            self.takes(',');
        }
        Ok(items)
    }

    fn body(&mut self, depth: usize) -> Result<Body, String> {
        if self.takes('=') {
            return Ok(Body::Value(self.value(depth)?));
        }
        if !self.takes('{') {
            return Err(self.unexpected("= or {"));
        }
        let items = self.items(depth.saturating_add(1))?;
        if self.takes('}') { Ok(Body::Block(items)) } else { Err(self.unexpected("a key or }")) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        if self.takes('[') {
            let mut list = Vec::new();
            while !self.takes(']') {
                list.push(self.value(depth.saturating_add(1))?);
                if !self.takes(',') && self.peek() != Some(&Token::Sign(']')) {
                    return Err(self.unexpected(", or ]"));
                }
            }
            return Ok(Value::Array(list));
        }
        if self.takes('{') {
            let line = self.tokens.get(self.at).map_or(0, |(line, _)| *line);
            let items = self.items(depth.saturating_add(1))?;
            if !self.takes('}') {
                return Err(self.unexpected("a key or }"));
            }
            return object(items).map_err(|error| format!("the object of line {line}: {error}"));
        }
        let wrong = self.unexpected("a value");
        match self.next() {
            Some(Token::Text(text)) => Ok(Value::String(text)),
            Some(Token::Word(word)) => word_value(&word).ok_or(wrong),
            _ => Err(wrong),
        }
    }
}

/// The members of a block as an object; a block in it becomes an object again. A key that occurs twice would say two things:
/// Vault refuses it since 1.21 (changelog, "duplicate attributes in HCL"), before that one of the two was lost.
pub(super) fn object(items: Vec<Item>) -> Result<Value, String> {
    let mut members = Map::new();
    for item in items {
        let key = item.keys.join(".");
        let value = match item.body {
            Body::Value(value) => value,
            Body::Block(items) => object(items)?,
        };
        if members.contains_key(&key) {
            return Err(format!("the key {key:?} occurs twice"));
        }
        members.insert(key, value);
    }
    Ok(Value::Object(members))
}

fn word_value(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => match word.parse::<i64>() {
            Ok(number) => Some(Value::Number(number.into())),
            Err(_) => Number::from_f64(word.parse::<f64>().ok()?).map(Value::Number),
        },
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut tokens = Vec::new();
    let mut line = 1_usize;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            '\n' => {
                line = line.saturating_add(1);
                after
            }
            _ if first.is_whitespace() => after,
            '#' => end_of_line(after),
            '/' if after.starts_with('/') => end_of_line(after),
            '/' if after.starts_with('*') => {
                let (comment, after) =
                    after.split_once("*/").ok_or_else(|| format!("line {line}: the comment does not end"))?;
                line = line.saturating_add(comment.matches('\n').count());
                after
            }
            '{' | '}' | '[' | ']' | '=' | ',' => {
                tokens.push((line, Token::Sign(first)));
                after
            }
            '"' => {
                let (string, after) = string(after).map_err(|error| format!("line {line}: {error}"))?;
                tokens.push((line, Token::Text(string)));
                after
            }
            _ if is_word(first) => {
                let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
                tokens.push((line, Token::Word(word.to_owned())));
                after
            }
            '<' => return Err(format!("line {line}: heredocs are not supported here, write a string")),
            _ => return Err(format!("line {line}: illegal character")),
        };
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+')
}

fn end_of_line(text: &str) -> &str {
    text.find('\n').and_then(|end| text.get(end..)).unwrap_or_default()
}

/// A string whose opening quote has been read, and what follows it.
fn string(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, text.get(at.saturating_add(1)..).unwrap_or_default())),
            '\n' => return Err("the string does not end on its line".to_owned()),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\\' | '/'))) => value.push(c),
                _ => return Err("unknown escape in the string".to_owned()),
            },
            _ => value.push(character),
        }
    }
    Err("the string does not end".to_owned())
}
