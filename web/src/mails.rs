//! Mails to buyers, as plain text.
//!
//! A mail about an order is an [`OrderMail`]; the words of each kind are one file with both languages side by side. A new
//! kind is a variant of [`OrderMailKind`] and its file.

mod cancelled;
mod declined;
mod expired;
mod paid;
mod placed;
mod texts;

use askama::Template;
use sale::{Language, Money, OrderId, Timestamp};

use self::texts::Texts;

/// A mail about an order.
#[derive(Clone, Debug)]
pub struct OrderMail {
    pub kind: OrderMailKind,
    pub language: Language,
    /// In the language of the mail.
    pub sale_name: String,
    pub lines: Vec<OrderMailLine>,
    pub total: Money,
    pub order: OrderId,
    /// The address of the order's page, with its scheme and host.
    pub url: String,
}

/// What a mail about an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderMailKind {
    /// `hold_until` is set while the units are held.
    Placed {
        hold_until: Option<Timestamp>,
    },
    Paid,
    /// Declined for good; nothing was charged.
    Declined,
    Expired,
    Cancelled,
}

/// One line of the order.
#[derive(Clone, Debug)]
pub struct OrderMailLine {
    /// Name of the item in the language of the mail.
    pub name: String,
    pub quantity: u32,
}

/// The words that mails about orders share.
struct Labels {
    greeting: &'static str,
    total: &'static str,
    order: &'static str,
    see_order: &'static str,
    which_browser: &'static str,
}

const KO: Labels = Labels {
    greeting: "안녕하십니까.",
    total: "합계",
    order: "주문 번호",
    see_order: "주문 확인",
    which_browser: "주문은 구매하실 때 사용한 브라우저에서 열립니다.",
};

const EN: Labels = Labels {
    greeting: "Hello,",
    total: "Total",
    order: "Order",
    see_order: "See the order",
    which_browser: "The order opens in the browser in which you bought.",
};

#[derive(Template)]
#[template(path = "mails/order.txt", whitespace = "preserve")]
struct OrderMailTemplate<'m> {
    labels: &'static Labels,
    texts: Texts,
    language: Language,
    sale_name: &'m str,
    lines: &'m [OrderMailLine],
    total: Money,
    order: OrderId,
    url: &'m str,
}

impl OrderMail {
    pub fn subject(&self) -> String {
        format!("[{}] {}", self.sale_name, self.texts().subject)
    }

    pub fn text(&self) -> String {
        let template = OrderMailTemplate {
            labels: match self.language {
                Language::Ko => &KO,
                Language::En => &EN,
            },
            texts: self.texts(),
            language: self.language,
            sale_name: &self.sale_name,
            lines: &self.lines,
            total: self.total,
            order: self.order,
            url: &self.url,
        };
        // Only a value whose `Display` fails could stop it, and none of ours does.
        template.render().unwrap_or_default()
    }

    fn texts(&self) -> Texts {
        match self.kind {
            OrderMailKind::Placed { hold_until } => placed::texts(self.language, hold_until),
            OrderMailKind::Paid => paid::texts(self.language),
            OrderMailKind::Declined => declined::texts(self.language),
            OrderMailKind::Expired => expired::texts(self.language),
            OrderMailKind::Cancelled => cancelled::texts(self.language),
        }
    }
}
