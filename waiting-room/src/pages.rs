//! pages
use crate::{Page, Request, WaitingRoom};
use http::Response;
use web::{Body, Code, Problem};
pub async fn page(_door: &WaitingRoom, _page: Page, _request: Request<'_>) -> Response<Body> {
    Problem::from(Code::NotFound).into_response("")
}
