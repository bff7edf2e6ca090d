//! What is looked at before an expression is believed.

use std::{collections::BTreeSet, sync::Arc};

use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators},
};

use super::{
    CelError, CelErrorKind, Expression,
    functions::{self, PatternValue},
};

/// Functions called on a value, with the numbers of arguments they take.
const MEMBERS: &[(&str, &[usize])] = &[
    ("contains", &[1]),
    ("endsWith", &[1]),
    ("extract", &[1]),
    ("join", &[0, 1]),
    ("lowerAscii", &[0]),
    ("matches", &[1]),
    ("size", &[0]),
    ("split", &[1]),
    ("startsWith", &[1]),
    ("upperAscii", &[0]),
];

/// Functions called alone, with one argument, except `matches` with two.
const GLOBALS: &[(&str, &[usize])] =
    &[("bool", &[1]), ("double", &[1]), ("int", &[1]), ("matches", &[2]), ("size", &[1]), ("string", &[1])];

/// What `matches` is called once its pattern is compiled. No source text can name it.
pub(super) const MATCHES: &str = "@matches";

/// A literal pattern of `matches`, compiled with the expression.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The variable that stands for it.
    pub(super) name: String,
    /// Its value.
    pub(super) regex: PatternValue,
}

/// What was learnt on the way.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) variables: Vec<String>,
    pub(super) patterns: Vec<Pattern>,
}

/// Walks the whole expression, and gives every literal pattern a variable of its own.
pub(super) fn check(root: &mut IdedExpr) -> Result<Checked, CelError> {
    let mut walk = Walk::default();
    walk.expression(root, 0, 0)?;
    Ok(Checked { variables: walk.variables.into_iter().collect(), patterns: walk.patterns })
}

#[derive(Default)]
struct Walk {
    nodes: usize,
    bound: Vec<String>,
    variables: BTreeSet<String>,
    patterns: Vec<Pattern>,
}

impl Walk {
    fn expression(&mut self, node: &mut IdedExpr, depth: usize, loops: usize) -> Result<(), CelError> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > Expression::MAX_NODES {
            return Err(too_many());
        }
        if depth > Expression::MAX_DEPTH {
            return Err(too_deep());
        }
        let below = depth.saturating_add(1);
        match &mut node.expr {
            Expr::Unspecified => Err(syntax("the expression is incomplete")),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.expression(&mut select.operand, below, loops),
            Expr::Call(call) => self.call(call, below, loops),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|element| self.expression(element, below, loops)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&mut entry.key, below, loops)?;
                    self.expression(&mut entry.value, below, loops)
                }
                EntryExpr::StructField(_) => Err(syntax("messages cannot be constructed here")),
            }),
            Expr::Struct(_) => Err(syntax("messages cannot be constructed here")),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, below, loops),
        }
    }

    fn variable(&mut self, name: &str) -> Result<(), CelError> {
        if name.starts_with('.') {
            return Err(syntax("names with a leading dot are not allowed here"));
        }
        if !self.bound.iter().any(|bound| bound == name) {
            self.variables.insert(name.to_owned());
        }
        Ok(())
    }

    fn call(&mut self, call: &mut CallExpr, depth: usize, loops: usize) -> Result<(), CelError> {
        let is_operator = !call.func_name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '.');
        if is_operator {
            if [operators::OPT_INDEX, operators::OPT_SELECT].contains(&call.func_name.as_str()) {
                return Err(syntax("optional selection is not allowed here"));
            }
        } else {
            let known = if call.target.is_some() { MEMBERS } else { GLOBALS };
            let Some((_, arities)) = known.iter().find(|(name, _)| *name == call.func_name) else {
                let message = format!("the function `{}` is not known here", call.func_name);
                return Err(CelError::new(CelErrorKind::Unknown, message));
            };
            if !arities.contains(&call.args.len()) {
                let message = format!("`{}` does not take {} arguments", call.func_name, call.args.len());
                return Err(syntax(message));
            }
        }
        match call.func_name.as_str() {
            "matches" => self.pattern(call)?,
            "extract" => {
                if let Some(template) = literal(call.args.first()) {
                    functions::template(template).map_err(syntax)?;
                }
            }
            _ => {}
        }
        if let Some(target) = &mut call.target {
            self.expression(target, depth, loops)?;
        }
        call.args.iter_mut().try_for_each(|argument| match &argument.expr {
            Expr::Ident(name) if name.starts_with('@') && !self.bound.contains(name) => Ok(()),
            _ => self.expression(argument, depth, loops),
        })
    }

    /// Replaces the literal pattern by a variable that holds it compiled. A pattern made at run time would have to be
    /// compiled at run time, from text that a stranger may have chosen.
    fn pattern(&mut self, call: &mut CallExpr) -> Result<(), CelError> {
        let Some(source) = literal(call.args.last()) else {
            return Err(syntax("the pattern of `matches` must be a literal"));
        };
        let regex = regex::RegexBuilder::new(source)
            .size_limit(functions::MAX_PATTERN)
            .build()
            .map_err(|_pattern| syntax("the pattern of `matches` is not a regular expression, or too large a one"))?;
        let name = format!("@pattern{}", self.patterns.len());
        self.patterns.push(Pattern { name: name.clone(), regex: PatternValue(Arc::new(regex)) });
        if let Some(argument) = call.args.last_mut() {
            argument.expr = Expr::Ident(name);
        }
        if let Some(target) = call.target.take() {
            call.args.insert(0, *target);
        }
        MATCHES.clone_into(&mut call.func_name);
        Ok(())
    }

    fn comprehension(&mut self, node: &mut ComprehensionExpr, depth: usize, loops: usize) -> Result<(), CelError> {
        if loops >= Expression::MAX_LOOPS {
            let message = format!("loops are nested more than {} deep", Expression::MAX_LOOPS);
            return Err(CelError::new(CelErrorKind::Limit, message));
        }
        self.expression(&mut node.iter_range, depth, loops)?;
        self.expression(&mut node.accu_init, depth, loops)?;
        let before = self.bound.len();
        self.bound.extend([node.iter_var.clone(), node.accu_var.clone()]);
        self.bound.extend(node.iter_var2.clone());
        let inside = loops.saturating_add(1);
        self.expression(&mut node.loop_cond, depth, inside)?;
        self.expression(&mut node.loop_step, depth, inside)?;
        self.expression(&mut node.result, depth, inside)?;
        self.bound.truncate(before);
        Ok(())
    }
}

/// Whether the outermost operation gives a truth value.
pub(super) fn is_boolean(root: &IdedExpr) -> bool {
    const BOOLEAN: [&str; 16] = [
        operators::EQUALS,
        operators::GREATER,
        operators::GREATER_EQUALS,
        operators::IN,
        operators::LESS,
        operators::LESS_EQUALS,
        operators::LOGICAL_AND,
        operators::LOGICAL_NOT,
        operators::LOGICAL_OR,
        operators::NOT_EQUALS,
        MATCHES,
        "bool",
        "contains",
        "endsWith",
        "matches",
        "startsWith",
    ];
    match &root.expr {
        Expr::Call(call) => BOOLEAN.contains(&call.func_name.as_str()),
        Expr::Select(select) => select.test,
        Expr::Literal(LiteralValue::Boolean(_)) => true,
        _ => false,
    }
}

fn literal(argument: Option<&IdedExpr>) -> Option<&str> {
    match &argument?.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

pub(super) fn syntax(message: impl Into<String>) -> CelError {
    CelError::new(CelErrorKind::Syntax, message)
}

fn too_many() -> CelError {
    CelError::new(CelErrorKind::Limit, format!("the expression has more than {} nodes", Expression::MAX_NODES))
}

pub(super) fn too_deep() -> CelError {
    CelError::new(CelErrorKind::Limit, format!("the expression is nested more than {} deep", Expression::MAX_DEPTH))
}
