//! Names: the one list of an enum whose variants are stored in the database, sent over the API or typed
//! by people.
//!
//! [`names!`] declares such an enum. Every reader and every writer goes through it, so that a name is
//! written in one place and a name that nobody knows is an error everywhere. The crate uses no other crate of the
//! workspace, so that every other crate may use it.

use std::fmt;

/// What [`names!`] writes its code with.
#[doc(hidden)]
pub use serde;

/// A name that is not in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The thing that has names, for example `run state`.
    pub what: &'static str,
    /// The name that was read.
    pub name: String,
    /// The names that are known, in the order of the list.
    pub known: &'static [&'static str],
}

impl UnknownName {
    /// Returns ``expected one of `a`, `b`, `c` ``: the list for a person who may choose.
    #[must_use]
    pub fn one_of(&self) -> String {
        format!("expected one of {}", self.quoted().join(", "))
    }

    /// Returns ``expected `a`, `b` or `c` ``: the list as a sentence.
    #[must_use]
    pub fn either(&self) -> String {
        match self.quoted().as_slice() {
            [others @ .., last] if !others.is_empty() => format!("expected {} or {last}", others.join(", ")),
            one => format!("expected {}", one.concat()),
        }
    }

    fn quoted(&self) -> Vec<String> {
        self.known.iter().map(|name| format!("`{name}`")).collect()
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}`; use one of {}", self.what, self.name, self.known.join(", "))
    }
}

impl std::error::Error for UnknownName {}

/// Declares an enum of names: `names!(/** docs */ Mode, "mode" { Push = "push", Pull = "pull" });`
///
/// The enum gets `ALL`, `NAMES`, `as_str`, `Display`, `FromStr` (its error, [`UnknownName`], lists the known names),
/// and serde both ways. There is no default: a name that is not in the list is an error. After `|` stand names that an
/// older version wrote: they are read, and never written.
#[macro_export]
macro_rules! names {
    ($(#[$meta:meta])* $name:ident, $what:literal {
        $($(#[$vmeta:meta])* $variant:ident = $text:literal $(| $older:literal)*),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// All variants, in the order in which they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The names of all variants, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// Returns the name that is stored and sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                match text {
                    $($text $(| $older)* => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownName { what: $what, name: text.to_owned(), known: Self::NAMES }),
                }
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, to: S) -> ::std::result::Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(from: D) -> ::std::result::Result<Self, D::Error> {
                struct Visitor;

                impl $crate::serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        write!(f, "one of {}", $name::NAMES.join(", "))
                    }

                    fn visit_str<E: $crate::serde::de::Error>(self, text: &str) -> ::std::result::Result<$name, E> {
                        text.parse().map_err(|_| E::unknown_variant(text, $name::NAMES))
                    }
                }

                from.deserialize_str(Visitor)
            }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares what other crates may use")]
mod tests {
    use std::collections::BTreeMap;

    names!(
        /// A colour.
        Colour, "colour" {
            /// The colour of blood.
            Red = "red",
            DarkBlue = "dark_blue" | "navy",
        }
    );

    #[test]
    fn every_name_is_read_as_it_is_written() {
        assert_eq!(Colour::ALL, [Colour::Red, Colour::DarkBlue]);
        for (colour, name) in Colour::ALL.iter().zip(Colour::NAMES) {
            assert_eq!((colour.as_str(), colour.to_string().as_str()), (*name, *name));
            assert_eq!(name.parse(), Ok(*colour));
            let json = serde_json::to_string(colour).unwrap();
            assert_eq!(json, format!("{name:?}"));
            assert_eq!(serde_json::from_str::<Colour>(&json).unwrap(), *colour);
        }
        let map: BTreeMap<Colour, u8> = serde_json::from_str(r#"{"dark_blue":1}"#).unwrap();
        assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"dark_blue":1}"#);
    }

    #[test]
    fn an_older_name_is_read_and_never_written() {
        assert_eq!("navy".parse(), Ok(Colour::DarkBlue));
        assert_eq!(
            serde_json::to_string(&serde_json::from_str::<Colour>("\"navy\"").unwrap()).unwrap(),
            "\"dark_blue\""
        );
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let error = "green".parse::<Colour>().unwrap_err();
        assert_eq!(error.to_string(), "unknown colour `green`; use one of red, dark_blue");
        assert_eq!(error.one_of(), "expected one of `red`, `dark_blue`");
        assert_eq!(error.either(), "expected `red` or `dark_blue`");
        let error = serde_json::from_str::<Colour>("\"Red\"").unwrap_err().to_string();
        assert!(error.starts_with("unknown variant `Red`, expected `red` or `dark_blue`"), "{error}");
        let error = serde_json::from_str::<Colour>("5").unwrap_err().to_string();
        assert!(error.contains("expected one of red, dark_blue"), "{error}");
    }
}
