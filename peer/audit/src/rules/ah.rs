//! AH packets.

use super::rules;

rules! {
    AH:
    AH_NEXT = Must "rfc4302-2.1-next-header",
        "Next Header names the protocol after AH.",
        "ah-next-header-of-ipv6";
    AH_LENGTH = Must "rfc4302-2.2-payload-length-words",
        "Payload Length is the AH length in 32-bit words minus 2.",
        "ah-payload-length-9";
    AH_RESERVED = Must "rfc4302-2.3-reserved-zero",
        "The reserved field is sent as zero.",
        "ah-reserved-set";
    AH_SPI_ZERO = MustNot "rfc4302-2.4-spi-zero-never-sent",
        "SPI zero is never sent.",
        "ah-spi-zero";
    AH_START = Must "rfc4302-2.5-sequence-starts-at-one",
        "The first packet of an SA has number 1.",
        "ah-sequence-from-zero";
    AH_INCREMENTS = Must "rfc4302-2.5-sequence-increments",
        "The sequence number grows by one with each packet.",
        "ah-sequence-repeated";
    AH_CYCLE = Must "rfc4302-2.5-sequence-no-cycle",
        "With anti-replay on the number never wraps.",
        "ah-sequence-wraps";
    AH_PADDING = Must "rfc4302-2.6-minimal-padding",
        "Only as much padding as the alignment needs is put into the check field.",
        "ah-padded-to-eight";
    AH_ICV = Must "rfc4302-3.3.3-icv-over-whole-packet",
        "The check covers the fixed header fields, AH with a zero check field, and all that follows.",
        "ah-content-flipped";
}
