//! NAT traversal of IKEv1.

use super::super::rules;

rules! {
    V1_NATT:
    NATT_VENDOR_BOTH = Must "rfc3947-3.1-vendor-id-both",
        "NAT-T goes on only if both sides sent its Vendor ID in the first two phase 1 messages.",
        "v1-nat-d-not-announced";
    NATD_MAIN = Must "rfc3947-3.2-natd-in-main-mode",
        "NAT-D payloads are in the third and fourth main mode messages.",
        "v1-no-nat-d-in-main-mode";
    NATD_AGGRESSIVE = Must "rfc3947-3.2-natd-in-aggressive",
        "NAT-D payloads are in the second and third aggressive mode messages.",
        "v1-no-nat-d-in-aggressive-mode";
    NATD_TYPE = Must "rfc3947-3.2-natd-payload-type-20",
        "The NAT-D payload has type 20.",
        "v1-nat-d-of-the-drafts";
    NATD_HASH_V1 = Must "rfc3947-3.2-natd-hash",
        "NAT-D is the negotiated hash over both cookies, address and port.",
        "v1-nat-d-of-md5";
    NATD_ORDER = Must "rfc3947-3.2-natd-order",
        "The first NAT-D is about the destination, the others about possible sources.",
        "v1-nat-d-source-first";
    NATT_REPLY_TO = Must "rfc3947-3-reply-to-source",
        "The reply goes to the source address and port of the packet.",
        "v1-answer-to-another-port";
    NATT_PORT_CHANGE = Must "rfc3947-4-main-mode-port-change",
        "In main mode with NAT the initiator changes ports when it sends its ID.",
        "v1-identity-on-500-behind-nat";
    NATT_BOTH_PORTS = Must "rfc3947-4-both-ports-4500",
        "After the change source and destination port are 4500.",
        "v1-only-source-port-changed";
    NATT_LATER_PORT = Must "rfc3947-4-all-later-4500",
        "All later packets to that peer use port 4500.",
        "v1-quick-mode-on-500-behind-nat";
    NATT_MARKER = Must "rfc3947-4-non-esp-marker",
        "IKE on port 4500 has the four-octet non-ESP marker.",
        "v1-no-marker-on-4500";
    NATT_RESPONDER_PORT = Must "rfc3947-4-responder-updates-port",
        "After a valid packet from the new port the responder uses that port and address.",
        "v1-last-message-to-old-port";
    NATT_ID_PORT = Must "rfc3947-4-id-port-zero",
        "With NAT-T the port in the phase 1 ID is 0.",
        "v1-id-port-500-behind-nat";
    ENCAP_NAT = Should "rfc3947-5.1-encap-when-nat",
        "With NAT, UDP encapsulation modes are offered.",
        "v1-plain-tunnel-behind-nat";
    ENCAP_NO_NAT = ShouldNot "rfc3947-5.1-encap-not-without-nat",
        "Without NAT, UDP encapsulation is not used.",
        "v1-udp-tunnel-without-nat";
    ENCAP_BOTH = ShouldNot "rfc3947-5.1-not-both-offers",
        "Plain and UDP modes are not offered together.",
        "v1-plain-and-udp-tunnel";
    ENCAP_NUMBERS = Must "rfc3947-5.1-encap-mode-numbers",
        "UDP-Encapsulated-Tunnel is 3 and UDP-Encapsulated-Transport is 4.",
        "v1-udp-tunnel-of-the-drafts";
    NAT_OA_TRANSPORT = Must "rfc3947-5.2-nat-oa-transport",
        "In UDP transport mode both original addresses are sent as NAT-OA.",
        "v1-udp-transport-without-nat-oa";
    NAT_OA_TUNNEL = ShouldNot "rfc3947-5.2-nat-oa-not-tunnel",
        "In tunnel mode original addresses are not sent.",
        "v1-nat-oa-in-tunnel-mode";
    NAT_OA_TYPE = Must "rfc3947-5.2-nat-oa-type-21",
        "The NAT-OA payload has type 21.",
        "v1-nat-oa-of-the-drafts";
    NAT_OA_FORM = Must "rfc3947-5.2-nat-oa-address",
        "NAT-OA holds an IPv4 or an IPv6 address.",
        "v1-nat-oa-of-a-name";
}
