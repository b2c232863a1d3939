//! Every mail in both languages, as its reader gets it.

use sale::{Language, OrderId, Timestamp, testing::won};
use web::mails::{OrderMail, OrderMailKind, OrderMailLine};

fn mail(kind: OrderMailKind, language: Language) -> OrderMail {
    let order = OrderId::derive(Timestamp::from_millis(1_780_000_000_000), &[b"mail"]);
    let line = |name: &str, quantity| OrderMailLine { name: name.to_owned(), quantity };
    OrderMail {
        kind,
        language,
        sale_name: "Limited sneaker".to_owned(),
        lines: vec![line("One pair", 1), line("Laces", 2)],
        total: won(189_000),
        order,
        url: format!("https://line.example.com/orders/{order}"),
    }
}

#[test]
fn the_texts_are_what_was_agreed() {
    let kinds = [
        OrderMailKind::Placed { hold_until: Some(Timestamp::from_millis(1_780_000_300_000)) },
        OrderMailKind::Placed { hold_until: None },
        OrderMailKind::Paid,
        OrderMailKind::Declined,
        OrderMailKind::Expired,
        OrderMailKind::Cancelled,
    ];
    for language in Language::ALL {
        let texts = kinds.map(|kind| {
            let mail = mail(kind, language);
            format!("Subject: {}\n\n{}", mail.subject(), mail.text())
        });
        insta::assert_snapshot!(format!("mails_{}", language.tag()), texts.join("\n----\n"));
    }
}
