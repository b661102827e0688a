//! Dead peer detection.

use super::super::rules;

rules! {
    V1_DPD:
    DPD_VENDOR_BOTH = Must "rfc3706-5.1-vendor-id-both",
        "DPD starts only after both sides sent its Vendor ID.",
        "v1-r-u-there-not-announced";
    DPD_VENDOR_VALUE = Must "rfc3706-5.1-vendor-id-value",
        "The Vendor ID is the RFC's 16 octets, ending in the major and minor version.",
        "v1-dpd-version-two";
    DPD_ANSWERED = Must "rfc3706-5.2-answer-if-announced",
        "A peer that sent the Vendor ID answers R-U-THERE.",
        "v1-r-u-there-not-answered";
    DPD_TYPES = Must "rfc3706-5.3-notify-types",
        "R-U-THERE is notify 36136 and its acknowledgement 36137.",
        "v1-r-u-there-of-another-number";
    DPD_DOI = Must "rfc3706-5.3-notify-doi-protocol",
        "The notify has the IPsec DOI and protocol ISAKMP.",
        "v1-r-u-there-of-doi-0";
    DPD_SPI = Must "rfc3706-5.3-spi-is-cookies",
        "The SPI is 16 octets, both cookies in order.",
        "v1-r-u-there-with-swapped-cookies";
    DPD_DATA = Must "rfc3706-5.3-data-four-octets",
        "The notify data is the four-octet sequence number.",
        "v1-r-u-there-of-three-octets";
    DPD_PROTECTED = Must "rfc3706-5.3-protected",
        "DPD travels in a protected Informational with HASH.",
        "v1-r-u-there-in-clear";
    DPD_NUMBER = Must "rfc3706-6.1-sequence-present",
        "Each R-U-THERE has a sequence number.",
        "v1-r-u-there-without-number";
    DPD_ACK_NUMBER = Must "rfc3706-6.1-ack-same-sequence",
        "The acknowledgement repeats the number.",
        "v1-ack-of-another-number";
    DPD_COOKIES_CHECKED = Should "rfc3706-6.1-cookies-checked",
        "Both sides check the cookies in the SPI field.",
        "v1-swapped-cookies-answered";
    DPD_HIGH_BIT = Should "rfc3706-6.2-high-bit-zero",
        "The first number has its highest bit clear.",
        "v1-first-number-with-high-bit";
    DPD_INCREMENT = Must "rfc3706-6.2-increment-one",
        "Each new R-U-THERE adds one.",
        "v1-number-far-above";
    DPD_REPLAY = Should "rfc3706-6.2-replay-rejected",
        "An R-U-THERE with an unexpected number is refused.",
        "v1-old-number-answered";
}
