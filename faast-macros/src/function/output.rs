//! What a function returns: a value or the items of a generator, in a `Result` or not.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::VisitMut;
use syn::{
    AssocType, GenericArgument, Path, PathArguments, ReturnType, TraitBound, Type, TypeImplTrait, TypeParamBound,
    TypePath,
};

use super::parameter::peel;
use super::type_walk::{Place, TypeWalk};
use crate::diagnostic::Diagnostics;

/// What comes out of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Value,
    Iterator,
    Stream,
}

/// What a function returns.
pub(super) struct Output {
    pub(super) shape: Shape,
    /// The type of the value or of the items.
    pub(super) item: TokenStream,
    /// The error, if the function returns a `Result`.
    pub(super) error: Option<ErrorOutput>,
}

/// The error of a `Result`.
pub(super) struct ErrorOutput {
    /// Its type.
    pub(super) ty: TokenStream,
    /// Whether it holds references, and so can't be decoded. The compiler can't be asked: it looks away from lifetimes
    /// while it chooses an implementation, and complains afterwards.
    pub(super) refers: bool,
}

impl Output {
    /// Nothing if it can't be made out; what is wrong is reported.
    pub(super) fn read(output: &ReturnType, private: &TokenStream, diagnostics: &mut Diagnostics) -> Option<Self> {
        let written = match output {
            ReturnType::Default => return Some(Self { shape: Shape::Value, item: quote!(()), error: None }),
            ReturnType::Type(_, written) => peel(written),
        };
        if let Type::Never(never) = written {
            diagnostics.report(never, "a call that never ends has no result: return one, or leave `-> !` out");
            return None;
        }
        let Some(path) = result_path(written) else {
            let (shape, item) = read_item(written, diagnostics)?;
            return Some(Self { shape, item, error: None });
        };
        Self::read_result(path, private, diagnostics)
    }

    /// `Result<T, E>`, `Result<T>` of an alias, or an alias with nothing open such as `fmt::Result`.
    fn read_result(path: &TypePath, private: &TokenStream, diagnostics: &mut Diagnostics) -> Option<Self> {
        let [item, error] = type_arguments(&path.path);
        let Some(item) = item else {
            let is_result = quote!(<#path as #private::IsResult>);
            let error = ErrorOutput { ty: quote!(#is_result::Err), refers: false };
            return Some(Self { shape: Shape::Value, item: quote!(#is_result::Ok), error: Some(error) });
        };
        let error = if let Some(error) = error {
            let mut walk = TypeWalk::new(Place::Error, diagnostics);
            walk.visit_type_mut(&mut error.clone());
            ErrorOutput { ty: error.to_token_stream(), refers: walk.refers }
        } else {
            let alias = with_unit(path);
            ErrorOutput { ty: quote!(<#alias as #private::IsResult>::Err), refers: false }
        };
        let (shape, item) = read_item(peel(item), diagnostics)?;
        Some(Self { shape, item, error: Some(error) })
    }
}

/// The type of the value, or of the items of a generator.
fn read_item(written: &Type, diagnostics: &mut Diagnostics) -> Option<(Shape, TokenStream)> {
    let (shape, item) = match written {
        Type::ImplTrait(any) => read_generator(any, diagnostics)?,
        other => (Shape::Value, other),
    };
    let mut item = item.clone();
    TypeWalk::new(Place::Result, diagnostics).visit_type_mut(&mut item);
    Some((shape, item.into_token_stream()))
}

fn read_generator<'a>(any: &'a TypeImplTrait, diagnostics: &mut Diagnostics) -> Option<(Shape, &'a Type)> {
    let traits = any.bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => Some(bound),
        _ => None,
    });
    for bound in traits {
        let Some(last) = bound.path.segments.last() else { continue };
        let shape = match last.ident.to_string().as_str() {
            "Iterator" | "DoubleEndedIterator" | "ExactSizeIterator" => Shape::Iterator,
            "Stream" => Shape::Stream,
            "Future" => {
                diagnostics.report(any, "write `async fn` and the future's output instead of `impl Future`");
                return None;
            }
            _ => continue,
        };
        let item = item_type(bound);
        if item.is_none() {
            diagnostics.report(bound, format!("say what the items are: `impl {}<Item = T>`", last.ident));
        }
        return item.map(|item| (shape, item));
    }
    diagnostics.report(
        any,
        "a worker can send a value back, or the items of an `impl Iterator<Item = T>` or an `impl Stream<Item = T>`, but \
         no other `impl Trait`: return the type itself",
    );
    None
}

fn item_type(bound: &TraitBound) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(AssocType { ident, ty, .. }) if ident == "Item" => Some(peel(ty)),
        _ => None,
    })
}

/// The path of a type that is called `Result`.
fn result_path(ty: &Type) -> Option<&TypePath> {
    match ty {
        Type::Path(path) if path.path.segments.last()?.ident == "Result" => Some(path),
        _ => None,
    }
}

fn type_arguments(path: &Path) -> [Option<&Type>; 2] {
    let Some(PathArguments::AngleBracketed(arguments)) = path.segments.last().map(|segment| &segment.arguments) else {
        return [None, None];
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    [types.next(), types.next()]
}

/// `io::Result<()>` for `io::Result<impl Iterator>`: has the same error, and can be written anywhere.
fn with_unit(path: &TypePath) -> TypePath {
    let mut path = path.clone();
    if let Some(PathArguments::AngleBracketed(arguments)) =
        path.path.segments.last_mut().map(|last| &mut last.arguments)
        && let Some(GenericArgument::Type(ty)) = arguments.args.first_mut()
    {
        *ty = syn::parse_quote!(());
    }
    path
}
