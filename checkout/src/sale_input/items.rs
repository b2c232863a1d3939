//! The items in the documents of a sale.

use std::{borrow::Cow, collections::HashSet};

use sale::{Currency, Item, ItemId, Money};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, Ref, RefOr, Schema},
};
use web::ErrorCode;

use super::{
    reader::{Errors, FromField, Object, Refused},
    values::{Amount, Name, Units},
};

/// The items of a sale: different ids, one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items(pub Vec<NewItem>);

impl Items {
    pub const MAX: usize = 50;
}

impl FromField for Items {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        let list = errors.require(value.as_array().filter(|list| list.len() <= Self::MAX), pointer)?;
        if list.is_empty() {
            // A line before another shop's checkout.
            return errors.refuse(pointer, ErrorCode::NotSupported);
        }
        let read = |(at, item): (usize, &Value)| NewItem::from_field(item, &format!("{pointer}/{at}"), errors);
        let items: Vec<Result<NewItem, Refused>> = list.iter().enumerate().map(read).collect();
        let items: Vec<NewItem> = items.into_iter().collect::<Result<_, _>>()?;
        let mut seen = HashSet::new();
        for (at, item) in items.iter().enumerate() {
            errors.check(seen.insert(&item.id), &format!("{pointer}/{at}/id"));
            let is_same = item.price.currency == items[0].price.currency;
            errors.check(is_same, &format!("{pointer}/{at}/price/currency"));
        }
        Ok(Self(items))
    }
}

impl PartialSchema for Items {
    fn schema() -> RefOr<Schema> {
        let item = Ref::from_schema_name(NewItem::name());
        ArrayBuilder::new().items(item).min_items(Some(1)).max_items(Some(Self::MAX)).into()
    }
}

impl ToSchema for Items {
    fn name() -> Cow<'static, str> {
        "Items".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NewItem::name().into_owned(), NewItem::schema()));
        NewItem::schemas(schemas);
    }
}

/// An item of a new sale.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub struct NewItem {
    id: ItemId,
    #[schema(inline)]
    name: Name,
    #[schema(inline)]
    price: Price,
    #[schema(inline)]
    units: Units,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
struct Price {
    #[schema(inline)]
    amount: Amount,
    currency: Currency,
}

impl FromField for NewItem {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        let mut object = Object::at(value, pointer, errors)?;
        let (id, name) = (object.required("id"), object.required("name"));
        let (price, units) = (object.required("price"), object.required("units"));
        Ok(Self { id: id?, name: name?, price: price?, units: units? })
    }
}

impl FromField for Price {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        let field = |key| value.get(key).unwrap_or(&Value::Null);
        let amount = Amount::from_field(field("amount"), &format!("{pointer}/amount"), errors);
        let currency = Currency::from_field(field("currency"), &format!("{pointer}/currency"), errors);
        Ok(Self { amount: amount?, currency: currency? })
    }
}

impl From<NewItem> for Item {
    fn from(new: NewItem) -> Self {
        let price = Money { amount: new.price.amount.get(), currency: new.price.currency };
        Self { id: new.id, name: new.name.0, price, units: new.units.to_u32() }
    }
}
