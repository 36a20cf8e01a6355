//! Collections while they are written: heads whose length may turn out to be wrong, and the packing of `u8`s.
//!
//! A sequence begins as an array; when its first element was written by `serialize_u8` it becomes a packed sequence
//! (see [`marker::U8_SEQ`]), and an array again at the first element that was not.

use rmp::encode::{self as write, ByteBuf};
use serde::ser::{self, Serialize};

use super::error::WireError;
use super::marker;
use super::ser::{Raw, Serializer};

type Result<T, E = WireError> = std::result::Result<T, E>;

/// The kinds of heads that have a length.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head {
    Array,
    Map,
    Ext(i8),
}

impl Head {
    #[inline]
    pub(super) fn write(self, buf: &mut ByteBuf, len: usize) -> Result<()> {
        let len = u32::try_from(len).map_err(|_| WireError::TooLong)?;
        let Ok(_) = match self {
            Self::Array => write::write_array_len(buf, len),
            Self::Map => write::write_map_len(buf, len),
            Self::Ext(ty) => write::write_ext_meta(buf, len, ty),
        };
        Ok(())
    }
}

/// A head whose length may turn out to be wrong.
#[derive(Debug)]
pub(super) struct Header {
    head: Head,
    start: usize,
    body: usize,
    len: usize,
}

impl Header {
    #[inline]
    fn write(ser: &mut Serializer, head: Head, len: usize) -> Result<Self> {
        let start = ser.len();
        head.write(&mut ser.buf, len)?;
        Ok(Self { head, start, body: ser.len(), len })
    }

    #[inline]
    fn finish(&self, ser: &mut Serializer, count: usize) -> Result<()> {
        if count == self.len { Ok(()) } else { self.patch(ser, count) }
    }

    #[cold]
    fn patch(&self, ser: &mut Serializer, count: usize) -> Result<()> {
        let mut header = ByteBuf::new();
        self.head.write(&mut header, count)?;
        ser.out().splice(self.start..self.body, header.into_vec());
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// No element yet.
    Fresh,
    /// Every element was a `u8`; the body holds them raw.
    Bytes,
    /// An array.
    Mixed,
}

/// Sequences, tuples and tuple variants.
#[derive(Debug)]
pub(super) struct Seq<'a> {
    ser: &'a mut Serializer,
    header: Header,
    count: usize,
    state: State,
    levels: u16,
}

impl<'a> Seq<'a> {
    /// Begins a sequence that is `levels` deep itself, after having entered them.
    #[inline]
    pub(super) fn new(ser: &'a mut Serializer, len: Option<usize>, levels: u16) -> Result<Self> {
        let header = Header::write(ser, Head::Array, len.unwrap_or(0))?;
        Ok(Self { ser, header, count: 0, state: State::Fresh, levels })
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.count += 1;
        if self.state == State::Mixed {
            return value.serialize(&mut *self.ser);
        }
        let at = self.ser.len();
        if self.state == State::Bytes {
            self.ser.raw = Raw::Wanted;
            value.serialize(&mut *self.ser)?;
            return match std::mem::replace(&mut self.ser.raw, Raw::No) {
                Raw::Written => Ok(()),
                Raw::Wanted | Raw::No => self.unpack(at),
            };
        }
        self.ser.u8_at = None;
        value.serialize(&mut *self.ser)?;
        if self.ser.u8_at == Some(at) {
            return self.pack();
        }
        self.state = State::Mixed;
        Ok(())
    }

    /// The first element was a `u8`: makes the array a packed sequence.
    #[cold]
    fn pack(&mut self) -> Result<()> {
        let first = self.ser.out().pop();
        self.ser.out().truncate(self.header.start);
        self.header = Header::write(self.ser, Head::Ext(marker::U8_SEQ), self.header.len.max(1))?;
        self.ser.out().extend(first);
        self.state = State::Bytes;
        Ok(())
    }

    /// The element at `at` was no `u8`: makes the packed sequence an array after all.
    #[cold]
    fn unpack(&mut self, at: usize) -> Result<()> {
        let last = self.ser.out().split_off(at);
        let packed = self.ser.out().split_off(self.header.body);
        self.ser.out().truncate(self.header.start);
        self.header = Header::write(self.ser, Head::Array, self.header.len)?;
        for byte in packed {
            self.ser.uint(byte.into());
        }
        self.ser.out().extend(last);
        self.state = State::Mixed;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.ser.leave(self.levels);
        self.header.finish(self.ser, self.count)
    }
}

/// Maps, structs and struct variants.
#[derive(Debug)]
pub(super) struct Map<'a> {
    ser: &'a mut Serializer,
    header: Header,
    count: usize,
    levels: u16,
}

impl<'a> Map<'a> {
    /// Begins a map that is `levels` deep itself, after having entered them.
    #[inline]
    pub(super) fn new(ser: &'a mut Serializer, len: Option<usize>, levels: u16) -> Result<Self> {
        let header = Header::write(ser, Head::Map, len.unwrap_or(0))?;
        Ok(Self { ser, header, count: 0, levels })
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.count += 1;
        ser::Serializer::serialize_str(&mut *self.ser, name)?;
        value.serialize(&mut *self.ser)
    }

    fn finish(self) -> Result<()> {
        self.ser.leave(self.levels);
        self.header.finish(self.ser, self.count)
    }
}

macro_rules! compound {
    ($type:ident: $($trait:ident $method:ident($($name:ident)?) => $own:ident;)+) => {
        $(impl ser::$trait for $type<'_> {
            type Ok = ();
            type Error = WireError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result<()> {
                self.$own($($name,)? value)
            }

            fn end(self) -> Result<()> {
                self.finish()
            }
        })+
    };
}

compound! { Seq:
    SerializeSeq serialize_element() => element;
    SerializeTuple serialize_element() => element;
    SerializeTupleStruct serialize_field() => element;
    SerializeTupleVariant serialize_field() => element;
}

compound! { Map:
    SerializeStruct serialize_field(key) => field;
    SerializeStructVariant serialize_field(key) => field;
}

impl ser::SerializeMap for Map<'_> {
    type Ok = ();
    type Error = WireError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.count += 1;
        key.serialize(&mut *self.ser)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.ser)
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}
