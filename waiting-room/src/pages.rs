//! The pages of a sale and its line, from memory: everybody reloads them at the opening, so what is the same for all is
//! rendered and compressed once per edition. Views that few people see are rendered for each.

use http::{Response, StatusCode, header};
use sale::{Language, SaleId, SaleState, SessionId, frame::ItemLeft, standing::TicketState};
use web::{
    ApiError, Body, ErrorCode, PageContext, Visitor,
    page_context::see_other,
    pages::{ItemCard, LinePage, LineView, LineVisitor, SalePage, SaleVisitor},
    paths,
};

use crate::{
    Page, WaitingRoom, auth,
    edition::TemplateKey,
    enter, join, leave,
    room::Room,
    standing::{Standing, stand},
};

/// Answers a page of the hot path.
pub async fn page(door: &WaitingRoom, page: Page, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    match page {
        Page::Sale(sale) => sale_page(door, &sale, visitor).await,
        Page::Line(sale) => line_page(door, &sale, visitor).await,
        Page::JoinForm(sale) => join_form(door, &sale, visitor).await,
        Page::LeaveForm(sale) => leave_form(door, &sale, visitor).await,
        Page::EnterForm(sale) => enter_form(door, &sale, visitor).await,
    }
}

fn context<'r>(door: &WaitingRoom, visitor: Visitor<'r>) -> PageContext<'r> {
    PageContext { visitor, now: door.database.now() }
}

async fn sale_page(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let room = door.rooms.room(sale).await?;
    let (session, is_new) = session(visitor);
    let number = auth::own_ticket(door, sale, &session, visitor)
        .map(|presented| presented.ticket.number)
        .filter(|number| !room.has_left(*number));
    let edition = room.edition();
    let (known, frame) = (&edition.known.sale, &edition.shown.frame);
    let context = context(door, visitor);
    let (layout, join_key) = (context.layout(), SessionId::random().expose());
    let (language, opens_at) = (layout.language, known.opens_at);
    let state = room.state(context.now);
    let page = || SalePage {
        layout: layout.clone(),
        sale: sale.to_string(),
        name: known.name.in_language(language).to_owned(),
        state,
        opens_at,
        items: known.items.iter().map(|item| card(item, &frame.items, language)).collect(),
        per_buyer_limit: known.per_buyer_limit.into(),
        enter_seconds: known.enter_seconds.into(),
        hold_seconds: known.hold_seconds.into(),
        waiting: frame.waiting,
        number,
        join_key: join_key.clone(),
    };
    let key = TemplateKey::Sale { language, state, has_ticket: number.is_some() };
    let mut response = if let Some(template) = edition.templates.get_or_compile(key, || page().precompile()) {
        let (nonce, join_key) = (&layout.nonce, &join_key);
        let visitor = SaleVisitor { language, nonce, now: layout.now, opens_at, number, join_key };
        context.precompressed(nonce, &template, &visitor.slot_values())
    } else {
        context.page(&layout.nonce, StatusCode::OK, page().render())
    };
    if is_new {
        response.headers_mut().append(header::SET_COOKIE, door.site.set_session(&session));
    }
    Ok(response)
}

async fn line_page(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let room = door.rooms.room(sale).await?;
    let presented = match auth::ticket(door, sale, visitor) {
        Ok(presented) => presented,
        // Without a ticket the way to a place is the page of the sale.
        Err(problem) if problem.code == ErrorCode::TicketMissing => return Ok(see_other(&paths::sale(sale))),
        Err(problem) => return Err(problem),
    };
    let standing = stand(door, &room, &presented.ticket).await?;
    let order = ordered(door, &room, &presented, standing.state).await;
    let edition = room.edition();
    let (known, frame) = (&edition.known.sale, &edition.shown.frame);
    let context = context(door, visitor);
    let (layout, join_key) = (context.layout(), SessionId::random().expose());
    let (language, opens_at) = (layout.language, known.opens_at);
    let sale_state = room.state(context.now);
    // In trouble the last frame still says how many may be ahead, and the page says that there is trouble.
    let most_ahead = standing.ahead.or_else(|| edition.shown.ahead(standing.number));
    let view = view(&standing, most_ahead.unwrap_or(0), sale_state, order);
    let left = frame.items.iter().map(|item| item.left).fold(0, u64::saturating_add);
    let held = frame.items.iter().map(|item| item.held).fold(0, u64::saturating_add);
    let number = standing.number;
    let page = || LinePage {
        layout: layout.clone(),
        sale: sale.to_string(),
        sale_name: known.name.in_language(language).to_owned(),
        ticket: standing.id.clone(),
        number,
        epoch: frame.epoch.to_string(),
        sale_state,
        view: view.clone(),
        at_front: most_ahead.is_none(),
        slower: None,
        trouble: frame.trouble.is_some(),
        message: known.message.as_ref().map(|message| message.in_language(language).to_owned()),
        left,
        held,
        opens_at,
        enter_seconds: known.enter_seconds.into(),
        join_key: join_key.clone(),
    };
    let key = view.shape().map(|shape| TemplateKey::Line { language, state: sale_state, shape });
    Ok(if let Some(template) = key.and_then(|key| edition.templates.get_or_compile(key, || page().precompile())) {
        let (nonce, ticket, view, join_key) = (&layout.nonce, &standing.id, &view, &join_key);
        let visitor =
            LineVisitor { language, nonce, now: layout.now, opens_at, ticket, number, view, left, held, join_key };
        context.precompressed(nonce, &template, &visitor.slot_values())
    } else {
        context.page(&layout.nonce, StatusCode::OK, page().render())
    })
}

/// The order that a used pass became.
async fn ordered(
    door: &WaitingRoom,
    room: &Room,
    presented: &auth::PresentedTicket<'_>,
    state: TicketState,
) -> Option<String> {
    if state != TicketState::Consumed {
        return None;
    }
    match room.standings.submit(presented.carried()).await {
        Ok(stores::queue_store::TicketStatus::Consumed { hold }) => Some(hold.order.to_string()),
        Ok(_) => None,
        Err(fault) => {
            tracing::debug!(sale = %room.key().sale, %fault, now = %door.database.now(), "the order is not linked");
            None
        }
    }
}

async fn join_form(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let joiner = join::joiner(door, sale, visitor)?;
    let joined = join::take_place(door, sale, &joiner, visitor, same_origin).await?;
    let mut response = see_other(&paths::line(sale));
    join::set_cookies(door, sale, &joiner, &joined.ticket, &mut response);
    Ok(response)
}

async fn leave_form(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let room = door.rooms.room(sale).await?;
    let presented = auth::ticket(door, sale, visitor)?;
    leave::give_up(door, &room, &presented.ticket, same_origin).await?;
    // The ticket's cookie stays, so that the page can say that the place was left and offer a new one.
    Ok(see_other(&paths::line(sale)))
}

async fn enter_form(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let room = door.rooms.room(sale).await?;
    let presented = auth::ticket(door, sale, visitor)?;
    match enter::issue_pass(door, &room, &presented.ticket, same_origin).await {
        Ok(given) => {
            let mut response = see_other(&paths::checkout(sale));
            response.headers_mut().append(header::SET_COOKIE, door.site.set_pass(sale, &given.text));
            Ok(response)
        }
        // The line's page knows best what to say to somebody whose turn it is not.
        Err(problem) if matches!(problem.code, ErrorCode::NotCalled | ErrorCode::TicketGone) => {
            Ok(see_other(&paths::line(sale)))
        }
        Err(problem) => Err(problem),
    }
}

/// The session of the browser, or a new one, ready before the opening.
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

/// What the page of the line says to this ticket.
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
