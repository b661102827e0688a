//! Reading within limits, and writing with lengths that are fixed when known.
//!
//! Every decoder below `wire` takes its octets from a [`Reader`]. A reader knows where it is in the
//! datagram and which length field bounds it, so that an error can say both; a part with a length
//! of its own is read by a reader made by [`Reader::sub`], which cannot leave that part.

use super::error::{DecodeError, DecodeErrorKind, Limit};

/// Octets with a position in the datagram and a limit.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
    limit: Limit,
}

impl<'a> Reader<'a> {
    /// A reader of a whole datagram.
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self::at(datagram, 0, Limit::Datagram)
    }

    /// A reader of `bytes` that begin at `offset` of the datagram and end because of `limit`.
    pub const fn at(bytes: &'a [u8], offset: usize, limit: Limit) -> Self {
        Self { rest: bytes, offset, limit }
    }

    /// The position in the datagram.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// How many octets are left.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether no octet is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What set the end.
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// The next `length` octets.
    pub fn bytes(&mut self, item: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.error(item, length, DecodeErrorKind::Truncated));
        };
        self.rest = rest;
        self.offset += length;
        Ok(taken)
    }

    /// The next `N` octets as an array.
    pub fn array<const N: usize>(&mut self, item: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error(item, N, DecodeErrorKind::Truncated));
        };
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    /// All octets that are left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        let taken = core::mem::take(&mut self.rest);
        self.offset += taken.len();
        taken
    }

    /// The next octet.
    pub fn u8(&mut self, item: &'static str) -> Result<u8, DecodeError> {
        self.array(item).map(u8::from_be_bytes)
    }

    /// The next two octets as a number in network order.
    pub fn u16(&mut self, item: &'static str) -> Result<u16, DecodeError> {
        self.array(item).map(u16::from_be_bytes)
    }

    /// The next four octets as a number in network order.
    pub fn u32(&mut self, item: &'static str) -> Result<u32, DecodeError> {
        self.array(item).map(u32::from_be_bytes)
    }

    /// A reader of the next `length` octets, which end because of `limit`.
    pub fn sub(
        &mut self,
        item: &'static str,
        length: usize,
        limit: Limit,
    ) -> Result<Self, DecodeError> {
        let offset = self.offset;
        let bytes = self.bytes(item, length)?;
        Ok(Self::at(bytes, offset, limit))
    }

    /// Fails if any octet is left.
    pub fn finish(&self, item: &'static str) -> Result<(), DecodeError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.error(item, 0, DecodeErrorKind::TrailingBytes))
        }
    }

    /// An error about `item` at the present position.
    pub const fn error(
        &self,
        item: &'static str,
        needed: usize,
        kind: DecodeErrorKind,
    ) -> DecodeError {
        DecodeError {
            item,
            offset: self.offset,
            needed,
            available: self.rest.len(),
            limit: self.limit,
            kind,
        }
    }
}

/// A length field that is not known yet.
#[derive(Debug)]
#[must_use = "the length field stays zero until the mark is closed"]
pub struct LengthMark {
    field: usize,
    start: usize,
}

/// Octets being written.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// How many octets were written.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes one octet.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Writes a number of two octets in network order.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes a number of four octets in network order.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes octets as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a length field of two octets, to be fixed by [`Writer::close`].
    ///
    /// The length counts from `counted_before` octets before the field to where it is closed.
    pub fn open_u16(&mut self, counted_before: usize) -> LengthMark {
        let field = self.bytes.len();
        self.u16(0);
        LengthMark { field, start: field.saturating_sub(counted_before) }
    }

    /// Fixes the length field at `mark`, which counts up to here; one too long for it is cut.
    pub fn close(&mut self, mark: LengthMark) {
        let length = saturate_u16(self.bytes.len().saturating_sub(mark.start));
        for (octet, value) in self.bytes.iter_mut().skip(mark.field).zip(length.to_be_bytes()) {
            *octet = value;
        }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// `length` as a field of two octets says it, the largest number if it cannot.
pub(crate) fn saturate_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// `length` as a field of one octet says it, the largest number if it cannot.
pub(crate) fn saturate_u8(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_reader_stays_inside_its_part_and_keeps_the_position() {
        let mut outer = Reader::new(&[1, 2, 3, 4, 5]);
        assert_eq!(outer.u8("one"), Ok(1));
        let mut inner = outer.sub("part", 2, Limit::Substructure("part")).unwrap();
        assert_eq!((inner.offset(), inner.remaining()), (1, 2));
        assert_eq!(inner.u16("two"), Ok(0x0203));
        let error = inner.u8("none").unwrap_err();
        assert_eq!((error.offset, error.needed, error.available), (3, 1, 0));
        assert_eq!(error.limit, Limit::Substructure("part"));
        assert_eq!(outer.take_rest(), [4, 5]);
        assert_eq!(outer.offset(), 5);
    }

    #[test]
    fn a_failed_read_takes_nothing() {
        let mut reader = Reader::new(&[1]);
        assert_eq!(reader.u32("number").unwrap_err().kind, DecodeErrorKind::Truncated);
        assert_eq!(reader.finish("end").unwrap_err().kind, DecodeErrorKind::TrailingBytes);
        assert_eq!(reader.u8("number"), Ok(1));
        assert_eq!(reader.finish("end"), Ok(()));
    }

    #[test]
    fn a_length_is_fixed_when_closed() {
        let mut writer = Writer::new();
        writer.u8(7);
        writer.u8(0);
        let mark = writer.open_u16(2);
        writer.bytes(&[9; 5]);
        writer.close(mark);
        assert_eq!(writer.into_bytes(), [7, 0, 0, 9, 9, 9, 9, 9, 9]);
    }

    #[test]
    fn a_length_beyond_its_field_says_the_largest() {
        let mut writer = Writer::new();
        let mark = writer.open_u16(0);
        writer.bytes(&[0; 70_000]);
        writer.close(mark);
        assert_eq!(writer.into_bytes()[..2], [0xff, 0xff]);
    }

    #[test]
    fn an_error_says_what_where_and_why() {
        let mut reader = Reader::at(&[0, 0], 40, Limit::PayloadLength);
        assert_eq!(
            reader.u32("SPI").unwrap_err().to_string(),
            "SPI at octet 40 is truncated: needs 4, the payload length leaves 2"
        );
    }
}
