//! How a person wants the pages of one browser to be: the theme, and whether single keys act (WCAG 2.1.4 asks for a switch).
//! The browser keeps it in a cookie. It is no secret, and nobody else needs it, so the database does not hold it.

/// What a page follows. The default is the theme of the system, and keys that act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    theme: Theme,
    /// Whether single keys do nothing.
    pub(crate) keys_off: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

/// A theme to choose from.
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) words: &'static str,
    pub(crate) chosen: bool,
}

impl Theme {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::System, "system", "As the system has it"),
        (Self::Light, "light", "Light"),
        (Self::Dark, "dark", "Dark"),
    ];

    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map_or(Self::System, |(theme, ..)| theme)
    }

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(theme, ..)| *theme == self).map_or("system", |(_, name, _)| name)
    }
}

impl Look {
    /// Reads the text of the cookie, `dark.off` for example. What it does not know has the default.
    pub(crate) fn of(text: &str) -> Self {
        let (theme, keys) = text.split_once('.').unwrap_or((text, ""));
        Self::chosen(theme, keys != "off")
    }

    /// Makes the look that a person chose in the form.
    pub(crate) fn chosen(theme: &str, keys: bool) -> Self {
        Self { theme: Theme::named(theme), keys_off: !keys }
    }

    /// Returns the text for the cookie.
    pub(crate) fn text(self) -> String {
        format!("{}.{}", self.theme.name(), if self.keys_off { "off" } else { "on" })
    }

    /// Returns the theme that the page asks for; none for that of the system.
    pub(crate) fn theme(self) -> Option<&'static str> {
        (self.theme != Theme::System).then(|| self.theme.name())
    }

    /// Lists the themes to choose from.
    pub(crate) fn choices(self) -> Vec<Choice> {
        Theme::ALL.map(|(theme, value, words)| Choice { value, words, chosen: theme == self.theme }).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_the_same_after_the_way_through_the_cookie_and_an_unknown_one_is_the_default() {
        for theme in ["system", "light", "dark"] {
            for keys in [true, false] {
                let look = Look::chosen(theme, keys);
                assert_eq!(Look::of(&look.text()), look);
                assert_eq!(look.choices().iter().filter(|choice| choice.chosen).count(), 1);
            }
        }
        for text in ["", "pink", ".", "pink.maybe", "<b>"] {
            assert_eq!(Look::of(text), Look::default(), "{text}");
        }
        assert_eq!((Look::default().theme(), Look::of("dark.off").theme()), (None, Some("dark")));
    }
}
