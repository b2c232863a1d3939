//! Tables and columns, as a database tells them.

use sqlx::Row as _;
use stores::{
    database::Database,
    testing::{live_postgres, sqlite},
};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Column {
    pub(crate) table: String,
    pub(crate) name: String,
    /// As SQLite declares it, in small letters.
    pub(crate) kind: String,
    pub(crate) is_required: bool,
}

/// The columns of every table of SQLite, in the order of the file that makes them.
pub(crate) async fn of_sqlite(database: &Database) -> Vec<Column> {
    let rows = sqlx::query(
        "SELECT t.name, c.name, lower(c.type), c.\"notnull\" = 1 OR c.pk > 0 FROM sqlite_schema t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '_sqlx_%' ORDER BY t.rowid, c.cid",
    );
    let column = |row: &sqlx::any::AnyRow| Column {
        table: row.get(0),
        name: row.get(1),
        kind: row.get(2),
        is_required: row.get::<i64, _>(3) != 0,
    };
    rows.fetch_all(database.reader()).await.unwrap().iter().map(column).collect()
}

async fn of_postgres(database: &Database) -> Vec<Column> {
    let rows = sqlx::query(
        "SELECT table_name::text, column_name::text, \
         CASE WHEN is_identity = 'YES' THEN 'integer' WHEN data_type = 'bytea' THEN 'blob' ELSE data_type::text END, \
         (is_nullable = 'NO')::int::bigint FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx\\_%' \
         AND table_name IN (SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE') \
         ORDER BY table_name, ordinal_position",
    );
    let column = |row: &sqlx::any::AnyRow| Column {
        table: row.get(0),
        name: row.get(1),
        kind: row.get(2),
        is_required: row.get::<i64, _>(3) != 0,
    };
    rows.fetch_all(database.reader()).await.unwrap().iter().map(column).collect()
}

#[tokio::test]
async fn live_postgres_has_the_columns_of_sqlite() {
    let (mut sqlite, postgres) =
        (of_sqlite(&sqlite().await.database).await, of_postgres(&live_postgres().await.database).await);
    sqlite.sort_by(|one, other| one.table.cmp(&other.table));
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, postgres);
}
