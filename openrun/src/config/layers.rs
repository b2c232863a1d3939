//! The layers of a configuration, each value as text with the place it came from.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{
    error::ConfigError,
    key::Key,
    sources::{FILE_NAME, Sources},
};

const DEMO_DATA_DIR: &str = "./data/demo";

/// Where a value came from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Default,
    File(String),
    /// The variable's name, with `_FILE` when it named a file.
    Variable(String),
}

impl Source {
    /// What to call `key` so that the reader finds the place to correct.
    pub(super) fn name(&self, key: &Key) -> String {
        match self {
            Self::Default => key.variable(),
            Self::File(file) => format!("{} in {file} ({})", key.name, key.variable()),
            Self::Variable(name) => name.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) source: Source,
}

/// The values that are set, by the key's name, over the defaults.
#[derive(Debug)]
pub(super) struct Layers {
    keys: Vec<&'static Key>,
    set: BTreeMap<String, Value>,
    demo: bool,
}

impl Layers {
    /// Reads every layer; what cannot be understood is an error and left out.
    pub(super) fn gather(keys: Vec<&'static Key>, sources: &Sources) -> (Self, Vec<ConfigError>) {
        let mut layers = Self { keys, set: BTreeMap::new(), demo: sources.demo };
        let mut errors = Vec::new();
        if !sources.demo {
            layers.add_file(sources.file.as_deref(), &mut errors);
        }
        layers.add_environment(&sources.environment, &mut errors);
        (layers, errors)
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().copied().find(|key| key.name == name)
    }

    pub(super) fn value(&self, key: &Key) -> Value {
        let default = || Value { text: self.default_of(key).to_owned(), source: Source::Default };
        self.set.get(key.name).cloned().unwrap_or_else(default)
    }

    pub(super) fn default_of(&self, key: &Key) -> &'static str {
        if self.demo && key.name == "data_dir" { DEMO_DATA_DIR } else { key.default }
    }

    fn add_file(&mut self, named: Option<&Path>, errors: &mut Vec<ConfigError>) {
        let path = named.unwrap_or_else(|| Path::new(FILE_NAME));
        let name = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return errors.push(ConfigError::new(name, format!("cannot be read: {error}"))),
        };
        for (key, text) in read_toml(&name, &text, errors) {
            if self.key(&key).is_some() {
                self.set.insert(key, Value { text, source: Source::File(name.clone()) });
            } else {
                errors.push(ConfigError::new(
                    format!("{key} in {name}"),
                    "is no key of Openrun; `openrun config print` shows all",
                ));
            }
        }
    }

    fn add_environment(&mut self, environment: &BTreeMap<String, String>, errors: &mut Vec<ConfigError>) {
        for name in environment.keys().filter(|name| !is_for_scripts(name)) {
            match self.read_variable(name, environment) {
                Ok((key, text)) => {
                    self.set.insert(key, Value { text, source: Source::Variable(name.clone()) });
                }
                Err(error) => errors.push(error),
            }
        }
    }

    /// The key that the variable `name` sets, and its value.
    fn read_variable(
        &self,
        name: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<(String, String), ConfigError> {
        let key_of = |variable: &str| {
            let key = self.keys.iter().find(|key| key.variable() == variable)?;
            Some(key.name.to_owned())
        };
        let value = environment.get(name).map(String::as_str).unwrap_or_default();
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(ConfigError::new(name, "is no UTF-8"));
        }
        // The whole name first: OPENRUN_KEYS_FILE is a variable itself.
        if let Some(key) = key_of(name) {
            return Ok((key, value.to_owned()));
        }
        let Some((variable, key)) = name.strip_suffix("_FILE").and_then(|name| Some((name, key_of(name)?))) else {
            return Err(ConfigError::new(name, "is no variable of Openrun; `openrun config print` shows all keys"));
        };
        if environment.contains_key(variable) {
            return Err(ConfigError::new(name, format!("and {variable} are both set; keep one")));
        }
        let text = fs::read_to_string(value)
            .map_err(|error| ConfigError::new(name, format!("names {value:?}, which cannot be read: {error}")))?;
        Ok((key, text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// Whether a variable is for the scripts of the repository and not for the program.
pub(super) fn is_for_scripts(name: &str) -> bool {
    name.starts_with("OPENRUN_TEST_")
        || ["OPENRUN_BIN", "OPENRUN_SCREENSHOTS", "OPENRUN_ENGINES_DIR", "OPENRUN_FAIL_POINT"].contains(&name)
}

/// The keys and values of a TOML text.
fn read_toml(name: &str, text: &str, errors: &mut Vec<ConfigError>) -> Vec<(String, String)> {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            // Only the line's number: the line may hold a password.
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            errors.push(ConfigError::new(name, format!("is no TOML: line {line}: {}", error.message())));
            return Vec::new();
        }
    };
    let mut values = Vec::new();
    for (key, value) in table.into_iter().flat_map(flatten_section) {
        match text_of(&value) {
            Some(text) => values.push((key, text)),
            None => {
                errors.push(ConfigError::new(format!("{key} in {name}"), "is a structure; expected a single value"));
            }
        }
    }
    values
}

/// The keys of a section as `section.key`; any other value as it is.
fn flatten_section((key, value): (String, toml::Value)) -> Vec<(String, toml::Value)> {
    if let toml::Value::Table(section) = value {
        section.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)).collect()
    } else {
        vec![(key, value)]
    }
}

/// The value as a variable would have it.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Datetime(time) => Some(time.to_string()),
        toml::Value::Array(parts) => {
            let parts: Option<Vec<String>> = parts.iter().map(text_of).collect();
            parts.map(|parts| parts.join(","))
        }
        toml::Value::Table(_) => None,
    }
}
