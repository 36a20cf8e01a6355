//! Options in the parentheses of an attribute: `#[faast::function(name = "..", version = 2)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, LitBool, LitInt, LitStr, Path};

use crate::diagnostic::Diagnostics;

const KEYS: &str = "`idempotent = false`, `version = 1`, `name = \"..\"`, `companion = ident` and `crate = path`";

/// What `#[faast::function(..)]` says.
#[derive(Default)]
pub(crate) struct FunctionOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) companion: Option<Ident>,
    idempotent: Option<bool>,
    version: Option<u64>,
    krate: Option<Path>,
}

impl FunctionOptions {
    pub(crate) fn parse(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        let parser = syn::meta::parser(|meta| {
            // Reported here and not returned, so that the options behind it are read too.
            options.read(&meta).or_else(|error| {
                diagnostics.add(error);
                skip_value(&meta)
            })
        });
        if let Err(error) = parser.parse2(tokens) {
            diagnostics.add(error);
        }
        options
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("idempotent") {
            set(&mut self.idempotent, meta, |value| Ok(value.parse::<LitBool>()?.value()))
        } else if meta.path.is_ident("version") {
            set(&mut self.version, meta, |value| value.parse::<LitInt>()?.base10_parse())
        } else if meta.path.is_ident("name") {
            set(&mut self.name, meta, |value| registered_name(value.parse()?))
        } else if meta.path.is_ident("companion") {
            set(&mut self.companion, meta, companion_name)
        } else if meta.path.is_ident("crate") {
            set(&mut self.krate, meta, |value| value.call(Path::parse_mod_style))
        } else {
            Err(meta.error(format!("`#[faast::function]` has no such option: it knows {KEYS}")))
        }
    }

    pub(crate) fn idempotent(&self) -> bool {
        self.idempotent.unwrap_or(true)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.unwrap_or(0)
    }

    /// The path of the glue in core.
    pub(crate) fn private(&self) -> TokenStream {
        private(self.krate.as_ref())
    }
}

/// What `#[faast::main(..)]` says: only where `faast` is.
pub(crate) fn parse_main(tokens: TokenStream, diagnostics: &mut Diagnostics) -> TokenStream {
    let mut krate = None;
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("crate") {
            return set(&mut krate, &meta, |value| value.call(Path::parse_mod_style));
        }
        Err(meta.error(
            "`#[faast::main]` has no such option; for a runtime of your own write a plain `fn main` that calls \
             `faast::worker::init()` first",
        ))
    });
    if let Err(error) = parser.parse2(tokens) {
        diagnostics.add(error);
    }
    private(krate.as_ref())
}

fn private(krate: Option<&Path>) -> TokenStream {
    krate.map_or_else(|| quote!(::faast::__private), |krate| quote!(#krate::__private))
}

fn set<T>(
    slot: &mut Option<T>,
    meta: &ParseNestedMeta<'_>,
    parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<()> {
    if slot.is_some() {
        return Err(meta.error("given twice: leave one of them"));
    }
    *slot = Some(parse(meta.value()?)?);
    Ok(())
}

fn companion_name(value: ParseStream<'_>) -> syn::Result<Ident> {
    value.parse()
}

fn registered_name(name: LitStr) -> syn::Result<LitStr> {
    if name.value().is_empty() || name.value().chars().any(char::is_control) {
        return Err(syn::Error::new(name.span(), "a registered name is some visible text, such as \"resize\""));
    }
    Ok(name)
}

/// Skips what follows the key of an option that could not be read.
fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    while !meta.input.is_empty() && !meta.input.peek(syn::Token![,]) {
        meta.input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
