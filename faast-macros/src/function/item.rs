//! A function as its tokens say it: attributes, visibility, signature, and a body that nobody looks into.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Signature, Token, Visibility, token};

/// A function with a body.
pub(crate) struct Item {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Item {
    /// Reads what stands behind `attribute`.
    pub(crate) fn parse(attribute: &str, tokens: TokenStream) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| {
            let attributes = input.call(Attribute::parse_outer)?;
            let visibility = input.parse()?;
            expect_function(attribute, input)?;
            let signature = input.parse()?;
            if input.peek(Token![;]) {
                let message = format!(
                    "`{attribute}` needs a body: it goes on free functions, not on methods of a trait; write a free \
                     function that calls the method"
                );
                return Err(input.error(message));
            }
            Ok(Self { attributes, visibility, signature, body: input.parse()? })
        };
        parser.parse2(tokens)
    }

    /// The name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.signature.ident.unraw().to_string()
    }

    /// Conditions under which the function is there; what is generated must be there under the same.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
    }
}

fn expect_function(attribute: &str, input: ParseStream<'_>) -> syn::Result<()> {
    let ahead = input.fork();
    loop {
        if ahead.peek(Token![fn]) {
            return Ok(());
        } else if ahead.peek(Token![const]) || ahead.peek(Token![async]) || ahead.peek(Token![unsafe]) {
            ahead.call(Ident::parse_any)?;
        } else if ahead.peek(Token![extern]) {
            ahead.call(Ident::parse_any)?;
            ahead.parse::<Option<LitStr>>()?;
        } else {
            break;
        }
    }
    let what = if input.peek(Token![impl]) || input.peek(token::Brace) {
        "; put it on free functions, one by one"
    } else {
        ""
    };
    Err(input.error(format!("`{attribute}` goes on a function{what}")))
}
