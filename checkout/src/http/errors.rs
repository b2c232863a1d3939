//! The one place at which an error of a handler, or its panic, becomes an answer.

use std::panic::AssertUnwindSafe;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures::{FutureExt as _, future::BoxFuture};
use stores::failpoint::{self, Point};
use web::{ApiError, ErrorCode, error_response};

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
    let head = RequestHead::of(visitor(&app.site, &parts));
    let handled = AssertUnwindSafe(async {
        failpoint::reached(Point::HandlerBegun);
        next.run(Request::from_parts(parts, body)).await
    });
    // A panic ends this request alone. The panic hook has logged it.
    let mut response = handled.catch_unwind().await.unwrap_or_else(|_| ErrorCode::Internal.into_response());
    match response.extensions_mut().remove::<ApiError>() {
        Some(error) => {
            let visitor = head.visitor(&app.site);
            if let Some(cause) = &error.cause {
                tracing::warn!(cause, trace_id = %visitor.trace_id(), "store unavailable, replying {}", error.code.status());
            }
            error_response(&error, visitor, app.database.now()).map(Body::new)
        }
        None => response,
    }
}
