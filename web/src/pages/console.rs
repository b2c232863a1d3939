//! The seller's console: dense but quiet, trouble on top.

mod sign_in;
pub use sign_in::{SignIn, SignInPage};

mod sales;
pub use sales::{ConsoleSaleRow, ConsoleSalesPage};

mod sale;
pub use self::sale::{AdmissionForm, Change, ChangeKind, ConsoleSalePage, Trouble};

mod sale_form;
pub use sale_form::{ItemForm, Purpose, SaleForm, SaleFormPage};

mod field;
pub use field::{Fault, FieldFault, ItemField, SaleField};

mod orders;
pub use orders::{ConsoleOrderRow, ConsoleOrdersPage};

mod mailbox;
pub use mailbox::{MailPage, MailRow, MailboxPage};
