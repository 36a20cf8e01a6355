//! `#[faast::function]`: reads a function, says all that is wrong with it, or writes its companion.

mod check;
mod expand;
pub(crate) mod item;
mod output;
mod parameter;
mod signature_text;
mod type_walk;

use proc_macro2::TokenStream;
use quote::quote;

use self::item::Item;
use self::output::Output;
use self::parameter::Parameter;
use crate::diagnostic::Diagnostics;
use crate::option::FunctionOptions;

/// A function that can be remote.
struct Function {
    item: Item,
    options: FunctionOptions,
    parameters: Vec<Parameter>,
    output: Output,
}

/// The function as it was, with its companion or with what is wrong.
pub(crate) fn expand(options: TokenStream, tokens: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let function = read(options, tokens.clone(), &mut diagnostics);
    let added = diagnostics.into_compile_errors().or_else(|| function.as_ref().map(expand::companion));
    quote!(#tokens #added)
}

fn read(options: TokenStream, tokens: TokenStream, diagnostics: &mut Diagnostics) -> Option<Function> {
    let options = FunctionOptions::parse(options, diagnostics);
    let item = match Item::parse("#[faast::function]", tokens) {
        Ok(item) => item,
        Err(error) => {
            diagnostics.add(error);
            return None;
        }
    };
    check::check(&item.signature, diagnostics);
    let parameters = parameter::read(&item.signature, diagnostics);
    let output = Output::read(&item.signature.output, &options.private(), diagnostics);
    Some(Function { item, options, parameters, output: output? })
}
