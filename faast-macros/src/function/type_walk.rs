//! A walk through a type that reports what can't cross to a worker, and puts `'static` in the place of lifetimes.

use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, Type, TypeFnPtr, TypeImplTrait, TypePtr, TypeReference, TypeTraitObject};

use crate::diagnostic::Diagnostics;

/// Where the type stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Argument,
    Result,
    /// The `E` of a `Result`: need not cross, but must not borrow.
    Error,
}

pub(super) struct TypeWalk<'a> {
    place: Place,
    /// Whether there was a lifetime other than `'static`.
    pub(super) borrows: bool,
    /// Whether there was a reference.
    pub(super) refers: bool,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> TypeWalk<'a> {
    pub(super) fn new(place: Place, diagnostics: &'a mut Diagnostics) -> Self {
        Self { place, borrows: false, refers: false, diagnostics }
    }
}

impl VisitMut for TypeWalk<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "static" {
            return;
        }
        self.borrows = true;
        if self.place != Place::Argument {
            self.diagnostics.report(
                &*lifetime,
                "what a worker sends back can't borrow from its arguments: return an owned type, such as `String` for \
                 `&str` or `Cow<'static, str>` for `Cow<'_, str>`",
            );
        }
        *lifetime = Lifetime::new("'static", lifetime.span());
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.refers = true;
        match self.place {
            Place::Argument => self.diagnostics.report(
                &*reference,
                format!(
                    "a reference can be the type of a parameter, `&X` or `Option<&X>`, but not a part of it: write `{}` \
                     here",
                    owned(&reference.elem)
                ),
            ),
            Place::Result => self.diagnostics.report(
                &*reference,
                format!("a worker can't send a reference back: return `{}`", owned(&reference.elem)),
            ),
            Place::Error if reference.lifetime.is_some() => visit_mut::visit_type_reference_mut(self, reference),
            Place::Error => self.diagnostics.report(
                &*reference,
                format!("an error can't borrow from the arguments: return `{}`", owned(&reference.elem)),
            ),
        }
    }

    fn visit_type_ptr_mut(&mut self, pointer: &mut TypePtr) {
        if self.place != Place::Error {
            self.diagnostics
                .report(&*pointer, "a raw pointer means nothing in another process: pass what it points to");
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        if self.place != Place::Error {
            self.diagnostics.report(
                &*pointer,
                "a function pointer means nothing in another process: pass an enum that says which function to call",
            );
        }
    }

    fn visit_type_trait_object_mut(&mut self, object: &mut TypeTraitObject) {
        if self.place != Place::Error {
            self.diagnostics.report(
                &*object,
                "a `dyn` type can't cross to a worker: the other side can't know which type to decode; write an enum of \
                 the types that can be there (and `impl Iterator` for the items of a generator)",
            );
        }
    }

    fn visit_type_impl_trait_mut(&mut self, any: &mut TypeImplTrait) {
        let message = match self.place {
            Place::Argument => {
                "an `impl Trait` argument makes the function generic, and the worker must know it by name: write the type \
                 itself, such as `String` or `&str` for `impl AsRef<str>`"
            }
            Place::Result | Place::Error => {
                "`impl Trait` can be the whole result, `impl Iterator<Item = T>` or `impl Stream<Item = T>`, also within \
                 a `Result`, but not a part of it: write the type itself"
            }
        };
        self.diagnostics.report(&*any, message);
    }
}

/// The type to write instead of a reference to `target`.
pub(super) fn owned(target: &Type) -> String {
    match target {
        Type::Slice(slice) => format!("Vec<{}>", text(&slice.elem)),
        Type::TraitObject(_) => "an enum of the types that can be there".into(),
        Type::Path(path) => match path.path.segments.last().map(|segment| segment.ident.to_string()).as_deref() {
            Some("str") => "String".into(),
            Some("Path") => "PathBuf".into(),
            Some("OsStr") => "OsString".into(),
            Some("CStr") => "CString".into(),
            _ => text(target),
        },
        _ => text(target),
    }
}

/// A type as people write it, without the spaces that tokens are printed with.
fn text(ty: &Type) -> String {
    let spaced = ty.to_token_stream().to_string();
    [(" :: ", "::"), (" < ", "<"), (" >", ">"), (" ,", ",")]
        .iter()
        .fold(spaced, |text, (from, to)| text.replace(from, to))
}
