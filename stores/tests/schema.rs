//! The schema: its two dialects say the same, and its picture in the docs is the schema's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "schema/columns.rs"]
mod columns;
#[path = "schema/migrations.rs"]
mod migrations;
#[path = "schema/picture.rs"]
mod picture;
#[path = "schema/plans.rs"]
mod plans;
#[path = "schema/statements.rs"]
mod statements;
#[path = "schema/words.rs"]
mod words;
