//! `#[faast::main]`: looks whether the process is a worker, and only then runs the user's `main`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Signature;

use crate::diagnostic::Diagnostics;
use crate::function::item::Item;
use crate::option;

pub(crate) fn expand(options: TokenStream, tokens: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let private = option::parse_main(options, &mut diagnostics);
    let item = match Item::parse("#[faast::main]", tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            diagnostics.add(error);
            return with_errors(tokens, diagnostics);
        }
    };
    check(&item.signature, &mut diagnostics);
    diagnostics.into_compile_errors().map_or_else(|| write(&item, &private), |errors| quote!(#errors fn main() {}))
}

fn with_errors(tokens: &TokenStream, diagnostics: Diagnostics) -> TokenStream {
    let errors = diagnostics.into_compile_errors();
    quote!(#errors #tokens)
}

fn check(signature: &Signature, diagnostics: &mut Diagnostics) {
    if signature.ident != "main" {
        diagnostics.report(
            &signature.ident,
            "`#[faast::main]` goes on `fn main`; functions for the cloud have `#[faast::function]`",
        );
    }
    if !signature.inputs.is_empty() {
        diagnostics.report(&signature.inputs, "`main` takes no arguments: read `std::env::args()` instead");
    }
    if !signature.generics.params.is_empty() {
        diagnostics.report(&signature.generics, "`main` can't be generic: nobody could choose the types");
    }
}

/// The user's `main` within one that asks first; it stays a function of its own, so that `?`, `return` and messages of
/// the compiler are as without the attribute.
fn write(item: &Item, private: &TokenStream) -> TokenStream {
    let cfgs = item.cfgs();
    let visibility = &item.visibility;
    let output = &item.signature.output;
    let (signature, body) = (&item.signature, &item.body);
    let attributes = item.attributes.iter().filter(|attribute| !attribute.path().is_ident("cfg"));
    let run = if item.signature.asyncness.is_some() { quote!(#private::block_on_main(main())) } else { quote!(main()) };
    let inner = quote!(#(#attributes)* #signature #body).into_token_stream();
    quote! {
        #(#cfgs)*
        #visibility fn main() #output {
            #inner
            #private::worker_init();
            #run
        }
    }
}
