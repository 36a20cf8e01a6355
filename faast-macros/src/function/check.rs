//! Refusals that concern the function as a whole, each with the way out.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{FnArg, GenericParam, Safety, Signature};

use crate::diagnostic::Diagnostics;

pub(super) fn check(signature: &Signature, diagnostics: &mut Diagnostics) {
    if let Safety::Unsafe(token) = &signature.safety {
        diagnostics.report(
            token,
            "an unsafe function can't be remote: nobody upholds its conditions in the worker; write a safe function that \
             calls it",
        );
    }
    if let Some(abi) = &signature.abi {
        diagnostics.report(
            abi,
            "a function with another calling convention can't be remote: write a plain `fn` that calls it",
        );
    }
    if let Some(variadic) = &signature.variadic {
        diagnostics.report(variadic, "a variadic function can't be remote: pass a `Vec`");
    }
    for input in &signature.inputs {
        if let FnArg::Receiver(receiver) = input {
            diagnostics.report(
                receiver,
                "a method can't be remote: write a free function that takes the value as its first argument, \
                 `fn name(this: &Type, ..)`, and calls the method",
            );
        }
    }
    if let Some(ident) = find_self(signature.to_token_stream()) {
        diagnostics.report(
            ident,
            "an associated function can't be remote: move it out of the `impl`, and write the type's name for `Self`",
        );
    }
    for parameter in &signature.generics.params {
        let what = match parameter {
            GenericParam::Lifetime(_) => continue,
            GenericParam::Type(_) => "types",
            GenericParam::Const(_) => "constants",
        };
        diagnostics.report(
            parameter,
            format!(
                "a function that is generic over {what} can't be remote: the worker must know it by name; write a \
                 function for each case that calls the generic one"
            ),
        );
    }
}

fn find_self(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => Some(ident),
        TokenTree::Group(group) => find_self(group.stream()),
        _ => None,
    })
}
