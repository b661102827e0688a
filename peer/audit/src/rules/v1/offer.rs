//! SA payloads of IKEv1.

use super::super::rules;

rules! {
    V1_OFFER:
    V1_SA_LENGTHS = Must "rfc2408-3.6-transform-length-whole",
        "The lengths of proposals, transforms and attributes add up to the SA payload.",
        "v1-transform-length-too-long";
    V1_PROPOSAL_CHAIN = Must "rfc2408-3.5-proposal-payload-chain",
        "The next payload of a Proposal is Proposal or none.",
        "v1-proposal-names-transform";
    V1_TRANSFORM_CHAIN = Must "rfc2408-3.6-transform-payload-chain",
        "The next payload of a Transform is Transform or none.",
        "v1-transform-names-proposal";
    V1_TRANSFORM_COUNT = Must "rfc2408-3.5-transform-count",
        "The number of transforms in a proposal is what the proposal says.",
        "v1-one-transform-too-many-counted";
    V1_SUITE_ADJACENT = Must "rfc2408-4.2-multi-protocol-same-number",
        "A suite of several protocols uses proposals with one number, one after the other.",
        "v1-proposal-number-goes-on-later";
    V1_ALTERNATIVES = Must "rfc2408-4.2-alternatives-increasing-number",
        "Alternative proposals have increasing numbers in order of preference.",
        "v1-proposal-number-falls";
    V1_TRANSFORM_NUMBERS = Must "rfc2408-4.2-transforms-increasing-number",
        "Transforms are numbered upward in order of preference.",
        "v1-transform-number-twice";
    V1_DOI_CHECKED = Must "rfc2408-5.4-doi-checked",
        "An SA payload with an unsupported DOI is refused.",
        "v1-unknown-doi-taken";
    V1_SITUATION_CHECKED = Must "rfc2408-5.4-situation-checked",
        "An SA payload with an unsupported situation is refused.",
        "v1-unknown-situation-taken";
    V1_SINGLE_PROPOSAL = Must "rfc2409-5-phase1-single-proposal",
        "Phase 1 offers are several transforms in one proposal of one SA payload.",
        "v1-two-proposals-in-phase-1";
    V1_P1_PROTOCOL = Must "rfc2407-4.4.1-isakmp-in-phase1",
        "Phase 1 proposals are for the protocol ISAKMP.",
        "v1-esp-in-phase-1";
    V1_KEY_IKE = Must "rfc2407-4.4.2-key-ike",
        "The transform of phase 1 is KEY_IKE.",
        "v1-transform-id-2-in-phase-1";
    V1_SPI_SIZE = Must "rfc2408-3.5-ipsec-spi-size",
        "The SPI of a proposal for ESP or AH has four octets.",
        "v1-spi-of-three-octets";
    V1_SPI_CHECKED = Must "rfc2408-5.5-proposal-spi-checked",
        "The protocol and SPI of every proposal are checked.",
        "v1-spi-of-three-octets-taken";
    V1_P1_ATTRIBUTES = Must "rfc2409-4-phase1-attributes-mandatory",
        "Every phase 1 offer has encryption, hash, authentication method and group.",
        "v1-no-hash-algorithm";
    V1_GROUP_PARAMETERS = MustNot "rfc2409-4-no-group-attrs-with-group",
        "Group parameters are not offered along with a defined group.",
        "v1-prime-beside-group";
    V1_BASIC_FORM = MustNot "rfc2409-a-basic-attributes-form",
        "Basic attributes are never encoded in variable form.",
        "v1-group-of-variable-length";
    V1_KEYLEN_FIXED = MustNot "rfc2409-a-keylen-fixed-cipher",
        "Key Length is not used with a cipher of fixed key size.",
        "v1-3des-with-key-length";
    V1_KEYLEN_AES = Must "rfc3602-5.3-keylen-attribute",
        "Key Length is given in IKEv1 phase 1 and 2.",
        "v1-aes-without-key-length";
    V1_KEYLEN_SAME = Must "rfc3602-5.3-keylen-answer-same",
        "The answer has the same Key Length.",
        "v1-other-key-length-answered";
    V1_LIFE_TYPE = Must "rfc2407-4.5-life-type-before-duration",
        "A life duration always follows its life type.",
        "v1-duration-without-type";
    V1_ENCAPSULATION = Must "rfc2407-4.5-encapsulation-mode-present",
        "The encapsulation mode of an SA is negotiated, and both sides use what was agreed.",
        "v1-no-encapsulation-mode";
    V1_AH_AUTH = Must "rfc2407-4.4.3-ah-auth-attribute",
        "An AH offer names its authentication algorithm attribute, matching the transform.",
        "v1-ah-sha-with-md5";
    V1_NULL_AUTH = Must "rfc2407-4.5-auth-alg-esp-null",
        "ESP without encryption has an authentication algorithm.",
        "v1-esp-null-without-authentication";
    V1_ONE_PROPOSAL = Must "rfc2408-4.1.1-one-proposal-reply",
        "The responder answers with exactly one proposal.",
        "v1-two-proposals-answered";
    V1_ONE_TRANSFORM = Must "rfc2408-4.2-reply-one-transform",
        "Each proposal in the reply has exactly one transform.",
        "v1-two-transforms-answered";
    V1_KEEPS_NUMBERS = Should "rfc2408-4.2-reply-keeps-numbers",
        "The reply keeps the proposal and transform numbers of the offer.",
        "v1-answer-renumbered";
    V1_UNMODIFIED = MustNot "rfc2409-5-attributes-unmodified",
        "The responder does not change attributes of an offer, their encoding apart.",
        "v1-lifetime-changed-in-answer";
    V1_CHANGED_REFUSED = Must "rfc2409-5-changed-attributes-rejected",
        "A reply with changed, added or missing attributes is refused.",
        "v1-lifetime-changed-in-answer-taken";
    V1_VERIFIES_REPLY = Must "rfc2408-4.2-initiator-verifies-reply",
        "The initiator checks that the reply is one of its offers.",
        "v1-answer-of-unoffered-transform-taken";
}
