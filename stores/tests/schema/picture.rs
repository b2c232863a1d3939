//! `docs/data-model.md` has a picture of the schema, drawn from SQLite's own description of it.

use std::{fmt::Write as _, fs, path::PathBuf};

use sqlx::Row as _;
use stores::{database::Database, testing::sqlite};

use crate::columns::{Column, of_sqlite};

/// Columns that name a row of another table without a foreign key: what is written in one transaction with its parent is
/// not looked up again. Where the schema has a foreign key, that is drawn instead.
const NAMES: [(&str, &str); 7] = [
    ("sale", "sales"),
    ("purchase_id", "purchases"),
    ("order_id", "orders"),
    ("hold_id", "holds"),
    ("payment_id", "payments"),
    ("refund_id", "refunds"),
    ("pass", "passes"),
];

const BEGINS: &str = "```mermaid\n";
const ENDS: &str = "```\n";

const HOW: &str = "draw it again with: cargo test -p stores --test schema draw_the_picture -- --ignored";

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/data-model.md")
}

/// What a column means to others.
#[derive(Clone, Debug, Default)]
struct Role {
    is_key: bool,
    is_unique: bool,
    /// The table that a foreign key leads to.
    parent: Option<String>,
}

async fn role(database: &Database, column: &Column) -> Role {
    let row = sqlx::query(
        "SELECT (SELECT pk > 0 FROM pragma_table_info($1) WHERE name = $2), \
         EXISTS (SELECT 1 FROM pragma_index_list($1) i WHERE i.\"unique\" = 1 AND i.origin = 'u' \
           AND (SELECT group_concat(name) FROM pragma_index_info(i.name)) = $2), \
         (SELECT \"table\" FROM pragma_foreign_key_list($1) WHERE \"from\" = $2)",
    );
    let row = row.bind(&column.table).bind(&column.name).fetch_one(database.reader()).await.unwrap();
    Role { is_key: row.get::<i64, _>(0) != 0, is_unique: row.get::<i64, _>(1) != 0, parent: row.get(2) }
}

/// The picture as Mermaid draws it: whole lines are foreign keys, broken ones are names.
async fn picture(database: &Database) -> String {
    let (mut tables, mut lines) = (String::new(), String::new());
    let columns = of_sqlite(database).await;
    let is_table = |name: &str| columns.iter().any(|column| column.table == name);
    let mut table = "";
    for column in &columns {
        if column.table != table {
            table = &column.table;
            let end = if tables.is_empty() { "" } else { "    }\n" };
            writeln!(tables, "{end}    {table} {{").unwrap();
        }
        let role = role(database, column).await;
        let named = NAMES.iter().find(|(name, parent)| *name == column.name && is_table(parent) && *parent != table);
        let many = if role.is_unique { "o|" } else { "o{" };
        let one = if column.is_required { "||" } else { "|o" };
        let leads_to = match (&role.parent, named) {
            (Some(parent), _) => Some((parent.as_str(), "--")),
            (None, Some((_, parent))) => Some((*parent, "..")),
            (None, None) => None,
        };
        if let Some((parent, line)) = leads_to {
            writeln!(lines, "    {parent} {one}{line}{many} {table} : {}", column.name).unwrap();
        }
        let marks = [("PK", role.is_key), ("FK", role.parent.is_some()), ("UK", role.is_unique)];
        let marks: Vec<_> = marks.iter().filter(|(_, is_so)| *is_so).map(|(mark, _)| *mark).collect();
        let optional = if column.is_required { "" } else { " \"optional\"" };
        let line = format!("        {} {} {}", column.kind, column.name, marks.join(", "));
        writeln!(tables, "{}{optional}", line.trim_end()).unwrap();
    }
    format!("{BEGINS}erDiagram\n{lines}{tables}    }}\n{ENDS}")
}

fn drawn(text: &str) -> Option<(usize, usize)> {
    let begin = text.find(BEGINS)?;
    let inside = begin + BEGINS.len();
    Some((begin, inside + text[inside..].find(ENDS)? + ENDS.len()))
}

#[tokio::test]
async fn the_picture_in_the_docs_is_the_schema() {
    let text = fs::read_to_string(document()).unwrap();
    let (begin, end) = drawn(&text).unwrap();
    assert!(
        text[begin..end] == picture(&sqlite().await.database).await,
        "docs/data-model.md shows another schema; {HOW}"
    );
}

#[tokio::test]
#[ignore = "writes docs/data-model.md"]
async fn draw_the_picture() {
    let mut text = fs::read_to_string(document()).unwrap();
    let (begin, end) = drawn(&text).unwrap();
    text.replace_range(begin..end, &picture(&sqlite().await.database).await);
    fs::write(document(), text).unwrap();
}
