//! Looks into the database of an installation that its surface does not give.

use harness::story::Story;
use sqlx::{AnyConnection, Connection as _, Row as _};
use stores::{database::Database, events::Record};

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

    /// The outbox after row `after`: the last row, and the events.
    pub(crate) async fn outbox(&mut self, after: i64) -> (i64, Vec<Record>) {
        let rows = sqlx::query("SELECT id, order_id, body, trace FROM outbox WHERE id > $1 ORDER BY id")
            .bind(after)
            .fetch_all(&mut self.connection)
            .await
            .expect("read the outbox");
        let last = rows.last().map_or(after, |row| row.try_get(0).expect("a number"));
        let record = |row: &sqlx::any::AnyRow| Record {
            order: row.try_get(1).expect("an order"),
            body: row.try_get(2).expect("an event"),
            trace: row.try_get(3).expect("a trace"),
        };
        (last, rows.iter().map(record).collect())
    }
}

/// Everything that events may change, as one line: equal lines say that nothing has changed.
pub(crate) const EVERYTHING: &str = "SELECT \
    'orders ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '=' || count(*) AS n FROM orders GROUP BY state) o) \
    || '; holds ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '=' || count(*) AS n FROM holds GROUP BY state) h) \
    || '; payments ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '=' || count(*) AS n FROM payments GROUP BY state) p) \
    || '; charges ' || (SELECT string_agg(n, ' ' ORDER BY n) FROM (SELECT state || '=' || count(*) AS n FROM sandbox_charges GROUP BY state) c) \
    || '; refunds ' || (SELECT count(*) FROM sandbox_refunds) || '; history ' || (SELECT count(*) FROM order_history) \
    || '; events ' || (SELECT count(*) FROM outbox) || '; mails ' || (SELECT count(*) FROM mails)";

/// The database itself, to act as the payment provider does.
pub(crate) fn of(story: &Story) -> Database {
    story.installation.engines.as_ref().expect("an installation on engines").database.database.clone()
}
