//! What a call refuses: a problem document for each status, with the codes that it may carry.
//!
//! A handler's description names the codes that are its own, `(status = 409, description = "sold_out, limit_reached")`.
//! What follows from who may call, from the path and from the body is added here.

use std::collections::BTreeMap;

use http::{StatusCode, header};
use utoipa::openapi::{
    Content, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
    path::Operation,
    schema::{AllOfBuilder, SchemaType, Type},
};
use web::{Access, ErrorCode};

use crate::route::Route;

type Codes = BTreeMap<u16, Vec<ErrorCode>>;

/// Describes the refusals of a call.
pub(super) fn describe(operation: &mut Operation, route: &Route) {
    let mut codes = Codes::new();
    if route.path.starts_with("/v1/") {
        for code in common(operation, route) {
            add(&mut codes, code);
        }
    }
    for code in own(operation) {
        add(&mut codes, code);
    }
    for (status, codes) in codes {
        operation.responses.responses.insert(status.to_string(), RefOr::T(response(status, &codes)));
    }
}

fn add(codes: &mut Codes, code: ErrorCode) {
    let of_status = codes.entry(code.status().as_u16()).or_default();
    if !of_status.contains(&code) {
        of_status.push(code);
    }
}

/// The codes that the handler's description names.
fn own(operation: &Operation) -> Vec<ErrorCode> {
    let mut codes = Vec::new();
    for (status, response) in &operation.responses.responses {
        let (Ok(status), RefOr::T(response)) = (status.parse::<StatusCode>(), response) else { continue };
        if status.is_client_error() || status.is_server_error() {
            codes.extend(parse(status, &response.description));
        }
    }
    codes
}

fn parse(status: StatusCode, description: &str) -> impl Iterator<Item = ErrorCode> {
    description.split(", ").filter_map(move |name| {
        ErrorCode::ALL.iter().copied().find(|code| code.as_str() == name && code.status() == status)
    })
}

/// What every call of its kind refuses.
fn common(operation: &Operation, route: &Route) -> Vec<ErrorCode> {
    let mut codes =
        vec![ErrorCode::UriTooLong, ErrorCode::HeadersTooLarge, ErrorCode::StoreUnavailable, ErrorCode::Overloaded];
    codes.extend_from_slice(match route.access {
        Access::Anyone | Access::Loopback | Access::Buyer => &[][..],
        Access::Ticket => {
            &[ErrorCode::TicketMissing, ErrorCode::TicketInvalid, ErrorCode::WrongSession, ErrorCode::WrongSale]
        }
        Access::Pass => {
            &[ErrorCode::PassMissing, ErrorCode::PassInvalid, ErrorCode::WrongSession, ErrorCode::WrongSale]
        }
        Access::Seller => &[ErrorCode::TokenMissing, ErrorCode::TokenInvalid],
        Access::Operator => &[ErrorCode::TokenMissing, ErrorCode::TokenInvalid, ErrorCode::NotAllowed],
    });
    if route.path.contains("{sale}") {
        codes.push(ErrorCode::SaleNotFound);
    }
    if route.path.contains("{order}") {
        codes.push(ErrorCode::OrderNotFound);
    }
    if route.method != "GET" {
        codes.extend([ErrorCode::CrossOrigin, ErrorCode::TooLarge]);
    }
    if operation.request_body.is_some() {
        codes.extend([ErrorCode::MalformedJson, ErrorCode::MalformedRequest, ErrorCode::UnsupportedMediaType]);
    }
    codes
}

fn response(status: u16, codes: &[ErrorCode]) -> Response {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let sentences: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
    let code = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(names));
    let schema =
        AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(ObjectBuilder::new().property("code", code));
    let response = ResponseBuilder::new()
        .description(sentences.join(" "))
        .content("application/problem+json", Content::new(Some(schema)));
    let text = |words: &str| {
        let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        HeaderBuilder::new().schema(Some(schema)).description(Some(words)).build()
    };
    let response = match status {
        429 | 503 => response.header(header::RETRY_AFTER.as_str(), text("seconds")),
        401 => response.header(header::WWW_AUTHENTICATE.as_str(), text("Bearer")),
        _ => response,
    };
    response.build()
}

#[cfg(test)]
mod tests {
    use utoipa::{OpenApi as _, openapi::OpenApiBuilder};

    use super::*;
    use crate::router;

    /// Status and description of everything that the handlers say themselves.
    fn described_by_handlers() -> Vec<(StatusCode, String)> {
        let mut descriptions = waiting_room::Description::openapi();
        for (_, paths) in router::routes().iter_mut().filter_map(Route::take_operation) {
            descriptions.merge(OpenApiBuilder::new().paths(paths).build());
        }
        let items = descriptions.paths.paths.into_values();
        let operations = items.flat_map(|item| [item.get, item.post, item.put, item.patch, item.delete]).flatten();
        let responses = operations.flat_map(|operation| operation.responses.responses);
        let described = responses.filter_map(|(status, response)| match response {
            RefOr::T(response) => Some((status.parse().unwrap(), response.description)),
            RefOr::Ref(_) => None,
        });
        described.collect()
    }

    #[test]
    fn handlers_name_codes_of_their_status_alone() {
        let refused = described_by_handlers().into_iter().filter(|(status, _)| status.as_u16() >= 400);
        for (status, description) in refused {
            assert_eq!(parse(status, &description).count(), description.split(", ").count(), "{status} {description}");
        }
    }
}
