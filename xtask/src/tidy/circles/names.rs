//! Collects the modules, imports and paths of a source, apart from its test code.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, UseTree, Visibility, visit, visit::Visit};

/// The names of modules from the root of a crate to one of its modules. Empty for the root.
pub(super) type Module = Vec<String>;

/// The imports of one module: name → path of the imported item.
pub(super) type Imports = BTreeMap<String, Vec<String>>;

/// A path, and the module in which it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) module: Module,
    pub(super) path: Vec<String>,
}

/// The names of one source.
#[derive(Default)]
pub(super) struct Names {
    /// The module of the source, and the inline modules in it.
    pub(super) modules: Vec<Module>,
    /// The modules that exist only in tests.
    pub(super) test_modules: Vec<Module>,
    /// The imports of each module. An import inside a function counts for the module around it.
    pub(super) imports: BTreeMap<Module, Imports>,
    /// All paths. A re-export (`pub use`) is not among them: it hands a name on and does not use it.
    pub(super) uses: Vec<Use>,
    /// The module that is being read.
    here: Module,
}

impl Names {
    /// Reads the source of a module.
    ///
    /// # Errors
    /// When the text is not Rust.
    pub(super) fn read(module: Module, text: &str) -> syn::Result<Self> {
        let mut names = Self { modules: vec![module.clone()], here: module, ..Self::default() };
        names.visit_file(&syn::parse_file(text)?);
        Ok(names)
    }

    fn child(&self, name: &syn::Ident) -> Module {
        [self.here.as_slice(), &[name.to_string()]].concat()
    }

    fn add_use(&mut self, path: Vec<String>) {
        self.uses.push(Use { module: self.here.clone(), path });
    }

    fn add_imports(&mut self, tree: &UseTree, mut path: Vec<String>, re_export: bool) {
        let name = match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                return self.add_imports(&tree.tree, path, re_export);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_imports(tree, path.clone(), re_export));
            }
            // `use a::{self}` imports the name `a`.
            UseTree::Name(tree) if tree.ident == "self" => path.last().cloned().unwrap_or_default(),
            UseTree::Name(tree) => {
                path.push(tree.ident.to_string());
                tree.ident.to_string()
            }
            UseTree::Rename(tree) => {
                path.push(tree.ident.to_string());
                tree.rename.to_string()
            }
            UseTree::Glob(_) => {
                path.push("*".to_owned());
                "*".to_owned()
            }
        };
        if !re_export {
            self.add_use(path.clone());
        }
        self.imports.entry(self.here.clone()).or_default().insert(name, path);
    }

    /// Finds paths of two or more names in the tokens of a macro, which `syn` does not parse.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) if colons == 2 && !path.is_empty() => {
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.end_path(&mut path);
                    colons = 0;
                    match other {
                        TokenTree::Ident(name) => path.push(name.to_string()),
                        TokenTree::Group(group) => self.read_tokens(group.stream()),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.add_use(path);
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        } else if let Item::Mod(module) = item {
            self.test_modules.push(self.child(&module.ident));
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let Some((_, items)) = &module.content else { return };
        self.here = self.child(&module.ident);
        self.modules.push(self.here.clone());
        items.iter().for_each(|item| self.visit_item(item));
        self.here.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // `use ::name` leads to another crate.
        if item.leading_colon.is_none() {
            self.add_imports(&item.tree, Vec::new(), !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add_use(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        self.read_tokens(called.tokens.clone());
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns whether attributes limit an item to tests, as `#[cfg(test)]` does.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let condition = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        let mut words = condition.split(|c: char| !c.is_alphanumeric());
        words.clone().any(|word| word == "test") && !words.any(|word| word == "not")
    })
}
