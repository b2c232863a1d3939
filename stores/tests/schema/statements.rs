//! Every statement of the program is one that both databases understand.
//!
//! The statements are read from the sources, so none can be forgotten: each is a string literal, and a call of sqlx that takes
//! its text from anywhere else fails the test.

use std::{fs, iter::Peekable, ops::Range, path::Path, str::CharIndices};

use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};
use stores::{
    database::{Dialect, sql::FRAGMENTS},
    testing::{live_postgres, sqlite},
};

/// A statement as one of the databases gets it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) dialect: Dialect,
    pub(crate) at: String,
}

/// One string literal of a source, with what stands before it.
struct Literal {
    text: String,
    start: usize,
}

type Letters<'s> = Peekable<CharIndices<'s>>;

/// The string literals of a source outside its comments, with their escapes carried out.
fn literals(source: &str) -> Vec<Literal> {
    let (mut found, mut letters) = (Vec::new(), source.char_indices().peekable());
    while let Some((start, letter)) = letters.next() {
        if source[start..].starts_with("//") {
            skip_while(&mut letters, |letter| letter != '\n');
        } else if source[start..].starts_with("'\"'") {
            // The letter that begins a text, and begins none here.
            letters.nth(1);
        } else if letter == '"' {
            found.push(Literal { text: text(&mut letters), start });
        }
    }
    found
}

fn skip_while(letters: &mut Letters<'_>, is_skipped: impl Fn(char) -> bool) {
    while letters.next_if(|(_, letter)| is_skipped(*letter)).is_some() {}
}

/// What follows the first quotation mark of a literal, up to the last one.
fn text(letters: &mut Letters<'_>) -> String {
    let mut text = String::new();
    while let Some((_, letter)) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next() {
                Some((_, '\n')) => skip_while(letters, char::is_whitespace),
                Some((_, 'n')) => text.push('\n'),
                Some((_, other)) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

fn is_statement(text: &str) -> bool {
    let begins = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
    begins.iter().any(|verb| text.trim_start().starts_with(verb))
}

/// The part of a source that is the program.
fn program(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or(source)
}

/// A macro that puts the beginning of a statement before its one literal.
struct Beginning {
    name: String,
    text: String,
    /// Where its own literals stand.
    at: Range<usize>,
}

fn beginnings(source: &str) -> Vec<Beginning> {
    let mut found = Vec::new();
    for (at, rule) in source.match_indices("macro_rules! ") {
        let name = source[at + rule.len()..].split_whitespace().next().unwrap();
        let body = &source[at..];
        let (Some(begin), Some(end)) = (body.find("concat!("), body.find("$rest\n")) else { continue };
        let at = at + begin..at + end;
        let parts = literals(source).into_iter().filter(|literal| at.contains(&literal.start));
        found.push(Beginning { name: format!("{name}!("), text: parts.map(|literal| literal.text).collect(), at });
    }
    found
}

/// Which database a statement is for, by what stands before it. Only PostgreSQL locks rows.
fn only(before: &str, text: &str) -> Option<Dialect> {
    let constant = before.rsplit("const ").next().unwrap_or_default();
    if before.ends_with("postgres:") || constant.starts_with("POSTGRES:") || text.contains(" FOR UPDATE") {
        Some(Dialect::Postgres)
    } else if before.ends_with("sqlite:") || constant.starts_with("SQLITE:") || text.contains("pragma_") {
        Some(Dialect::Sqlite)
    } else {
        None
    }
}

fn statements_of(path: &Path, found: &mut Vec<Statement>) {
    let source = fs::read_to_string(path).unwrap();
    let source = program(&source);
    let beginnings = beginnings(source);
    for mut literal in literals(source) {
        if beginnings.iter().any(|beginning| beginning.at.contains(&literal.start)) {
            continue;
        }
        let mut before = source[..literal.start].trim_end();
        if let Some(beginning) = beginnings.iter().find(|beginning| before.ends_with(&beginning.name)) {
            literal.text.insert_str(0, &beginning.text);
            before = before[..before.len() - beginning.name.len()].trim_end();
        }
        if !is_statement(&literal.text) {
            continue;
        }
        let line = source[..literal.start].lines().count();
        let only = only(before, &literal.text);
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            if only.is_none_or(|only| only == dialect) {
                let at = format!("{}:{line}", path.display());
                found.push(Statement { text: expanded(&literal.text, dialect), dialect, at });
            }
        }
    }
}

fn sources(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path);
        }
    }
}

fn of_the_program(each: &mut impl FnMut(&Path)) {
    for name in ["stores", "checkout", "waiting-room", "admission", "openrun"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"), each);
    }
}

/// The text with its fragments put in, as `sql!` does it.
fn expanded(text: &str, dialect: Dialect) -> String {
    FRAGMENTS.iter().fold(text.to_owned(), |text, fragment| text.replace(fragment.name, fragment.text.of(dialect)))
}

/// The statements of the program for one database.
pub(crate) fn statements(dialect: Dialect) -> Vec<Statement> {
    let mut statements = Vec::new();
    of_the_program(&mut |path| statements_of(path, &mut statements));
    statements.retain(|statement| statement.dialect == dialect);
    assert!(statements.len() > 100, "the statements were not found: {}", statements.len());
    statements
}

async fn prepare_all(connection: &mut AnyConnection, dialect: Dialect) {
    let mut refused = Vec::new();
    for (nth, statement) in statements(dialect).iter().enumerate() {
        let verb = match dialect {
            // Prepared by the database alone: the driver would ask for types that it cannot carry.
            Dialect::Postgres => format!("PREPARE statement_{nth} AS "),
            Dialect::Sqlite => "EXPLAIN ".to_owned(),
        };
        if let Err(fault) = connection.execute(AssertSqlSafe(format!("{verb}{}", statement.text))).await {
            refused.push(format!("{}: {fault}\n    {}", statement.at, statement.text));
        }
    }
    assert!(refused.is_empty(), "{dialect:?} refuses:\n{}", refused.join("\n"));
}

#[tokio::test]
async fn sqlite_understands_every_statement() {
    let fresh = sqlite().await;
    prepare_all(&mut fresh.database.writer().acquire().await.unwrap(), Dialect::Sqlite).await;
}

#[tokio::test]
async fn live_postgres_understands_every_statement() {
    let fresh = live_postgres().await;
    prepare_all(&mut fresh.database.writer().acquire().await.unwrap(), Dialect::Postgres).await;
}

/// What a call of sqlx takes its text from.
fn argument(call: &str) -> &str {
    let mut rest = call.trim_start_matches("_as").trim_start_matches("_scalar");
    if let Some(kinds) = rest.strip_prefix("::<") {
        let mut depth = 1;
        let end = kinds.find(|letter| {
            depth += match letter {
                '<' => 1,
                '>' => -1,
                _ => 0,
            };
            depth == 0
        });
        rest = &kinds[end.unwrap() + 1..];
    }
    rest.strip_prefix('(').unwrap_or(rest).trim_start()
}

/// A constant, or a variable that goes through a list of them.
fn is_constant(argument: &str) -> bool {
    let name: String =
        argument.trim_start_matches('*').chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    name == "statement" || (!name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

#[test]
fn every_statement_is_a_literal_of_the_sources() {
    let mut hidden = Vec::new();
    of_the_program(&mut |path| {
        let source = fs::read_to_string(path).unwrap();
        for (at, _) in program(&source).match_indices("sqlx::query") {
            let line = source[..at].lines().last().unwrap_or_default();
            if line.trim_start().starts_with("//") {
                continue;
            }
            let argument = argument(&source[at + "sqlx::query".len()..]);
            let is_macro = beginnings(&source).iter().any(|beginning| argument.starts_with(&beginning.name));
            let is_literal = argument.starts_with('"') || is_macro;
            if !is_literal && !is_constant(argument) && !is_constant(after_sql(argument)) {
                hidden.push(format!("{}: {}", path.display(), argument.lines().next().unwrap_or_default()));
            }
        }
    });
    assert!(hidden.is_empty(), "these are prepared by no test:\n{}", hidden.join("\n"));
}

/// What stands in the parentheses of `database.sql(…)`.
fn after_sql(argument: &str) -> &str {
    let Some((database, inside)) = argument.split_once(".sql(") else { return "" };
    let is_name = database.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '.');
    if is_name { inside } else { "" }
}
