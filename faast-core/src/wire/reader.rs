//! A cursor over encoded bytes: one MessagePack head at a time, borrowed, never past the end.
//!
//! Nothing here allocates, so a length that lies costs nothing.

use rmp::Marker;

use super::error::WireError;

const U8: u8 = Marker::U8.to_u8();
const U16: u8 = Marker::U16.to_u8();
const U32: u8 = Marker::U32.to_u8();
const U64: u8 = Marker::U64.to_u8();

/// The head of a value; for strings, bytes and extensions the whole value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head<'de> {
    Nil,
    Bool(bool),
    Uint(u64),
    Int(i64),
    F32(f32),
    F64(f64),
    Str(&'de str),
    Bin(&'de [u8]),
    Array(u32),
    Map(u32),
    Ext(i8, &'de [u8]),
}

/// What has not been read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'de> {
    pub(super) rest: &'de [u8],
}

macro_rules! number {
    ($reader:expr, $type:ty) => {
        <$type>::from_be_bytes($reader.array()?)
    };
}

impl<'de> Reader<'de> {
    #[inline]
    pub(super) fn head(&mut self) -> Result<Head<'de>, WireError> {
        let [first] = self.array()?;
        Ok(match Marker::from_u8(first) {
            Marker::FixPos(value) => Head::Uint(value.into()),
            Marker::FixNeg(value) => Head::Int(value.into()),
            Marker::Null => Head::Nil,
            Marker::True => Head::Bool(true),
            Marker::False => Head::Bool(false),
            Marker::U8 => Head::Uint(number!(self, u8).into()),
            Marker::U16 => Head::Uint(number!(self, u16).into()),
            Marker::U32 => Head::Uint(number!(self, u32).into()),
            Marker::U64 => Head::Uint(number!(self, u64)),
            Marker::I8 => Head::Int(number!(self, i8).into()),
            Marker::I16 => Head::Int(number!(self, i16).into()),
            Marker::I32 => Head::Int(number!(self, i32).into()),
            Marker::I64 => Head::Int(number!(self, i64)),
            Marker::F32 => Head::F32(f32::from_bits(number!(self, u32))),
            Marker::F64 => Head::F64(f64::from_bits(number!(self, u64))),
            Marker::FixStr(len) => self.str(len.into())?,
            Marker::Str8 => self.long_str(1)?,
            Marker::Str16 => self.long_str(2)?,
            Marker::Str32 => self.long_str(4)?,
            Marker::Bin8 => self.bin(1)?,
            Marker::Bin16 => self.bin(2)?,
            Marker::Bin32 => self.bin(4)?,
            Marker::FixArray(len) => Head::Array(len.into()),
            Marker::Array16 => Head::Array(number!(self, u16).into()),
            Marker::Array32 => Head::Array(number!(self, u32)),
            Marker::FixMap(len) => Head::Map(len.into()),
            Marker::Map16 => Head::Map(number!(self, u16).into()),
            Marker::Map32 => Head::Map(number!(self, u32)),
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => self.long_ext(1)?,
            Marker::Ext16 => self.long_ext(2)?,
            Marker::Ext32 => self.long_ext(4)?,
            Marker::Reserved => return Err(WireError::Malformed("a reserved byte")),
        })
    }

    /// The unsigned integer that comes next, if one does; the rest of [`head`](Self::head) is too long to be fast.
    #[inline]
    pub(super) fn uint(&mut self) -> Option<u64> {
        let (value, rest) = match self.rest {
            [value @ 0..0x80, rest @ ..] | [U8, value, rest @ ..] => ((*value).into(), rest),
            [U16, a, b, rest @ ..] => (u16::from_be_bytes([*a, *b]).into(), rest),
            [U32, a, b, c, d, rest @ ..] => (u32::from_be_bytes([*a, *b, *c, *d]).into(), rest),
            [U64, rest @ ..] => {
                let (value, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*value), rest)
            }
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    /// The short string that comes next, if one does.
    #[inline]
    pub(super) fn short_str(&mut self) -> Option<&'de str> {
        let [head @ 0xa0..0xc0, rest @ ..] = self.rest else { return None };
        let (text, rest) = rest.split_at_checked((head & 0x1f).into())?;
        let text = std::str::from_utf8(text).ok()?;
        self.rest = rest;
        Some(text)
    }

    /// Passes over one value, whatever it is, without recursion.
    pub(super) fn skip(&mut self) -> Result<(), WireError> {
        let mut pending = 1_u64;
        while pending > 0 {
            pending -= 1;
            match self.head()? {
                Head::Array(len) => pending += u64::from(len),
                Head::Map(len) => pending += 2 * u64::from(len),
                _ => {}
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (found, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*found)
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'de [u8], WireError> {
        let (found, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(found)
    }

    #[inline]
    fn str(&mut self, len: usize) -> Result<Head<'de>, WireError> {
        let text =
            std::str::from_utf8(self.take(len)?).map_err(|_| WireError::Malformed("a string that is not UTF-8"))?;
        Ok(Head::Str(text))
    }

    fn long_str(&mut self, width: usize) -> Result<Head<'de>, WireError> {
        let len = self.len(width)?;
        self.str(len)
    }

    fn bin(&mut self, width: usize) -> Result<Head<'de>, WireError> {
        let len = self.len(width)?;
        Ok(Head::Bin(self.take(len)?))
    }

    fn long_ext(&mut self, width: usize) -> Result<Head<'de>, WireError> {
        let len = self.len(width)?;
        self.ext(len)
    }

    fn ext(&mut self, len: usize) -> Result<Head<'de>, WireError> {
        let ty = number!(self, i8);
        Ok(Head::Ext(ty, self.take(len)?))
    }

    fn len(&mut self, width: usize) -> Result<usize, WireError> {
        Ok(self.take(width)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
    }
}
