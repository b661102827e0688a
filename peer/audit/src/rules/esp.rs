//! ESP packets.

use super::rules;

rules! {
    ESP:
    ESP_ON_500 = MustNot "rfc7296-2.23-natd-no-encap-500",
        "ESP is never UDP encapsulated on port 500.",
        "esp-in-udp-500";
    ESP_ENCAPSULATED = Must "rfc7296-2.23-natd-encap-on-nat",
        "With a NAT found, both sides send ESP inside UDP.",
        "plain-esp-behind-nat";
    ESP_SPI_ZERO = MustNot "rfc4303-2.1-spi-zero-never-sent",
        "SPI zero is never put on the wire.",
        "esp-spi-zero";
    ESP_SPI = Must "rfc4303-2.1-spi-negotiated",
        "ESP packets carry an SPI that their receiver has chosen.",
        "esp-spi-unknown";
    ESP_SHORT = Must "rfc4303-2.2-sequence-always-present",
        "The sequence number is always sent, also when the receiver does not use it.",
        "esp-of-six-octets";
    ESP_START = Must "rfc4303-2.2-sequence-starts-at-one",
        "The first packet of an SA has sequence number 1.",
        "esp-sequence-from-zero";
    ESP_INCREMENTS = Must "rfc4303-2.2-sequence-increments",
        "The sequence number grows by one with each packet.",
        "esp-sequence-repeated";
    ESP_CYCLE = Must "rfc4303-2.2-sequence-no-cycle",
        "With anti-replay on, the sequence number never wraps.",
        "esp-sequence-wraps";
    ESP_ICV = Must "rfc4303-3.3.2.1-encrypt-then-mac",
        "Encryption comes first and the check value covers SPI, sequence number and ciphertext.",
        "esp-icv-flipped-cbc";
    ESP_AEAD = Must "rfc4303-3.2.3-aead-covers-spi-seq",
        "A combined-mode cipher also covers SPI and sequence number.",
        "esp-icv-flipped-gcm";
    ESP_BLOCKS = Must "rfc3602-2.4-block-16",
        "The encrypted part is a multiple of 16 octets.",
        "esp-partial-block";
    ESP_BLOCKS_64 = Must "rfc2451-2.4-block-8-padding",
        "Content is padded to 8 octets.",
        "esp-partial-block-3des";
    ESP_ALIGN = Must "rfc4303-2.4-pad-align-four",
        "Pad length and next header end on a four-octet boundary.",
        "esp-not-aligned";
    ESP_PAD_VALUES = Must "rfc4303-2.4-pad-default-values",
        "Unless the cipher says otherwise, padding is 1, 2, 3 and so on.",
        "esp-padding-of-zeros";
    ESP_PAD_LENGTH = Must "rfc4303-2.5-pad-length-mandatory",
        "Pad length is always there, also when it is zero.",
        "esp-pad-length-too-long";
    ESP_INNER_VERSION = Must "rfc4303-3.4.4.1-tunnel-inner-version",
        "Next header 4 or 41 has to match the inner packet and the selectors.",
        "esp-next-header-of-ipv6";
    ESP_INNER_WHOLE = Must "rfc4303-3.1.2-tunnel-whole-inner",
        "In tunnel mode the whole inner packet is protected.",
        "esp-inner-packet-cut";
    ESP_IV_CBC = Must "rfc3602-3-iv-random",
        "The IV is random and cannot be predicted.",
        "esp-iv-repeated-cbc";
    ESP_IV_64 = Must "rfc2451-3-iv-random",
        "The IV is random.",
        "esp-iv-repeated-3des";
    ESP_IV_GCM = Must "rfc4106-3.1-iv-unique",
        "An IV is used once per key.",
        "esp-iv-repeated-gcm";
    ESP_IV_CHACHA = Must "rfc7634-2-iv-unique",
        "The 8-octet IV is used once per key.",
        "esp-iv-repeated-chacha20";
}
