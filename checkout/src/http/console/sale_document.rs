//! Between the forms of a sale and the API: the document for what was typed, and the field that an error of it is about.

use serde_json::{Map, Number, Value, json};
use web::{
    FieldError,
    format::from_korean_input,
    pages::console::{AdmissionForm, Fault, FieldFault, ItemField, ItemForm, SaleField, SaleForm},
};

use crate::sale_input::values::{
    Amount, EnterSeconds, HoldSeconds, MaxActive, Overcall, PassSeconds, PerBuyerLimit, PerMinute, Units,
};

/// The typed form as a document of the API. A text that is no number or no time stays a text; the API refuses it.
pub(super) struct SaleDocument {
    fields: Map<String, Value>,
    id: String,
    /// Where in the form each item of the document stands.
    items: Vec<usize>,
}

impl SaleDocument {
    /// Items that were left empty are left out; but a sale has one.
    pub(super) fn of(form: &SaleForm) -> Self {
        let typed = form.items.iter().enumerate().filter(|(at, item)| *at == 0 || !item.is_blank());
        let mut typed: Vec<(usize, &ItemForm)> = typed.collect();
        let none = ItemForm::default();
        if typed.is_empty() {
            typed.push((0, &none));
        }
        let items: Vec<Value> = typed.iter().map(|(_, item)| item_document(item)).collect();
        let fields = [
            ("name", json!({"ko": form.name_ko.trim(), "en": form.name_en.trim()})),
            ("opens_at", time(&form.opens_at)),
            ("closes_at", time(&form.closes_at)),
            ("items", Value::from(items)),
            ("per_buyer_limit", whole(&form.per_buyer_limit)),
            ("hold_seconds", whole(&form.hold_seconds)),
            ("enter_seconds", whole(&form.enter_seconds)),
            ("pass_seconds", whole(&form.pass_seconds)),
            ("admission", admission_document(&form.admission)),
        ];
        Self {
            fields: fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            id: form.id.trim().to_owned(),
            items: typed.iter().map(|(at, _)| *at).collect(),
        }
    }

    pub(super) fn for_new_sale(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("id".to_owned(), Value::from(self.id.as_str()));
        fields.into()
    }

    /// Its id stays.
    pub(super) fn for_changes(&self) -> Map<String, Value> {
        self.fields.clone()
    }

    /// The errors of the document as faults of the form, in its order; `taken` units of each item are held or sold.
    pub(super) fn faults(&self, form: &SaleForm, errors: &[FieldError], taken: &[u64]) -> Vec<FieldFault> {
        let faults = errors.iter().map(|error| {
            let field = self.field(&error.pointer);
            let of_all_items = error.pointer == "/items" && !form.value(field).is_empty();
            let fault = if of_all_items { Fault::Invalid } else { fault(field, form.value(field).trim(), taken) };
            FieldFault { field, fault }
        });
        let mut faults: Vec<FieldFault> = faults.collect();
        faults.sort_by_key(|fault| fault.field);
        faults
    }

    /// The field that a JSON pointer names.
    fn field(&self, pointer: &str) -> SaleField {
        let parts: Vec<&str> = pointer.trim_start_matches('/').split('/').collect();
        match parts.as_slice() {
            ["name", "ko"] => SaleField::NameKo,
            ["name", "en"] => SaleField::NameEn,
            ["opens_at"] => SaleField::OpensAt,
            ["closes_at"] => SaleField::ClosesAt,
            ["per_buyer_limit"] => SaleField::PerBuyerLimit,
            ["hold_seconds"] => SaleField::HoldSeconds,
            ["enter_seconds"] => SaleField::EnterSeconds,
            ["pass_seconds"] => SaleField::PassSeconds,
            ["admission", setting] => admission_field(setting).unwrap_or(SaleField::PerMinute),
            ["items", at, part @ ..] => {
                let at = at.parse().ok().and_then(|at: usize| self.items.get(at)).copied().unwrap_or(0);
                SaleField::Item(at, item_field(part))
            }
            // The items as a whole.
            ["items"] => SaleField::Item(0, ItemField::Id),
            _ => SaleField::Id,
        }
    }
}

fn item_field(part: &[&str]) -> ItemField {
    match part {
        ["name", "ko"] => ItemField::NameKo,
        ["name", "en"] => ItemField::NameEn,
        ["price", "amount"] => ItemField::Amount,
        ["price", "currency"] => ItemField::Currency,
        ["units"] => ItemField::Units,
        _ => ItemField::Id,
    }
}

/// The field of an admission setting.
fn admission_field(setting: &str) -> Option<SaleField> {
    match setting {
        "per_minute" => Some(SaleField::PerMinute),
        "max_active" => Some(SaleField::MaxActive),
        "overcall" => Some(SaleField::Overcall),
        _ => None,
    }
}

fn item_document(item: &ItemForm) -> Value {
    json!({
        "id": item.id.trim(),
        "name": {"ko": item.name_ko.trim(), "en": item.name_en.trim()},
        "price": {"amount": whole(&item.amount), "currency": item.currency.trim()},
        "units": whole(&item.units),
    })
}

/// The settings that were typed, as the API takes them.
pub(super) fn admission_document(form: &AdmissionForm) -> Value {
    let share = form.overcall.trim().parse().ok().and_then(Number::from_f64);
    json!({
        "per_minute": whole(&form.per_minute),
        "max_active": whole(&form.max_active),
        "overcall": share.map_or_else(|| Value::from(form.overcall.trim()), Value::from),
    })
}

/// The errors of admission settings alone as faults of their form.
pub(super) fn admission_faults(form: &AdmissionForm, errors: &[FieldError]) -> Vec<FieldFault> {
    let form = SaleForm { admission: form.clone(), ..SaleForm::default() };
    let fields = errors.iter().filter_map(|error| admission_field(error.pointer.trim_start_matches('/')));
    fields.map(|field| FieldFault { field, fault: fault(field, form.value(field).trim(), &[]) }).collect()
}

fn whole(typed: &str) -> Value {
    typed.trim().parse::<i64>().map_or_else(|_| Value::from(typed.trim()), Value::from)
}

fn time(typed: &str) -> Value {
    match typed.trim() {
        "" => Value::Null,
        typed => from_korean_input(typed).map_or_else(|| Value::from(typed), |at| Value::from(at.to_string())),
    }
}

/// The fault of a field whose value the API refused.
fn fault(field: SaleField, value: &str, taken: &[u64]) -> Fault {
    if value.is_empty() {
        return Fault::Required;
    }
    match field {
        SaleField::Id | SaleField::Item(_, ItemField::Id) => Fault::Id,
        SaleField::ClosesAt if from_korean_input(value).is_some() => Fault::OrderOfTimes,
        SaleField::OpensAt | SaleField::ClosesAt => Fault::Time,
        SaleField::Item(_, ItemField::Currency) => Fault::Currency,
        _ => number_fault(field, value, taken),
    }
}

fn number_fault(field: SaleField, value: &str, taken: &[u64]) -> Fault {
    let Some((min, max)) = bounds(field) else { return Fault::Invalid };
    match (field, value.parse::<i128>()) {
        // A share, not a whole number.
        (SaleField::Overcall, _) => Fault::NotBetween(min, max),
        (_, Err(_)) => Fault::NotANumber,
        // A number that would do for another sale.
        (SaleField::Item(at, ItemField::Units), Ok(number)) if (min.into()..=max.into()).contains(&number) => {
            Fault::BelowSold(taken.get(at).copied().unwrap_or(min))
        }
        _ => Fault::NotBetween(min, max),
    }
}

/// The bounds of a number.
fn bounds(field: SaleField) -> Option<(u64, u64)> {
    let (min, max) = match field {
        SaleField::PerBuyerLimit => PerBuyerLimit::BOUNDS,
        SaleField::HoldSeconds => HoldSeconds::BOUNDS,
        SaleField::EnterSeconds => EnterSeconds::BOUNDS,
        SaleField::PassSeconds => PassSeconds::BOUNDS,
        SaleField::PerMinute => PerMinute::BOUNDS,
        SaleField::MaxActive => MaxActive::BOUNDS,
        SaleField::Overcall => (Overcall::BOUNDS.0.into(), Overcall::BOUNDS.1.into()),
        SaleField::Item(_, ItemField::Amount) => Amount::BOUNDS,
        SaleField::Item(_, ItemField::Units) => Units::BOUNDS,
        _ => return None,
    };
    Some((u64::try_from(min).unwrap_or(0), u64::try_from(max).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sale_input::{AdmissionChanges, NewSale};

    fn form() -> SaleForm {
        let item = ItemForm {
            id: "pair".to_owned(),
            name_ko: "한 켤레".to_owned(),
            name_en: "One pair".to_owned(),
            amount: "189000".to_owned(),
            currency: "KRW".to_owned(),
            units: " 1000 ".to_owned(),
        };
        SaleForm {
            id: "sneaker".to_owned(),
            name_ko: "운동화".to_owned(),
            name_en: "Sneaker".to_owned(),
            opens_at: "2026-11-21T18:00".to_owned(),
            per_buyer_limit: "1".to_owned(),
            hold_seconds: "300".to_owned(),
            enter_seconds: "120".to_owned(),
            pass_seconds: "600".to_owned(),
            admission: AdmissionForm {
                per_minute: "600".to_owned(),
                max_active: "200".to_owned(),
                overcall: "0.2".to_owned(),
            },
            items: vec![item],
            ..SaleForm::default()
        }
    }

    fn faults(form: &SaleForm) -> Vec<FieldFault> {
        let document = SaleDocument::of(form);
        let errors = NewSale::parse(&document.for_new_sale()).map_or_else(|error| error.errors, |_| Vec::new());
        document.faults(form, &errors, &[])
    }

    fn with(change: impl FnOnce(&mut SaleForm)) -> SaleForm {
        let mut form = form();
        change(&mut form);
        form
    }

    #[test]
    fn a_form_that_is_filled_in_is_a_sale() {
        assert_eq!(faults(&form()), []);
    }

    #[test]
    fn every_fault_stands_at_its_field() {
        let item = |part| SaleField::Item(0, part);
        for (form, field, fault) in [
            (with(|form| form.id.clear()), SaleField::Id, Fault::Required),
            (with(|form| "Sneaker".clone_into(&mut form.id)), SaleField::Id, Fault::Id),
            (with(|form| form.name_en.clear()), SaleField::NameEn, Fault::Required),
            (with(|form| form.opens_at.clear()), SaleField::OpensAt, Fault::Required),
            (with(|form| "soon".clone_into(&mut form.opens_at)), SaleField::OpensAt, Fault::Time),
            (with(|form| "2020-01-01T09:00".clone_into(&mut form.closes_at)), SaleField::ClosesAt, Fault::OrderOfTimes),
            (with(|form| "few".clone_into(&mut form.hold_seconds)), SaleField::HoldSeconds, Fault::NotANumber),
            (with(|form| "4".clone_into(&mut form.hold_seconds)), SaleField::HoldSeconds, Fault::NotBetween(5, 3_600)),
            (with(|form| "5.5".clone_into(&mut form.hold_seconds)), SaleField::HoldSeconds, Fault::NotANumber),
            (with(|form| "11".clone_into(&mut form.admission.overcall)), SaleField::Overcall, Fault::NotBetween(0, 10)),
            (
                with(|form| "0,2".clone_into(&mut form.admission.overcall)),
                SaleField::Overcall,
                Fault::NotBetween(0, 10),
            ),
            (with(|form| form.items[0].id.clear()), item(ItemField::Id), Fault::Required),
            (with(|form| "won".clone_into(&mut form.items[0].currency)), item(ItemField::Currency), Fault::Currency),
            (
                with(|form| "0".clone_into(&mut form.items[0].units)),
                item(ItemField::Units),
                Fault::NotBetween(1, 10_000_000),
            ),
        ] {
            assert_eq!(faults(&form), [FieldFault { field, fault }]);
        }
    }

    #[test]
    fn a_sale_without_an_item_misses_the_fields_of_the_first() {
        let all = [
            ItemField::Id,
            ItemField::NameKo,
            ItemField::NameEn,
            ItemField::Amount,
            ItemField::Currency,
            ItemField::Units,
        ];
        let missing = all.map(|part| FieldFault { field: SaleField::Item(0, part), fault: Fault::Required });
        assert_eq!(faults(&with(|form| form.items.clear())), missing);
        assert_eq!(faults(&with(|form| form.items = vec![ItemForm::default(); 3])), missing);
    }

    #[test]
    fn faults_come_in_the_order_of_the_form() {
        let form = with(|form| {
            form.per_buyer_limit.clear();
            form.pass_seconds.clear();
            form.hold_seconds.clear();
            form.items[0].id.clear();
        });
        let fields: Vec<SaleField> = faults(&form).iter().map(|fault| fault.field).collect();
        let item = SaleField::Item(0, ItemField::Id);
        assert_eq!(fields, [SaleField::PerBuyerLimit, item, SaleField::PassSeconds, SaleField::HoldSeconds]);
    }

    #[test]
    fn a_fault_behind_an_empty_item_stands_where_it_was_typed() {
        let third = ItemForm { id: "sock".to_owned(), units: "0".to_owned(), ..form().items.remove(0) };
        let form = with(|form| form.items.extend([ItemForm::default(), third]));
        let field = SaleField::Item(2, ItemField::Units);
        assert_eq!(faults(&form), [FieldFault { field, fault: Fault::NotBetween(1, 10_000_000) }]);
    }

    #[test]
    fn units_that_are_taken_are_a_fault_of_their_own() {
        let form = form();
        let error = FieldError::new("/items/0/units", web::ErrorCode::InvalidField);
        let field = SaleField::Item(0, ItemField::Units);
        let faults = SaleDocument::of(&form).faults(&form, &[error], &[1_007]);
        assert_eq!(faults, [FieldFault { field, fault: Fault::BelowSold(1_007) }]);
    }

    #[test]
    fn every_fault_of_admission_is_named_at_once() {
        let form =
            AdmissionForm { per_minute: "-5".to_owned(), max_active: "0".to_owned(), overcall: "much".to_owned() };
        let errors = AdmissionChanges::parse(&admission_document(&form)).unwrap_err().errors;
        let faults = admission_faults(&form, &errors);
        assert_eq!(
            faults,
            [
                FieldFault { field: SaleField::PerMinute, fault: Fault::NotBetween(0, 6_000_000) },
                FieldFault { field: SaleField::MaxActive, fault: Fault::NotBetween(1, 1_000_000) },
                FieldFault { field: SaleField::Overcall, fault: Fault::NotBetween(0, 10) },
            ]
        );
    }
}
