//! The page of a request that failed.

use crate::{ErrorCode, plain::Plain};

/// What went wrong, and what to do: two sentences for each error.
#[derive(Debug)]
pub(crate) struct ErrorMessages {
    pub(crate) safe_place: &'static str,
    pub(crate) safe_money: &'static str,
    pub(crate) safe_nothing: &'static str,
    pub(crate) sale_not_found: [&'static str; 2],
    pub(crate) sale_not_open: [&'static str; 2],
    pub(crate) sale_closed: [&'static str; 2],
    pub(crate) sold_out: [&'static str; 2],
    pub(crate) ticket_missing: [&'static str; 2],
    pub(crate) ticket_gone: [&'static str; 2],
    pub(crate) not_called: [&'static str; 2],
    pub(crate) pass_missing: [&'static str; 2],
    pub(crate) pass_used: [&'static str; 2],
    pub(crate) pass_expired: [&'static str; 2],
    pub(crate) wrong_session: [&'static str; 2],
    pub(crate) cross_origin: [&'static str; 2],
    pub(crate) not_allowed: [&'static str; 2],
    pub(crate) hold_expired: [&'static str; 2],
    pub(crate) limit_reached: [&'static str; 2],
    pub(crate) invalid_quantity: [&'static str; 2],
    pub(crate) invalid_field: [&'static str; 2],
    pub(crate) in_flight: [&'static str; 2],
    pub(crate) key_reused: [&'static str; 2],
    pub(crate) rate_limited: [&'static str; 2],
    pub(crate) store_unavailable: [&'static str; 2],
    pub(crate) not_found: [&'static str; 2],
    pub(crate) order_not_found: [&'static str; 2],
    pub(crate) payment_in_progress: [&'static str; 2],
    pub(crate) already_paid: [&'static str; 2],
    pub(crate) cannot_cancel: [&'static str; 2],
    pub(crate) malformed: [&'static str; 2],
    pub(crate) conflict: [&'static str; 2],
    pub(crate) sign_in_needed: [&'static str; 2],
    pub(crate) not_supported: [&'static str; 2],
}

impl ErrorMessages {
    /// What happened, and what to do.
    pub(crate) fn message(&self, code: impl Plain<ErrorCode>) -> &[&'static str; 2] {
        match code.plain() {
            ErrorCode::SaleNotFound => &self.sale_not_found,
            ErrorCode::SaleNotOpen => &self.sale_not_open,
            ErrorCode::SaleClosed => &self.sale_closed,
            ErrorCode::SoldOut | ErrorCode::SoldOutForGood => &self.sold_out,
            ErrorCode::TicketMissing | ErrorCode::TicketInvalid => &self.ticket_missing,
            ErrorCode::TicketGone => &self.ticket_gone,
            ErrorCode::NotCalled => &self.not_called,
            ErrorCode::PassMissing | ErrorCode::PassInvalid => &self.pass_missing,
            ErrorCode::PassUsed => &self.pass_used,
            ErrorCode::PassExpired => &self.pass_expired,
            ErrorCode::WrongSession | ErrorCode::WrongSale => &self.wrong_session,
            ErrorCode::CrossOrigin => &self.cross_origin,
            ErrorCode::NotAllowed => &self.not_allowed,
            ErrorCode::HoldExpired => &self.hold_expired,
            ErrorCode::LimitReached => &self.limit_reached,
            ErrorCode::InvalidQuantity => &self.invalid_quantity,
            ErrorCode::InvalidField | ErrorCode::UnknownItem | ErrorCode::UnknownMethod => &self.invalid_field,
            ErrorCode::InFlight => &self.in_flight,
            ErrorCode::KeyReused => &self.key_reused,
            ErrorCode::RateLimited => &self.rate_limited,
            ErrorCode::StoreUnavailable | ErrorCode::Overloaded | ErrorCode::Internal => &self.store_unavailable,
            ErrorCode::NotFound | ErrorCode::MethodNotAllowed => &self.not_found,
            ErrorCode::OrderNotFound => &self.order_not_found,
            ErrorCode::PaymentInProgress => &self.payment_in_progress,
            ErrorCode::AlreadyPaid => &self.already_paid,
            ErrorCode::CannotCancel => &self.cannot_cancel,
            ErrorCode::MalformedJson
            | ErrorCode::MalformedForm
            | ErrorCode::MalformedRequest
            | ErrorCode::IdempotencyKeyMissing
            | ErrorCode::TooLarge
            | ErrorCode::UriTooLong
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::HeadersTooLarge => &self.malformed,
            ErrorCode::SaleExists | ErrorCode::PreconditionFailed | ErrorCode::PreconditionRequired => &self.conflict,
            ErrorCode::TokenMissing | ErrorCode::TokenInvalid => &self.sign_in_needed,
            ErrorCode::NotSupported => &self.not_supported,
        }
    }

    /// Whether place or money are safe, where the error makes people worry about them.
    pub(crate) const fn reassurance(&self, code: ErrorCode) -> Option<&'static str> {
        match code {
            ErrorCode::TicketMissing
            | ErrorCode::TicketInvalid
            | ErrorCode::NotCalled
            | ErrorCode::PassMissing
            | ErrorCode::PassInvalid
            | ErrorCode::WrongSession
            | ErrorCode::WrongSale
            | ErrorCode::CrossOrigin
            | ErrorCode::RateLimited
            | ErrorCode::StoreUnavailable
            | ErrorCode::Overloaded
            | ErrorCode::Internal
            | ErrorCode::MalformedJson
            | ErrorCode::MalformedForm
            | ErrorCode::MalformedRequest
            | ErrorCode::IdempotencyKeyMissing
            | ErrorCode::TooLarge
            | ErrorCode::UriTooLong
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::HeadersTooLarge
            | ErrorCode::SaleNotOpen => Some(self.safe_place),
            ErrorCode::SaleClosed
            | ErrorCode::SoldOut
            | ErrorCode::SoldOutForGood
            | ErrorCode::TicketGone
            | ErrorCode::PassUsed
            | ErrorCode::PassExpired
            | ErrorCode::HoldExpired
            | ErrorCode::LimitReached
            | ErrorCode::InvalidQuantity
            | ErrorCode::InFlight
            | ErrorCode::KeyReused
            | ErrorCode::OrderNotFound
            | ErrorCode::PaymentInProgress
            | ErrorCode::CannotCancel => Some(self.safe_money),
            ErrorCode::NotAllowed
            | ErrorCode::InvalidField
            | ErrorCode::UnknownItem
            | ErrorCode::UnknownMethod
            | ErrorCode::SaleExists
            | ErrorCode::PreconditionFailed
            | ErrorCode::PreconditionRequired
            | ErrorCode::NotSupported => Some(self.safe_nothing),
            ErrorCode::SaleNotFound
            | ErrorCode::NotFound
            | ErrorCode::MethodNotAllowed
            | ErrorCode::AlreadyPaid
            | ErrorCode::TokenMissing
            | ErrorCode::TokenInvalid => None,
        }
    }
}

pub(super) const KO: ErrorMessages = ErrorMessages {
    safe_place: "줄에 자리가 있다면 그대로 지켜집니다.",
    safe_money: "이 요청으로 청구된 금액은 없습니다.",
    safe_nothing: "바뀐 것은 없습니다.",
    sale_not_found: ["없는 판매입니다", "주소가 완전하지 않을 수 있습니다. 목록에서 모든 판매를 볼 수 있습니다."],
    sale_not_open: ["아직 오픈하지 않았습니다", "판매 페이지에서 오픈까지 남은 시간을 볼 수 있습니다."],
    sale_closed: ["판매가 끝났습니다", "판매자가 판매를 끝냈습니다. 목록에서 다른 판매를 볼 수 있습니다."],
    sold_out: ["품절되었습니다", "모두 판매되었습니다. 목록에서 다른 판매를 볼 수 있습니다."],
    ticket_missing: ["아직 이 줄에 자리가 없습니다", "판매 페이지에서 줄을 서 주십시오."],
    ticket_gone: [
        "더 이상 유효하지 않은 순서입니다",
        "줄에서 나갔거나, 이미 사용했거나, 차례가 지났습니다. 다시 줄을 설 수 있습니다.",
    ],
    not_called: ["아직 차례가 아닙니다", "대기 페이지에서 앞에 몇 명이 있는지 볼 수 있습니다."],
    pass_missing: ["아직 차례가 아닙니다", "주문은 차례가 되면 열립니다. 대기 페이지에서 언제인지 볼 수 있습니다."],
    pass_used: ["이미 사용한 차례입니다", "입장 한 번에 주문은 한 번만 할 수 있으며, 이미 주문하셨습니다."],
    pass_expired: ["이 차례의 시간이 끝났습니다", "차례가 다음 분에게 넘어갔습니다. 다시 줄을 설 수 있습니다."],
    wrong_session: ["다른 브라우저의 것입니다", "줄을 섰던 브라우저에서 열어 주십시오."],
    cross_origin: [
        "다른 사이트에서 온 요청입니다",
        "안전을 위해 처리하지 않았습니다. 이곳의 페이지를 이용해 주십시오.",
    ],
    not_allowed: ["접근 권한이 없습니다", "다른 계정으로 로그인되어 있을 수 있습니다."],
    hold_expired: ["결제 시간이 끝났습니다", "상품이 다음 분께 넘어갔습니다. 다시 줄을 설 수 있습니다."],
    limit_reached: ["1인당 구매 한도에 도달했습니다", "모두가 같은 수량까지만 살 수 있습니다."],
    invalid_quantity: ["선택할 수 없는 수량입니다", "1개부터 1인당 구매 한도까지 골라 주십시오."],
    invalid_field: ["입력한 내용을 확인해 주십시오", "고친 다음 다시 보내 주십시오."],
    in_flight: ["아직 처리하고 있습니다", "처음 보내신 요청을 처리하고 있습니다. 잠시 뒤에 다시 확인해 주십시오."],
    key_reused: ["다른 내용으로 이미 보낸 양식입니다", "페이지를 다시 열고 한 번 더 골라 주십시오."],
    rate_limited: [
        "같은 네트워크에서 접속이 몰리고 있습니다",
        "잠시 기다렸다가 다시 시도해 주십시오. 접속이 차단된 것은 아닙니다.",
    ],
    store_unavailable: ["일시적인 오류가 발생했습니다", "대개 곧 자동으로 복구됩니다. 잠시 뒤에 다시 시도해 주십시오."],
    not_found: ["페이지를 찾을 수 없습니다", "주소가 완전하지 않을 수 있습니다. 목록에서 모든 판매를 볼 수 있습니다."],
    order_not_found: [
        "주문을 찾을 수 없습니다",
        "주문은 주문한 브라우저에서만 열립니다. 그 브라우저에서 열어 주십시오.",
    ],
    payment_in_progress: [
        "이미 결제하고 있습니다",
        "주문 페이지에서 결과를 기다려 주십시오. 결제는 한 번만 청구됩니다.",
    ],
    already_paid: ["이미 결제된 주문입니다", "두 번 청구되지 않습니다. 상품은 고객님의 것입니다."],
    cannot_cancel: [
        "지금은 취소할 수 없는 주문입니다",
        "결제 중이거나 결제가 끝났습니다. 주문 페이지에서 상태를 볼 수 있습니다.",
    ],
    malformed: ["요청을 처리할 수 없습니다", "브라우저가 보낸 내용이 완전하지 않습니다. 페이지를 다시 열어 주십시오."],
    conflict: ["그사이 다른 사람이 변경했습니다", "다시 열어서 한 번 더 변경해 주십시오."],
    sign_in_needed: ["로그인해 주십시오", "콘솔은 로그인 링크로 열립니다."],
    not_supported: ["아직 지원하지 않습니다", "아직 제공하지 않는 기능입니다. 이 기능 없이 이용해 주십시오."],
};

pub(super) const EN: ErrorMessages = ErrorMessages {
    safe_place: "If you have a place in line, it is kept.",
    safe_money: "This did not charge you.",
    safe_nothing: "Nothing was changed.",
    sale_not_found: ["This sale does not exist", "The address may be incomplete. The list shows every sale."],
    sale_not_open: ["The sale has not opened yet", "The page of the sale counts down to the opening."],
    sale_closed: ["The sale is over", "The seller has ended it. The list shows other sales."],
    sold_out: ["Sold out", "Every unit has been sold. The list shows other sales."],
    ticket_missing: ["You have no place in this line yet", "Join the line on the page of the sale."],
    ticket_gone: [
        "This place in line is no longer valid",
        "It was left, used, or its turn has passed. You can join again.",
    ],
    not_called: ["It is not your turn yet", "The waiting page shows how many people are ahead of you."],
    pass_missing: ["It is not your turn yet", "Checkout opens when your turn comes. The waiting page shows when."],
    pass_used: ["This turn has been used", "Each turn allows one order, and you have placed yours."],
    pass_expired: ["The time of this turn has run out", "The turn went to the next person. You can join again."],
    wrong_session: ["This belongs to another browser", "Please use the browser in which you joined the line."],
    cross_origin: [
        "This request came from another site",
        "To protect you, it was not carried out. Please use the pages here.",
    ],
    not_allowed: ["You do not have access", "You may be signed in as somebody else."],
    hold_expired: ["The time to pay has run out", "The units are no longer held for you. You can join again."],
    limit_reached: ["You have reached the limit per buyer", "Everyone can buy up to the same number of units."],
    invalid_quantity: [
        "This quantity is not possible",
        "Please choose a quantity between one and the limit per buyer.",
    ],
    invalid_field: ["Please check the form", "Correct what you entered and send it again."],
    in_flight: ["We are still working on it", "Your first request is being processed. Please check again in a moment."],
    key_reused: [
        "This form was already sent with different contents",
        "Please open the page again and choose once more.",
    ],
    rate_limited: [
        "Too many requests from your network right now",
        "Please wait a moment and try again. You are not blocked.",
    ],
    store_unavailable: [
        "We have a problem on our side",
        "This usually fixes itself within moments. Please try again shortly.",
    ],
    not_found: ["Page not found", "The address may be incomplete. The list shows every sale."],
    order_not_found: [
        "We cannot find this order",
        "Orders open only in the browser that placed them. Please try it there.",
    ],
    payment_in_progress: [
        "A payment is already under way",
        "Wait for its result on the page of the order. You are charged once at most.",
    ],
    already_paid: ["This order is already paid", "You are not charged a second time. The unit is yours."],
    cannot_cancel: [
        "This order cannot be cancelled now",
        "Its payment is under way or done. The page of the order shows its current state.",
    ],
    malformed: ["We could not read this request", "The browser sent something incomplete. Please open the page again."],
    conflict: ["Somebody else changed this in the meantime", "Please open it again and repeat your change."],
    sign_in_needed: ["Please sign in", "The console opens with a sign-in link."],
    not_supported: ["This is not supported yet", "Openrun does not offer this yet. Please go on without it."],
};
