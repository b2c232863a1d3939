//! The form of a declaration, and what follows from it.

use super::{key::Key, reader::Reader};

/// A part of the configuration: a struct with a field for each key, section and flag.
pub(super) trait Section: Sized {
    /// The keys of this section and of those within, in the order of the file.
    fn keys() -> Vec<&'static Key>;

    /// Reads every key; `None` only when a default is wrong. Flags are left empty.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// A file that reads back, with secrets hidden.
    fn to_toml(&self) -> String;

    /// The comment of the section in `default.toml`.
    #[cfg(test)]
    const COMMENT: &'static [&'static str];

    /// What `default.toml` has to say, each key with its comment and default.
    #[cfg(test)]
    fn default_toml() -> String;
}

/// Declares a section: its keys with documentation, type, default and kind; the sections within it; and fields that are
/// set by flags of the command line.
macro_rules! section {
    (
        $(#[doc = $comment:literal])*
        pub struct $Section:ident {
            keys $prefix:literal {
                $( $(#[doc = $key_comment:literal])* $key:ident: $type:ty = $default:literal, $kind:expr; )*
            }
            sections { $( $name:ident: $Inner:ident, )* }
            flags { $( $(#[doc = $flag_comment:literal])* $flag:ident: $flag_type:ty, )* }
        }
    ) => {
        $(#[doc = $comment])*
        #[derive(Clone, PartialEq)]
        pub struct $Section {
            $( pub $key: $type, )*
            $( pub $name: $Inner, )*
            $( $(#[doc = $flag_comment])* pub $flag: $flag_type, )*
        }

        /// As a file, so that secrets are hidden.
        impl std::fmt::Debug for $Section {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::config::declare::Section::to_toml(self))
            }
        }

        impl $crate::config::declare::Section for $Section {
            fn keys() -> Vec<&'static $crate::config::key::Key> {
                static KEYS: &[$crate::config::key::Key] = &[
                    $( $crate::config::key::Key { name: concat!($prefix, stringify!($key)), default: $default }, )*
                ];
                [
                    KEYS.iter().collect::<Vec<_>>(),
                    $( <$Inner as $crate::config::declare::Section>::keys(), )*
                ]
                .concat()
            }

            fn read(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                Some(Self {
                    $( $key: reader.read(concat!($prefix, stringify!($key)), &$kind)?, )*
                    $( $name: $crate::config::declare::Section::read(reader)?, )*
                    $( $flag: Default::default(), )*
                })
            }

            fn to_toml(&self) -> String {
                use $crate::config::kinds::Kind as _;
                [
                    $( format!("{} = {}\n", stringify!($key), $kind.print(&self.$key)), )*
                    $( format!("\n[{}]\n{}", stringify!($name), self.$name.to_toml()), )*
                ]
                .concat()
            }

            #[cfg(test)]
            const COMMENT: &'static [&'static str] = &[$($comment),*];

            #[cfg(test)]
            fn default_toml() -> String {
                use $crate::config::{declare::commented, kinds::Kind as _};
                [
                    $( {
                        let value = $kind.print(&$kind.parse($default).unwrap());
                        commented(&[$($key_comment),*], &format!("{} = {value}", stringify!($key)))
                    }, )*
                    $( commented($Inner::COMMENT, concat!("[", stringify!($name), "]")) + &$Inner::default_toml(), )*
                ]
                .concat()
            }
        }
    };
}
pub(super) use section;

/// A line of `default.toml` below its comment; one without a comment belongs to the line before it.
#[cfg(test)]
pub(super) fn commented(comment: &[&str], line: &str) -> String {
    let gap = if comment.is_empty() { "" } else { "\n" };
    let comment: Vec<String> = comment.iter().map(|text| format!("#{text}\n")).collect();
    format!("{gap}{}{line}\n", comment.concat())
}
