//! `/console/sales/new` and `/console/sales/{sale}/edit`: what was typed is kept, each fault stands at its field.

use std::collections::BTreeMap;

use askama::Template;

use crate::{Layout, assets, messages::ConsoleFieldsMessages, pages::rendered, paths};

/// The form. Fields: `id`, `name_ko`, `name_en`, `opens_at`, `closes_at`, `per_buyer_limit`, `hold_seconds`,
/// `enter_seconds`, `pass_seconds`, `per_minute`, `max_active`, `overcall`, and for each item from 0 on `item_0_id`,
/// `item_0_name_ko`, `item_0_name_en`, `item_0_amount`, `item_0_currency`, `item_0_units`. Times are
/// `datetime-local` in Korean time; see [`crate::format::from_korean_input`].
#[derive(Clone, Debug, Template)]
#[template(path = "console/sale_form.html")]
pub struct SaleFormPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// A new sale, or which one.
    pub purpose: Purpose,
    /// What stands in the fields: the sale as it is, or what was typed.
    pub values: BTreeMap<String, String>,
    /// How many items the form shows; a second or third may stay empty.
    pub items: usize,
    /// What is wrong, in the order of the fields.
    pub faults: Vec<FieldFault>,
    /// Somebody else saved meanwhile; `version` is the new one.
    pub changed_meanwhile: bool,
}

/// What the form is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// A new sale: POST `/console/sales`.
    Create,
    /// A change: POST `/console/sales/{sale}/edit`.
    Edit {
        /// Id of the sale.
        sale: String,
        /// Its `ETag`, sent back in the hidden field `version`.
        version: String,
    },
}

/// A fault at a field.
#[derive(Clone, Debug)]
pub struct FieldFault {
    /// Name of the field.
    pub field: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Empty.
    Required,
    /// Not a whole number.
    NotANumber,
    /// Outside of these.
    NotBetween(u64, u64),
    /// Not a valid id.
    Id,
    /// The id is used.
    Taken,
    /// Not a time.
    Time,
    /// Closes before it opens.
    OrderOfTimes,
    /// Not a currency code.
    Currency,
    /// So many units are held or sold.
    BelowSold(u64),
    /// Not built yet.
    NotSupported,
    /// Anything else.
    Invalid,
}

impl SaleFormPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    fn title(&self) -> &'static str {
        let console = &self.layout.messages().console;
        match self.purpose {
            Purpose::Create => console.sale_form.create_title,
            Purpose::Edit { .. } => console.sale_form.edit_title,
        }
    }

    fn action(&self) -> String {
        match &self.purpose {
            Purpose::Create => paths::console::sales(),
            Purpose::Edit { sale, .. } => paths::console::edit_sale(sale),
        }
    }

    fn submit(&self) -> &'static str {
        let console = &self.layout.messages().console;
        match self.purpose {
            Purpose::Create => console.sales.create,
            Purpose::Edit { .. } => console.sale_form.save,
        }
    }

    const fn is_new(&self) -> bool {
        matches!(self.purpose, Purpose::Create)
    }

    fn text(&self, name: &'static str, label: &'static str, hint: &'static str) -> Field<'_> {
        self.field(name.to_owned(), label, hint, "text")
    }

    fn number(&self, name: &'static str, label: &'static str, hint: &'static str) -> Field<'_> {
        self.field(name.to_owned(), label, hint, "number")
    }

    fn time(&self, name: &'static str, label: &'static str, hint: &'static str) -> Field<'_> {
        self.field(name.to_owned(), label, hint, "datetime-local")
    }

    /// The legend and the fields of every item.
    fn item_fields(&self) -> Vec<(String, [Field<'_>; 6])> {
        let console = &self.layout.messages().console;
        (0..self.items).map(|index| (console.sale_form.item.with(index + 1), self.item(index))).collect()
    }

    fn item(&self, index: usize) -> [Field<'_>; 6] {
        let console = &self.layout.messages().console;
        let named = |part: &str| format!("item_{index}_{part}");
        [
            self.field(
                named("id"),
                console.sale_form.item_id,
                if index == 0 { console.sale_form.id_hint } else { console.sale_form.item_hint },
                "text",
            ),
            self.field(named("name_ko"), console.sale_form.name_ko, "", "text"),
            self.field(named("name_en"), console.sale_form.name_en, "", "text"),
            self.field(named("amount"), console.sale_form.price, console.sale_form.price_hint, "number"),
            self.field(named("currency"), console.sale_form.currency, "", "text"),
            self.field(named("units"), console.sale_form.units, "", "number"),
        ]
    }

    fn field(&self, name: String, label: &'static str, hint: &'static str, kind: &'static str) -> Field<'_> {
        let fault = fault_words(&self.faults, &name, &self.layout.messages().console.fields);
        let value = self.values.get(&name).map_or("", String::as_str);
        let fixed = name == "id" && !self.is_new();
        Field { name, label, hint, kind, value, fault, fixed }
    }

    /// Label of a field that has a fault, for the list on top.
    fn label_of(&self, name: &str) -> &'static str {
        let console = &self.layout.messages().console;
        let part = name.strip_prefix("item_").and_then(|rest| rest.split_once('_')).map_or(name, |(_, part)| part);
        match part {
            "id" if part != name => console.sale_form.item_id,
            "id" => console.sale_form.id,
            "name_ko" => console.sale_form.name_ko,
            "name_en" => console.sale_form.name_en,
            "opens_at" => console.sale_form.opens_at,
            "closes_at" => console.sale_form.closes_at,
            "per_buyer_limit" => console.sale_form.per_buyer,
            "hold_seconds" => console.sale_form.hold_seconds,
            "enter_seconds" => console.sale_form.enter_seconds,
            "pass_seconds" => console.sale_form.pass_seconds,
            "per_minute" => console.fields.per_minute,
            "max_active" => console.fields.max_active,
            "overcall" => console.fields.overcall,
            "amount" => console.sale_form.price,
            "currency" => console.sale_form.currency,
            "units" => console.sale_form.units,
            _ => console.sale_form.general,
        }
    }
}

/// One field as the template writes it.
struct Field<'a> {
    name: String,
    label: &'static str,
    hint: &'static str,
    kind: &'static str,
    value: &'a str,
    fault: Option<String>,
    fixed: bool,
}

impl Field<'_> {
    /// `aria-describedby` for what stands below the field.
    fn described_by(&self) -> String {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let fault = self.fault.as_ref().map(|_| format!("{}-fault", self.name));
        hint.into_iter().chain(fault).collect::<Vec<_>>().join(" ")
    }
}

/// The fault of one field in words.
pub(super) fn fault_words(faults: &[FieldFault], field: &str, messages: &ConsoleFieldsMessages) -> Option<String> {
    let found = faults.iter().find(|fault| fault.field == field)?;
    Some(match found.fault {
        Fault::Required => messages.fault_required.to_owned(),
        Fault::NotANumber => messages.fault_number.to_owned(),
        Fault::NotBetween(low, high) => messages.fault_between.with_two(low, high),
        Fault::Id => messages.fault_id.to_owned(),
        Fault::Taken => messages.fault_taken.to_owned(),
        Fault::Time => messages.fault_time.to_owned(),
        Fault::OrderOfTimes => messages.fault_order_of_times.to_owned(),
        Fault::Currency => messages.fault_currency.to_owned(),
        Fault::BelowSold(units) => messages.fault_below_sold.with(units),
        Fault::NotSupported => messages.fault_not_supported.to_owned(),
        Fault::Invalid => messages.fault_invalid.to_owned(),
    })
}
