//! Writes every page in every state and language into a folder, to look at:
//! `cargo run -p web --example gallery -- FOLDER`.

use std::{fs, io, path::PathBuf};

use sale::Language;

#[path = "../tests/pages/samples.rs"]
mod samples;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/gallery".to_owned()));
    fs::create_dir_all(&folder)?;
    for language in Language::ALL {
        for sample in samples::all(language) {
            fs::write(folder.join(format!("{}.{}.html", sample.name, language.tag())), sample.html)?;
        }
    }
    Ok(())
}
