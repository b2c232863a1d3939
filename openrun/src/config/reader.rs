//! Reads typed values from the layers.

use std::collections::BTreeSet;

use super::{
    ConfigError,
    kinds::{Kind, Rejected},
    layers::Layers,
    redact,
};

/// Stands for the data folder in other values.
const DATA_DIR: &str = "DATA_DIR/";

/// Reads typed values from the layers and collects what is wrong with them.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    data_dir: String,
    pub(super) errors: Vec<ConfigError>,
    /// The variables of the keys whose values are wrong.
    pub(super) rejected: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// `data_dir` is what `DATA_DIR` stands for in other values.
    pub(super) fn new(layers: &'a Layers) -> Self {
        let set = layers.key("data_dir").map(|key| (layers.value(key).text, layers.default_of(key)));
        let data_dir = set.map(|(text, default)| if text.is_empty() { default.to_owned() } else { text });
        Self { layers, data_dir: data_dir.unwrap_or_default(), errors: Vec::new(), rejected: BTreeSet::new() }
    }

    /// The value of the key `name`. A wrong one is an error and gives way to the default, so that the errors of the
    /// other values are found as well; `None` only when the default itself is wrong.
    pub(super) fn read<K: Kind>(&mut self, name: &str, kind: &K) -> Option<K::Value> {
        let key = self.layers.key(name)?;
        let (value, default) = (self.layers.value(key), self.layers.default_of(key));
        let text = self.resolve(&value.text);
        match kind.parse(&text) {
            Ok(parsed) => return Some(parsed),
            Err(rejected) => {
                let found = match rejected {
                    Rejected::NotSupportedYet(what) => format!("names {what}, which is not supported yet"),
                    Rejected::Unexpected if text.is_empty() => "is empty".to_owned(),
                    Rejected::Unexpected => format!("is {:?}", redact(&text)),
                };
                let problem = format!("{found}; expected {} (default {default:?})", kind.expected());
                self.errors.push(ConfigError::new(value.source.name(key), problem));
                self.rejected.insert(key.variable());
            }
        }
        kind.parse(&self.resolve(default)).ok()
    }

    fn resolve(&self, text: &str) -> String {
        text.replacen(DATA_DIR, &format!("{}/", self.data_dir.trim_end_matches('/')), 1)
    }
}
