//! Checkout and order.

use sale::{Language, OrderState, testing::won};
use web::{
    ErrorCode,
    pages::{CheckoutPage, CheckoutState, Choice, HeldOrder, HistoryEntry, OrderLine, OrderPage, QuantityFault},
};

use super::{Sample, after, layout, pick, sale_name, sample};

const ORDER: &str = "01JD2222222222222222222222";

fn lines(language: Language) -> Vec<OrderLine> {
    vec![OrderLine { name: pick(language, "흰색 한 켤레", "One pair, white"), quantity: 1, total: won(189_000) }]
}

fn held(language: Language) -> HeldOrder {
    let methods = ["ok", "declined", "declined_once", "leave", "timeout", "slow", "random"];
    HeldOrder {
        order: ORDER.to_owned(),
        lines: lines(language),
        total: won(189_000),
        until: after(278),
        methods: methods.map(|method| format!("sandbox_{method}")).into(),
        key: "01JD3333333333333333333333".to_owned(),
    }
}

pub(super) fn checkout(language: Language) -> Vec<Sample> {
    let page = |state| {
        let (sale, path) = ("sneaker".to_owned(), "/sales/sneaker/checkout");
        CheckoutPage { layout: layout(language, path), sale, sale_name: sale_name(language), state }.render()
    };
    let choice = |id: &str, name, most, quantity: &str, fault| Choice {
        id: id.to_owned(),
        name,
        price: won(189_000),
        most,
        quantity: quantity.to_owned(),
        fault,
    };
    let choosing = |(quantity, fault), (email, is_email_invalid): (&str, bool), error| CheckoutState::Choosing {
        choices: vec![
            choice("white", pick(language, "흰색 한 켤레", "One pair, white"), 2, quantity, fault),
            choice("ink", pick(language, "먹색 한 켤레", "One pair, ink"), 0, "0", None),
        ],
        pass_until: after(583),
        per_buyer_limit: 2,
        hold_seconds: 300,
        email: email.to_owned(),
        is_email_invalid,
        error,
        key: "01JD3333333333333333333333".to_owned(),
    };
    vec![
        sample("checkout-choosing", page(choosing(("1", None), ("", false), None))),
        sample(
            "checkout-choosing-quantity",
            page(choosing(
                ("9", Some(QuantityFault::OutOfRange)),
                ("me@example.com", false),
                Some(ErrorCode::InvalidQuantity),
            )),
        ),
        sample(
            "checkout-choosing-limit",
            page(choosing(("2", Some(QuantityFault::AboveLimit)), ("", false), Some(ErrorCode::LimitReached))),
        ),
        sample(
            "checkout-choosing-email",
            page(choosing(("1", None), ("me@example", true), Some(ErrorCode::InvalidField))),
        ),
        sample("checkout-held", page(CheckoutState::Held(held(language)))),
        sample("checkout-declined", page(CheckoutState::Declined(held(language)))),
        sample("checkout-paying", page(CheckoutState::Paying { order: ORDER.to_owned() })),
        sample("checkout-hold-expired", page(CheckoutState::HoldExpired)),
        sample("checkout-sold-out", page(CheckoutState::SoldOut { pass_until: after(241) })),
        sample("checkout-pass-used", page(CheckoutState::PassUsed { order: Some(ORDER.to_owned()) })),
        sample("checkout-pass-used-unknown", page(CheckoutState::PassUsed { order: None })),
        sample("checkout-pass-expired", page(CheckoutState::PassExpired)),
    ]
}

fn page(language: Language, state: OrderState) -> OrderPage {
    let entry = |state, seconds| HistoryEntry { state, at: after(seconds) };
    let mut history = vec![entry(OrderState::PendingPayment, -64)];
    if state != OrderState::PendingPayment {
        history.push(entry(OrderState::PaymentProcessing, -21));
        history.push(entry(state, -4));
    }
    OrderPage {
        layout: layout(language, "/orders/01JD2222222222222222222222"),
        order: ORDER.to_owned(),
        sale: "sneaker".to_owned(),
        sale_name: sale_name(language),
        state,
        lines: lines(language),
        total: won(189_000),
        payment: (state == OrderState::PendingPayment).then(|| held(language)),
        attempt: None,
        redirect_url: None,
        delayed: false,
        cancellable: state == OrderState::PendingPayment,
        history,
    }
}

pub(super) fn order(language: Language) -> Vec<Sample> {
    let mut samples: Vec<Sample> = OrderState::ALL
        .iter()
        .map(|&state| sample(format!("order-{}", state.as_str()), page(language, state).render()))
        .collect();
    let declined = OrderPage { attempt: Some("declined".to_owned()), ..page(language, OrderState::PendingPayment) };
    let delayed = OrderPage { delayed: true, ..page(language, OrderState::PaymentProcessing) };
    let redirect = OrderPage {
        redirect_url: Some("https://pay.example.com/confirm".to_owned()),
        ..page(language, OrderState::PaymentProcessing)
    };
    samples.push(sample("order-declined", declined.render()));
    samples.push(sample("order-delayed", delayed.render()));
    samples.push(sample("order-redirect", redirect.render()));
    samples
}
