//! No statement reads more of a table than the rows that it is about, whatever PostgreSQL believes of the table's size.
//!
//! PostgreSQL keeps the plan of a statement, and it makes the plan when a sale opens: nothing is held or owed, and a plan that
//! goes through all live holds for each order of a batch costs as little as any. It is kept while the sale grows. So the plans
//! are looked at as they are made for new tables, and for tables that are full of sales that are over.

use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _, Row as _};
use stores::{database::Dialect, testing::live_postgres};

use super::statements::{Statement, statements};

/// Tables that stay small, or of which a sale has few rows.
const SMALL: &[&str] = &["sales", "items", "leases", "installation", "processes", "sellers", "log_cursors"];

/// Columns whose values many rows of a table share.
const SHARED: &[&str] = &["sale", "consumer", "provider"];

/// Statements that go through whole tables, as their names say.
const WHOLE: &[&str] = &["/consistency.rs", "/reset.rs"];

/// The plan of a prepared statement as text, because the driver cannot carry JSON.
const PLAN_OF: &str = "CREATE FUNCTION plan_of(call text) RETURNS text LANGUAGE plpgsql AS $$ \
    DECLARE plan json; BEGIN EXECUTE 'EXPLAIN (FORMAT JSON) EXECUTE ' || call INTO plan; RETURN plan::text; END $$";

/// The faults of a plan, each as a sentence.
fn faults(plan: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(plan, false, &mut found);
    found
}

/// `is_repeated`: whether this part of the plan is carried out for each row of another part.
fn look(plan: &Value, is_repeated: bool, found: &mut Vec<String>) {
    let text = |key: &str| plan[key].as_str().unwrap_or_default();
    let kind = text("Node Type");
    let of = format!("{kind} of {} {}", text("Relation Name"), text("Index Name"));
    if kind == "BitmapAnd" {
        found.push(format!("{kind} reads two indexes where one finds the row"));
    }
    let is_scan = kind.contains("Index") || kind == "Seq Scan";
    if is_scan && is_list_of_ids(text("Filter")) && !SMALL.contains(&text("Relation Name")) {
        found.push(format!("{of}: a list of ids only filters: {}", text("Filter")));
    }
    if is_repeated
        && is_scan
        && !is_found_by_key(text("Index Cond"))
        && !is_small(text("Relation Name"), text("Index Name"))
    {
        found.push(format!("{of}: read for each row of another table: {}", text("Index Cond")));
    }
    for (nth, part) in plan["Plans"].as_array().into_iter().flatten().enumerate() {
        let is_inner = kind == "Nested Loop" && nth == 1;
        let is_repeated = match part["Parent Relationship"].as_str() {
            Some("InitPlan") => false,
            Some("SubPlan") => true,
            _ => is_repeated || is_inner,
        };
        look(part, is_repeated, found);
    }
}

fn is_small(table: &str, index: &str) -> bool {
    SMALL.iter().any(|small| table == *small || index.strip_prefix(small).is_some_and(|rest| rest.starts_with('_')))
}

/// Whether a list of ids that the statement was given only filters what is read otherwise. A set of states is a constant, or
/// compared with a state.
fn is_list_of_ids(filter: &str) -> bool {
    filter.match_indices(" = ANY ($").any(|(at, _)| !filter[..at].ends_with("state"))
}

/// Whether a condition has an equality, other than one with a parameter that most rows share.
fn is_found_by_key(condition: &str) -> bool {
    condition.match_indices(" = ").any(|(at, equals)| {
        let column = condition[..at].rsplit([' ', '(']).next().unwrap_or_default();
        let is_parameter = condition[at + equals.len()..].trim_start_matches('(').starts_with('$');
        !(is_parameter && SHARED.contains(&column))
    })
}

/// How many parameters a statement has.
fn parameters(text: &str) -> usize {
    (1..100).take_while(|n| text.contains(&format!("${n}"))).last().unwrap_or(0)
}

/// Ten thousand rows of sales that are over, and nothing of one that is under way.
const ENDED_SALES: &str = "
    SET session_replication_role = replica;
    INSERT INTO orders (id, purchase_id, sale, pass, number, buyer, state, request_hash, amount, currency, locale, trace,
        created_at, changed_at)
      SELECT n, n, n / 1000, n, n, n, 'sold', '', 1, 'KRW', 'ko', '', n, n FROM generate_series(1, 10000) AS n;
    INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at, gate_synced)
      SELECT n, 1, n / 1000, n, 'committed', '{}', n, n, 1 FROM generate_series(1, 10000) AS n;
    INSERT INTO payments (id, purchase_id, attempt, idempotency_key, method, amount, currency, state, provider, provider_id,
        sent_at, created_at, changed_at)
      SELECT n, n, 1, n, 'card', 1, 'KRW', 'captured', 'sandbox', n, n, n, n FROM generate_series(1, 10000) AS n;
    INSERT INTO payment_parts (payment_id, order_id, amount) SELECT n, n, 1 FROM generate_series(1, 10000) AS n;
    INSERT INTO inbox (consumer, event_id, at) SELECT 'stock', n, n FROM generate_series(1, 10000) AS n;
    INSERT INTO buyers (sale, buyer, units) SELECT n / 1000, n, 1 FROM generate_series(1, 10000) AS n;
    INSERT INTO order_lines (order_id, line_no, sale, item, name_ko, name_en, quantity, unit_amount)
      SELECT n, 1, n / 1000, 'item', '', '', 1, 1 FROM generate_series(1, 10000) AS n;
    INSERT INTO order_history (order_id, nth, state, actor, reason, at)
      SELECT n, 1, 'paid', 'system', '', n FROM generate_series(1, 10000) AS n;
    SET session_replication_role = origin;
    ANALYZE orders, holds, payments, payment_parts, inbox, buyers, order_lines, order_history";

async fn check(connection: &mut AnyConnection, tables: &str) {
    let mut found = Vec::new();
    for (nth, Statement { text, at, .. }) in statements(Dialect::Postgres).iter().enumerate() {
        if WHOLE.iter().any(|file| at.contains(file)) {
            continue;
        }
        let nulls = vec!["NULL"; parameters(text)].join(", ");
        let call = if nulls.is_empty() { format!("plan_{nth}") } else { format!("plan_{nth}({nulls})") };
        connection.execute(AssertSqlSafe(format!("PREPARE plan_{nth} AS {text}"))).await.unwrap();
        let row = sqlx::query("SELECT plan_of($1)").bind(call).fetch_one(&mut *connection).await.unwrap();
        connection.execute(AssertSqlSafe(format!("DEALLOCATE plan_{nth}"))).await.unwrap();
        let plan: Value = serde_json::from_str(&row.get::<String, _>(0)).unwrap();
        found.extend(faults(&plan[0]["Plan"]).into_iter().map(|fault| format!("{at}: {fault}\n    {text}")));
    }
    assert!(found.is_empty(), "{} plans for {tables}:\n{}", found.len(), found.join("\n"));
}

#[tokio::test]
async fn live_postgres_reads_by_key() {
    let fresh = live_postgres().await;
    let mut connection = fresh.database.writer().acquire().await.unwrap();
    connection.execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    connection.execute(PLAN_OF).await.unwrap();
    check(&mut connection, "new tables").await;
    connection.execute(ENDED_SALES).await.unwrap();
    check(&mut connection, "ended sales").await;
}
