//! Cases: what only a person can decide. A case is opened in the transaction of the fact that requires it, if there is one.

use sale::{OrderId, Timestamp};

use super::{Database, Tx, row::unsigned};
use crate::StoreError;

/// Why a person has to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseKind {
    /// The provider has charged another amount or currency than the order's. The subject is the payment.
    ChargeMismatch,
    /// The provider has captured money for an attempt under another id than the committed one. The subject is that id.
    OtherCharge,
    /// The rows of an order contradict the step that is due. The subject is the order.
    OrderStuck,
    /// The provider has refused a refund too often. The subject is the refund.
    RefundRefused,
}

impl CaseKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChargeMismatch => "charge_mismatch",
            Self::OtherCharge => "other_charge",
            Self::OrderStuck => "order_stuck",
            Self::RefundRefused => "refund_refused",
        }
    }
}

/// A case that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCase {
    pub kind: CaseKind,
    /// The id of what it is about.
    pub subject: String,
    /// The order that it belongs to.
    pub order: OrderId,
    /// Details for the person; no personal data.
    pub detail: String,
}

/// Opens a case. Returns false when one of its kind is open for its subject.
pub(super) async fn open(tx: &mut Tx, case: &NewCase, now: Timestamp) -> Result<bool, StoreError> {
    let opened = sqlx::query(
        "INSERT INTO cases (kind, subject, sale, opened_at, detail) \
         SELECT $1, $2, o.sale, $4, $5 FROM orders o WHERE o.id = $3 \
         ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING",
    )
    .bind(case.kind.as_str())
    .bind(case.subject.as_str())
    .bind(case.order.to_string())
    .bind(now.as_millis())
    .bind(case.detail.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(opened.rows_affected() > 0)
}

/// Opens a case in a transaction of its own, unless one of its kind is open for its subject.
pub async fn report(database: &Database, case: &NewCase, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    open(&mut tx, case, now).await?;
    Ok(tx.commit().await?)
}

/// The number of open cases.
pub async fn open_count(database: &Database) -> Result<u64, StoreError> {
    const COUNT: &str = "SELECT COUNT(*) FROM cases WHERE closed_at IS NULL";
    Ok(unsigned(sqlx::query_scalar(COUNT).fetch_one(database.reader()).await?))
}
