//! The layers of a configuration, each value as text with the place it came from.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{DEFAULT_TOML, FILE_NAME, Fault, Sources};

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
    /// What to call `key` so that the reader finds the place to mend.
    pub(super) fn name(&self, key: &str) -> String {
        match self {
            Self::Default => variable_of(key),
            Self::File(file) => format!("{key} in {file} ({})", variable_of(key)),
            Self::Variable(name) => name.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) source: Source,
}

/// The values in force, by key (`sandbox.seed`), over the defaults. The keys of `default.toml` are all there are.
#[derive(Debug, Default)]
pub(super) struct Layers {
    defaults: BTreeMap<String, String>,
    set: BTreeMap<String, Value>,
}

impl Layers {
    /// Reads every layer; what cannot be understood is a fault and left out.
    pub(super) fn gather(sources: &Sources) -> (Self, Vec<Fault>) {
        let mut layers = Self::default();
        let mut faults = Vec::new();
        layers.defaults = read_toml("default.toml", DEFAULT_TOML, &mut faults).into_iter().collect();
        if sources.demo {
            layers.defaults.insert("data_dir".to_owned(), DEMO_DATA_DIR.to_owned());
        } else {
            layers.add_file(sources.file.as_deref(), &mut faults);
        }
        layers.add_environment(&sources.environment, &mut faults);
        (layers, faults)
    }

    pub(super) fn value(&self, key: &str) -> Option<Value> {
        let default = || Some(Value { text: self.defaults.get(key)?.clone(), source: Source::Default });
        self.set.get(key).cloned().or_else(default)
    }

    pub(super) fn default_of(&self, key: &str) -> Option<&str> {
        self.defaults.get(key).map(String::as_str)
    }

    fn add_file(&mut self, named: Option<&Path>, faults: &mut Vec<Fault>) {
        let path = named.unwrap_or_else(|| Path::new(FILE_NAME));
        let name = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return faults.push(Fault::new(name, format!("cannot be read: {error}"))),
        };
        for (key, text) in read_toml(&name, &text, faults) {
            if self.defaults.contains_key(&key) {
                self.set.insert(key, Value { text, source: Source::File(name.clone()) });
            } else {
                faults.push(Fault::new(
                    format!("{key} in {name}"),
                    "is no key of Openrun; `openrun config print` shows all",
                ));
            }
        }
    }

    fn add_environment(&mut self, environment: &BTreeMap<String, String>, faults: &mut Vec<Fault>) {
        for name in environment.keys().filter(|name| !is_for_scripts(name)) {
            match self.read_variable(name, environment) {
                Ok((key, text)) => {
                    self.set.insert(key, Value { text, source: Source::Variable(name.clone()) });
                }
                Err(fault) => faults.push(fault),
            }
        }
    }

    /// The key that the variable `name` sets, and its value.
    fn read_variable(&self, name: &str, environment: &BTreeMap<String, String>) -> Result<(String, String), Fault> {
        let key_of = |variable: &str| self.defaults.keys().find(|key| variable_of(key) == variable).cloned();
        let value = environment.get(name).map(String::as_str).unwrap_or_default();
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Fault::new(name, "is no UTF-8"));
        }
        // The whole name first: OPENRUN_KEYS_FILE is a variable itself.
        if let Some(key) = key_of(name) {
            return Ok((key, value.to_owned()));
        }
        let Some((variable, key)) = name.strip_suffix("_FILE").and_then(|name| Some((name, key_of(name)?))) else {
            return Err(Fault::new(name, "is no variable of Openrun; `openrun config print` shows all keys"));
        };
        if environment.contains_key(variable) {
            return Err(Fault::new(name, format!("and {variable} are both set; keep one")));
        }
        let text = fs::read_to_string(value)
            .map_err(|error| Fault::new(name, format!("names {value:?}, which cannot be read: {error}")))?;
        Ok((key, text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// Whether a variable speaks to the scripts of the repository and not to the program.
pub(super) fn is_for_scripts(name: &str) -> bool {
    name.starts_with("OPENRUN_TEST_")
        || ["OPENRUN_BIN", "OPENRUN_SCREENSHOTS", "OPENRUN_ENGINES_DIR", "OPENRUN_FAIL_POINT"].contains(&name)
}

/// `sandbox.seed` → `OPENRUN_SANDBOX_SEED`.
fn variable_of(key: &str) -> String {
    format!("OPENRUN_{}", key.replace('.', "_").to_uppercase())
}

/// The keys and values of a TOML text.
fn read_toml(name: &str, text: &str, faults: &mut Vec<Fault>) -> Vec<(String, String)> {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            // Only the line's number: the line may hold a password.
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            faults.push(Fault::new(name, format!("is no TOML: line {line}: {}", error.message())));
            return Vec::new();
        }
    };
    let mut values = Vec::new();
    for (key, value) in table.into_iter().flat_map(flatten_section) {
        match text_of(&value) {
            Some(text) => values.push((key, text)),
            None => faults.push(Fault::new(format!("{key} in {name}"), "is a structure; expected a single value")),
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
