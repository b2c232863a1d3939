//! Looks into the database of an installation that its surface does not give.

use harness::story::Story;
use sqlx::{AnyConnection, Connection as _, Row as _};
use stores::database::Database;

/// Reads numbers and texts; nothing is written here.
pub(crate) struct Looks {
    connection: AnyConnection,
}

impl Looks {
    pub(crate) async fn at(story: &Story) -> Self {
        let engines = story.installation.engines.as_ref().expect("an installation on engines");
        let connection = AnyConnection::connect(&engines.database.url).await.expect("reach the database");
        Self { connection }
    }

    /// A statement that gives one number.
    pub(crate) async fn number(&mut self, statement: &'static str) -> i64 {
        let row = sqlx::query(statement).fetch_one(&mut self.connection).await.expect("look into the database");
        row.try_get(0).expect("a number")
    }

    /// A statement that gives one text, or nothing.
    pub(crate) async fn text(&mut self, statement: &'static str) -> Option<String> {
        let row = sqlx::query(statement).fetch_optional(&mut self.connection).await.expect("look into the database");
        row.map(|row| row.try_get(0).expect("a text"))
    }
}

/// The rows that events may change, as one line: equal lines say that nothing has changed.
pub(crate) const EVERYTHING: &str = "SELECT \
    'orders ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '/' || financial_state || '=' || count(*) AS n \
      FROM orders GROUP BY state, financial_state) o) \
    || '; holds ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '=' || count(*) AS n FROM holds GROUP BY state) h) \
    || '; payments ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '=' || count(*) AS n FROM payments GROUP BY state) p) \
    || '; charges ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '=' || count(*) AS n FROM sandbox_charges GROUP BY state) c) \
    || '; refunds ' || (SELECT count(*) FROM sandbox_refunds) || '; history ' || (SELECT count(*) FROM order_history) \
    || '; mails ' || (SELECT count(*) FROM mails)";

/// The database itself, to act as the payment provider does.
pub(crate) fn of(story: &Story) -> Database {
    story.installation.engines.as_ref().expect("an installation on engines").database.database.clone()
}
