//! The pages of a sale and its line, from memory: everybody reloads them at the opening, so what is the same for all is
//! rendered and packed once per edition. Views that few people see are rendered for each.

use http::{Response, StatusCode, header};
use sale::{Language, SaleId, SaleState, SessionId, frame::ItemLeft, standing::TicketState};
use web::{
    Body, Code, Problem,
    answer::{Visit, see_other},
    pages::{ItemCard, LinePage, LineView, LineVisitor, SalePage, SaleVisitor, WayOn},
};

use crate::{
    Page, Request, WaitingRoom, ask,
    edition::Form,
    enter, join, leave,
    room::Room,
    standing::{Standing, stand},
};

/// Answers a page of the hot path; what did not work becomes a page that says so and leads on.
pub async fn page(door: &WaitingRoom, page: Page, request: Request<'_>) -> Response<Body> {
    let (answered, way_on) = match page {
        Page::Sale(sale) => (sale_page(door, &sale, request).await, WayOn::Sales),
        Page::Line(sale) => (line_page(door, &sale, request).await, WayOn::Sale(sale.to_string())),
        Page::JoinForm(sale) => (join_form(door, &sale, request).await, WayOn::Sale(sale.to_string())),
        Page::LeaveForm(sale) => (leave_form(door, &sale, request).await, WayOn::Line(sale.to_string())),
        Page::EnterForm(sale) => (enter_form(door, &sale, request).await, WayOn::Line(sale.to_string())),
    };
    answered.unwrap_or_else(|problem| refuse(door, request, &problem, way_on))
}

pub fn visit<'r>(door: &'r WaitingRoom, request: Request<'r>) -> Visit<'r> {
    Visit { site: &door.site, headers: &request.parts.headers, uri: &request.parts.uri, now: door.database.now() }
}

/// A page for a problem of the front door.
pub fn refuse(door: &WaitingRoom, request: Request<'_>, problem: &Problem, way_on: WayOn) -> Response<Body> {
    let way_on = if problem.code == Code::SaleNotFound { WayOn::Sales } else { way_on };
    visit(door, request).notice(problem, way_on)
}

async fn sale_page(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    let room = door.rooms.room(sale).await?;
    let (session, is_new) = session(door, request);
    let number = ask::own_ticket(door, sale, &session, request)
        .map(|asked| asked.ticket.number)
        .filter(|number| !room.has_left(*number));
    let edition = room.edition();
    let (known, frame) = (&edition.known.sale, &edition.shown.frame);
    let visit = visit(door, request);
    let (shell, join_key) = (visit.shell(), SessionId::random().reveal());
    let (language, opens_at) = (shell.language, known.opens_at);
    let state = room.state(visit.now);
    let page = || SalePage {
        shell: shell.clone(),
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
    let form = Form::Sale { language, state, has_ticket: number.is_some() };
    let mut response = if let Some(mold) = edition.molds.of(form, || page().mold()) {
        let (nonce, join_key) = (&shell.nonce, &join_key);
        let visitor = SaleVisitor { language, nonce, now: shell.now, opens_at, number, join_key };
        visit.filled(nonce, &mold, &visitor.texts())
    } else {
        visit.page(&shell.nonce, StatusCode::OK, page().render())
    };
    if is_new {
        response.headers_mut().append(header::SET_COOKIE, door.site.set_session(&session));
    }
    Ok(response)
}

async fn line_page(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    let room = door.rooms.room(sale).await?;
    let asked = match ask::ticket(door, sale, request) {
        Ok(asked) => asked,
        // Without a ticket the way to a place is the page of the sale.
        Err(problem) if problem.code == Code::TicketMissing => return Ok(see_other(&format!("/sales/{sale}"))),
        Err(problem) => return Err(problem),
    };
    let standing = stand(door, &room, &asked.ticket).await?;
    let order = ordered(door, &room, &asked, standing.state).await;
    let edition = room.edition();
    let (known, frame) = (&edition.known.sale, &edition.shown.frame);
    let visit = visit(door, request);
    let (shell, join_key) = (visit.shell(), SessionId::random().reveal());
    let (language, opens_at) = (shell.language, known.opens_at);
    let sale_state = room.state(visit.now);
    // In trouble the last frame still says how many may be ahead, and the page says that there is trouble.
    let most_ahead = standing.ahead.or_else(|| edition.shown.ahead(standing.number));
    let view = view(&standing, most_ahead.unwrap_or(0), sale_state, order);
    let left = frame.items.iter().map(|item| item.left).fold(0, u64::saturating_add);
    let held = frame.items.iter().map(|item| item.held).fold(0, u64::saturating_add);
    let number = standing.number;
    let page = || LinePage {
        shell: shell.clone(),
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
    let form = view.shape().map(|shape| Form::Line { language, state: sale_state, shape });
    Ok(if let Some(mold) = form.and_then(|form| edition.molds.of(form, || page().mold())) {
        let (nonce, ticket, view, join_key) = (&shell.nonce, &standing.id, &view, &join_key);
        let visitor =
            LineVisitor { language, nonce, now: shell.now, opens_at, ticket, number, view, left, held, join_key };
        visit.filled(nonce, &mold, &visitor.texts())
    } else {
        visit.page(&shell.nonce, StatusCode::OK, page().render())
    })
}

/// The order that a used pass became.
async fn ordered(door: &WaitingRoom, room: &Room, asked: &ask::Asked<'_>, state: TicketState) -> Option<String> {
    if state != TicketState::Consumed {
        return None;
    }
    match room.standings.ask(asked.carried()).await {
        Ok(stores::queue_store::TicketStatus::Consumed { hold }) => Some(hold.order.to_string()),
        Ok(_) => None,
        Err(fault) => {
            tracing::debug!(sale = %room.key().sale, %fault, now = %door.database.now(), "the order is not linked");
            None
        }
    }
}

async fn join_form(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    let joiner = join::joiner(door, sale, request)?;
    let joined = join::take_place(door, sale, &joiner, request).await?;
    let mut response = see_other(&format!("/sales/{sale}/line"));
    join::set_cookies(door, sale, &joiner, &joined.ticket, &mut response);
    Ok(response)
}

async fn leave_form(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    door.site.check_origin(&request.parts.method, &request.parts.headers)?;
    let room = door.rooms.room(sale).await?;
    let asked = ask::ticket(door, sale, request)?;
    leave::give_up(door, &room, &asked.ticket).await?;
    // The ticket's cookie stays, so that the page can say that the place was left and offer a new one.
    Ok(see_other(&format!("/sales/{sale}/line")))
}

async fn enter_form(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    door.site.check_origin(&request.parts.method, &request.parts.headers)?;
    let room = door.rooms.room(sale).await?;
    let asked = ask::ticket(door, sale, request)?;
    match enter::come_in(door, &room, &asked.ticket).await {
        Ok(given) => {
            let mut response = see_other(&format!("/sales/{sale}/checkout"));
            response.headers_mut().append(header::SET_COOKIE, door.site.set_pass(sale, &given.text));
            Ok(response)
        }
        // The line's page knows best what to say to somebody whose turn it is not.
        Err(problem) if matches!(problem.code, Code::NotCalled | Code::TicketGone) => {
            Ok(see_other(&format!("/sales/{sale}/line")))
        }
        Err(problem) => Err(problem),
    }
}

/// The session of the browser, or a new one, ready before the opening.
fn session(door: &WaitingRoom, request: Request<'_>) -> (SessionId, bool) {
    match door.site.session(&request.parts.headers) {
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
