//! What the operators' page names is what the program tells, and the other way round.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::{collections::BTreeSet, fs, path::Path};

const CRATES: [&str; 8] = ["sale", "stores", "web", "waiting-room", "admission", "checkout", "server", "openrun"];

#[test]
fn every_metric_is_on_the_operators_page_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut in_code = BTreeSet::new();
    for name in CRATES {
        read_folder(&root.join(name).join("src"), &mut in_code);
    }
    let page = fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let on_page: BTreeSet<_> = names(&page, '`').collect();
    assert_eq!(in_code, on_page);
}

fn read_folder(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("testing.rs") {
            found.extend(names(&fs::read_to_string(path).unwrap(), '"'));
        }
    }
}

/// What is quoted and named as our metrics are.
fn names(text: &str, quote: char) -> impl Iterator<Item = String> {
    let is_name =
        |text: &&str| text.starts_with("openrun_") && text.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
    text.split(quote).filter(is_name).map(str::to_owned)
}
