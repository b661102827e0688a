//! Headers, chains and the order of exchanges of IKEv1.

use super::super::rules;

rules! {
    V1_HEADER:
    V1_VERSION = Must "rfc2408-3.1-major-one",
        "The version field says 1.0.",
        "v1-minor-version";
    V1_HIGHER_VERSION = Should "rfc2408-3.1-higher-version-refused",
        "A message with a higher major version, or a higher minor one of the same major, is not accepted.",
        "v1-minor-version-taken";
    V1_COOKIE_ZERO = Must "rfc2408-3.1-cookie-nonzero",
        "The initiator cookie is never zero, the responder cookie is zero only in the first message.",
        "v1-responder-cookie-zero";
    V1_COOKIE_UNIQUE = Must "rfc2408-2.5.3-cookie-unique",
        "Cookies are unique for each SA, hold local secret information and cannot be guessed.",
        "v1-cookie-of-earlier-session";
    V1_COOKIES_PLACE = MustNot "rfc2409-4-cookies-keep-place",
        "The cookies do not swap places when the phase 1 responder starts a phase 2 exchange.",
        "v1-cookies-swapped";
    V1_FLAGS = Must "rfc2408-3.1-flags-clear",
        "The flag bits beyond encryption, commit and authentication-only are sent as zero.",
        "v1-unknown-flag";
    V1_CHECK_FLAGS = Must "rfc2408-5.2-check-flags",
        "A message with wrong flags is discarded.",
        "v1-unknown-flag-taken";
    V1_AUTH_ONLY = Must "rfc2408-3.1-auth-only-informational",
        "The authentication only bit is set in Informational exchanges with a Notify payload only.",
        "v1-auth-only-in-main-mode";
    V1_ID_PHASE1 = Must "rfc2408-3.1-message-id-zero-phase1",
        "The Message ID is zero in phase 1.",
        "v1-message-id-in-phase-1";
    V1_CHECK_ID = Must "rfc2408-5.2-check-message-id",
        "A message with a wrong Message ID is discarded.",
        "v1-message-id-in-phase-1-taken";
    V1_ID_ZERO_PHASE2 = Must "rfc2408-3.1-message-id-nonzero-phase2",
        "The Message ID of an exchange after phase 1 is not zero.",
        "v1-message-id-zero-in-quick-mode";
    V1_ID_UNIQUE = Must "rfc2408-3.1-message-id-unique-phase2",
        "Every phase 2 exchange has its own non-zero, randomly chosen Message ID.",
        "v1-message-id-of-earlier-quick-mode";
    V1_COMMIT_ID = Must "rfc2408-3.1-commit-bit-message-id",
        "The CONNECTED notify carries the Message ID of the quick mode that it confirms.",
        "v1-connected-with-own-message-id";
    V1_LENGTH = Must "rfc2408-3.1-length-whole",
        "The Length field counts the header and all payloads.",
        "v1-header-length-short";
    V1_LENGTH_CHECKED = Must "rfc2408-5.1-header-length-mismatch",
        "A message whose header length differs from the real length is refused.",
        "v1-header-length-short-taken";
    V1_ALIGNED = Must "rfc2408-3-message-aligned",
        "A message is aligned at a multiple of four octets, so that what comes before it is filled up if need be.",
        "v1-message-not-aligned";
    V1_FIRST_PAYLOAD = Must "rfc2408-3.1-next-payload-assigned",
        "Next Payload in the header names a payload that can stand by itself.",
        "v1-first-payload-transform";
    V1_CHECK_NEXT = Must "rfc2408-5.2-check-next-payload",
        "A message with an invalid Next Payload in the header is discarded.",
        "v1-first-payload-transform-taken";
    V1_PAYLOAD_LENGTH = Must "rfc2408-5.3-payload-length-walk",
        "Payload lengths below four or beyond the message make it malformed.",
        "v1-payload-length-three";
    V1_RESERVED = Must "rfc2408-2.5.2-reserved-zero",
        "Reserved fields are sent as zero.",
        "v1-reserved-octet-of-payload";
    V1_RESERVED_CHECKED = Must "rfc2408-5.3-payload-reserved",
        "The reserved octet of every payload header is checked and a message that fails is discarded. Many stacks are lenient.",
        "v1-reserved-octet-taken";
    V1_UNKNOWN_PAYLOAD = Must "rfc2408-3.1-payload-types-assigned",
        "Payload types below 128 are sent only if they are assigned.",
        "v1-payload-127";
    V1_UNKNOWN_REFUSED = Must "rfc2408-5.3-unknown-payload-discard",
        "A message with an invalid next payload inside is discarded.",
        "v1-payload-127-taken";
    V1_VENDOR_PHASE1 = Must "rfc2408-3.16-vendor-id-phase1",
        "Vendor ID payloads are sent in phase 1 only.",
        "v1-vendor-id-in-quick-mode";
    V1_REPEATS_SAME = Must "rfc2408-5.1-retransmission-same",
        "What is sent again when the timer ends is the message that was sent before.",
        "v1-first-message-again-with-other-nonce";
    V1_NO_FIXED_TIMER = MustNot "rfc2408-5.1-no-fixed-timer",
        "Retransmission does not use one fixed interval, the gaps grow.",
        "v1-copies-at-one-interval";
    V1_QUICK_PHASE2 = Must "rfc2409-4-quick-mode-phase2-only",
        "Quick mode is used in phase 2 only.",
        "v1-quick-mode-before-phase-1-is-over";
    V1_NEW_GROUP = Must "rfc2409-4-new-group-after-phase1",
        "New group mode is used only after phase 1.",
        "v1-new-group-before-phase-1-is-over";
    V1_PHASE1_ONLY = Must "rfc2409-4-main-mode-phase1-only",
        "Main and aggressive mode are used in phase 1 only.",
        "v1-main-mode-in-established-sa";
    V1_MODE_SWITCH = MustNot "rfc2409-5-no-mode-switch",
        "The exchange type does not change in the middle of an exchange.",
        "v1-aggressive-message-in-main-mode";
}
