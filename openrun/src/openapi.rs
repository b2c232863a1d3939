//! The description of the API: operations and schemas from the handlers, who may call and what is refused from the
//! router's table.

mod refusals;

use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApiBuilder, PathItem, Paths,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
        tag::TagBuilder,
    },
};
use web::Access;

use crate::{health, route::Route};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Openrun",
        description = "A waiting room, an admission rate, and a checkout that sells limited stock exactly once.",
        license(name = "Apache-2.0 OR MIT")
    ),
    paths(health::healthz, health::readyz),
    components(schemas(web::Problem<'_>))
)]
struct Description;

const SECURITY_SCHEMES: [(&str, &str); 3] = [
    ("ticket", "The ticket that a join answered"),
    ("pass", "The pass that entering answered"),
    ("token", "A token of a seller or operator, printed by `openrun token`"),
];

const TAGS: [(&str, &str); 5] = [
    ("line", "The line of a sale"),
    ("sales", "Sales"),
    ("orders", "Orders and payments"),
    ("seller", "The seller's side"),
    ("operations", "Operations"),
];

/// Describes the calls among `routes`, as JSON.
pub fn describe(mut routes: Vec<Route>) -> String {
    let mut openapi = Description::openapi();
    openapi.merge(waiting_room::Description::openapi());
    for (schemas, paths) in routes.iter_mut().filter_map(Route::take_operation) {
        openapi.components.get_or_insert_default().schemas.extend(schemas);
        openapi.merge(OpenApiBuilder::new().paths(paths).build());
    }
    for route in routes {
        if let Some(operation) = operation(&mut openapi.paths, route.method, route.path) {
            operation.security = security(route.access);
            refusals::describe(operation, &route);
        }
    }
    let components = openapi.components.get_or_insert_default();
    for (name, description) in SECURITY_SCHEMES {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some(description.to_owned());
        components.add_security_scheme(name, SecurityScheme::Http(bearer));
    }
    let tags = TAGS.map(|(name, words)| TagBuilder::new().name(name).description(Some(words)).build());
    openapi.tags = Some(tags.into());
    openapi.to_json().unwrap_or_default()
}

fn operation<'p>(paths: &'p mut Paths, method: &str, path: &str) -> Option<&'p mut Operation> {
    let item: &mut PathItem = paths.paths.get_mut(path)?;
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

/// The schemes of which one must be shown; browsers show cookies instead.
fn security(access: Access) -> Option<Vec<SecurityRequirement>> {
    let names: &[&str] = match access {
        Access::Anyone | Access::Loopback => return None,
        Access::Ticket => &["ticket"],
        Access::Pass => &["pass"],
        Access::Buyer => &["ticket", "pass", "token"],
        Access::Seller | Access::Operator => &["token"],
    };
    Some(names.iter().map(|name| SecurityRequirement::new(*name, Vec::<String>::new())).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use crate::{
        route::Route,
        router::{description, routes},
    };

    fn operations(document: &Value) -> impl Iterator<Item = (String, String, &Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
    }

    fn is_described(route: &Route) -> bool {
        route.path.starts_with("/v1/") || ["/healthz", "/readyz", "/.well-known/jwks.json"].contains(&route.path)
    }

    #[test]
    fn every_call_of_the_table_is_described_and_nothing_else() {
        let document: Value = serde_json::from_str(description()).unwrap();
        let described: HashSet<_> = operations(&document).map(|(method, path, _)| (method, path)).collect();
        let of_table = routes().into_iter().filter(is_described);
        assert_eq!(described, of_table.map(|route| (route.method.to_owned(), route.path.to_owned())).collect());
    }

    #[test]
    fn operation_ids_are_unique() {
        let document: Value = serde_json::from_str(description()).unwrap();
        let mut seen = HashSet::new();
        for (_, _, operation) in operations(&document) {
            assert!(seen.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
        }
    }

    /// The writes that take no document are named, so that no other one is described without its own.
    #[test]
    fn every_call_that_takes_a_document_describes_it() {
        let without = ["cancel_order", "close_sale", "enter", "join", "pause_sale", "resume_sale"];
        let document: Value = serde_json::from_str(description()).unwrap();
        for (method, path, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap();
            let takes_one = matches!(method.as_str(), "POST" | "PUT" | "PATCH") && !without.contains(&id);
            assert_eq!(operation["requestBody"].is_object(), takes_one, "{method} {path}");
        }
    }

    #[test]
    fn every_answer_with_a_body_has_a_schema() {
        let document: Value = serde_json::from_str(description()).unwrap();
        for (method, path, operation) in operations(&document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let has_body = !matches!(status.as_str(), "204" | "304");
                let contents = response["content"].as_object().map(|contents| contents.values().collect::<Vec<_>>());
                let has_schema = contents.is_some_and(|all| all.iter().all(|content| content["schema"].is_object()));
                assert_eq!(has_schema, has_body, "{method} {path} {status}");
            }
        }
    }

    /// What of an example its schema does not allow. A part of a schema does not know the fields of the others.
    fn misfit(document: &Value, schema: &Value, is_part: bool, example: &Value, at: &str) -> Option<String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let schema = document.pointer(reference.trim_start_matches('#'))?;
            return misfit(document, schema, is_part, example, at);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return parts.iter().find_map(|part| misfit(document, part, true, example, at));
        }
        let misfit = |schema: &Value, example: &Value, at: &str| misfit(document, schema, false, example, at);
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = choices.iter().any(|choice| misfit(choice, example, at).is_none());
            return (!fits).then(|| format!("{at}: {example} is none of {choices:?}"));
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            of_type => vec![of_type.clone()],
        };
        let of_type = match example {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is_allowed =
            types.iter().any(|allowed| *allowed == of_type || *allowed == "number" && of_type == "integer");
        if !is_allowed || schema["enum"].as_array().is_some_and(|values| !values.contains(example)) {
            return Some(format!("{at}: {example} is no {schema}"));
        }
        match example {
            Value::Array(items) => items.iter().find_map(|item| misfit(&schema["items"], item, at)),
            Value::Object(fields) => {
                let required = schema["required"].as_array().into_iter().flatten();
                let missing = required.filter_map(Value::as_str).find(|key| !fields.contains_key(*key));
                let wrong = || {
                    fields.iter().find_map(|(key, value)| {
                        let field = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
                        match field {
                            Value::Null if is_part => None,
                            Value::Null | Value::Bool(false) => Some(format!("{at}/{key} is no field")),
                            field => misfit(field, value, &format!("{at}/{key}")),
                        }
                    })
                };
                missing.map(|key| format!("{at}/{key} is missing")).or_else(wrong)
            }
            _ => None,
        }
    }

    #[test]
    fn every_example_fits_its_schema() {
        let document: Value = serde_json::from_str(description()).unwrap();
        let mut examples = 0;
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for example in schema["examples"].as_array().into_iter().flatten() {
                assert_eq!(misfit(&document, schema, false, example, name), None);
                examples += 1;
            }
        }
        assert!(examples >= 15, "{examples}");
    }

    #[test]
    fn every_reference_has_its_schema() {
        let text = description();
        let described: Value = serde_json::from_str(text).unwrap();
        let schemas = described["components"]["schemas"].as_object().unwrap();
        for name in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
