//! `/console/sales/new` and `/console/sales/{sale}/edit`: what was typed is kept, each fault stands at its field.

use std::collections::BTreeMap;

use askama::Template;
use serde::{Deserialize, Deserializer};

use super::{
    AdmissionForm,
    field::{FieldFault, ItemField, SaleField, fault_message},
};
use crate::{Layout, assets, pages::rendered, paths};

/// The form.
#[derive(Clone, Debug, Template)]
#[template(path = "console/sale_form.html")]
pub struct SaleFormPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// A new sale, or which one.
    pub purpose: Purpose,
    /// What stands in the fields: the sale as it is, or what was typed.
    pub form: SaleForm,
    /// What is wrong, in the order of the fields.
    pub faults: Vec<FieldFault>,
    /// Somebody else saved meanwhile; the form has the new version.
    pub changed_meanwhile: bool,
}

/// What the form is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// A new sale: POST `/console/sales`.
    Create,
    /// A change of this sale: POST `/console/sales/{sale}/edit`.
    Edit { sale: String },
}

/// The fields of the form, as they were typed. Times are `datetime-local` in Korean time; see
/// [`crate::format::from_korean_input`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SaleForm {
    /// The version of the sale that is edited, sent back in a hidden field.
    pub version: String,
    pub id: String,
    pub name_ko: String,
    pub name_en: String,
    pub opens_at: String,
    pub closes_at: String,
    pub per_buyer_limit: String,
    pub hold_seconds: String,
    pub enter_seconds: String,
    pub pass_seconds: String,
    #[serde(flatten)]
    pub admission: AdmissionForm,
    #[serde(flatten, deserialize_with = "items")]
    pub items: Vec<ItemForm>,
}

/// The fields of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemForm {
    pub id: String,
    pub name_ko: String,
    pub name_en: String,
    /// In minor units of the currency.
    pub amount: String,
    pub currency: String,
    pub units: String,
}

/// The items of a form: `item_0_id`, `item_0_name_ko` and so on, then those of `item_1`.
fn items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ItemForm>, D::Error> {
    let mut fields = BTreeMap::<String, String>::deserialize(deserializer)?;
    let items = (0..).map_while(|at| {
        let mut take = |part: ItemField| fields.remove(&SaleField::Item(at, part).name());
        Some(ItemForm {
            id: take(ItemField::Id)?,
            name_ko: take(ItemField::NameKo).unwrap_or_default(),
            name_en: take(ItemField::NameEn).unwrap_or_default(),
            amount: take(ItemField::Amount).unwrap_or_default(),
            currency: take(ItemField::Currency).unwrap_or_default(),
            units: take(ItemField::Units).unwrap_or_default(),
        })
    });
    Ok(items.collect())
}

impl SaleForm {
    /// What was typed into a field; nothing for that of an item that the form does not have.
    pub fn value(&self, field: SaleField) -> &str {
        match field {
            SaleField::Id => &self.id,
            SaleField::NameKo => &self.name_ko,
            SaleField::NameEn => &self.name_en,
            SaleField::OpensAt => &self.opens_at,
            SaleField::ClosesAt => &self.closes_at,
            SaleField::PerBuyerLimit => &self.per_buyer_limit,
            SaleField::HoldSeconds => &self.hold_seconds,
            SaleField::EnterSeconds => &self.enter_seconds,
            SaleField::PassSeconds => &self.pass_seconds,
            SaleField::PerMinute => &self.admission.per_minute,
            SaleField::MaxActive => &self.admission.max_active,
            SaleField::Overcall => &self.admission.overcall,
            SaleField::Item(at, part) => self.items.get(at).map_or("", |item| item.value(part)),
        }
    }
}

impl ItemForm {
    fn value(&self, part: ItemField) -> &str {
        match part {
            ItemField::Id => &self.id,
            ItemField::NameKo => &self.name_ko,
            ItemField::NameEn => &self.name_en,
            ItemField::Amount => &self.amount,
            ItemField::Currency => &self.currency,
            ItemField::Units => &self.units,
        }
    }

    /// Whether nothing was typed; the currency may be filled in.
    pub fn is_blank(&self) -> bool {
        let typed = [&self.id, &self.name_ko, &self.name_en, &self.amount, &self.units];
        typed.iter().all(|value| value.trim().is_empty())
    }
}

const GENERAL: [SaleField; 6] = [
    SaleField::Id,
    SaleField::NameKo,
    SaleField::NameEn,
    SaleField::OpensAt,
    SaleField::ClosesAt,
    SaleField::PerBuyerLimit,
];
const WINDOWS: [SaleField; 3] = [SaleField::EnterSeconds, SaleField::PassSeconds, SaleField::HoldSeconds];
const ADMISSION: [SaleField; 3] = [SaleField::PerMinute, SaleField::MaxActive, SaleField::Overcall];

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
            Purpose::Edit { sale } => paths::console::edit_sale(sale),
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

    /// The legend of each group of fields, and the fields.
    fn groups(&self) -> Vec<(String, Vec<Field<'_>>)> {
        let messages = &self.layout.messages().console.sale_form;
        let fields = |names: &[SaleField]| names.iter().map(|name| self.field(*name)).collect();
        let item = |at| {
            let parts = ItemField::ALL.map(|part| SaleField::Item(at, part));
            (messages.item.with(at + 1), fields(&parts))
        };
        let mut groups = vec![(messages.general.to_owned(), fields(&GENERAL))];
        groups.extend((0..self.form.items.len()).map(item));
        groups.push((messages.windows.to_owned(), fields(&WINDOWS)));
        groups.push((messages.admission.to_owned(), fields(&ADMISSION)));
        groups
    }

    fn field(&self, field: SaleField) -> Field<'_> {
        let messages = &self.layout.messages().console;
        Field {
            name: field.name(),
            label: field.label(messages),
            hint: field.hint(messages),
            kind: field.input_type(),
            value: self.form.value(field),
            fault: fault_message(&self.faults, field, messages),
            fixed: field == SaleField::Id && !self.is_new(),
        }
    }

    /// The label of a field that has a fault, for the list on top; that of an item says which one.
    fn label_in_list(&self, fault: &FieldFault) -> String {
        let messages = &self.layout.messages().console;
        let label = fault.field.label(messages);
        match fault.field {
            SaleField::Item(at, _) => format!("{}: {label}", messages.sale_form.item.with(at + 1)),
            _ => label.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_field_by_field_and_item_by_item() {
        let sent = [("id", "a"), ("overcall", "0.2"), ("item_0_id", "pair"), ("item_0_units", "x"), ("item_1_id", "")];
        let sent = sent.map(|(name, value)| (name, serde_json::Value::from(value)));
        let form: SaleForm = serde_json::from_value(sent.into_iter().collect()).unwrap();
        let expected =
            [(SaleField::Id, "a"), (SaleField::Overcall, "0.2"), (SaleField::Item(0, ItemField::Units), "x")];
        for (field, value) in expected {
            assert_eq!(form.value(field), value, "{field:?}");
        }
        assert_eq!(form.items.len(), 2);
        assert!(!form.items[0].is_blank() && form.items[1].is_blank());
    }
}
