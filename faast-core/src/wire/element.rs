//! Deserializers of what lies inside a marker: the `u8`s of a packed sequence, and the nil inside of `Some`s.

use serde::de::{self, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;

use super::error::WireError;

type Result<T, E = WireError> = std::result::Result<T, E>;

/// The elements of a packed sequence.
pub(super) struct U8s<'de> {
    pub(super) bytes: std::slice::Iter<'de, u8>,
    pub(super) levels: u16,
}

impl<'de> de::SeqAccess<'de> for U8s<'de> {
    type Error = WireError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(byte) = self.bytes.next() else { return Ok(None) };
        seed.deserialize(Element { byte: *byte, levels: self.levels }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.bytes.len())
    }
}

/// One `u8`; transparent `Some`s and newtypes may be around it.
struct Element {
    byte: u8,
    /// Levels that may still be entered: a type may nest options without end.
    levels: u16,
}

impl<'de> de::Deserializer<'de> for Element {
    type Error = WireError;

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_u8(self.byte)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let levels = self.levels.checked_sub(1).ok_or(WireError::Depth)?;
        visitor.visit_some(Self { levels, ..self })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }
}

/// A nil with `left` more `Some`s around it.
pub(super) struct Nested {
    pub(super) left: u8,
}

impl<'de> de::Deserializer<'de> for Nested {
    type Error = WireError;

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.left.checked_sub(1) {
            Some(left) => visitor.visit_some(Self { left }),
            None => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.left.checked_sub(1) {
            Some(left) => visitor.visit_some(Self { left }),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}
