//! The one place at which an error of a handler becomes an answer.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures::{FutureExt as _, future::BoxFuture};
use web::{ApiError, Visitor, error_response, is_for_programs, problem};

use super::{
    AppState,
    extract::{RequestHead, visitor},
};

/// Answers for handlers and extractors that failed: a problem document for programs, a page for people.
/// Boxed, so that it is compiled here.
pub fn answer_errors(State(app): State<AppState>, request: Request, next: Next) -> BoxFuture<'static, Response> {
    answer_error(app, request, next).boxed()
}

async fn answer_error(app: AppState, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asker = Asker::of(visitor(&app.site, &parts));
    let mut response = next.run(Request::from_parts(parts, body)).await;
    match response.extensions_mut().remove::<ApiError>() {
        Some(error) => asker.answer(&error, &app).map(Body::new),
        None => response,
    }
}

/// What the answer to a failed request names of it. Kept for every request, so no more than that.
enum Asker {
    Program { trace_id: String },
    Person(Box<RequestHead>),
}

impl Asker {
    fn of(visitor: Visitor<'_>) -> Self {
        if is_for_programs(visitor.uri.path()) {
            Self::Program { trace_id: visitor.trace_id() }
        } else {
            Self::Person(Box::new(RequestHead::of(visitor)))
        }
    }

    fn answer(&self, error: &ApiError, app: &AppState) -> http::Response<web::Body> {
        match self {
            Self::Program { trace_id } => {
                warn_of_trouble(error, trace_id);
                problem(error, trace_id)
            }
            Self::Person(head) => {
                let visitor = head.visitor(&app.site);
                warn_of_trouble(error, &visitor.trace_id());
                error_response(error, visitor, app.database.now())
            }
        }
    }
}

fn warn_of_trouble(error: &ApiError, trace_id: &str) {
    if let Some(cause) = &error.cause {
        tracing::warn!(cause, trace_id, "store unavailable, replying {}", error.code.status());
    }
}
