//! What the payloads of IKE say: algorithms, public values, selectors, identities, notifies.

use super::rules;

rules! {
    CONTENT:
    PROPOSAL_NUMBERS = Must "rfc7296-3.3.1-proposal-number-from-one",
        "Proposals are numbered from 1 without gaps.",
        "proposals-numbered-from-two";
    PROPOSAL_ACCEPTED = Must "rfc7296-3.3.1-accepted-proposal-number",
        "The answer carries the number of the accepted proposal.",
        "answer-with-other-proposal-number";
    SINGLE_SUITE = Must "rfc7296-2.7-single-suite",
        "The responder picks exactly one suite.",
        "answer-with-two-proposals";
    SAME_PROTOCOL = Must "rfc7296-2.7-same-protocol",
        "The chosen proposal has the protocol of the offer.",
        "answer-for-ah";
    ONE_TRANSFORM = Must "rfc7296-2.7-one-transform-per-type",
        "The chosen suite has exactly one transform of each type that the proposal offered.",
        "answer-with-two-groups";
    NO_ADDITIONAL = Must "rfc7296-2.7-no-additional-transforms-in-answer",
        "The chosen suite holds only transforms that were in the chosen proposal.",
        "answer-with-group-not-offered";
    ATTRIBUTES_SAME = Must "rfc7296-3.3.6-attributes-unmodified",
        "Attributes of the chosen transform come back unmodified.",
        "answer-with-other-key-length";
    SPI_SIZE_INIT = Must "rfc7296-3.3.1-proposal-spi-size-init",
        "The SPI size is zero in the proposals of the initial IKE negotiation.",
        "spi-in-init-proposal";
    SPI_SIZE_CHILD = Must "rfc7296-3.3.1-spi-four-octets-child",
        "ESP and AH proposals carry a four-octet SPI, and never the value zero.",
        "child-spi-of-eight-octets";
    SPI_SIZE_REKEY = Must "rfc7296-2.18-ike-rekey-spi-in-proposal",
        "The new IKE SPIs travel as 8-octet SPIs in the proposals of the rekey.",
        "ike-rekey-spi-of-four-octets";
    SPI_RESERVED = Must "rfc4303-2.1-spi-reserved",
        "SPIs 1 to 255 are reserved and not chosen.",
        "child-spi-255";
    SPIS_DIFFER = Must "rfc7296-2.8-rekey-both-spis-differ",
        "A rekeyed child has new SPIs in both directions.",
        "rekey-with-old-spi";
    ESN_PRESENT = Must "rfc7296-3.3.3-esn-transform-present",
        "An ESP or AH proposal carries an ESN transform.",
        "esp-without-esn-transform";
    AEAD_NO_INTEG = Must "rfc7296-3.3-aead-no-integ",
        "A proposal with an AEAD cipher has no integrity transform or only NONE.",
        "gcm-with-hmac";
    ATTRIBUTE_TWICE = MustNot "rfc7296-3.3-one-attribute-per-type",
        "A transform has no two attributes of one type.",
        "key-length-twice";
    ATTRIBUTE_FORM = MustNot "rfc7296-3.3.5-tv-not-as-tlv",
        "A fixed-length attribute is not sent in variable-length form, nor the reverse.",
        "key-length-as-tlv";
    KEY_LENGTH_FIXED = MustNot "rfc7296-3.3.5-keylen-not-for-fixed",
        "Key Length is not used with transforms of fixed key size.",
        "key-length-for-3des";
    KEY_LENGTH_CBC = Must "rfc7296-3.3.5-keylen-required",
        "A transform that needs Key Length is refused when it lacks the attribute.",
        "cbc-without-key-length";
    KEY_LENGTH_AEAD = Must "rfc5282-7.3-keylen-required",
        "Key Length is always there for AES-GCM and AES-CCM, with 128, 192 or 256.",
        "gcm-without-key-length-in-ike";
    KEY_LENGTH_ESP_AEAD = Must "rfc4106-8.4-keylen-attribute",
        "Key Length is given, with 128, 192 or 256.",
        "gcm-without-key-length-in-esp";
    KEY_LENGTH_CHACHA = MustNot "rfc7634-4-no-keylen",
        "The transform has no Key Length attribute.",
        "key-length-for-chacha20";
    SA_LENGTHS = Must "rfc7296-3.3-sa-length-consistent",
        "The SA payload's length is checked against its inner lengths and counts.",
        "transform-count-wrong";
    OMIT_NONE = Should "rfc7296-1.2-omit-none-transform",
        "A transform that would say NONE is left out instead of being sent.",
        "integrity-none-offered";
    IKE_NULL = MustNot "rfc7296-5-ike-no-null",
        "An IKE SA never uses NULL encryption or no integrity protection.",
        "null-cipher-for-ike";
    IKE_GMAC = Must "rfc4543-5-gmac-not-encrypting-ike",
        "GMAC transforms are for ESP and AH, not for the IKE SA.",
        "gmac-for-ike";
    BOTH_NULL = MustNot "rfc4303-3.2-not-both-null",
        "Encryption and integrity are never both NULL.",
        "null-cipher-without-integrity";
    REKEY_GROUP_NONE = MustNot "rfc7296-2.18-ike-rekey-no-none-group",
        "NONE is neither offered nor taken as the group of an IKE SA rekey.",
        "ike-rekey-group-none";
    KE_GROUP = Must "rfc7296-3.4-ke-group-in-proposal",
        "The KE group is one of those offered in the same message.",
        "ke-of-group-not-offered";
    KE_GROUP_CHILD = Must "rfc7296-1.3-child-ke-group-offered",
        "If a CREATE_CHILD_SA request has KEi, at least one proposal offers that KE group.",
        "child-ke-of-group-not-offered";
    KE_WITHOUT_GROUP = MustNot "rfc7296-3.4-ke-absent-without-group",
        "There is no KE payload when no proposal has a group.",
        "ke-without-group";
    KE_MODP_LENGTH = Must "rfc7296-3.4-modp-length",
        "A MODP public value has the length of the prime, padded with leading zeros.",
        "modp-value-short";
    KE_ECP_LENGTH = Must "rfc5903-7-ke-lengths",
        "The value has 64, 96 or 132 octets for groups 19, 20 and 21.",
        "ecp-value-long";
    KE_25519_LENGTH = Must "rfc8031-3.1-curve25519-length",
        "The value of group 31 has 32 octets.",
        "curve25519-value-long";
    KE_MODP_RANGE = Must "rfc6989-2.1-modp-range",
        "A MODP public value lies strictly between 1 and p-1.",
        "modp-value-one";
    KE_ECP_CURVE = Must "rfc6989-2.3-ecp-on-curve",
        "An ECP value is tested for range and for being on the curve.",
        "ecp-value-off-curve";
    NONCE_SIZE = Must "rfc7296-3.9-nonce-size",
        "Nonce data has 16 to 256 octets.",
        "nonce-of-15-octets";
    NONCE_HALF_KEY = Must "rfc7296-2.10-nonce-random-128",
        "A nonce is random, has at least 128 bits and at least half the key size of the PRF.",
        "nonce-below-half-prf-key";
    NONCE_REUSED = MustNot "rfc7296-3.9-nonce-not-reused",
        "A nonce value is not used twice.",
        "nonce-of-init-in-child";
    TS_SUBSET = Must "rfc7296-2.9-ts-subset",
        "The selectors in the response are a subset of the offered ones.",
        "answer-wider-than-offer";
    TS_COUNT = Must "rfc7296-3.13-ts-count-and-length",
        "The number of selectors and their lengths agree with the payload length, and at least one is present.",
        "ts-count-zero";
    TS_LENGTH = Must "rfc7296-3.13.1-ts-family-mix",
        "A selector's length agrees with its type: 16 octets for IPv4, 40 for IPv6.",
        "ts-length-of-ipv6-for-ipv4";
    TS_ANY_PORT = Must "rfc7296-3.13.1-ts-any-port",
        "ANY ports are sent as 0 to 65535.",
        "ports-zero-to-zero";
    TS_OPAQUE = Must "rfc7296-3.13.1-ts-opaque-port",
        "OPAQUE ports are sent as start 65535 and end 0.",
        "ports-backwards";
    ID_ADDRESS = Must "rfc7296-3.5-id-address-length",
        "An ID that is an IPv4 address has 4 octets, an IPv6 address 16.",
        "ipv4-id-of-five-octets";
    ID_TERMINATOR = MustNot "rfc7296-3.5-id-no-terminator",
        "FQDN and e-mail IDs hold no terminator.",
        "fqdn-with-terminator";
    AUTH_METHOD = Must "rfc7296-3.8-auth-method-known",
        "An AUTH payload with an unknown method does not authenticate.",
        "auth-method-200";
    COOKIE_LENGTH = Must "rfc7296-2.6-cookie-length",
        "COOKIE data is 1 to 64 octets long.",
        "cookie-of-65-octets";
    INVALID_KE_DATA = Must "rfc7296-1.2-invalid-ke-data-two-octets",
        "INVALID_KE_PAYLOAD carries the wanted group as a two-octet number.",
        "invalid-ke-of-four-octets";
    WINDOW_DATA = Must "rfc7296-2.3-window-notify-four-octets",
        "SET_WINDOW_SIZE carries exactly four octets, big endian.",
        "window-size-of-two-octets";
    CRITICAL_DATA = Must "rfc7296-2.5-unknown-critical-data",
        "The data of UNSUPPORTED_CRITICAL_PAYLOAD is the one-octet payload type that was not understood.",
        "unsupported-critical-without-type";
    NOTIFY_PROTOCOL_ZERO = Must "rfc7296-3.10-notify-no-spi-protocol-zero",
        "With an empty SPI the protocol field is sent as zero and ignored.",
        "notify-protocol-without-spi";
    NOTIFY_CHILD = Must "rfc7296-3.10-notify-child-protocol",
        "A notify about a child names AH or ESP as protocol.",
        "rekey-sa-without-protocol";
    NOTIFY_IKE_SPI = Must "rfc7296-3.10-notify-ike-spi-empty",
        "A notify about the IKE SA has SPI size zero.",
        "notify-with-ike-spi";
    INITIAL_CONTACT = Must "rfc7296-2.4-initial-contact-first-auth",
        "INITIAL_CONTACT travels only in the first IKE_AUTH request or response.",
        "initial-contact-in-informational";
    IPCOMP = MustNot "rfc7296-2.22-ipcomp-only-with-sa",
        "IPCOMP_SUPPORTED appears only in messages that have an SA payload.",
        "ipcomp-in-informational";
    MESSAGE_ID_NOTIFY = MustNot "rfc7296-2.3-invalid-message-id-not-response",
        "INVALID_MESSAGE_ID is never put in a response, and the offending request gets no acknowledgement.",
        "invalid-message-id-in-response";
    FRAGMENTATION_NOTIFY = Must "rfc7383-2.3-notify-empty",
        "The notify has protocol and SPI size zero and no data.",
        "fragmentation-notify-with-data";
    FRAGMENTATION_ECHO = Must "rfc7383-2.3-responder-echo-only",
        "A responder announces it only if the request did.",
        "fragmentation-announced-unasked";
    TRANSPORT_ECHO = Must "rfc7296-1.3.1-transport-mode-echo",
        "When a responder accepts USE_TRANSPORT_MODE it returns the same notify in the response.",
        "transport-mode-unasked";
    DELETE_SIZE = Must "rfc7296-3.11-delete-spi-size",
        "The SPI size in Delete is zero for IKE and four for AH and ESP.",
        "delete-of-ike-sa-with-spi-size";
    CP_UNASKED = MustNot "rfc7296-2.19-cp-reply-only-on-request",
        "No CFG_REPLY is sent without a CFG_REQUEST.",
        "cp-reply-unasked";
    CP_ADDRESS = Must "rfc7296-2.19-cp-request-has-address",
        "CFG_REQUEST holds at least one inner address attribute.",
        "cp-request-without-address";
    CP_SUPPORTED = Must "rfc7296-3.15.1-cp-supported-attributes-empty",
        "SUPPORTED_ATTRIBUTES in a request has length zero.",
        "supported-attributes-with-value";
    CP_RESERVED = Must "rfc7296-3.15.1-cp-attribute-reserved",
        "The reserved bit of a configuration attribute is zero and ignored.",
        "attribute-with-reserved-bit";
    CP_NETMASK = Must "rfc7296-3.15.1-cp-netmask-with-address",
        "INTERNAL_IP4_NETMASK comes only with INTERNAL_IP4_ADDRESS.",
        "netmask-without-address";
    EAP_LENGTH = Must "rfc7296-3.16-eap-length",
        "The EAP length is four less than the payload length.",
        "eap-length-wrong";
}
