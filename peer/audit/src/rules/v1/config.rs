//! Mode-config and XAUTH.

use super::super::rules;

rules! {
    V1_CONFIG:
    CFG_TYPE = Must "modecfg02-3.1-exchange-type-6",
        "The transaction exchange has type 6 and the attribute payload type 14.",
        "v1-attributes-in-an-informational";
    CFG_HASH = Must "modecfg02-3.1.1-hash-present",
        "Each transaction message has HASH over Message ID and attribute payload.",
        "v1-transaction-hash-wrong";
    CFG_ID = MustNot "modecfg02-3.1.1-unique-message-id",
        "A transaction does not reuse the Message ID of another exchange.",
        "v1-transaction-with-id-of-quick-mode";
    CFG_ONE = Must "modecfg02-3.1.1-one-attr-payload",
        "A message has one attribute payload.",
        "v1-two-attribute-payloads";
    CFG_VECTOR = Must "modecfg02-3.1.1-iv-new-per-transaction",
        "Each new Message ID starts its own IV chain, a kept one goes on with the chain.",
        "v1-second-transaction-with-iv-of-first";
    CFG_LENGTHS = Must "modecfg02-3.2-length-mismatch-discard",
        "An attribute payload whose lengths do not add up is dropped whole.",
        "v1-attribute-longer-than-payload";
    CFG_REPLY_VALUES = MustNot "modecfg02-3.4-reply-not-empty-values",
        "Attributes in an answer do not have length zero.",
        "v1-empty-address-in-reply";
    CFG_NETMASK = Must "modecfg02-3.4-netmask-with-address",
        "A netmask comes only with an address.",
        "v1-netmask-alone";
    CFG_ACK = Must "modecfg02-2-ack-lists-accepted",
        "ACK lists the accepted attributes with length zero.",
        "v1-ack-with-values";
    CFG_ANSWERED = Must "modecfg02-2-reply-always",
        "A REQUEST always gets a REPLY, if only an empty one.",
        "v1-request-not-answered";
    CFG_BEFORE_PHASE2 = Must "modecfg02-5.1-before-phase2",
        "An address is fetched after phase 1 and before quick mode.",
        "v1-address-asked-for-after-quick-mode";
    XAUTH_VENDOR = Must "xauth02-4-vendor-id",
        "Support is announced in phase 1 by the eight-octet XAUTH Vendor ID.",
        "v1-xauth-not-announced";
    XAUTH_PHASE1 = Must "xauth02-5-mutual-phase1",
        "Both peers authenticate in phase 1 before XAUTH.",
        "v1-transaction-before-phase-1-is-over";
    XAUTH_IDENTIFIER = Must "xauth02-6-same-transaction-id",
        "All messages of one XAUTH run carry the same transaction identifier.",
        "v1-reply-with-another-identifier";
    XAUTH_BEFORE = Must "xauth02-6-before-other-exchanges",
        "XAUTH comes after phase 1 and before all but Informational exchanges.",
        "v1-quick-mode-before-login";
    XAUTH_FAILED = Must "xauth02-6-fail-deletes-phase1",
        "A failed XAUTH deletes the phase 1 SA at once.",
        "v1-quick-mode-after-failed-login";
    XAUTH_SET_EARLY = MustNot "xauth02-6-no-set-before-decided",
        "SET is sent only when the user is authenticated or the gateway gives up.",
        "v1-set-before-reply";
    XAUTH_RETRY = Must "xauth02-6-retry-same-transaction",
        "A repeated question stays in the same transaction.",
        "v1-second-question-with-another-identifier";
    XAUTH_REQUEST = Must "xauth02-6.1-request-empty-attributes",
        "Attributes that are asked for are in REQUEST with length zero.",
        "v1-request-with-user-name";
    XAUTH_REPLY = Must "xauth02-6.1-reply-filled",
        "REPLY has the asked attributes filled, or STATUS FAIL.",
        "v1-reply-without-password";
    XAUTH_SET_ONLY = Must "xauth02-6.1-set-status-only",
        "SET carries only the status and perhaps a message.",
        "v1-set-with-user-name";
    XAUTH_TYPE_SAME = Must "xauth02-6.2-type-identical",
        "The type in REPLY is that of REQUEST.",
        "v1-other-type-in-reply";
    XAUTH_TYPE_ABSENT = MustNot "xauth02-6.2-type-absent",
        "REPLY has no type if REQUEST had none.",
        "v1-type-in-reply-alone";
    XAUTH_SET_STATUS = Must "xauth02-6.2-status-in-set",
        "STATUS is in SET and is OK or FAIL.",
        "v1-set-with-status-two";
    XAUTH_REPLY_STATUS = Must "xauth02-6.2-status-in-reply-fail",
        "STATUS in a REPLY is always FAIL.",
        "v1-reply-with-status-ok";
    XAUTH_CHALLENGE = MustNot "xauth02-6.2-challenge-not-generic",
        "CHALLENGE is not used with the generic type.",
        "v1-challenge-with-generic-type";
    XAUTH_METHOD = Must "xauth02-7.2-auth-method-numbers",
        "The phase 1 method shows the role: 65001 and 65005 when the initiator gets XAUTH, 65002 and 65006 when the responder does.",
        "v1-xauth-with-plain-method";
}
