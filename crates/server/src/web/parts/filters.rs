//! Ways to narrow a list: links, so that each choice has an address.

use askama::{Template, filters::HtmlSafe};

/// A way to narrow a list.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) name: &'static str,
    pub(crate) choices: Vec<Choice>,
}

/// One choice of a filter: a link.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) words: String,
    pub(crate) href: String,
    pub(crate) chosen: bool,
}

/// The mark-up of filters.
#[derive(Template)]
#[template(
    ext = "html",
    source = "<div class=\"filters\">{% for filter in filters %}<div role=\"group\" aria-label=\"{{ filter.name }}\">\
              <span class=\"name\">{{ filter.name }}</span>{% for choice in filter.choices %}<a href=\"{{ choice.href }}\"\
              {% if choice.chosen %} aria-current=\"true\"{% endif %}>{{ choice.words }}</a>{% endfor %}</div>{% endfor %}</div>"
)]
pub(crate) struct FilterBar<'a> {
    filters: &'a [Filter],
}

impl HtmlSafe for FilterBar<'_> {}

/// Makes the filters of a list.
pub(crate) fn filter_bar(filters: &[Filter]) -> FilterBar<'_> {
    FilterBar { filters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_link_and_says_that_it_is_chosen() {
        let choice = |chosen| Choice { words: "<b>".to_owned(), href: "/x?a=\"".to_owned(), chosen };
        let filters = [Filter { name: "State", choices: vec![choice(true), choice(false)] }];
        let text = filter_bar(&filters).render().unwrap();
        assert_eq!(text.matches("aria-current").count(), 1);
        assert!(!text.contains("<b>") && text.contains("href=\"/x?a=&#34;\""), "{text}");
    }
}
