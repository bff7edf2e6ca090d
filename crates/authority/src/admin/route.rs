//! The table of routes, of which router and document are made.

use std::sync::Arc;

use axum::{http::Method, middleware, routing::MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Admin, federation::Nothing, input::Query};

/// How a type is described.
type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// As axum writes it, which is as OpenAPI does: `/v1/entries/{id}`.
    pub(crate) path: &'static str,
    /// `operationId`.
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) query: Option<Describe>,
    pub(crate) body: Option<Describe>,
    pub(crate) answer: Answer,
    pub(crate) status: u16,
    /// Whether `If-Match` and `If-None-Match` are looked at.
    pub(crate) conditional: bool,
    pub(crate) handler: MethodRouter<Arc<Admin>>,
}

/// What a route answers when all is well.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// One document.
    Json(Describe),
    /// One document a line, for as long as there are some.
    Lines,
    /// Any document.
    Any,
}

impl Route {
    /// A route that answers with a document of this type.
    pub(crate) fn new<T: JsonSchema>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: MethodRouter<Arc<Admin>>,
    ) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            query: None,
            body: None,
            answer: Answer::Json(describe::<T>),
            status: 200,
            conditional: false,
            handler,
        }
    }

    /// With these members in its query.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self
    }

    /// With a body of this type.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(describe::<T>);
        self
    }

    /// With another answer than one document of its type.
    pub(crate) fn answers(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }

    /// With 201 for an answer.
    pub(crate) fn created(mut self) -> Self {
        self.status = 201;
        self
    }

    /// With a look at the revision that is expected.
    pub(crate) fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }
}

impl Route {
    /// Its handler. Where no query is offered there must be none: a `dry_run` that is not looked at would change what it should
    /// leave alone. Queries that are offered refuse members that they do not know by themselves.
    pub(crate) fn guarded(self) -> MethodRouter<Arc<Admin>> {
        match self.query {
            Some(_) => self.handler,
            None => self.handler.route_layer(middleware::from_extractor::<Query<Nothing>>()),
        }
    }
}

fn describe<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
