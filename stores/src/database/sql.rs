//! Statements in both dialects.
//!
//! A statement is one literal in [`sql!`]. Where the dialects differ, and where a set of states is meant, it has a name that
//! begins with `@`; what [`FRAGMENTS`] say for the name takes its place when the program is compiled. So a set of states is
//! written once, and reaches the database as constants: a partial index over the set is used.

use std::slice;

use super::Dialect;

/// A statement in both dialects.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    pub postgres: &'static str,
    pub sqlite: &'static str,
}

impl Sql {
    pub const fn of(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}

/// A name in a statement, and the text that takes its place.
#[derive(Clone, Copy, Debug)]
pub struct Fragment {
    pub name: &'static str,
    pub text: Sql,
}

/// The states of live holds.
const LIVE: &str = "('held', 'paying')";
/// The states of holds whose units count against the limit of their buyer.
const COUNTED: &str = "('held', 'paying', 'committed')";
/// The states of payments that the provider has still to decide.
const OPEN: &str = "('created', 'authorised', 'unknown')";
/// The states of payments that have ended and that their order has to follow.
const ENDED: &str = "('captured', 'declined', 'voided')";

/// Membership in the JSON array that a parameter carries.
macro_rules! is_in {
    ($n:literal) => {
        Fragment {
            name: concat!("@in($", $n, ")"),
            text: Sql {
                postgres: concat!("= ANY (ARRAY(SELECT json_array_elements_text($", $n, "::json)))"),
                sqlite: concat!("IN (SELECT value FROM json_each($", $n, "))"),
            },
        }
    };
}

macro_rules! is_not_in {
    ($n:literal) => {
        Fragment {
            name: concat!("@not_in($", $n, ")"),
            text: Sql {
                postgres: concat!("<> ALL (ARRAY(SELECT json_array_elements_text($", $n, "::json)))"),
                sqlite: concat!("NOT IN (SELECT value FROM json_each($", $n, "))"),
            },
        }
    };
}

/// The row lock of a table; SQLite has one writer, and no row locks.
macro_rules! lock {
    ($table:literal) => {
        Fragment {
            name: concat!("@lock(", $table, ")"),
            text: Sql { postgres: concat!("FOR UPDATE OF ", $table), sqlite: "" },
        }
    };
}

/// The same, passing over rows that another worker has locked.
macro_rules! skip_locked {
    ($table:literal) => {
        Fragment {
            name: concat!("@skip_locked(", $table, ")"),
            text: Sql { postgres: concat!("FOR UPDATE OF ", $table, " SKIP LOCKED"), sqlite: "" },
        }
    };
}

/// Everything that a statement may name.
pub const FRAGMENTS: &[Fragment] = &[
    Fragment { name: "@live", text: Sql { postgres: LIVE, sqlite: LIVE } },
    Fragment { name: "@counted", text: Sql { postgres: COUNTED, sqlite: COUNTED } },
    Fragment { name: "@open", text: Sql { postgres: OPEN, sqlite: OPEN } },
    Fragment { name: "@ended", text: Sql { postgres: ENDED, sqlite: ENDED } },
    is_in!("1"),
    is_in!("2"),
    is_in!("4"),
    is_in!("5"),
    is_in!("6"),
    is_not_in!("3"),
    lock!("b"),
    lock!("c"),
    lock!("h"),
    lock!("i"),
    lock!("p"),
    skip_locked!("h"),
    skip_locked!("p"),
    skip_locked!("r"),
    // The rows that `parameters::hold_ids` makes.
    Fragment {
        name: "@hold_ids($1)",
        text: Sql {
            postgres: "json_to_recordset($1::json) AS r(order_id text, n bigint)",
            sqlite: "(SELECT value ->> 'order_id' AS order_id, value ->> 'n' AS n FROM json_each($1)) AS r",
        },
    },
    // The rows that `holds::mark_synced` makes.
    Fragment {
        name: "@hold_ends($1)",
        text: Sql {
            postgres: "json_to_recordset($1::json) AS r(order_id text, n bigint, live bigint)",
            sqlite: "(SELECT value ->> 'order_id' AS order_id, value ->> 'n' AS n, value ->> 'live' AS live \
                     FROM json_each($1)) AS r",
        },
    },
    Fragment { name: "@greatest", text: Sql { postgres: "greatest", sqlite: "max" } },
];

/// A statement of one literal, with its fragments put in.
macro_rules! sql {
    ($text:expr) => {{
        const TEXT: &str = $text;
        $crate::database::sql::Sql {
            postgres: $crate::database::sql::expanded!(TEXT, Postgres),
            sqlite: $crate::database::sql::expanded!(TEXT, Sqlite),
        }
    }};
}

macro_rules! expanded {
    ($text:ident, $dialect:ident) => {{
        const LENGTH: usize = $crate::database::sql::expand::<0>($text, $crate::database::Dialect::$dialect).1;
        const BYTES: [u8; LENGTH] =
            $crate::database::sql::expand::<LENGTH>($text, $crate::database::Dialect::$dialect).0;
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => "",
        }
    }};
}

pub(crate) use {expanded, sql};

/// The first `N` bytes of a statement with its fragments put in, and the length of all of it. A name that is no fragment's
/// stays as it is.
pub(crate) const fn expand<const N: usize>(statement: &str, dialect: Dialect) -> ([u8; N], usize) {
    let (mut rest, mut expanded, mut length) = (statement.as_bytes(), [0; N], 0);
    while let Some((first, after)) = rest.split_first() {
        let (text, remaining) = match named_at(rest) {
            Some(fragment) => (fragment.text.of(dialect).as_bytes(), rest.split_at(fragment.name.len()).1),
            None => (slice::from_ref(first), after),
        };
        let mut at = 0;
        while at < text.len() {
            if length < N {
                expanded[length] = text[at];
            }
            length += 1;
            at += 1;
        }
        rest = remaining;
    }
    (expanded, length)
}

/// The fragment whose name a text begins with.
const fn named_at(text: &[u8]) -> Option<&'static Fragment> {
    if text[0] != b'@' {
        return None;
    }
    let mut nth = 0;
    while nth < FRAGMENTS.len() {
        if begins_with(text, FRAGMENTS[nth].name.as_bytes()) {
            return Some(&FRAGMENTS[nth]);
        }
        nth += 1;
    }
    None
}

const fn begins_with(text: &[u8], beginning: &[u8]) -> bool {
    let mut at = 0;
    while at < beginning.len() {
        if at == text.len() || text[at] != beginning[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use sale::{HoldState, PaymentState};

    use super::*;

    fn set(states: impl Iterator<Item = &'static str>) -> String {
        let quoted: Vec<_> = states.map(|state| format!("'{state}'")).collect();
        format!("({})", quoted.join(", "))
    }

    #[test]
    fn a_statement_has_the_fragments_of_its_dialect() {
        const STATEMENT: Sql = sql!("SELECT n FROM holds h WHERE n @in($1) AND state IN @live ORDER BY n @lock(h)");
        assert_eq!(
            STATEMENT.of(Dialect::Postgres),
            "SELECT n FROM holds h WHERE n = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
             AND state IN ('held', 'paying') ORDER BY n FOR UPDATE OF h"
        );
        assert_eq!(
            STATEMENT.of(Dialect::Sqlite),
            "SELECT n FROM holds h WHERE n IN (SELECT value FROM json_each($1)) AND state IN ('held', 'paying') ORDER BY n "
        );
    }

    #[test]
    fn the_sets_of_states_are_those_of_the_program() {
        let counted = |hold: &&HoldState| hold.is_live() || **hold == HoldState::Committed;
        let has_ended = |state: &&PaymentState| {
            matches!(state, PaymentState::Captured | PaymentState::Declined | PaymentState::Voided)
        };
        assert_eq!(LIVE, set(HoldState::LIVE.iter().map(|state| state.as_str())));
        assert_eq!(COUNTED, set(HoldState::ALL.iter().filter(counted).map(|state| state.as_str())));
        assert_eq!(OPEN, set(PaymentState::ALL.iter().filter(|state| state.is_open()).map(|state| state.as_str())));
        assert_eq!(ENDED, set(PaymentState::ALL.iter().filter(has_ended).map(|state| state.as_str())));
    }

    #[test]
    fn no_name_begins_with_another() {
        for one in FRAGMENTS {
            let others = FRAGMENTS.iter().filter(|other| other.name != one.name && other.name.starts_with(one.name));
            assert_eq!(others.count(), 0, "{}", one.name);
        }
    }
}
