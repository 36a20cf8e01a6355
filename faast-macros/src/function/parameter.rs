//! Parameters: how each is named in the companion, and how the worker passes it.

use proc_macro2::Span;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::visit_mut::VisitMut;
use syn::{FnArg, GenericArgument, Ident, Pat, PatType, PathArguments, Signature, Type, TypeReference};

use super::type_walk::{Place, TypeWalk, owned};
use crate::diagnostic::Diagnostics;

/// How a parameter is passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    /// `T`.
    Owned,
    /// `T` with lifetimes in it.
    Borrowing,
    /// `&X`.
    Lent,
    /// `Option<&X>`.
    LentOption,
}

/// One parameter.
pub(super) struct Parameter {
    /// Its name in the companion and in messages.
    pub(super) ident: Ident,
    /// Its type as it was written.
    pub(super) written: Type,
    /// `T` or `X`, with `'static` in the place of lifetimes.
    pub(super) target: Type,
    pub(super) passing: Passing,
}

impl Parameter {
    /// Its name as messages show it.
    pub(super) fn message_name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

/// The parameters of a function; what is wrong with them is reported.
pub(super) fn read(signature: &Signature, diagnostics: &mut Diagnostics) -> Vec<Parameter> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    typed.enumerate().map(|(index, typed)| Parameter::read(index, typed, diagnostics)).collect()
}

impl Parameter {
    fn read(index: usize, typed: &PatType, diagnostics: &mut Diagnostics) -> Self {
        for attribute in typed.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
            diagnostics.report(attribute, "a parameter can't be conditional: put `#[cfg]` on the whole function");
        }
        let written = peel(&typed.ty).clone();
        let (mut passing, mut target) = match &written {
            Type::Reference(reference) => {
                check_reference(reference, diagnostics);
                (Passing::Lent, peel(&reference.elem).clone())
            }
            other => match optional_reference(other) {
                Some(reference) => {
                    check_reference(reference, diagnostics);
                    (Passing::LentOption, peel(&reference.elem).clone())
                }
                None => (Passing::Owned, other.clone()),
            },
        };
        let mut walk = TypeWalk::new(Place::Argument, diagnostics);
        walk.visit_type_mut(&mut target);
        if walk.borrows {
            match passing {
                Passing::Owned | Passing::Borrowing => passing = Passing::Borrowing,
                Passing::Lent | Passing::LentOption => diagnostics.report(
                    &typed.ty,
                    "a reference to a type that borrows can't be decoded in a worker: pass the type by value",
                ),
            }
        }
        Self { ident: name(index, &typed.pat), written: (*typed.ty).clone(), target, passing }
    }
}

fn check_reference(reference: &TypeReference, diagnostics: &mut Diagnostics) {
    if let Some(token) = &reference.mutability {
        diagnostics.report(
            token,
            format!(
                "changes to a `&mut` argument would stay in the worker: take `{0}` by value and return it",
                owned(&reference.elem)
            ),
        );
    }
    if let Some(lifetime) = &reference.lifetime
        && lifetime.ident == "static"
    {
        diagnostics.report(
            lifetime,
            format!(
                "what a worker decodes lives as long as the call: leave `'static` out, or take `{}` by value",
                owned(&reference.elem)
            ),
        );
    }
}

/// The `&X` in `Option<&X>`.
fn optional_reference(ty: &Type) -> Option<&TypeReference> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => match peel(inner) {
            Type::Reference(reference) => Some(reference),
            _ => None,
        },
        _ => None,
    }
}

/// The type within parentheses and within the invisible groups that `macro_rules!` makes.
pub(super) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

/// The name in the pattern, or one of ours.
fn name(index: usize, pattern: &Pat) -> Ident {
    match pattern {
        Pat::Ident(pattern) => pattern.ident.clone(),
        Pat::Paren(paren) => name(index, &paren.pat),
        Pat::Type(typed) => name(index, &typed.pat),
        _ => format_ident!("argument_{index}", span = Span::mixed_site()),
    }
}
