//! The mails in English.

use super::{Facts, Subject, Text};

pub(super) fn compose(facts: &Facts) -> Text {
    let (subject, opening) = match facts.subject {
        Subject::Placed => ("Your order was placed", placed(facts)),
        Subject::Paid => (
            "Your payment is confirmed",
            "Your payment is confirmed. What you ordered is yours.".to_owned(),
        ),
        Subject::Declined => (
            "Your payment was declined",
            "Your payment was declined and the order has ended. Nothing was charged. What was held for you went to the \
             next in line."
                .to_owned(),
        ),
        Subject::Expired => (
            "The time to pay has run out",
            "The time to pay has run out and the order has ended. Nothing was charged. What was held for you went to \
             the next in line."
                .to_owned(),
        ),
        Subject::Cancelled => (
            "Your order was cancelled",
            "As you asked, the order was cancelled. Nothing was charged.".to_owned(),
        ),
    };
    Text {
        subject: format!("[{}] {subject}", facts.sale_name),
        body: format!(
            "Hello,\n\n{opening}\n\n{}\n{}\nTotal: {}\n\nOrder: {}\nSee the order: {}\n\n\
             The order opens in the browser that you bought with.\n",
            facts.sale_name,
            facts.list(),
            facts.total,
            facts.order,
            facts.link
        ),
    }
}

fn placed(facts: &Facts) -> String {
    match &facts.hold_until {
        Some(until) => format!("Your order was placed. It is held for you until {until}. Please pay before then."),
        None => "Your order was placed. The address below shows how it stands now.".to_owned(),
    }
}
