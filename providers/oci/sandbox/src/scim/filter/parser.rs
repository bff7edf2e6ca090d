//! The grammar of filters (RFC 7644, figure 1): `or` binds looser than `and`, `and` looser than `not`.

use serde_json::Value;

use super::{
    Filter, FilterError, Operator,
    lexer::{Token, tokens},
};
use crate::scim::AttributePath;

pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > Filter::MAX_LENGTH {
        return Err(FilterError { problem: "the filter is too long", position: Filter::MAX_LENGTH });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, end: text.len(), depth: 0 };
    let filter = parser.or()?;
    match parser.tokens.first() {
        None => Ok(filter),
        Some(_) => Err(parser.error("the filter goes on where it should end")),
    }
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self) -> Result<Filter, FilterError> {
        let mut left = self.and()?;
        while self.keyword("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, FilterError> {
        let mut left = self.not()?;
        while self.keyword("and") {
            left = Filter::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Filter, FilterError> {
        if self.keyword("not") {
            return self.nested(|parser| Ok(Filter::Not(Box::new(parser.not()?))));
        }
        match self.next() {
            Some(Token::Open) => self.nested(|parser| {
                let inner = parser.or()?;
                parser.expect(&Token::Close, "a closing parenthesis is expected")?;
                Ok(inner)
            }),
            Some(Token::Word(word)) => self.comparison(word),
            _ => Err(self.error("an attribute, not or a parenthesis is expected")),
        }
    }

    fn comparison(&mut self, word: &str) -> Result<Filter, FilterError> {
        let path = AttributePath::parse(word).map_err(|_not_a_path| self.error("the attribute's name is not valid"))?;
        match self.next() {
            Some(Token::OpenElement) => self.nested(|parser| {
                let inner = parser.or()?;
                parser.expect(&Token::CloseElement, "a closing bracket is expected")?;
                Ok(Filter::Element(path, Box::new(inner)))
            }),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("pr") => Ok(Filter::Present(path)),
            Some(Token::Word(word)) => {
                let operator = operator(word).ok_or_else(|| self.error("an operator is expected"))?;
                Ok(Filter::Compare(path, operator, self.value()?))
            }
            _ => Err(self.error("an operator is expected")),
        }
    }

    fn value(&mut self) -> Result<Value, FilterError> {
        let value = match self.next() {
            Some(Token::Text(text)) => Some(Value::String(text.clone())),
            // Numbers, true, false and null as JSON writes them.
            Some(Token::Word(word)) => serde_json::from_str(word).ok().filter(|value: &Value| !value.is_string()),
            _ => None,
        };
        value.ok_or_else(|| self.error("a value is expected: a string in double quotes, a number, true, false or null"))
    }

    /// Bounds the recursion, whatever it is that nests.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, FilterError>) -> Result<T, FilterError> {
        if self.depth >= Filter::MAX_DEPTH {
            return Err(self.error("the filter is nested too deeply"));
        }
        self.depth = self.depth.saturating_add(1);
        let result = parse(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn keyword(&mut self, word: &str) -> bool {
        match self.tokens.split_first() {
            Some(((_, Token::Word(seen)), rest)) if seen.eq_ignore_ascii_case(word) => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, token: &Token, problem: &'static str) -> Result<(), FilterError> {
        match self.next() {
            Some(seen) if seen == token => Ok(()),
            _ => Err(self.error(problem)),
        }
    }

    fn next(&mut self) -> Option<&'a Token> {
        let ((_, token), rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(token)
    }

    fn error(&self, problem: &'static str) -> FilterError {
        FilterError { problem, position: self.tokens.first().map_or(self.end, |(position, _)| *position) }
    }
}

fn operator(word: &str) -> Option<Operator> {
    Some(match word.to_ascii_lowercase().as_str() {
        "co" => Operator::Co,
        "eq" => Operator::Eq,
        "ew" => Operator::Ew,
        "ge" => Operator::Ge,
        "gt" => Operator::Gt,
        "le" => Operator::Le,
        "lt" => Operator::Lt,
        "ne" => Operator::Ne,
        "sw" => Operator::Sw,
        _ => return None,
    })
}
