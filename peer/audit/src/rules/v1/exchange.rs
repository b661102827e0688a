//! Main, aggressive and quick mode, informational exchanges and their protection.

use super::super::rules;

rules! {
    V1_EXCHANGE:
    V1_SA_FIRST = Must "rfc2409-5-sa-first",
        "The SA payload is the first payload of a phase 1 exchange.",
        "v1-vendor-id-before-sa";
    V1_MAIN_MESSAGES = Must "rfc2409-5.4-main-mode-messages",
        "Main mode is SA, then KE and nonce, then ID and its proof, once from each side.",
        "v1-main-mode-without-nonce";
    V1_AGGRESSIVE_MESSAGES = Must "rfc2409-5.4-aggressive-mode-messages",
        "Aggressive mode is SA, KE, nonce and ID from each side, with the proofs in the second and third message.",
        "v1-aggressive-mode-with-two-nonces";
    V1_MAIN_ENCRYPTED = Must "rfc2409-5.4-main-mode-encrypted",
        "The fifth and sixth message of main mode are encrypted.",
        "v1-identity-in-clear";
    V1_KE_LENGTH = Must "rfc2409-5-ke-length",
        "A public value has the length of its group, padded in front with zeros.",
        "v1-public-value-short";
    V1_NONCE = Must "rfc2409-5-nonce-length",
        "A nonce has 8 to 256 octets.",
        "v1-nonce-of-seven-octets";
    V1_AGGRESSIVE_GROUP = Must "rfc2409-5-aggressive-group-not-negotiated",
        "In aggressive mode all offers name the group of the KE payload that is sent along.",
        "v1-two-groups-in-aggressive-mode";
    V1_HASH_PHASE1 = Must "rfc2409-5-hash-i-r",
        "HASH_I and HASH_R cover both public values, both cookies, the initiator's SA body and the own ID body.",
        "v1-hash-i-wrong";
    V1_HASH_SA = Must "rfc2409-5-hash-sa-initiator-body",
        "Both hashes use the SA body of the initiator with all its offers.",
        "v1-hash-over-answered-sa";
    V1_ID_PORT = Must "rfc2407-4.6.2-phase1-id-port",
        "Phase 1 IDs have protocol and port zero, or UDP and 500. Later NAT-T text adds port zero and 4500 practice.",
        "v1-id-with-tcp-80";
    V1_ID_LENGTH = Must "rfc2407-4.6.2-id-address-length",
        "An ID payload with an address, a subnet or a range has the octets of its type.",
        "v1-id-address-of-five-octets";
    V1_ID_HOST = Must "rfc2407-4.6.2-phase1-id-host",
        "The identity of a side in phase 1 is one host, user, name or key, and no subnet or range.",
        "v1-subnet-as-identity";
    V1_SUBNET = Must "rfc2407-4.6.2-id-subnet-order",
        "A subnet ID is the address followed by the mask.",
        "v1-mask-before-address";
    V1_STATUS_AGGRESSIVE = MustNot "rfc2407-4.6.3-initial-contact-not-aggressive",
        "DOI status notifies are not sent in the aggressive mode messages.",
        "v1-initial-contact-in-aggressive-mode";
    V1_STATUS_PROTECTED = Must "rfc2407-4.6.3-status-protected",
        "Status notifies of the DOI are sent under protection only.",
        "v1-initial-contact-in-clear";
    V1_INITIAL_CONTACT = Must "rfc2407-4.6.3.3-initial-contact-format",
        "INITIAL-CONTACT has both cookies as SPI and no data.",
        "v1-initial-contact-without-spi";
    V1_RESPONDER_LIFETIME = Must "rfc2407-4.6.3.1-responder-lifetime-format",
        "RESPONDER-LIFETIME has the attributes in its data and the SPI of the SA.",
        "v1-responder-lifetime-without-duration";
    V1_REPLAY_STATUS = Must "rfc2407-4.6.3.2-replay-status-format",
        "REPLAY-STATUS has four octets of data, 0 or 1.",
        "v1-replay-status-of-one-octet";
    V1_QM_ENCRYPTED = Must "rfc2409-5.5-qm-encrypted",
        "All of quick mode after the header is encrypted.",
        "v1-quick-mode-in-clear";
    V1_QM_HASH_FIRST = Must "rfc2409-5.5-qm-hash-first",
        "HASH follows the header in every quick mode message.",
        "v1-quick-mode-without-hash";
    V1_QM_SA_SECOND = Must "rfc2409-5.5-qm-sa-second",
        "The SA payload follows HASH in the first two quick mode messages.",
        "v1-nonce-before-sa";
    V1_QM_MESSAGES = Must "rfc2409-5.5-qm-messages",
        "The first two messages of quick mode have SA, one nonce and at most one KE, the third has HASH alone.",
        "v1-quick-mode-with-two-nonces";
    V1_QM_HASH1 = Must "rfc2409-5.5-qm-hash1",
        "HASH(1) covers the Message ID and the whole message after the hash.",
        "v1-hash-1-wrong";
    V1_QM_HASH2 = Must "rfc2409-5.5-qm-hash2",
        "HASH(2) adds the initiator's nonce before the message.",
        "v1-hash-2-without-nonce";
    V1_QM_HASH3 = Must "rfc2409-5.5-qm-hash3",
        "HASH(3) covers a zero octet, the Message ID and both nonces.",
        "v1-hash-3-without-zero";
    V1_QM_KE_GROUP = Must "rfc2409-5.5-qm-ke-group-everywhere",
        "With KE, every transform of every proposal names the group.",
        "v1-transform-without-group";
    V1_QM_KE_SAME = Must "rfc2409-5.5-qm-ke-same-group",
        "The KE in the answer belongs to the group of the selected transform.",
        "v1-no-public-value-in-answer";
    V1_QM_IDS = Must "rfc2409-5.5-qm-client-ids",
        "For other parties' traffic IDci and IDcr are sent, in this order.",
        "v1-client-ids-swapped-in-answer";
    V1_INFO_PROTECTED = Must "rfc2408-4.8-informational-protected",
        "Once keys exist, Informational exchanges are protected.",
        "v1-delete-in-clear";
    V1_INFO_HASH = Must "rfc2409-5.7-informational-hash",
        "A protected Informational starts with HASH(1) over the Message ID and the notify or delete.",
        "v1-informational-hash-wrong";
    V1_INFO_MESSAGES = Must "rfc2409-5.7-informational-messages",
        "An Informational has notifies or deletes behind its HASH.",
        "v1-informational-with-nonce";
    V1_INFO_OWN_ID = MustNot "rfc2409-5.7-informational-own-message-id",
        "An Informational does not share its Message ID with the quick mode that caused it.",
        "v1-informational-with-id-of-quick-mode";
    V1_NOTIFY_DOI = Must "rfc2408-3.14-notify-doi",
        "Notify types of the IPsec DOI carry its number.",
        "v1-responder-lifetime-of-doi-0";
    V1_NOTIFY_SPI = Must "rfc2408-3.14-notify-spi-size",
        "A notify about ESP or AH has an SPI of four octets, or none.",
        "v1-notify-about-esp-with-long-spi";
    V1_DELETE_LENGTH = MustNot "rfc2408-3.15-delete-one-protocol",
        "A Delete payload does not mix protocols.",
        "v1-delete-with-spis-of-two-lengths";
    V1_DELETE_SPI = Must "rfc2408-3.15-delete-spi-size",
        "A Delete has both cookies as SPI for ISAKMP, and four octets for each SA of ESP and AH.",
        "v1-delete-of-isakmp-with-short-spi";
    V1_DELETE_DOI = Must "rfc2408-3.15-delete-doi",
        "A Delete of an SA of the IPsec DOI carries its number.",
        "v1-delete-of-doi-0";
    V1_IV_PHASE1 = Must "rfc2409-b-iv-phase1",
        "The first IV of phase 1 is the hash of both public values, cut to the block size.",
        "v1-phase-1-iv-zero";
    V1_IV_PHASE2 = Must "rfc2409-b-iv-phase2",
        "The first IV of a phase 2 exchange is the hash of the last phase 1 block and the Message ID, cut to the block size.",
        "v1-phase-2-iv-without-message-id";
    V1_IV_CHAIN = Must "rfc2409-b-iv-chain",
        "Later messages use the last cipher block of the message before.",
        "v1-third-quick-mode-message-with-first-iv";
    V1_PAD_COUNTED = Must "rfc2409-b-pad-length-in-header",
        "The header length counts the padding.",
        "v1-padding-not-counted";
    V1_PAD_ZERO = Should "rfc2409-b-pad-zero",
        "Messages are padded with zeros.",
        "v1-padding-not-zero";
    V1_BLOCKS = Must "rfc2409-b-whole-blocks",
        "The encrypted part of a message is made of whole blocks.",
        "v1-partial-block";
    V1_KEY_EXPANSION = Must "rfc2409-b-skeyid-e-expansion",
        "A cipher key longer than SKEYID_e is made by a chain of PRF blocks that starts with a zero octet.",
        "v1-expansion-without-zero";
}
