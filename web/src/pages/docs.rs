//! `/docs`: the calls of the API, rendered from its `OpenAPI` description.

use askama::Template;
use serde_json::Value;

use super::rendered;
use crate::{Layout, assets};

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "docs.html")]
pub struct DocsPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// What the API is for.
    pub description: String,
    /// Its calls by their tag.
    pub groups: Vec<CallGroup>,
}

/// Calls with the same tag.
#[derive(Clone, Debug)]
pub struct CallGroup {
    /// The tag's description.
    pub name: String,
    /// In the order of the description.
    pub calls: Vec<Call>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// One sentence.
    pub summary: String,
    /// Status and what it means.
    pub answers: Vec<(String, String)>,
}

impl DocsPage {
    /// Reads an `OpenAPI` 3.1 document.
    pub fn of(layout: Layout, openapi: &Value) -> Self {
        let tags = openapi["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        let groups = tags.iter().map(|tag| CallGroup {
            name: text(&tag["description"]),
            calls: calls(openapi, tag["name"].as_str().unwrap_or_default()),
        });
        Self { layout, description: text(&openapi["info"]["description"]), groups: groups.collect() }
    }

    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }
}

fn calls(openapi: &Value, tag: &str) -> Vec<Call> {
    let paths = openapi["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    });
    operations
        .filter(|(_, _, operation)| operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|one| one == tag)))
        .map(|(path, method, operation)| Call {
            method: method.to_uppercase(),
            path: path.clone(),
            summary: text(&operation["summary"]),
            answers: answers(&operation["responses"]),
        })
        .collect()
}

fn answers(responses: &Value) -> Vec<(String, String)> {
    let responses = responses.as_object().into_iter().flatten();
    responses.map(|(status, response)| (status.clone(), text(&response["description"]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
