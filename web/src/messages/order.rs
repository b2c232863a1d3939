//! `/orders/{order}`: one order.

use sale::OrderState;

use super::Plain;

/// A short label for lists, and the four answers that every state of an order gives its buyer.
#[derive(Debug)]
pub(crate) struct OrderStateMessages {
    pub(crate) label: &'static str,
    pub(crate) state: &'static str,
    pub(crate) money: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) next: &'static str,
}

/// One order.
#[derive(Debug)]
pub(crate) struct OrderMessages {
    pub(crate) pending_payment: OrderStateMessages,
    pub(crate) payment_processing: OrderStateMessages,
    pub(crate) paid: OrderStateMessages,
    pub(crate) expired: OrderStateMessages,
    pub(crate) cancelled: OrderStateMessages,
    pub(crate) payment_failed: OrderStateMessages,
    pub(crate) payment_unknown: OrderStateMessages,
    pub(crate) needs_review: OrderStateMessages,
    pub(crate) refund_pending: OrderStateMessages,
    pub(crate) refunded: OrderStateMessages,
    pub(crate) delayed: &'static str,
    pub(crate) money: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) next: &'static str,
    pub(crate) number: &'static str,
    pub(crate) what: &'static str,
    pub(crate) history: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) cancel_what: &'static str,
    pub(crate) cancel_sure: &'static str,
    pub(crate) live: &'static str,
    pub(crate) check: &'static str,
    pub(crate) go_pay: &'static str,
    pub(crate) keep_address: &'static str,
}

impl OrderMessages {
    pub(crate) fn state(&self, state: impl Plain<OrderState>) -> &OrderStateMessages {
        match state.plain() {
            OrderState::PendingPayment => &self.pending_payment,
            OrderState::PaymentProcessing => &self.payment_processing,
            OrderState::PaymentUnknown => &self.payment_unknown,
            OrderState::Paid => &self.paid,
            OrderState::PaymentFailed => &self.payment_failed,
            OrderState::Expired => &self.expired,
            OrderState::Cancelled => &self.cancelled,
            OrderState::RefundPending => &self.refund_pending,
            OrderState::Refunded => &self.refunded,
            OrderState::NeedsReview => &self.needs_review,
        }
    }
}

pub(super) const KO: OrderMessages = OrderMessages {
    pending_payment: OrderStateMessages {
        label: "결제 대기",
        state: "결제를 기다리고 있습니다",
        money: "청구된 금액은 없습니다.",
        unit: "이 페이지에 적힌 시각까지 보관됩니다.",
        next: "시간이 끝나기 전에 결제해 주십시오. 그 뒤에는 다음 분에게 넘어가며 청구되지 않습니다.",
    },
    payment_processing: OrderStateMessages {
        label: "결제 중",
        state: "결제하고 있습니다",
        money: "몇 번을 새로고침해도 한 번만 청구됩니다.",
        unit: "결제하는 동안 보관됩니다.",
        next: "보통 몇 초 안에 결과가 나옵니다. 페이지를 닫아도 결제는 이어집니다.",
    },
    paid: OrderStateMessages {
        label: "결제 완료",
        state: "결제되었습니다",
        money: "아래 합계가 한 번 청구되었습니다.",
        unit: "고객님의 것입니다.",
        next: "이 페이지의 주소를 보관해 주십시오. 판매자가 주문을 준비합니다.",
    },
    expired: OrderStateMessages {
        label: "시간 만료",
        state: "결제 시간이 끝났습니다",
        money: "청구된 금액은 없습니다. 늦게 결제가 들어오면 상품을 드리거나 전액을 돌려드립니다.",
        unit: "다음 분께 넘어갔습니다.",
        next: "판매 중이면 다시 줄을 설 수 있습니다.",
    },
    cancelled: OrderStateMessages {
        label: "취소",
        state: "취소되었습니다",
        money: "청구된 금액은 없습니다. 늦게 결제가 들어오면 상품을 드리거나 전액을 돌려드립니다.",
        unit: "다음 분께 넘어갔습니다.",
        next: "더 하실 일은 없습니다.",
    },
    payment_failed: OrderStateMessages {
        label: "결제 거절",
        state: "결제가 거절되었습니다",
        money: "청구된 금액은 없습니다.",
        unit: "다음 분께 넘어갔습니다.",
        next: "판매 중이면 다시 줄을 설 수 있습니다.",
    },
    payment_unknown: OrderStateMessages {
        label: "결과 확인 중",
        state: "결제 결과를 아직 모릅니다",
        money: "결제는 한 번만 청구됩니다. 청구되었다면 상품을 드리거나 전액을 돌려드립니다.",
        unit: "결과를 알 때까지 보관됩니다.",
        next: "결제사에 계속 확인하고 있으며 보통 몇 분 걸립니다. 다른 곳에서 다시 결제하지 마십시오.",
    },
    needs_review: OrderStateMessages {
        label: "확인 필요",
        state: "담당자가 확인하고 있습니다",
        money: "결제 내용을 확인해야 합니다. 그동안 더 청구되지 않습니다.",
        unit: "해결될 때까지 그대로 둡니다.",
        next: "판매자가 확인하며 결과는 이 페이지에 나옵니다. 따로 하실 일은 없습니다.",
    },
    refund_pending: OrderStateMessages {
        label: "환불 중",
        state: "환불하고 있습니다",
        money: "전액 환불을 요청했습니다.",
        unit: "더 이상 보관되지 않습니다.",
        next: "환불 시점은 은행에 따라 다르며 보통 영업일 5일 안에 들어옵니다. 끝나면 이 페이지에 나옵니다.",
    },
    refunded: OrderStateMessages {
        label: "환불 완료",
        state: "환불되었습니다",
        money: "전액을 돌려드렸습니다.",
        unit: "더 이상 보관되지 않습니다.",
        next: "더 하실 일은 없습니다. 은행에 보이기까지 며칠 걸릴 수 있습니다.",
    },
    delayed: "지금 결제가 늦어지고 있습니다. 결제를 시도할 때까지 상품은 보관되며 시간은 끝나지 않습니다.",
    money: "결제 상태",
    unit: "상품 상태",
    next: "다음 안내",
    number: "주문",
    what: "주문한 상품",
    history: "진행 기록",
    cancel: "주문 취소",
    cancel_what: "상품이 다음 분에게 넘어가며 되돌릴 수 없습니다. 청구되지 않습니다.",
    cancel_sure: "네, 주문을 취소합니다",
    live: "이 페이지는 자동으로 갱신됩니다.",
    check: "다시 확인",
    go_pay: "결제 계속하기",
    keep_address: "이 페이지를 닫아도 같은 주소로 다시 열 수 있습니다.",
};

pub(super) const EN: OrderMessages = OrderMessages {
    pending_payment: OrderStateMessages {
        label: "Awaiting payment",
        state: "Waiting for your payment",
        money: "Nothing has been charged.",
        unit: "Held for you until the time on this page.",
        next: "Pay before the time is over. After that the unit goes to the next person, and nothing is charged.",
    },
    payment_processing: OrderStateMessages {
        label: "Paying",
        state: "Your payment is under way",
        money: "You are charged once at most, however often you reload.",
        unit: "Held for you while the payment is under way.",
        next: "The answer usually comes within seconds. You may close this page; it goes on without you.",
    },
    paid: OrderStateMessages {
        label: "Paid",
        state: "Paid",
        money: "Charged once, the total below.",
        unit: "It is yours.",
        next: "Keep the address of this page. The seller is preparing your order.",
    },
    expired: OrderStateMessages {
        label: "Expired",
        state: "The time to pay has run out",
        money: "Nothing was charged. Should a late payment still arrive, you get the unit or all of the money back.",
        unit: "It is no longer held for you: the next person in line can have it.",
        next: "You can join the line again while the sale is open.",
    },
    cancelled: OrderStateMessages {
        label: "Cancelled",
        state: "Cancelled",
        money: "Nothing was charged. Should a late payment still arrive, you get the unit or all of the money back.",
        unit: "It is no longer held for you: the next person in line can have it.",
        next: "There is nothing more to do.",
    },
    payment_failed: OrderStateMessages {
        label: "Declined",
        state: "The payment was declined",
        money: "Nothing was charged.",
        unit: "It is no longer held for you: the next person in line can have it.",
        next: "You can join the line again while the sale is open.",
    },
    payment_unknown: OrderStateMessages {
        label: "Result unknown",
        state: "We do not know yet whether the payment went through",
        money: "You are charged once at most. If it was charged, you get the unit or all of the money back.",
        unit: "Held for you until we know.",
        next: "We keep asking the payment provider, usually for a few minutes. Please do not pay again elsewhere.",
    },
    needs_review: OrderStateMessages {
        label: "Needs review",
        state: "A person is looking at this order",
        money: "Something about this payment needs checking. Nothing more is charged in the meantime.",
        unit: "It stays as it is until this is resolved.",
        next: "The seller checks it, and this page shows the result. You don't need to do anything.",
    },
    refund_pending: OrderStateMessages {
        label: "Refunding",
        state: "Your money is on its way back",
        money: "A refund of the full total has been requested.",
        unit: "It is no longer held for you.",
        next: "How soon it shows depends on your bank, usually within five working days. This page shows when it is done.",
    },
    refunded: OrderStateMessages {
        label: "Refunded",
        state: "Refunded",
        money: "The full total has been refunded.",
        unit: "It is no longer held for you.",
        next: "There is nothing more to do. Your bank may need a few days to show it.",
    },
    delayed: "Payments are delayed right now. Your unit stays held until your payment has been attempted; your time does not run out.",
    money: "Your money",
    unit: "Your unit",
    next: "What happens next",
    number: "Order",
    what: "What you ordered",
    history: "History",
    cancel: "Cancel this order",
    cancel_what: "The unit goes to the next person. This cannot be undone. Nothing is charged.",
    cancel_sure: "Yes, cancel the order",
    live: "This page updates automatically.",
    check: "Check again",
    go_pay: "Continue to the payment",
    keep_address: "You can close this page and come back to this address.",
};
