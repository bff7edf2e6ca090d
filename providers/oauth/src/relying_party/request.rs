//! One request in the form that the service wants.

use carnet_core::{Error, Request, Secret};
use http::{HeaderValue, Method as HttpMethod, header};
use serde_json::{Map, Value};
use url::Url;

use super::Asking;
use crate::{
    call::MAX_ANSWER,
    catalogue::{Dialect, Encoding, Method},
    exchange::{JWT_BEARER, TOKEN_EXCHANGE},
    token_type,
};

/// The request that shows this token.
///
/// # Errors
/// When the token cannot be part of a header.
pub(super) fn build(asking: &Asking, mut url: Url, token: &Secret) -> Result<Request, Error> {
    let asked = &asking.party.request;
    let mut fields = shown(asking, token);
    fields.extend(asking.members.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let request = match asked.encoding {
        Encoding::Form => Request::post_form(url, &fields),
        Encoding::Json => Request::post_json(url, &object(&fields)),
        Encoding::Query => {
            url.query_pairs_mut().extend_pairs(&fields);
            Request::new(method(asked.method), url)
        }
        Encoding::None => Request::new(method(asked.method), url),
    };
    let request = request.header(header::ACCEPT, HeaderValue::from_static("application/json")).max_response(MAX_ANSWER);
    if asked.dialect == Dialect::Bearer { request.bearer(token) } else { Ok(request) }
}

/// The members that show the token.
fn shown<'a>(asking: &'a Asking, token: &'a Secret) -> Vec<(&'a str, &'a str)> {
    let asked = &asking.party.request;
    match asked.dialect {
        Dialect::TokenExchange => vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", token.expose()),
            ("subject_token_type", token_type::JWT),
        ],
        Dialect::JwtBearer => vec![("grant_type", JWT_BEARER), ("assertion", token.expose())],
        Dialect::Login => asked.token.iter().map(|name| (name.as_str(), token.expose())).collect(),
        Dialect::Bearer | Dialect::Presented => Vec::new(),
    }
}

fn object(fields: &[(&str, &str)]) -> Value {
    let members = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::String((*value).to_owned())));
    Value::Object(members.collect::<Map<String, Value>>())
}

fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::GET,
        Method::Post => HttpMethod::POST,
    }
}
