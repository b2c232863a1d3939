//! Redacts secrets in URLs.

use url::Url;

/// Replaces a secret.
const REDACTED: &str = "***";

/// Replaces the password of a URL, and parameters that are named like secrets, by `***`.
pub fn redact(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    // The last @, because a password that was not escaped may hold one, or a slash, itself. In a URL that parses the
    // path may hold one as well.
    let authority_end = match Url::parse(text) {
        Ok(_) => place.find('/').unwrap_or(place.len()),
        Err(_) => place.len(),
    };
    let place = match place[..authority_end].rfind('@') {
        Some(at) => match place[..at].split_once(':') {
            Some((user, _)) => format!("{user}:{REDACTED}{}", &place[at..]),
            None => place.to_owned(),
        },
        None => place.to_owned(),
    };
    let query = query.map_or(String::new(), |query| format!("?{}", redact_parameters(query)));
    format!("{scheme}://{place}{query}")
}

fn redact_parameters(query: &str) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
        _ => pair.to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["pass", "secret", "token", "key"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_redacted_and_the_rest_is_kept() {
        for (url, shown) in [
            ("memory:", "memory:"),
            ("sqlite:./data/openrun.db", "sqlite:./data/openrun.db"),
            ("postgres://host/db", "postgres://host/db"),
            ("postgres://me:pw@host:5432/db?sslmode=require", "postgres://me:***@host:5432/db?sslmode=require"),
            ("postgres://host/db?user=me&password=pw", "postgres://host/db?user=me&password=***"),
            ("redis://:pw@host:6379/0", "redis://:***@host:6379/0"),
            ("redis://host/a:b@c", "redis://host/a:b@c"),
            ("kafka://one:9092,two:9092", "kafka://one:9092,two:9092"),
            ("kafka://me:pw@one:9092,two:9092", "kafka://me:***@one:9092,two:9092"),
            ("postgres://me:p/w@x@host:no/db", "postgres://me:***@host:no/db"),
        ] {
            assert_eq!(redact(url), shown);
        }
    }
}
