//! The keys file on disk: created once, readable by its owner alone, replaced atomically.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use sale::{Keys, keys::BadKeys};

use crate::config::Config;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(
        "there is no keys file at {path}; make it with `openrun keys init`, or name the installation's with \
         OPENRUN_KEYS_FILE or OPENRUN_DATA_DIR (the demo's is ./data/demo)"
    )]
    Missing { path: PathBuf },
    #[error(
        "{path} already exists; overwriting it would invalidate everything signed with it. Use `openrun keys rotate` to add keys"
    )]
    Exists { path: PathBuf },
    #[error("the keys file {path} cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the keys file {path} cannot be written")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{path} cannot be used")]
    Bad { path: PathBuf, source: BadKeys },
}

/// Reads the keys file.
pub fn load(path: &Path) -> Result<Keys, KeysError> {
    let text = fs::read_to_string(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            KeysError::Missing { path }
        } else {
            KeysError::Unreadable { path, source }
        }
    })?;
    Keys::parse(&text).map_err(|source| KeysError::Bad { path: path.to_owned(), source })
}

/// Reads the keys file, and makes it at the first start of an installation that is one process with one folder.
pub fn load_or_make(config: &Config) -> Result<Keys, KeysError> {
    match load(&config.keys_file) {
        Err(KeysError::Missing { .. }) if config.owns_its_keys() => {
            match init(&config.keys_file) {
                Ok(()) => {
                    warn_of_lost_keys(config);
                    load(&config.keys_file)
                }
                // Another process was faster; its keys count.
                Err(KeysError::Exists { .. }) => load(&config.keys_file),
                Err(error) => Err(error),
            }
        }
        answer => answer,
    }
}

/// A database without its keys has been copied, or its keys file deleted: the operator should know what is lost.
fn warn_of_lost_keys(config: &Config) {
    let database = config.database_url.strip_prefix("sqlite:").map(Path::new);
    if database.is_some_and(Path::exists) {
        tracing::warn!(
            "made new keys at {} beside a database that was there already: tickets, passes and addresses made with \
             other keys cannot be read any more",
            config.keys_file.display()
        );
    }
}

/// A sentence when others than the owner may read the file.
pub fn exposure(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        format!(
            "the keys file {path} has mode {mode:03o}: anybody who reads it can forge tickets and passes; chmod 600 {path}",
            path = path.display()
        )
    })
}

/// Makes a new keys file; never in the place of another.
pub fn init(path: &Path) -> Result<(), KeysError> {
    let unwritable = |source| KeysError::Unwritable { path: path.to_owned(), source };
    make_folder(path).map_err(unwritable)?;
    let draft = write_draft(path, &Keys::generate()).map_err(unwritable)?;
    // A link, unlike a rename, fails when the name is taken: of two first starts at once one makes the keys.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(unwritable)?;
    match linked {
        Ok(()) => sync_folder(path).map_err(unwritable),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(KeysError::Exists { path: path.to_owned() }),
        Err(error) => Err(unwritable(error)),
    }
}

/// Adds a new key to every ring. A reader sees the old file or the new one, never a part.
pub fn rotate(path: &Path) -> Result<(), KeysError> {
    let mut keys = load(path)?;
    keys.rotate();
    let replace = || {
        // The file itself, when the path is a link to it.
        let path = fs::canonicalize(path)?;
        let owner = fs::metadata(&path)?;
        let draft = write_draft(&path, &keys)?;
        let draft_owner = fs::metadata(&draft)?;
        if (owner.uid(), owner.gid()) != (draft_owner.uid(), draft_owner.gid()) {
            chown(&draft, Some(owner.uid()), Some(owner.gid()))?;
        }
        fs::rename(&draft, &path)?;
        sync_folder(&path)
    };
    replace().map_err(|source| KeysError::Unwritable { path: path.to_owned(), source })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))
}

/// A file beside `path` with the keys in it, safe on disk.
fn write_draft(path: &Path, keys: &Keys) -> io::Result<PathBuf> {
    let mut text = serde_json::to_string_pretty(keys)?;
    text.push('\n');
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(draft)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/keys.json");
        init(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(exposure(&path), None);
        let sessions = load(&path).unwrap().sessions;
        assert!(matches!(init(&path), Err(KeysError::Exists { .. })));
        assert_eq!(load(&path).unwrap().sessions, sessions);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_rotation_keeps_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        init(&path).unwrap();
        let before = load(&path).unwrap();
        rotate(&path).unwrap();
        let after = load(&path).unwrap();
        let old = before.tickets.current();
        assert_eq!(after.tickets.find(old.id).unwrap().secret, old.secret);
        assert_ne!(after.tickets.current().id, old.id);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        init(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(exposure(&path).unwrap().contains("mode 640"));
    }
}
