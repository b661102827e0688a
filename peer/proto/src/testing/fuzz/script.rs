//! An input of a fuzzer as a sequence of decisions.

/// Reads decisions; after the end of the input each of them is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub(super) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn u8(&mut self) -> u8 {
        let [octet] = self.array();
        octet
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// A length of two octets, and as many octets as are there.
    pub(super) fn chunk(&mut self) -> &'a [u8] {
        let len = usize::from(self.u16()).min(self.rest.len());
        let (chunk, rest) = self.rest.split_at(len);
        self.rest = rest;
        chunk
    }

    /// One of `choices`, which are not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = usize::from(self.u8()) % choices.len();
        *choices.get(at).expect("there is a choice")
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        let (taken, rest) = self.rest.split_at(N.min(self.rest.len()));
        for (to, from) in octets.iter_mut().zip(taken) {
            *to = *from;
        }
        self.rest = rest;
        octets
    }
}

/// The length of a chunk and the chunk, as [`Script::chunk`] reads them.
pub(super) fn chunk(octets: &[u8]) -> Vec<u8> {
    let len = u16::try_from(octets.len()).expect("chunks of seeds are short");
    [&len.to_be_bytes(), octets].concat()
}
