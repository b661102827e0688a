//! What is not compared, and why. Each is counted and printed: nothing is left out in silence.

use std::fmt;

/// Why something of a frame is not compared, or may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exception {
    /// Neither side can decrypt.
    NoKeys,
    /// Both sides say that the ICV is wrong.
    Forged,
    /// tshark decrypts and does not say whether the ICV is right.
    Unchecked,
    /// Both sides say that the frame is broken.
    Broken,
    /// The frame is shorter than its IP header says.
    Cut,
    /// Our decoding refuses a part of the frame that tshark shows.
    Refused,
    /// IKE with something else where the non-ESP marker has to be.
    Misdressed,
    /// A repetition of IKEv1.
    OutOfLine,
    /// A message of IKEv1 behind a phase 1 that we cannot read.
    Unread,
    /// A version that nobody knows.
    OtherVersion,
    /// A fragment that does not complete its message.
    Fragment,
    /// A fragment of IKEv1 with which tshark puts another message together than was sent, or none.
    PutOtherwise,
    /// A message of IKEv1 behind such a fragment.
    Lost,
    /// tshark did not put fragments together.
    NotPutTogether,
    /// Extended sequence numbers.
    ExtendedNumbers,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKeys => "encrypted, and the tables have no keys for it: only what is in clear",
            Self::Forged => {
                "not authentic, as both say: what tshark makes of the content all the same is no \
                 content"
            }
            Self::Unchecked => "decrypted by both, and tshark does not say whether the ICV is right",
            Self::Broken => {
                "broken, as both say: tshark shows what it can of a broken frame, we show nothing"
            }
            Self::Cut => {
                "shorter than its IP header says: tshark reads on, we take it for no packet. A host's bridge that \
                 puts fragments together and makes new ones of them leaves such a frame now and then"
            }
            Self::Refused => {
                "broken, as we say and tshark does not: we show what is in front of what we refuse"
            }
            Self::Misdressed => {
                "IKE without the right non-ESP marker, as we say: tshark goes by the marker alone"
            }
            Self::OutOfLine => {
                "IKEv1, repeated or behind a repetition: tshark takes the vector from whatever message \
                 came before"
            }
            Self::Unread => {
                "IKEv1 with keys, and without a phase 1 that we can read: which cipher and vector it has \
                 is not known"
            }
            Self::OtherVersion => "a major version that is neither 1 nor 2: what is in front of it",
            Self::Fragment => {
                "a fragment of a message (RFC 7383): the content stands with the one that completes \
                 it"
            }
            Self::PutOtherwise => {
                "a fragment of IKEv1, repeated, among those of another message or with the flag for \
                 encryption: tshark goes by its place alone, or not at all, so only the fragment itself"
            }
            Self::Lost => {
                "IKEv1 behind a message in fragments that tshark has put together otherwise: it has not \
                 read what this one is encrypted with"
            }
            Self::NotPutTogether => "a fragmented message that tshark did not put together",
            Self::ExtendedNumbers => {
                "extended sequence numbers (RFC 4303): tshark 4.0 computes the ICV without their \
                 upper half"
            }
        })
    }
}
