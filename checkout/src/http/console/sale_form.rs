//! The console's form of a sale: what was typed becomes the document of the API, and its refusals return to the fields.

use axum::response::Response;
use http::StatusCode;
use sale::{Item, Sale, Timestamp};
use stores::{database::sales::StockedSale, queue_store::StockCount};
use web::{
    ApiError, ErrorCode,
    format::korean_input,
    pages::console::{AdmissionForm, Fault, FieldFault, ItemForm, Purpose, SaleField, SaleForm, SaleFormPage},
    paths,
};

use super::{
    super::{
        access::{Seller, Write},
        extract::{Form, IfMatch, PageRequest, Path},
        load_sale,
        pages::redirect,
        seller_api::{change_sale, create_sale},
    },
    sale_document::SaleDocument,
};
use crate::sale_input::{self, NewSale, SaleChanges};

/// Items that the form of a new sale offers; the empty ones are left out.
const ITEMS: usize = 3;

#[expect(clippy::unused_async, reason = "axum takes no other handlers")]
pub async fn blank(_: Seller, page: PageRequest) -> Result<Response, ApiError> {
    let opens_at = page.app.database.now().plus_seconds(600).as_millis() / 60_000 * 60_000;
    let form = SaleForm {
        opens_at: korean_input(Timestamp::from_millis(opens_at)),
        per_buyer_limit: sale_input::DEFAULT_PER_BUYER_LIMIT.to_string(),
        hold_seconds: sale_input::DEFAULT_HOLD_SECONDS.to_string(),
        enter_seconds: sale_input::DEFAULT_ENTER_SECONDS.to_string(),
        pass_seconds: sale_input::DEFAULT_PASS_SECONDS.to_string(),
        admission: AdmissionForm::from(sale_input::DEFAULT_ADMISSION),
        items: vec![ItemForm { currency: "KRW".to_owned(), ..ItemForm::default() }],
        ..SaleForm::default()
    };
    Ok(form_page(&page, Purpose::Create, form, Vec::new()))
}

pub async fn create(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Form(form): Form<SaleForm>,
) -> Result<Response, ApiError> {
    let document = SaleDocument::of(&form);
    let made = match NewSale::parse(&document.for_new_sale()) {
        Ok(new) => create_sale(&page.app, new, caller).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => Ok(redirect(&paths::console::sale(made.sale.id))),
        Err(error) if error.code == ErrorCode::SaleExists => {
            let taken = FieldFault { field: SaleField::Id, fault: Fault::Taken };
            Ok(form_page(&page, Purpose::Create, form, vec![taken]))
        }
        Err(error) if error.errors.is_empty() => Err(error),
        Err(error) => {
            let faults = document.faults(&form, &error.errors, &[]);
            Ok(form_page(&page, Purpose::Create, form, faults))
        }
    }
}

pub async fn show(_: Seller, page: PageRequest, Path(id): Path<String>) -> Result<Response, ApiError> {
    let form = filled_in(&load_sale(&page.app, &id).await?.sale);
    Ok(form_page(&page, Purpose::Edit { sale: id }, form, Vec::new()))
}

pub async fn save(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Path(id): Path<String>,
    Form(form): Form<SaleForm>,
) -> Result<Response, ApiError> {
    let version = IfMatch::Versions(form.version.parse().into_iter().collect());
    let document = SaleDocument::of(&form);
    let changes = SaleChanges::new(document.for_changes());
    match change_sale(&page.app, &id, &version, &changes, caller).await {
        Ok(_) => Ok(redirect(&paths::console::saved_sale(id))),
        Err(error) if error.errors.is_empty() && error.code != ErrorCode::PreconditionFailed => Err(error),
        Err(error) => {
            let now = load_sale(&page.app, &id).await?;
            let faults = document.faults(&form, &error.errors, &taken_units(&now));
            Ok(refused_edit(&page, id, form, now.sale.version, faults))
        }
    }
}

/// The form again, with what was typed and the version that counts now.
fn refused_edit(page: &PageRequest, sale: String, form: SaleForm, now: i64, faults: Vec<FieldFault>) -> Response {
    let version = now.to_string();
    let changed_meanwhile = form.version != version;
    let form = SaleForm { version, id: sale.clone(), ..form };
    render(page, StatusCode::UNPROCESSABLE_ENTITY, |layout| SaleFormPage {
        layout,
        purpose: Purpose::Edit { sale },
        form,
        faults,
        changed_meanwhile,
    })
}

/// The form, with room for items where the sale is new.
fn form_page(page: &PageRequest, purpose: Purpose, mut form: SaleForm, faults: Vec<FieldFault>) -> Response {
    if matches!(purpose, Purpose::Create) && form.items.len() < ITEMS {
        form.items.resize_with(ITEMS, ItemForm::default);
    }
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    render(page, status, |layout| SaleFormPage { layout, purpose, form, faults, changed_meanwhile: false })
}

fn render(page: &PageRequest, status: StatusCode, form: impl FnOnce(web::Layout) -> SaleFormPage) -> Response {
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    page.page(&nonce, status, form(layout).render())
}

/// Units of each item that are held or sold.
fn taken_units(sale: &StockedSale) -> Vec<u64> {
    let taken = |count: &StockCount| u64::try_from(count.held.saturating_add(count.sold)).unwrap_or(0);
    sale.stock.iter().map(taken).collect()
}

/// A sale as it stands in the fields.
fn filled_in(sale: &Sale) -> SaleForm {
    SaleForm {
        version: sale.version.to_string(),
        id: sale.id.to_string(),
        name_ko: sale.name.ko.clone(),
        name_en: sale.name.en.clone(),
        opens_at: korean_input(sale.opens_at),
        closes_at: sale.closes_at.map(korean_input).unwrap_or_default(),
        per_buyer_limit: sale.per_buyer_limit.to_string(),
        hold_seconds: sale.hold_seconds.to_string(),
        enter_seconds: sale.enter_seconds.to_string(),
        pass_seconds: sale.pass_seconds.to_string(),
        admission: AdmissionForm::from(sale.admission),
        items: sale.items.iter().map(filled_in_item).collect(),
    }
}

fn filled_in_item(item: &Item) -> ItemForm {
    ItemForm {
        id: item.id.to_string(),
        name_ko: item.name.ko.clone(),
        name_en: item.name.en.clone(),
        amount: item.price.amount.to_string(),
        currency: item.price.currency.to_string(),
        units: item.units.to_string(),
    }
}
