//! The text whose hash tells signatures apart: types of parameters and result, one space between tokens.
//!
//! Names of parameters, lifetimes, comments and formatting do not count.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{FnArg, Signature};

pub(super) fn signature_text(signature: &Signature) -> String {
    let mut text = String::new();
    for input in &signature.inputs {
        if let FnArg::Typed(typed) = input {
            append(&mut text, typed.ty.to_token_stream());
        }
        text.push_str(", ");
    }
    append(&mut text, signature.output.to_token_stream());
    text
}

fn append(text: &mut String, tokens: TokenStream) {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("( ", ") "),
                    Delimiter::Bracket => ("[ ", "] "),
                    Delimiter::Brace => ("{ ", "} "),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                append(text, group.stream());
                text.push_str(close);
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                // A lifetime: its name goes with it.
                tokens.next();
            }
            other => {
                text.push_str(&other.to_string());
                text.push(' ');
            }
        }
    }
}
