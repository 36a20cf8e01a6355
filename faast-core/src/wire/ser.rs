//! The serializer: any serde value to MessagePack, such that [`de`](super::de) gives it back exactly.
//!
//! Structs are maps with field names, unit variants are strings, other variants are maps of one entry. Lengths that
//! serde does not know are patched in afterwards. What is special: `Some` around a nil gets a marker, and a sequence
//! of which every element turns out to be a `u8` is packed as one, decided while it is written.

use rmp::encode::{self as write, ByteBuf};
use serde::ser::{self, Serialize};

use super::compound::{Head, Map, Seq};
use super::error::WireError;
use super::{MAX_DEPTH, marker};

type Result<T, E = WireError> = std::result::Result<T, E>;

/// How the next value is written if it is a `u8` and nothing around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Raw {
    /// As any integer.
    No,
    /// As its byte alone: [`Seq`] is about to write an element of a packed sequence.
    Wanted,
    /// It was one, and was written so.
    Written,
}

/// The bytes so far, and what is known of them.
#[derive(Debug)]
pub(super) struct Serializer {
    pub(super) buf: ByteBuf,
    depth: u16,
    pub(super) raw: Raw,
    /// Where the latest `u8` begins, for [`Seq`] to see that its first element was one.
    pub(super) u8_at: Option<usize>,
    /// Something was written that serde's buffers can't hold; see [`marker::I128`].
    pub(super) risky: bool,
}

impl Serializer {
    /// Appends to `buf`.
    pub(super) fn new(buf: Vec<u8>) -> Self {
        Self { buf: ByteBuf::from_vec(buf), depth: 0, raw: Raw::No, u8_at: None, risky: false }
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.buf.into_vec()
    }

    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.buf.as_mut_vec()
    }

    pub(super) fn len(&self) -> usize {
        self.buf.as_slice().len()
    }

    #[inline]
    fn enter(&mut self) -> Result<()> {
        self.raw = Raw::No;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(WireError::Depth) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn leave(&mut self, levels: u16) {
        self.depth -= levels;
    }

    #[inline]
    pub(super) fn uint(&mut self, value: u64) {
        let Ok(_) = write::write_uint(&mut self.buf, value);
    }

    #[inline]
    fn sint(&mut self, value: i64) {
        let Ok(_) = write::write_sint(&mut self.buf, value);
    }

    fn ext(&mut self, ty: i8, data: &[u8]) -> Result<()> {
        Head::Ext(ty).write(&mut self.buf, data.len())?;
        self.out().extend_from_slice(data);
        Ok(())
    }

    /// A sequence of `u8`, as [`Seq`] packs it.
    pub(super) fn u8_seq(&mut self, bytes: &[u8]) -> Result<()> {
        self.ext(marker::U8_SEQ, bytes)
    }

    fn variant(&mut self, name: &str) -> Result<()> {
        self.enter()?;
        Head::Map.write(&mut self.buf, 1)?;
        ser::Serializer::serialize_str(self, name)
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty => $write:ident;)+) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<()> {
            self.$write(value.into());
            Ok(())
        })+
    };
}

impl<'a> ser::Serializer for &'a mut Serializer {
    type Ok = ();
    type Error = WireError;
    type SerializeSeq = Seq<'a>;
    type SerializeTuple = Seq<'a>;
    type SerializeTupleStruct = Seq<'a>;
    type SerializeTupleVariant = Seq<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Map<'a>;
    type SerializeStructVariant = Map<'a>;

    fn is_human_readable(&self) -> bool {
        true
    }

    integers! {
        serialize_i8: i8 => sint;
        serialize_i16: i16 => sint;
        serialize_i32: i32 => sint;
        serialize_i64: i64 => sint;
        serialize_u16: u16 => uint;
        serialize_u32: u32 => uint;
        serialize_u64: u64 => uint;
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<()> {
        if self.raw == Raw::Wanted {
            self.raw = Raw::Written;
            self.out().push(value);
        } else {
            self.u8_at = Some(self.len());
            self.uint(value.into());
        }
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        self.risky = true;
        self.ext(marker::I128, &value.to_be_bytes())
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.risky = true;
        self.ext(marker::U128, &value.to_be_bytes())
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<()> {
        let Ok(()) = write::write_bool(&mut self.buf, value);
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<()> {
        let Ok(()) = write::write_f32(&mut self.buf, value);
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<()> {
        let Ok(()) = write::write_f64(&mut self.buf, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<()> {
        let len = u32::try_from(value.len()).map_err(|_| WireError::TooLong)?;
        let Ok(_) = write::write_str_len(&mut self.buf, len);
        self.out().extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        let len = u32::try_from(value.len()).map_err(|_| WireError::TooLong)?;
        let Ok(_) = write::write_bin_len(&mut self.buf, len);
        self.out().extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        const NIL: u8 = rmp::Marker::Null.to_u8();
        const MARK: [u8; 2] = [rmp::Marker::FixExt1.to_u8(), marker::SOME.cast_unsigned()];
        let at = self.len();
        self.enter()?;
        value.serialize(&mut *self)?;
        self.leave(1);
        match self.out().get_mut(at..) {
            Some([NIL]) => {
                self.out().truncate(at);
                self.ext(marker::SOME, &[1])
            }
            Some([first, second, depth]) if [*first, *second] == MARK => {
                *depth = depth.checked_add(1).ok_or(WireError::Depth)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn serialize_unit(self) -> Result<()> {
        let Ok(()) = write::write_nil(&mut self.buf);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.leave(1);
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Seq<'a>> {
        self.enter()?;
        Seq::new(self, len, 1)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Seq<'a>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Seq<'a>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Seq<'a>> {
        self.variant(variant)?;
        self.enter()?;
        Seq::new(self, Some(len), 2)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Map<'a>> {
        self.enter()?;
        Map::new(self, len, 1)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Map<'a>> {
        self.serialize_map(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Map<'a>> {
        self.variant(variant)?;
        self.enter()?;
        Map::new(self, Some(len), 2)
    }
}
