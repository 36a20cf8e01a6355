//! The deserializer: what [`ser`](super::ser) wrote, back as it was.
//!
//! The format says itself what follows, so that serde's buffers (untagged, flattened, internally tagged types) see the
//! same as direct decoding does. Depth is bounded, and no length is trusted before the bytes are seen.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::element::{Nested, U8s};
use super::error::WireError;
use super::reader::{Head, Reader};
use super::{MAX_DEPTH, marker};

type Result<T, E = WireError> = std::result::Result<T, E>;

/// Decodes one value after the other.
#[derive(Debug)]
pub(super) struct Deserializer<'de> {
    pub(super) reader: Reader<'de>,
    /// Levels that may still be entered.
    levels: u16,
}

impl<'de> Deserializer<'de> {
    pub(super) fn new(input: &'de [u8]) -> Self {
        Self { reader: Reader { rest: input }, levels: MAX_DEPTH }
    }

    #[inline]
    fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.levels = self.levels.checked_sub(1).ok_or(WireError::Depth)?;
        let result = run(self);
        self.levels += 1;
        result
    }

    #[inline]
    fn visit<V: Visitor<'de>>(&mut self, head: Head<'de>, visitor: V) -> Result<V::Value> {
        match head {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Uint(value) => visitor.visit_u64(value),
            Head::Int(value) => visitor.visit_i64(value),
            Head::F32(value) => visitor.visit_f32(value),
            Head::F64(value) => visitor.visit_f64(value),
            Head::Str(text) => visitor.visit_borrowed_str(text),
            Head::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Head::Array(len) => self.visit_array(len, visitor),
            Head::Map(len) => self.visit_map(len, visitor),
            Head::Ext(ty, data) => self.visit_ext(ty, data, visitor),
        }
    }

    fn visit_array<V: Visitor<'de>>(&mut self, len: u32, visitor: V) -> Result<V::Value> {
        self.nested(|de| {
            let mut elements = Elements { de, left: len };
            let value = visitor.visit_seq(&mut elements)?;
            elements.finish(len)?;
            Ok(value)
        })
    }

    fn visit_map<V: Visitor<'de>>(&mut self, len: u32, visitor: V) -> Result<V::Value> {
        self.nested(|de| {
            let mut entries = Elements { de, left: len };
            let value = visitor.visit_map(&mut entries)?;
            entries.finish(len)?;
            Ok(value)
        })
    }

    fn visit_ext<V: Visitor<'de>>(&mut self, ty: i8, data: &'de [u8], visitor: V) -> Result<V::Value> {
        match ty {
            marker::SOME => visitor.visit_some(Nested { left: marker::some_depth(data)? - 1 }),
            marker::U8_SEQ => self.visit_u8s(data, visitor),
            marker::I128 => visitor.visit_i128(i128::from_be_bytes(marker::sixteen(data)?)),
            marker::U128 => visitor.visit_u128(u128::from_be_bytes(marker::sixteen(data)?)),
            _ => Err(WireError::Malformed("an unknown extension")),
        }
    }

    fn visit_u8s<V: Visitor<'de>>(&mut self, bytes: &'de [u8], visitor: V) -> Result<V::Value> {
        self.nested(|de| {
            let mut elements = U8s { bytes: bytes.iter(), levels: de.levels };
            let value = visitor.visit_seq(&mut elements)?;
            if elements.bytes.len() == 0 { Ok(value) } else { Err(too_many(bytes.len())) }
        })
    }
}

#[cold]
fn too_many(len: usize) -> WireError {
    de::Error::invalid_length(len, &"fewer elements")
}

macro_rules! integers {
    ($($method:ident)+) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.reader.uint() {
                Some(value) => visitor.visit_u64(value),
                None => self.deserialize_any(visitor),
            }
        })+
    };
}

macro_rules! strings {
    ($($method:ident)+) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.reader.short_str() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => self.deserialize_any(visitor),
            }
        })+
    };
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = WireError;

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char unit unit_struct map struct
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    strings! {
        deserialize_str deserialize_string deserialize_identifier
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let head = self.reader.head()?;
        self.visit(head, visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.reader.head()? {
            Head::Ext(marker::U8_SEQ, bytes) => visitor.visit_borrowed_bytes(bytes),
            head => self.visit(head, visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        const NIL: u8 = rmp::Marker::Null.to_u8();
        const MARK: u8 = rmp::Marker::FixExt1.to_u8();
        const SOME: u8 = marker::SOME.cast_unsigned();
        match self.reader.rest {
            [NIL, rest @ ..] => {
                self.reader.rest = rest;
                visitor.visit_none()
            }
            [MARK, SOME, ..] => self.deserialize_any(visitor),
            _ => self.nested(|de| visitor.visit_some(de)),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.reader.head()? {
            Head::Bin(bytes) => self.visit_u8s(bytes, visitor),
            head => self.visit(head, visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.reader.head()? {
            Head::Str(variant) => visitor.visit_enum(variant.into_deserializer()),
            Head::Map(1) => self.nested(|de| visitor.visit_enum(Variant { de })),
            _ => Err(de::Error::invalid_type(Unexpected::Other("something else"), &"an enum")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.reader.skip()?;
        visitor.visit_unit()
    }
}

/// The elements of an array or the entries of a map.
struct Elements<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    left: u32,
}

impl Elements<'_, '_> {
    #[inline]
    fn finish(&self, len: u32) -> Result<()> {
        if self.left == 0 { Ok(()) } else { Err(too_many(len as usize)) }
    }

    /// An element takes a byte at least, so a length that lies asks for no more memory than the input has.
    fn hint(&self) -> usize {
        self.de.reader.rest.len().min(self.left as usize)
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = WireError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.de).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, 'de> {
    type Error = WireError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.de)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

/// The one entry of a map that is a variant with its payload.
struct Variant<'a, 'de> {
    de: &'a mut Deserializer<'de>,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = WireError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        Ok((seed.deserialize(&mut *self.de)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = WireError;

    fn unit_variant(self) -> Result<()> {
        serde::Deserialize::deserialize(self.de)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.de)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_seq(self.de, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_map(self.de, visitor)
    }
}
