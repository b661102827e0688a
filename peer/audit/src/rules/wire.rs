//! What a message looks like: header, chain of payloads, and which payloads it holds.

use super::rules;

rules! {
    WIRE:
    HEADER_LENGTH = Must "rfc7296-3.1-header-length-whole",
        "The Length field counts the whole message, header included.",
        "header-length-short";
    VERSION_SENT = Must "rfc7296-3.1-major-two",
        "The version field says 2.0 in what is sent.",
        "minor-version-one";
    VERSION_FLAG = Must "rfc7296-3.1-version-flag-clear",
        "The V flag is sent as zero and ignored when received.",
        "version-flag-set";
    FLAG_BITS = Must "rfc7296-3.1-x-bits-cleared",
        "Unused flag bits are sent as zero and ignored when received.",
        "flag-bit-0-set";
    RESPONSE_FLAG = Must "rfc7296-3.1-r-flag",
        "The R flag is zero in requests and one in responses.",
        "response-flag-missing";
    INITIATOR_FLAG = Must "rfc7296-3.1-i-flag",
        "The I flag is set in messages of the original initiator only, also after roles of exchanges change.",
        "initiator-flag-missing";
    REKEYED_INITIATOR_FLAG = Must "rfc7296-3.1-ike-rekey-i-flag",
        "After an IKE SA rekey the side that started the rekey counts as original initiator of the new SA.",
        "initiator-flag-of-old-sa-after-rekey";
    SPI_I_ZERO = MustNot "rfc7296-3.1-spii-nonzero",
        "The initiator SPI is never zero.",
        "initiator-spi-zero";
    SPI_R_FIRST = Must "rfc7296-3.1-spir-zero-first",
        "The responder SPI is zero in the first message, cookie repeats included.",
        "responder-spi-in-first-message";
    SPI_R_REFUSAL = Should "rfc7296-2.6-init-response-spi-zero",
        "Answers to IKE_SA_INIT that create no SA carry a zero responder SPI.",
        "responder-spi-in-cookie-demand";
    SPI_R_CHOSEN = Must "rfc7296-2.6-responder-spi-chosen",
        "An IKE_SA_INIT response that creates an SA carries a responder SPI that is not zero.",
        "responder-spi-zero-in-answer";
    MARKER_MISSING = Must "rfc7296-2-non-esp-marker-4500",
        "Every IKE message on UDP 4500 starts with four zero octets.",
        "ike-on-4500-without-marker";
    MARKER_VALUE = Must "rfc3948-2.2-marker-four-zero",
        "The non-ESP marker is four zero octets where the SPI would be.",
        "marker-not-zero";
    MARKER_ON_500 = MustNot "rfc7296-2-no-marker-on-500",
        "An IKE message on UDP 500 does not start with four zero octets.",
        "marker-on-500";
    KEEPALIVE = Must "rfc3948-2.3-keepalive-one-octet",
        "A keepalive is a single octet 0xFF.",
        "keepalive-of-another-octet";
    RESERVED = Must "rfc7296-2.5-reserved-sent-zero",
        "Reserved fields are sent as zero.",
        "reserved-bit-of-payload";
    CRITICAL_KNOWN = Must "rfc7296-3.2-critical-zero-known",
        "The critical flag is zero for payload types of this RFC.",
        "critical-bit-on-nonce";
    CRITICAL_RESPONSE = MustNot "rfc7296-2.5-no-critical-in-response",
        "No payload in a response has the critical flag set.",
        "critical-unknown-payload-in-response";
    PAYLOAD_LENGTH = Must "rfc7296-3.2-payload-length-minimum",
        "A payload length counts its own four-octet header, so less than four is malformed.",
        "payload-length-three";
    CHAIN = Must "rfc7296-3.2-chain-fills-message",
        "The payloads fill the message exactly, the last one says that no payload follows.",
        "chain-ends-early";
    SK_LAST = Must "rfc7296-3.1-sk-last",
        "The Encrypted payload is the last payload of a message.",
        "payload-behind-sk";
    SK_NESTED = MustNot "rfc7296-3.1-sk-not-nested",
        "An Encrypted payload never holds another one.",
        "sk-inside-sk";
    INIT_PAYLOADS = Must "rfc7296-1.2-init-payloads",
        "IKE_SA_INIT holds the payloads that the RFC draws: one SA, KE and nonce of each side, or a refusal.",
        "init-without-nonce";
    AUTH_PAYLOADS = Must "rfc7296-1.2-auth-payloads",
        "IKE_AUTH holds the payloads that the RFC draws, all of them encrypted.",
        "auth-without-tsr";
    CHILD_PAYLOADS = Must "rfc7296-1.3.1-child-payloads",
        "CREATE_CHILD_SA for a child holds SA, nonce, both TS and at most one KE, all of them encrypted.",
        "child-with-two-nonces";
    REKEY_PAYLOADS = Must "rfc7296-1.3.2-rekey-payloads",
        "CREATE_CHILD_SA for an IKE SA holds SA, nonce and KE.",
        "ike-rekey-with-selectors";
    REKEY_KE = Must "rfc7296-1.3.2-ike-rekey-kei",
        "A request that rekeys the IKE SA carries KEi.",
        "ike-rekey-without-ke";
    REKEY_KE_ANSWER = Must "rfc7296-2.18-ike-rekey-new-dh",
        "Rekeying an IKE SA always does a new key exchange.",
        "ike-rekey-answer-without-ke";
    INFO_PAYLOADS = Must "rfc7296-1.4-informational-payloads",
        "INFORMATIONAL holds only Notify, Delete and Configuration payloads.",
        "informational-with-nonce";
    INFO_PROTECTED = Must "rfc7296-1.4-informational-after-init",
        "INFORMATIONAL exchanges happen only after the initial exchanges and only under the negotiated keys.",
        "informational-in-clear";
    ORDER_SENT = Should "rfc7296-2.5-payload-order-sent",
        "Payloads are sent in the order of the RFC's figures.",
        "nonce-before-sa";
    CP_ORDER = Must "rfc7296-2.19-cp-before-sa",
        "The CP payload stands before the SA payload.",
        "cp-after-sa";
    CP_WITH_SA = Must "rfc7296-2.19-cp-with-sa-message",
        "When there are several IKE_AUTH exchanges, CP goes with the message that carries SA.",
        "two-cp-without-sa";
}
