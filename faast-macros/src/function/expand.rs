//! What is written beside the function: the companion type, and everything else in one `const _`.
//!
//! Generated names of items begin with `__FAAST` or `__faast`; generated names of variables are hygienic, so that no
//! parameter of the user's can collide with one. Types of the user's are written with the user's spans, in one place
//! each that demands something of them: there the compiler points when they can't cross to a worker.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Type};

use super::Function;
use super::output::{ErrorOutput, Shape};
use super::parameter::{Parameter, Passing};
use super::signature_text::signature_text;

/// Everything that is added to the function.
pub(super) fn companion(function: &Function) -> TokenStream {
    let private = function.options.private();
    let cfgs: Vec<_> = function.item.cfgs().collect();
    let declaration = declaration(function);
    let (calls, entry, body) = (methods(function), entry(function), body(function));
    let parameters = function.parameters.iter().enumerate().map(|(index, parameter)| parameter.codec(index));
    let output = &function.output.item;
    let new_output = quote_spanned!(output.span()=> __faast::output::<#output>(<__faast::Probe<#output>>::EQUAL));
    let errors = function.output.error.as_ref().map(errors);
    quote! {
        #(#cfgs)*
        #declaration
        #(#cfgs)*
        #[allow(
            dead_code, deprecated, private_bounds, private_interfaces, single_use_lifetimes, non_local_definitions,
            unreachable_pub, unused_imports, unused_qualifications, non_snake_case, unused_lifetimes,
            clippy::all, clippy::nursery, clippy::pedantic, clippy::restriction
        )]
        const _: () = {
            use #private as __faast;
            use __faast::{Unknown as _, UnknownError as _, UnknownPair as _};
            #(#parameters)*
            const __FAAST_OUTPUT: __faast::Output<#output> = #new_output;
            #errors
            static __FAAST_ARGUMENT_CHECK: __faast::LossCheck = __faast::LossCheck::new();
            static __FAAST_OUTPUT_CHECK: __faast::LossCheck = __faast::LossCheck::new();
            #body
            #entry
            #calls
        };
    }
}

/// `pub struct name {}`, with braces so that the function keeps the name among values.
fn declaration(function: &Function) -> TokenStream {
    let (visibility, companion) = (&function.item.visibility, function.companion());
    let name = &function.item.signature.ident;
    let deprecated = function.item.attributes.iter().filter(|attribute| attribute.path().is_ident("deprecated"));
    let doc = format!(
        "The companion of the function `{name}`: `{companion}::call(..)` makes a call of it that a `faast::Cloud` runs."
    );
    quote! {
        #[doc = #doc]
        #(#deprecated)*
        #[allow(
            dead_code, non_camel_case_types, missing_copy_implementations, missing_debug_implementations,
            clippy::empty_structs_with_brackets, clippy::exhaustive_structs
        )]
        #visibility struct #companion {}
    }
}

/// `call` and, for results, `error`.
fn methods(function: &Function) -> TokenStream {
    let signature = &function.item.signature;
    let (visibility, companion) = (&function.item.visibility, function.companion());
    let (lifetimes, conditions) = (&signature.generics, &signature.generics.where_clause);
    let item = &function.output.item;
    let (returned, finish) = match function.output.shape {
        Shape::Value => (quote!(__faast::Call<#item>), quote!(call)),
        Shape::Iterator | Shape::Stream => (quote!(__faast::StreamCall<#item>), quote!(stream_call)),
    };
    let parameters = function.parameters.iter().map(|parameter| {
        let (ident, written) = (&parameter.ident, &parameter.written);
        quote!(#ident: #written)
    });
    let arguments = local("arguments");
    let puts = function.parameters.iter().enumerate().map(|(index, parameter)| parameter.put(index, &arguments));
    let name = function.item.name();
    let doc = format!("Makes a call of `{name}`: encodes the arguments at once, and runs nothing.");
    let error = function.output.error.as_ref().map(|error| {
        let doc = format!(
            "The error that `{name}` returned, if that is why its call failed; `None` for other failures, and if the \
             error's type does not cross to a worker."
        );
        let (ty, failure) = (&error.ty, local("error"));
        quote! {
            #[doc = #doc]
            #visibility fn error(#failure: &__faast::Error) -> ::core::option::Option<#ty> {
                __FAAST_ERRORS.decode(#failure, &__FAAST_ENTRY)
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #companion {
            #[doc = #doc]
            #visibility fn call #lifetimes (#(#parameters),*) -> #returned #conditions {
                let mut #arguments = __faast::Arguments::new(&__FAAST_ENTRY, &__FAAST_ARGUMENT_CHECK);
                #(#puts)*
                __FAAST_OUTPUT.#finish(#arguments)
            }
            #error
        }
    }
}

/// What the registry knows.
fn entry(function: &Function) -> TokenStream {
    let signature = &function.item.signature;
    let last = function.item.name();
    let path = quote!(::core::concat!(::core::module_path!(), "::", #last));
    let name = function.options.name.as_ref().map_or(path, ToTokens::to_token_stream);
    let (text, version) = (signature_text(signature), function.options.version());
    let idempotent = function.options.idempotent();
    let kind = match (function.output.shape, signature.asyncness.is_some()) {
        (Shape::Value, false) => quote!(Sync),
        (Shape::Value, true) => quote!(Async),
        (Shape::Iterator, false) => quote!(Iterator),
        (Shape::Iterator, true) | (Shape::Stream, _) => quote!(Stream),
    };
    quote! {
        const __FAAST_SIGNATURE: u64 = __faast::fnv1a(#text.as_bytes(), #version);
        static __FAAST_ENTRY: __faast::FunctionEntry = __faast::FunctionEntry {
            name: __faast::marked_name!(#name, __FAAST_SIGNATURE),
            signature: __FAAST_SIGNATURE,
            location: ::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!()),
            idempotent: #idempotent,
            body: __faast::Body::#kind(__faast_body),
        };
        __faast::inventory::submit! { __faast::Registered(&__FAAST_ENTRY) }
    }
}

/// What the worker runs.
fn body(function: &Function) -> TokenStream {
    let signature = &function.item.signature;
    let name = &signature.ident;
    let (input, out, value) = (local("input"), local("out"), local("value"));
    let takes = function.parameters.iter().enumerate().map(|(index, _)| {
        let (variable, codec) = (argument(index), codec(index));
        quote!(let #variable = #codec.take(&mut #input)?;)
    });
    let passed = function.parameters.iter().enumerate().map(|(index, parameter)| parameter.pass(index));
    let wait = signature.asyncness.map(|_| quote!(.await));
    let mut run = quote!(#name(#(#passed),*) #wait);
    if function.output.error.is_some() {
        let error = local("error");
        run = quote! {
            match __faast::IsResult::into_result(#run) {
                ::core::result::Result::Ok(#value) => #value,
                ::core::result::Result::Err(#error) => {
                    return ::core::result::Result::Err(__FAAST_ERRORS.failure(&#error));
                }
            }
        };
    }
    let end = match function.output.shape {
        Shape::Value => quote!(put(#value, #out, &__FAAST_ENTRY, &__FAAST_OUTPUT_CHECK)),
        Shape::Iterator => quote!(drain(#value, #out, &__FAAST_ENTRY, &__FAAST_OUTPUT_CHECK)),
        Shape::Stream => quote!(forward(#value, #out, &__FAAST_ENTRY, &__FAAST_OUTPUT_CHECK).await),
    };
    let steps = quote! {
        let mut #input = __faast::Input::new(#input);
        #(#takes)*
        #input.end()?;
        let #value = #run;
        __FAAST_OUTPUT.#end
    };
    let future = |out_type: TokenStream| {
        quote! {
            fn __faast_body<'a>(#input: &'a [u8], #out: #out_type) -> __faast::LocalFuture<'a, __faast::Ended> {
                ::std::boxed::Box::pin(async move { #steps })
            }
        }
    };
    match (function.output.shape, wait.is_some()) {
        (Shape::Value, false) => quote! {
            fn __faast_body(#input: &[u8], #out: &mut ::std::vec::Vec<u8>) -> __faast::Ended { #steps }
        },
        (Shape::Iterator, false) => quote! {
            fn __faast_body(#input: &[u8], #out: __faast::Emit<'_>) -> __faast::Ended { #steps }
        },
        (Shape::Value, true) => future(quote!(&'a mut ::std::vec::Vec<u8>)),
        (Shape::Iterator, true) | (Shape::Stream, _) => future(quote!(__faast::Emit<'a>)),
    }
}

fn errors(error: &ErrorOutput) -> TokenStream {
    let ty = &error.ty;
    let (encode, decode) = if error.refers {
        (quote!(::core::option::Option::None), quote!(::core::option::Option::None))
    } else {
        (quote!(<__faast::Probe<#ty>>::ENCODE), quote!(<__faast::Probe<#ty>>::DECODE))
    };
    quote! {
        const __FAAST_ERRORS: __faast::Errors<#ty> = __faast::Errors {
            encode: #encode,
            decode: #decode,
            describe: [
                <__faast::Probe<#ty>>::ERROR,
                <__faast::Probe<#ty>>::WRAPPER,
                <__faast::Probe<#ty>>::SEND_WRAPPER,
                <__faast::Probe<#ty>>::DISPLAY,
                <__faast::Probe<#ty>>::DEBUG,
            ],
        };
    }
}

impl Function {
    fn companion(&self) -> &Ident {
        self.options.companion.as_ref().unwrap_or(&self.item.signature.ident)
    }
}

impl Parameter {
    /// The constant that encodes and decodes it.
    fn codec(&self, index: usize) -> TokenStream {
        let (constant, target, name) = (codec(index), &self.target, self.message_name());
        let at = target.span();
        let equal = quote!(<__faast::Probe<#target>>::EQUAL);
        let lent = if is_bytes(target) {
            quote_spanned!(at=> __faast::lent_bytes(#name, #equal))
        } else {
            quote_spanned!(at=> __faast::lent::<#target>(#name, #equal))
        };
        match self.passing {
            Passing::Owned => {
                let new = quote_spanned!(at=> __faast::argument::<#target>(#name, #equal));
                quote!(const #constant: __faast::Argument<#target> = #new;)
            }
            Passing::Borrowing => {
                let new = quote_spanned!(at=> __faast::borrowing::<#target>(#name));
                quote!(const #constant: __faast::Borrowing<#target> = #new;)
            }
            Passing::Lent => quote!(const #constant: __faast::Lent<#target> = #lent;),
            Passing::LentOption => {
                quote!(const #constant: __faast::LentOption<#target> = __faast::lent_option(#lent);)
            }
        }
    }

    /// Encodes it, in the companion.
    fn put(&self, index: usize, arguments: &Ident) -> TokenStream {
        let (constant, ident) = (codec(index), &self.ident);
        let (written, target) = (&self.written, &self.target);
        match self.passing {
            Passing::Owned => quote!(#constant.put(&#ident, &mut #arguments);),
            Passing::Borrowing => {
                quote!(#constant.put(&#ident, <__faast::Pair<#target, #written>>::ENCODE, &mut #arguments);)
            }
            Passing::Lent | Passing::LentOption => quote!(#constant.put(#ident, &mut #arguments);),
        }
    }

    /// Passes it, in the worker.
    fn pass(&self, index: usize) -> TokenStream {
        let variable = argument(index);
        match self.passing {
            Passing::Owned | Passing::Borrowing => quote!(#variable),
            Passing::Lent => quote!(&*#variable),
            Passing::LentOption => quote!(#variable.as_deref()),
        }
    }
}

fn is_bytes(target: &Type) -> bool {
    matches!(target, Type::Slice(slice) if matches!(&*slice.elem, Type::Path(path) if path.path.is_ident("u8")))
}

fn codec(index: usize) -> Ident {
    format_ident!("__FAAST_ARGUMENT_{index}", span = Span::mixed_site())
}

fn argument(index: usize) -> Ident {
    local(&format!("argument_{index}"))
}

fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
