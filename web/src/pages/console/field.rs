//! The fields of a sale's forms in the console, and what can be wrong with them.

use crate::messages::ConsoleMessages;

/// A field of a sale, in the order of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SaleField {
    Id,
    NameKo,
    NameEn,
    OpensAt,
    ClosesAt,
    PerBuyerLimit,
    /// A field of the item at this index.
    Item(usize, ItemField),
    EnterSeconds,
    PassSeconds,
    HoldSeconds,
    PerMinute,
    MaxActive,
    Overcall,
}

/// A field of an item, in the order of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemField {
    Id,
    NameKo,
    NameEn,
    Amount,
    Currency,
    Units,
}

impl ItemField {
    /// In the order of the form.
    pub(super) const ALL: [Self; 6] = [Self::Id, Self::NameKo, Self::NameEn, Self::Amount, Self::Currency, Self::Units];

    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::NameKo => "name_ko",
            Self::NameEn => "name_en",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Units => "units",
        }
    }
}

impl SaleField {
    /// The name of the input.
    pub fn name(self) -> String {
        let name = match self {
            Self::Id => "id",
            Self::NameKo => "name_ko",
            Self::NameEn => "name_en",
            Self::OpensAt => "opens_at",
            Self::ClosesAt => "closes_at",
            Self::PerBuyerLimit => "per_buyer_limit",
            Self::HoldSeconds => "hold_seconds",
            Self::EnterSeconds => "enter_seconds",
            Self::PassSeconds => "pass_seconds",
            Self::PerMinute => "per_minute",
            Self::MaxActive => "max_active",
            Self::Overcall => "overcall",
            Self::Item(at, part) => return format!("item_{at}_{}", part.name()),
        };
        name.to_owned()
    }

    pub(super) const fn label(self, messages: &ConsoleMessages) -> &'static str {
        match self {
            Self::Id => messages.sale_form.id,
            Self::NameKo | Self::Item(_, ItemField::NameKo) => messages.sale_form.name_ko,
            Self::NameEn | Self::Item(_, ItemField::NameEn) => messages.sale_form.name_en,
            Self::OpensAt => messages.sale_form.opens_at,
            Self::ClosesAt => messages.sale_form.closes_at,
            Self::PerBuyerLimit => messages.sale_form.per_buyer,
            Self::HoldSeconds => messages.sale_form.hold_seconds,
            Self::EnterSeconds => messages.sale_form.enter_seconds,
            Self::PassSeconds => messages.sale_form.pass_seconds,
            Self::PerMinute => messages.fields.per_minute,
            Self::MaxActive => messages.fields.max_active,
            Self::Overcall => messages.fields.overcall,
            Self::Item(_, ItemField::Id) => messages.sale_form.item_id,
            Self::Item(_, ItemField::Amount) => messages.sale_form.price,
            Self::Item(_, ItemField::Currency) => messages.sale_form.currency,
            Self::Item(_, ItemField::Units) => messages.sale_form.units,
        }
    }

    /// What stands below the input; may be empty.
    pub(super) const fn hint(self, messages: &ConsoleMessages) -> &'static str {
        match self {
            Self::Id | Self::Item(0, ItemField::Id) => messages.sale_form.id_hint,
            Self::Item(_, ItemField::Id) => messages.sale_form.item_hint,
            Self::Item(_, ItemField::Amount) => messages.sale_form.price_hint,
            Self::OpensAt => messages.sale_form.opens_at_hint,
            Self::ClosesAt => messages.sale_form.closes_at_hint,
            Self::PerMinute => messages.fields.per_minute_hint,
            Self::MaxActive => messages.fields.max_active_hint,
            Self::Overcall => messages.fields.overcall_hint,
            _ => "",
        }
    }

    /// The `type` of the input.
    pub(super) const fn input_type(self) -> &'static str {
        match self {
            Self::Id
            | Self::NameKo
            | Self::NameEn
            | Self::Item(_, ItemField::Id | ItemField::NameKo | ItemField::NameEn | ItemField::Currency) => "text",
            Self::OpensAt | Self::ClosesAt => "datetime-local",
            _ => "number",
        }
    }
}

/// A field with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldFault {
    pub field: SaleField,
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
    /// Anything else.
    Invalid,
}

/// The fault of a field in words.
pub(super) fn fault_message(faults: &[FieldFault], field: SaleField, messages: &ConsoleMessages) -> Option<String> {
    let messages = &messages.fields;
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
        Fault::Invalid => messages.fault_invalid.to_owned(),
    })
}
