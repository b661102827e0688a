//! How messages follow one another, and what is computed over them.

use super::rules;

rules! {
    EXCHANGE:
    EXCHANGE_ORDER = Must "rfc7296-1-exchange-order",
        "IKE_SA_INIT is finished before IKE_AUTH starts, and IKE_AUTH is finished before any other exchange type is used.",
        "informational-before-auth";
    FIRST_ID = Must "rfc7296-2.2-first-message-id-zero",
        "Both IKE_SA_INIT messages use Message ID 0, repeats for COOKIE or INVALID_KE_PAYLOAD included.",
        "init-message-id-one";
    ID_INCREMENTS = Must "rfc7296-2.2-message-id-increments",
        "Each new request takes the next Message ID of its sender.",
        "message-id-skipped";
    REKEYED_ID = Must "rfc7296-2.18-ike-rekey-counters-zero",
        "Message IDs of the new IKE SA start from 0 in both directions.",
        "message-id-not-reset-by-rekey";
    RESPONSE_ID = Must "rfc7296-2.2-response-matches-request",
        "A response has the Message ID of a request of the other side.",
        "response-to-nothing";
    RESPONSE_EXCHANGE = Must "rfc7296-3.1-response-exchange-type",
        "A response has the exchange type of its request.",
        "response-of-other-exchange";
    REQUEST_IDENTICAL = Must "rfc7296-2.1-retransmit-bitwise-identical",
        "A retransmitted request is bit for bit equal to the first one.",
        "retransmission-sealed-anew";
    RESPONSE_IDENTICAL = Must "rfc7296-2.1-retransmit-response-same",
        "A repeated request has no effect except that the stored response is sent again.",
        "response-sealed-anew";
    INIT_MATCHED = Should "rfc7296-2.1-init-request-matched-by-content",
        "A repeated IKE_SA_INIT request is matched by its content, not only by SPI and address.",
        "init-answered-twice";
    WINDOW_ONE = Must "rfc7296-2.3-window-request",
        "Without SET_WINDOW_SIZE from the peer only one request is outstanding at a time.",
        "second-request-outstanding";
    WINDOW_INIT = Must "rfc7296-2.3-window-one-during-init",
        "The window is one until the initial exchanges are over.",
        "request-before-auth-answer";
    WINDOW_ANNOUNCED = MustNot "rfc7296-2.3-window-not-exceeded",
        "A sender never has more requests outstanding than the peer's announced window.",
        "third-request-in-window-of-two";
    INFO_ANSWERED = Must "rfc7296-1.4-informational-answered",
        "Every INFORMATIONAL request gets a response, possibly an empty one.",
        "informational-not-answered";
    REQUEST_ANSWERED = Must "rfc7296-2.1-request-answered",
        "A valid request other than INFORMATIONAL is answered.",
        "child-request-not-answered";
    REPLY_TO = Must "rfc7296-2.11-reply-to-source",
        "The response goes back to the source address and source port of the request.",
        "answer-to-other-port";
    REPLY_FROM = Must "rfc7296-2.11-reply-from-destination",
        "The response has the destination address and port of the request as its source.",
        "answer-from-other-port";
    COOKIE_ECHO = Must "rfc7296-2.6-cookie-echo-first",
        "The initiator repeats IKE_SA_INIT with the received COOKIE as the first payload.",
        "cookie-changed";
    COOKIE_REST = Must "rfc7296-2.6-cookie-rest-unchanged",
        "All other payloads of the repeated IKE_SA_INIT stay as they were.",
        "nonce-changed-with-cookie";
    INVALID_KE_RETRY = Must "rfc7296-1.2-invalid-ke-retry",
        "After INVALID_KE_PAYLOAD in IKE_SA_INIT the initiator tries again with the group named in the notify.",
        "other-group-than-asked-for";
    INVALID_KE_SUITES = Must "rfc7296-1.2-invalid-ke-full-proposal",
        "The retry after INVALID_KE_PAYLOAD offers the initiator's whole original set of suites.",
        "fewer-suites-after-invalid-ke";
    NATD_HASH = Must "rfc7296-2.23-natd-hash",
        "The NAT detection data is SHA-1 over SPIs, address and port.",
        "natd-hash-wrong";
    NATD_BOTH = Must "rfc7296-2.23-natd-payloads-in-init",
        "Both IKE_SA_INIT messages carry NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP.",
        "natd-destination-missing";
    NATD_TUNNELS = Must "rfc7296-2.23-natd-initiator-tunnels",
        "An initiator that finds a mismatch moves all IKE and ESP of the SA to UDP 4500.",
        "auth-on-500-behind-nat";
    AUTH_VALUE = Must "rfc7296-2.15-psk-key-pad",
        "PSK AUTH is the PRF with a key made from the secret and the 17 octets of the fixed key pad.",
        "responder-auth-wrong";
    AUTH_CHECKED = Must "rfc7296-1.2-verify-all-signatures",
        "Each side of IKE_AUTH checks every signature and MAC before it accepts the SA.",
        "initiator-auth-wrong-and-accepted";
    AUTH_LAST_INIT = Must "rfc7296-2.15-auth-last-init-signed",
        "After COOKIE or INVALID_KE_PAYLOAD the signed message is the last IKE_SA_INIT that was sent.",
        "auth-over-first-init";
    AUTH_ID = Must "rfc7296-2.15-id-body-in-auth",
        "The MACed ID is the ID payload without its generic header, type and reserved octets included.",
        "auth-over-id-without-type";
    AUTH_NONCE = Must "rfc7296-2.15-auth-covers-first-message",
        "AUTH covers the sender's own whole IKE_SA_INIT message, the peer's nonce and the MACed ID.",
        "auth-with-own-nonce";
    SK_ICV = Must "rfc7296-3.14-sk-checksum-over-ciphertext",
        "The checksum covers the encrypted message from the IKE header on.",
        "sk-icv-flipped";
    SK_PADDING = Must "rfc7296-3.14-sk-padding-block",
        "Content, padding and pad length together fill whole cipher blocks.",
        "sk-pad-length-too-long";
    SK_IV_CBC = Must "rfc7296-3.14-iv-unpredictable",
        "Each message gets its own IV that cannot be predicted.",
        "sk-iv-repeated-cbc";
    SK_IV_AEAD = Must "rfc5282-3.1-iv-unique",
        "An IV is used once per key.",
        "sk-iv-repeated-gcm";
    REKEY_SPI = Must "rfc7296-1.3.3-rekey-sa-spi-inbound",
        "The SPI in REKEY_SA is the one that the sender expects in its own inbound packets.",
        "rekey-sa-with-outbound-spi";
    DELETE_INBOUND = Must "rfc7296-1.4.1-delete-lists-inbound",
        "A Delete payload for ESP or AH lists the SPIs that the sender would see in inbound packets.",
        "delete-with-outbound-spi";
    DELETE_ANSWER = Must "rfc7296-1.4.1-ike-delete-empty-response",
        "Deletion of an IKE SA is answered with an INFORMATIONAL response without payloads.",
        "ike-delete-answered-with-delete";
    EMPTY_ANSWER = Should "rfc7296-1.4-empty-request-empty-response",
        "An INFORMATIONAL request without payloads, a sign of life, is answered without Delete or error.",
        "liveness-answered-with-error";
    FRAGMENTS_AGREED = MustNot "rfc7383-2.4-not-without-both",
        "Fragments are sent only if both sides announced support.",
        "fragments-not-agreed";
    FRAGMENT_NEXT = Must "rfc7383-2.5-next-payload-rest-zero",
        "All other fragments have next payload zero.",
        "second-fragment-with-next-payload";
    FRAGMENT_NUMBER = Must "rfc7383-2.5-number-from-one",
        "Fragment numbers run from 1 to the total.",
        "fragment-number-zero";
    FRAGMENT_TOTAL = MustNot "rfc7383-2.5-total-not-zero",
        "The total is never zero.",
        "fragment-total-zero";
    FRAGMENT_INIT = Must "rfc7383-2.4-never-in-init",
        "IKE_SA_INIT is never fragmented.",
        "skf-in-init";
    FRAGMENT_LAST = Must "rfc7383-2.5-payload-type-53",
        "The Encrypted Fragment payload is type 53 and the last payload of its message.",
        "payload-behind-skf";
}
