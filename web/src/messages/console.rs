//! The seller's console, one file per page.

mod fields;
mod mailbox;
mod nav;
mod orders;
mod sale;
mod sale_form;
mod sales;
mod sign_in;

use self::{
    fields::ConsoleFieldsMessages, mailbox::ConsoleMailboxMessages, nav::ConsoleNavMessages,
    orders::ConsoleOrdersMessages, sale::ConsoleSaleMessages, sale_form::ConsoleSaleFormMessages,
    sales::ConsoleSalesMessages, sign_in::ConsoleSignInMessages,
};

/// All texts of the console.
#[derive(Debug)]
pub(crate) struct ConsoleMessages {
    pub(crate) nav: ConsoleNavMessages,
    pub(crate) sign_in: ConsoleSignInMessages,
    pub(crate) sales: ConsoleSalesMessages,
    pub(crate) sale: ConsoleSaleMessages,
    pub(crate) sale_form: ConsoleSaleFormMessages,
    pub(crate) fields: ConsoleFieldsMessages,
    pub(crate) orders: ConsoleOrdersMessages,
    pub(crate) mailbox: ConsoleMailboxMessages,
}

pub(super) const KO: ConsoleMessages = ConsoleMessages {
    nav: nav::KO,
    sign_in: sign_in::KO,
    sales: sales::KO,
    sale: sale::KO,
    sale_form: sale_form::KO,
    fields: fields::KO,
    orders: orders::KO,
    mailbox: mailbox::KO,
};

pub(super) const EN: ConsoleMessages = ConsoleMessages {
    nav: nav::EN,
    sign_in: sign_in::EN,
    sales: sales::EN,
    sale: sale::EN,
    sale_form: sale_form::EN,
    fields: fields::EN,
    orders: orders::EN,
    mailbox: mailbox::EN,
};
