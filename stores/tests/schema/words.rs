//! The words of states in the schema and the statements are those of the enums.

use std::collections::BTreeSet;

use sale::{
    HoldState, OrderState, PaymentState,
    order::{Actor, FinancialState, Fulfilment, Intent, RefundState, ReservationState, VoidFor},
};
use stores::database::Dialect;

use crate::statements::statements;

const POSTGRES: &str = include_str!("../../../migrations/postgres/0001_the_walk.sql");
const SQLITE: &str = include_str!("../../../migrations/sqlite/0001_the_walk.sql");

macro_rules! words {
    ($states:expr) => {
        $states.iter().map(|state| state.as_str()).collect::<BTreeSet<&str>>()
    };
}

/// The sets of words that stand after `IN` in a text.
fn sets(text: &str) -> Vec<BTreeSet<&str>> {
    let after = text.split("IN").skip(1).filter_map(|after| after.trim_start().strip_prefix("('"));
    after.map(|after| after.split(')').next().unwrap().split('\'').filter(|word| is_word(word)).collect()).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

#[test]
fn the_schema_allows_the_states_of_the_program() {
    let known = [
        words!(ReservationState::ALL),
        words!(FinancialState::ALL),
        words!(Fulfilment::ALL),
        words!(Actor::ALL),
        words!(HoldState::ALL),
        // Of the index over deadlines.
        words!(HoldState::LIVE),
        words!(PaymentState::ALL),
        words!(Intent::ALL),
        words!(VoidFor::ALL),
        words!(RefundState::ALL),
        // Of money moves.
        BTreeSet::from(["captured", "refunded"]),
    ];
    for schema in [POSTGRES, SQLITE] {
        let sets = sets(schema);
        assert_eq!(sets.len(), known.len(), "{sets:?}");
        for set in sets {
            assert!(known.contains(&set), "{set:?} is no set of states");
        }
    }
}

/// The words that a column is compared with in a statement.
fn compared<'s>(statement: &'s str, column: &str) -> Vec<&'s str> {
    let mut found = Vec::new();
    for (at, _) in statement.match_indices(column) {
        let (before, after) = (&statement[..at], &statement[at + column.len()..]);
        if before.ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_') {
            continue;
        }
        let after = ["= ", "<> ", "IN (", "NOT IN ("].iter().find_map(|verb| after.trim_start().strip_prefix(verb));
        let Some(list) = after.filter(|after| after.starts_with('\'')) else { continue };
        let end = if list.contains("', '") { list.find(')').unwrap_or(list.len()) } else { list.len() };
        let mut words = list[..end].split('\'').skip(1);
        while let Some(word) = words.next() {
            found.push(word);
            if words.next().is_none_or(|between| between != ", ") {
                break;
            }
        }
    }
    found
}

#[test]
fn statements_name_the_states_of_the_program() {
    let mut states = words!(HoldState::ALL);
    states.extend(words!(ReservationState::ALL));
    states.extend(words!(PaymentState::ALL));
    states.extend(words!(RefundState::ALL));
    states.extend(words!(OrderState::ALL));
    let columns = [
        ("state", states),
        ("financial_state", words!(FinancialState::ALL)),
        ("intent", words!(Intent::ALL)),
        ("void_for", words!(VoidFor::ALL)),
    ];
    let mut count = 0;
    for statement in statements(Dialect::Postgres).iter().chain(&statements(Dialect::Sqlite)) {
        for (column, known) in &columns {
            for word in compared(&statement.text, column) {
                assert!(known.contains(word), "{}: {column} is compared with `{word}`", statement.at);
                count += 1;
            }
        }
    }
    assert!(count > 50, "only {count} comparisons were found");
}
