//! The seller's console.

use std::collections::BTreeMap;

use sale::{Language, LiveFigures, OrderState, SaleState, UnitCounts, sale::Mode, testing::won};
use web::pages::console::{
    AdmissionForm, Change, ChangeKind, ConsoleOrderRow, ConsoleOrdersPage, ConsoleSalePage, ConsoleSaleRow,
    ConsoleSalesPage, Fault, FieldFault, ItemField, ItemForm, MailPage, MailRow, MailboxPage, Purpose, SaleField,
    SaleForm, SaleFormPage, SignIn, SignInPage, Trouble,
};

use super::{Sample, after, layout, pick, sale_name, sample};

pub(super) fn all(language: Language) -> Vec<Sample> {
    let mut samples = sign_in(language);
    samples.extend(sales(language));
    samples.extend(sale(language));
    samples.extend(form(language));
    samples.extend(orders(language));
    samples.extend(mailbox(language));
    samples
}

fn sign_in(language: Language) -> Vec<Sample> {
    let page = |state| SignInPage { layout: layout(language, "/console"), state }.render();
    vec![
        sample("console-sign-in", page(SignIn::Explained { demo: true })),
        sample("console-sign-in-confirm", page(SignIn::Confirm { token: "example-token".to_owned() })),
        sample("console-sign-in-refused", page(SignIn::Refused)),
    ]
}

fn sales(language: Language) -> Vec<Sample> {
    let row = |id: &str, name, state, sold| ConsoleSaleRow {
        id: id.to_owned(),
        name,
        state,
        opens_at: after(-900),
        waiting: 8431,
        sold,
        units: 1000,
    };
    let rows = vec![
        row("sneaker", sale_name(language), SaleState::Open, 657),
        row("vase", pick(language, "백자 달항아리", "Moon jar"), SaleState::Scheduled, 0),
    ];
    let page = |sales, demo| ConsoleSalesPage { layout: layout(language, "/console"), sales, demo }.render();
    vec![sample("console-sales", page(rows, true)), sample("console-sales-none", page(Vec::new(), false))]
}

fn figures(state: SaleState) -> LiveFigures {
    LiveFigures {
        state,
        waiting: 8431,
        called: 14,
        active: 186,
        max_active: 200,
        called_total: 1204,
        admitted_total: 1190,
        rate_per_minute: 600,
        units: UnitCounts { total: 1000, free: 312, held: 31, sold: 657 },
        orders: BTreeMap::from([
            (OrderState::Paid, 657),
            (OrderState::PendingPayment, 19),
            (OrderState::PaymentProcessing, 12),
            (OrderState::PaymentFailed, 44),
        ]),
        conservation: 0,
        payment_seconds: Some(1.84),
    }
}

fn sale(language: Language) -> Vec<Sample> {
    let page = |state| ConsoleSalePage {
        layout: layout(language, "/console/sales/sneaker"),
        sale: "sneaker".to_owned(),
        name: sale_name(language),
        opens_at: after(-900),
        figures: figures(state),
        admission: AdmissionForm { per_minute: "600".into(), max_active: "200".into(), overcall: "0".into() },
        trouble: Vec::new(),
        changes: [
            ChangeKind::Other("reset".to_owned()),
            ChangeKind::Closed,
            ChangeKind::Resumed,
            ChangeKind::Paused,
            ChangeKind::Admission(Some(sale::Admission {
                mode: Mode::Manual,
                per_minute: 600,
                max_active: 200,
                overcall: 0.0,
            })),
            ChangeKind::Admission(None),
            ChangeKind::Edited,
            ChangeKind::Created,
        ]
        .into_iter()
        .map(|kind| Change { at: after(-140), kind })
        .collect(),
        saved: false,
        faults: Vec::new(),
    };
    let mut trouble = page(SaleState::Open);
    trouble.figures.conservation = 2;
    trouble.trouble = vec![
        Trouble::Store,
        Trouble::Conservation(2),
        Trouble::NeedsReview(1),
        Trouble::PaymentUnknown(3),
        Trouble::Payments,
        Trouble::Events(1200),
    ];
    let mut fault = page(SaleState::Open);
    "-5".clone_into(&mut fault.admission.per_minute);
    fault.faults = vec![FieldFault { field: SaleField::PerMinute, fault: Fault::NotBetween(0, 100_000) }];
    let saved = ConsoleSalePage { saved: true, ..page(SaleState::Paused) };
    vec![
        sample("console-sale", page(SaleState::Open).render()),
        sample("console-sale-paused", saved.render()),
        sample("console-sale-trouble", trouble.render()),
        sample("console-sale-fault", fault.render()),
        sample("console-sale-closed", page(SaleState::Closed).render()),
    ]
}

fn form(language: Language) -> Vec<Sample> {
    let form = SaleForm {
        version: "7".to_owned(),
        id: "sneaker".to_owned(),
        name_ko: "한정판 운동화".to_owned(),
        name_en: "Limited sneaker".to_owned(),
        opens_at: "2026-11-21T18:00".to_owned(),
        per_buyer_limit: "1".to_owned(),
        hold_seconds: "300".to_owned(),
        items: vec![ItemForm { id: "pair".to_owned(), units: "1000".to_owned(), ..ItemForm::default() }],
        ..SaleForm::default()
    };
    // The Korean name of a sale stands in the English form too; the test of languages leaves fields out.
    let page = |purpose| SaleFormPage {
        layout: layout(language, "/console/sales/new"),
        purpose,
        form: form.clone(),
        faults: Vec::new(),
        changed_meanwhile: false,
    };
    let faulty = |field, fault| FieldFault { field, fault };
    let edit = || Purpose::Edit { sale: "sneaker".to_owned() };
    let blank = SaleForm { items: vec![ItemForm::default(); 2], ..SaleForm::default() };
    let empty = SaleFormPage { form: blank, ..page(Purpose::Create) };
    let faults = vec![
        faulty(SaleField::Id, Fault::Taken),
        faulty(SaleField::NameKo, Fault::Required),
        faulty(SaleField::ClosesAt, Fault::OrderOfTimes),
        faulty(SaleField::Item(0, ItemField::Units), Fault::NotBetween(1, 1_000_000)),
        faulty(SaleField::Item(0, ItemField::Currency), Fault::Currency),
    ];
    let wrong = SaleFormPage { faults, ..page(Purpose::Create) };
    let below = vec![faulty(SaleField::Item(0, ItemField::Units), Fault::BelowSold(688))];
    let conflict = SaleFormPage { changed_meanwhile: true, faults: below, ..page(edit()) };
    vec![
        sample("console-create", empty.render()),
        sample("console-create-faults", wrong.render()),
        sample("console-edit", page(edit()).render()),
        sample("console-edit-conflict", conflict.render()),
    ]
}

fn orders(language: Language) -> Vec<Sample> {
    let rows = OrderState::ALL.iter().enumerate().map(|(index, &state)| ConsoleOrderRow {
        id: format!("01JD22222222222222222222{index:02}"),
        state,
        units: 1,
        total: won(189_000),
        placed_at: after(-60),
    });
    let page = |orders, next_cursor| ConsoleOrdersPage {
        layout: layout(language, "/console/sales/sneaker/orders"),
        sale: "sneaker".to_owned(),
        name: sale_name(language),
        orders,
        next_cursor,
    };
    vec![
        sample("console-orders", page(rows.collect(), Some("older".to_owned())).render()),
        sample("console-orders-none", page(Vec::new(), None).render()),
    ]
}

fn mailbox(language: Language) -> Vec<Sample> {
    let mail = MailRow {
        id: "01JD4444444444444444444444".to_owned(),
        to: "me@example.com".to_owned(),
        subject: pick(language, "결제되었습니다: 한정판 운동화", "Paid: Limited sneaker"),
        at: after(-30),
    };
    let text = pick(language, "결제되었습니다.\n\n주문 01JD2222", "Your payment went through.\n\nOrder 01JD2222");
    let list = |mails| MailboxPage { layout: layout(language, "/console/mailbox"), mails }.render();
    let one = MailPage {
        layout: layout(language, "/console/mailbox/1"),
        mail: mail.clone(),
        language: language.tag().into(),
        text,
    };
    vec![
        sample("console-mailbox", list(vec![mail])),
        sample("console-mailbox-none", list(Vec::new())),
        sample("console-mail", one.render()),
    ]
}
