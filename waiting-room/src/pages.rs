//! The pages of a sale and its queue, from memory. At the opening everybody reloads them, so what is the same for all
//! is rendered and compressed once per [`PageSnapshot`](crate::page_snapshot::PageSnapshot). Views that few people see
//! are rendered for each.

use http::{Response, StatusCode, header};
use sale::{Language, SaleId, SaleState, SessionId, frame::ItemLeft, standing::TicketState};
use web::{
    ApiError, Body, ErrorCode, PageContext, Visitor,
    page_context::see_other,
    pages::{ItemCard, LinePage, LineView, LineVisitor, SalePage, SaleVisitor},
    paths,
};

use crate::{
    Page, WaitingRoom, auth, enter, join, leave,
    page_snapshot::TemplateKey,
    sale_queue::SaleQueue,
    standing::{Standing, current_standing},
};

/// Answers a page of the hot path.
pub async fn page(app: &WaitingRoom, page: Page, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    match page {
        Page::Sale(sale) => sale_page(app, &sale, visitor).await,
        Page::Line(sale) => line_page(app, &sale, visitor).await,
        Page::JoinForm(sale) => join_form(app, &sale, visitor).await,
        Page::LeaveForm(sale) => leave_form(app, &sale, visitor).await,
        Page::EnterForm(sale) => enter_form(app, &sale, visitor).await,
    }
}

fn context<'r>(app: &WaitingRoom, visitor: Visitor<'r>) -> PageContext<'r> {
    PageContext { visitor, now: app.database.now() }
}

async fn sale_page(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let queue = app.queues.open(sale).await?;
    let (session, is_new) = session(visitor);
    let number = auth::own_ticket(app, sale, &session, visitor)
        .map(|presented| presented.ticket.number)
        .filter(|number| !queue.cache.has_departed(*number));
    let snapshot = queue.cache.snapshot();
    let (row, frame) = (&snapshot.stocked.sale, &snapshot.encoded.frame);
    let context = context(app, visitor);
    let (layout, join_key) = (context.layout(), SessionId::random().expose());
    let (language, opens_at) = (layout.language, row.opens_at);
    let state = queue.cache.state(context.now);
    let page = || SalePage {
        layout: layout.clone(),
        sale: sale.to_string(),
        name: row.name.in_language(language).to_owned(),
        state,
        opens_at,
        items: row.items.iter().map(|item| card(item, &frame.items, language)).collect(),
        per_buyer_limit: row.per_buyer_limit.into(),
        enter_seconds: row.enter_seconds.into(),
        hold_seconds: row.hold_seconds.into(),
        waiting: frame.waiting,
        number,
        join_key: join_key.clone(),
    };
    let key = TemplateKey::Sale { language, state, has_ticket: number.is_some() };
    let mut response = if let Some(template) = snapshot.templates.get_or_compile(key, || page().precompile()) {
        let (nonce, join_key) = (&layout.nonce, &join_key);
        let visitor = SaleVisitor { language, nonce, now: layout.now, opens_at, number, join_key };
        context.precompressed(nonce, &template, &visitor.slot_values())
    } else {
        context.page(&layout.nonce, StatusCode::OK, page().render())
    };
    if is_new {
        response.headers_mut().append(header::SET_COOKIE, app.site.set_session(&session));
    }
    Ok(response)
}

async fn line_page(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let queue = app.queues.open(sale).await?;
    let presented = match auth::ticket(app, sale, visitor) {
        Ok(presented) => presented,
        // Visitors without a ticket join on the page of the sale.
        Err(error) if error.code == ErrorCode::TicketMissing => return Ok(see_other(&paths::sale(sale))),
        Err(error) => return Err(error),
    };
    let standing = current_standing(app, &queue, &presented).await?;
    let order = order_of(&queue, &presented, standing.state).await;
    let snapshot = queue.cache.snapshot();
    let (row, frame) = (&snapshot.stocked.sale, &snapshot.encoded.frame);
    let context = context(app, visitor);
    let (layout, join_key) = (context.layout(), SessionId::random().expose());
    let (language, opens_at) = (layout.language, row.opens_at);
    let sale_state = queue.cache.state(context.now);
    // While a store is unavailable, the page shows the bound of the last frame, and that there is trouble.
    let most_ahead = standing.ahead.or_else(|| snapshot.ahead(standing.number));
    let view = view(&standing, most_ahead.unwrap_or(0), sale_state, order);
    let left = frame.items.iter().map(|item| item.left).fold(0, u64::saturating_add);
    let held = frame.items.iter().map(|item| item.held).fold(0, u64::saturating_add);
    let number = standing.number;
    let page = || LinePage {
        layout: layout.clone(),
        sale: sale.to_string(),
        sale_name: row.name.in_language(language).to_owned(),
        ticket: standing.id.clone(),
        number,
        epoch: frame.epoch.to_string(),
        sale_state,
        view: view.clone(),
        at_front: most_ahead.is_none(),
        slower: None,
        trouble: frame.trouble.is_some(),
        message: row.message.as_ref().map(|message| message.in_language(language).to_owned()),
        left,
        held,
        opens_at,
        enter_seconds: row.enter_seconds.into(),
        join_key: join_key.clone(),
    };
    let key = view.shape().map(|shape| TemplateKey::Line { language, state: sale_state, shape });
    Ok(if let Some(template) = key.and_then(|key| snapshot.templates.get_or_compile(key, || page().precompile())) {
        let (nonce, ticket, view, join_key) = (&layout.nonce, &standing.id, &view, &join_key);
        let visitor =
            LineVisitor { language, nonce, now: layout.now, opens_at, ticket, number, view, left, held, join_key };
        context.precompressed(nonce, &template, &visitor.slot_values())
    } else {
        context.page(&layout.nonce, StatusCode::OK, page().render())
    })
}

/// The order that the ticket's pass was used for; the page does without a link when the store is unavailable.
async fn order_of(queue: &SaleQueue, presented: &auth::PresentedTicket<'_>, state: TicketState) -> Option<String> {
    if state != TicketState::Consumed {
        return None;
    }
    match queue.standings.submit(presented.claims()).await {
        Ok(stores::queue_store::TicketStatus::Consumed { hold }) => Some(hold.order.to_string()),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(sale = %queue.cache.key().sale, %error, "cannot look up the order of a ticket");
            None
        }
    }
}

async fn join_form(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let joiner = join::joiner(app, sale, visitor)?;
    let joined = join::join_queue(app, sale, &joiner, visitor, same_origin).await?;
    let mut response = see_other(&paths::line(sale));
    join::set_cookies(app, sale, &joiner, &joined.ticket, &mut response);
    Ok(response)
}

async fn leave_form(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let queue = app.queues.open(sale).await?;
    let presented = auth::ticket(app, sale, visitor)?;
    leave::leave_queue(app, &queue.cache, &presented.ticket, same_origin).await?;
    // The ticket's cookie stays, so that the page can say that the place was given up and offer a new one.
    Ok(see_other(&paths::line(sale)))
}

async fn enter_form(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let queue = app.queues.open(sale).await?;
    let presented = auth::ticket(app, sale, visitor)?;
    match enter::issue_pass(app, &queue, &presented.ticket, same_origin).await {
        Ok(issued) => {
            let mut response = see_other(&paths::checkout(sale));
            response.headers_mut().append(header::SET_COOKIE, app.site.set_pass(sale, &issued.token));
            Ok(response)
        }
        // The page of the line shows the ticket's state.
        Err(error) if matches!(error.code, ErrorCode::NotCalled | ErrorCode::TicketGone) => {
            Ok(see_other(&paths::line(sale)))
        }
        Err(error) => Err(error),
    }
}

/// The session of the browser, or a new one, and whether it is new: sessions exist before the opening.
fn session(visitor: Visitor<'_>) -> (SessionId, bool) {
    match visitor.session() {
        Some(session) => (session, false),
        None => (SessionId::random(), true),
    }
}

fn card(item: &sale::Item, left: &[ItemLeft], language: Language) -> ItemCard {
    ItemCard {
        name: item.name.in_language(language).to_owned(),
        price: item.price,
        units: item.units.into(),
        left: left.iter().find(|count| count.id == item.id).map_or(0, |count| count.left),
    }
}

/// The view of the line's page for a ticket with this standing.
fn view(standing: &Standing, ahead: u64, sale: SaleState, order: Option<String>) -> LineView {
    match standing.state {
        TicketState::Waiting => match sale {
            SaleState::SoldOut => LineView::SoldOut,
            SaleState::Closed | SaleState::Draining => LineView::Closed,
            SaleState::Scheduled | SaleState::Lobby => LineView::Lobby,
            SaleState::Paused => LineView::Paused { ahead },
            SaleState::Open => LineView::Waiting { ahead, eta: standing.eta_seconds },
        },
        TicketState::Called => standing.called_until.map_or(LineView::Late, |until| LineView::Called { until }),
        TicketState::Late => LineView::Late,
        TicketState::Admitted => LineView::Admitted,
        TicketState::Consumed => LineView::Consumed { order },
        TicketState::Left => LineView::Left,
        TicketState::Expired => LineView::Expired,
        TicketState::Closed => LineView::Closed,
    }
}
