//! The numbers of IKEv1's registries as types (RFC 2407, RFC 2408, RFC 2409, and IANA's later entries).
//!
//! They are made like those of IKEv2 in [`crate::wire::num`]. What both versions number alike
//! ([`ProtocolId`](crate::wire::ProtocolId), [`GroupId`](crate::wire::GroupId),
//! [`IdType`](crate::wire::IdType) as far as it goes) is not repeated here.

use crate::wire::num::{PayloadType, registry};

registry! {
    /// What a payload of IKEv1 holds (RFC 2408, section 3.1; RFC 3947; the drafts before it).
    PayloadKind(u8) {
        NONE = 0 "NONE",
        SA = 1 "SA",
        PROPOSAL = 2 "P",
        TRANSFORM = 3 "T",
        KE = 4 "KE",
        ID = 5 "ID",
        CERT = 6 "CERT",
        CERTREQ = 7 "CR",
        HASH = 8 "HASH",
        SIG = 9 "SIG",
        NONCE = 10 "NONCE",
        NOTIFY = 11 "N",
        DELETE = 12 "D",
        VENDOR_ID = 13 "VID",
        ATTRIBUTES = 14 "ATTR",
        NAT_D = 20 "NAT-D",
        NAT_OA = 21 "NAT-OA",
        NAT_D_DRAFT = 130 "NAT-D (draft)",
        NAT_OA_DRAFT = 131 "NAT-OA (draft)",
        FRAGMENT = 132 "FRAG",
    }

    /// What a notification of IKEv1 says (RFC 2408, section 3.14.1; RFC 2407; RFC 3706).
    NotifyKind(u16) {
        INVALID_PAYLOAD_TYPE = 1 "INVALID-PAYLOAD-TYPE",
        DOI_NOT_SUPPORTED = 2 "DOI-NOT-SUPPORTED",
        SITUATION_NOT_SUPPORTED = 3 "SITUATION-NOT-SUPPORTED",
        INVALID_COOKIE = 4 "INVALID-COOKIE",
        INVALID_MAJOR_VERSION = 5 "INVALID-MAJOR-VERSION",
        INVALID_MINOR_VERSION = 6 "INVALID-MINOR-VERSION",
        INVALID_EXCHANGE_TYPE = 7 "INVALID-EXCHANGE-TYPE",
        INVALID_FLAGS = 8 "INVALID-FLAGS",
        INVALID_MESSAGE_ID = 9 "INVALID-MESSAGE-ID",
        INVALID_PROTOCOL_ID = 10 "INVALID-PROTOCOL-ID",
        INVALID_SPI = 11 "INVALID-SPI",
        INVALID_TRANSFORM_ID = 12 "INVALID-TRANSFORM-ID",
        ATTRIBUTES_NOT_SUPPORTED = 13 "ATTRIBUTES-NOT-SUPPORTED",
        NO_PROPOSAL_CHOSEN = 14 "NO-PROPOSAL-CHOSEN",
        BAD_PROPOSAL_SYNTAX = 15 "BAD-PROPOSAL-SYNTAX",
        PAYLOAD_MALFORMED = 16 "PAYLOAD-MALFORMED",
        INVALID_KEY_INFORMATION = 17 "INVALID-KEY-INFORMATION",
        INVALID_ID_INFORMATION = 18 "INVALID-ID-INFORMATION",
        INVALID_CERT_ENCODING = 19 "INVALID-CERT-ENCODING",
        INVALID_CERTIFICATE = 20 "INVALID-CERTIFICATE",
        CERT_TYPE_UNSUPPORTED = 21 "CERT-TYPE-UNSUPPORTED",
        INVALID_CERT_AUTHORITY = 22 "INVALID-CERT-AUTHORITY",
        INVALID_HASH_INFORMATION = 23 "INVALID-HASH-INFORMATION",
        AUTHENTICATION_FAILED = 24 "AUTHENTICATION-FAILED",
        INVALID_SIGNATURE = 25 "INVALID-SIGNATURE",
        ADDRESS_NOTIFICATION = 26 "ADDRESS-NOTIFICATION",
        NOTIFY_SA_LIFETIME = 27 "NOTIFY-SA-LIFETIME",
        CERTIFICATE_UNAVAILABLE = 28 "CERTIFICATE-UNAVAILABLE",
        UNSUPPORTED_EXCHANGE_TYPE = 29 "UNSUPPORTED-EXCHANGE-TYPE",
        UNEQUAL_PAYLOAD_LENGTHS = 30 "UNEQUAL-PAYLOAD-LENGTHS",
        CONNECTED = 16384 "CONNECTED",
        RESPONDER_LIFETIME = 24576 "RESPONDER-LIFETIME",
        REPLAY_STATUS = 24577 "REPLAY-STATUS",
        INITIAL_CONTACT = 24578 "INITIAL-CONTACT",
        R_U_THERE = 36136 "R-U-THERE",
        R_U_THERE_ACK = 36137 "R-U-THERE-ACK",
    }

    /// Attributes of a phase 1 transform (RFC 2409, appendix A).
    Phase1Attr(u16) {
        ENCRYPTION = 1 "Encryption Algorithm",
        HASH = 2 "Hash Algorithm",
        AUTH_METHOD = 3 "Authentication Method",
        GROUP = 4 "Group Description",
        GROUP_TYPE = 5 "Group Type",
        GROUP_PRIME = 6 "Group Prime",
        GROUP_GENERATOR_ONE = 7 "Group Generator One",
        GROUP_GENERATOR_TWO = 8 "Group Generator Two",
        GROUP_CURVE_A = 9 "Group Curve A",
        GROUP_CURVE_B = 10 "Group Curve B",
        LIFE_TYPE = 11 "Life Type",
        LIFE_DURATION = 12 "Life Duration",
        PRF = 13 "PRF",
        KEY_LENGTH = 14 "Key Length",
        FIELD_SIZE = 15 "Field Size",
        GROUP_ORDER = 16 "Group Order",
    }

    /// Encryption algorithms of phase 1 (RFC 2409, appendix A; RFC 3602).
    Phase1Encr(u16) {
        DES_CBC = 1 "DES-CBC",
        IDEA_CBC = 2 "IDEA-CBC",
        BLOWFISH_CBC = 3 "Blowfish-CBC",
        RC5_CBC = 4 "RC5-R16-B64-CBC",
        TRIPLE_DES_CBC = 5 "3DES-CBC",
        CAST_CBC = 6 "CAST-CBC",
        AES_CBC = 7 "AES-CBC",
        CAMELLIA_CBC = 8 "CAMELLIA-CBC",
    }

    /// Hash algorithms of phase 1 (RFC 2409, appendix A; RFC 4868).
    Phase1Hash(u16) {
        MD5 = 1 "MD5",
        SHA1 = 2 "SHA",
        TIGER = 3 "Tiger",
        SHA2_256 = 4 "SHA2-256",
        SHA2_384 = 5 "SHA2-384",
        SHA2_512 = 6 "SHA2-512",
    }

    /// How the ends of phase 1 authenticate (RFC 2409, appendix A; the drafts of XAUTH and hybrid
    /// authentication).
    Phase1Auth(u16) {
        PRE_SHARED_KEY = 1 "pre-shared key",
        DSS_SIGNATURES = 2 "DSS signatures",
        RSA_SIGNATURES = 3 "RSA signatures",
        RSA_ENCRYPTION = 4 "Encryption with RSA",
        REVISED_RSA_ENCRYPTION = 5 "Revised encryption with RSA",
        ECDSA_256 = 9 "ECDSA with SHA-256 on the P-256 curve",
        ECDSA_384 = 10 "ECDSA with SHA-384 on the P-384 curve",
        ECDSA_521 = 11 "ECDSA with SHA-512 on the P-521 curve",
        HYBRID_INIT_RSA = 64221 "HybridInitRSA",
        HYBRID_RESP_RSA = 64222 "HybridRespRSA",
        XAUTH_INIT_PRE_SHARED = 65001 "XAUTHInitPreShared",
        XAUTH_RESP_PRE_SHARED = 65002 "XAUTHRespPreShared",
        XAUTH_INIT_RSA = 65005 "XAUTHInitRSA",
        XAUTH_RESP_RSA = 65006 "XAUTHRespRSA",
    }

    /// What a lifetime counts, in both phases (RFC 2407, section 4.5; RFC 2409, appendix A).
    LifeType(u16) {
        SECONDS = 1 "seconds",
        KILOBYTES = 2 "kilobytes",
    }

    /// Attributes of a transform for ESP or AH (RFC 2407, section 4.5).
    Phase2Attr(u16) {
        LIFE_TYPE = 1 "SA Life Type",
        LIFE_DURATION = 2 "SA Life Duration",
        GROUP = 3 "Group Description",
        ENCAPSULATION = 4 "Encapsulation Mode",
        AUTH = 5 "Authentication Algorithm",
        KEY_LENGTH = 6 "Key Length",
        KEY_ROUNDS = 7 "Key Rounds",
        COMPRESS_DICTIONARY = 8 "Compress Dictionary Size",
        COMPRESS_ALGORITHM = 9 "Compress Private Algorithm",
        ECN_TUNNEL = 10 "ECN Tunnel",
        ESN = 11 "Extended (64-bit) Sequence Number",
        AUTH_KEY_LENGTH = 12 "Authentication Key Length",
    }

    /// Transforms of ESP (RFC 2407, section 4.4.4; RFC 3602, RFC 4106).
    EspTransform(u8) {
        DES = 2 "ESP_DES",
        TRIPLE_DES = 3 "ESP_3DES",
        NULL = 11 "ESP_NULL",
        AES_CBC = 12 "ESP_AES-CBC",
        AES_CTR = 13 "ESP_AES-CTR",
        AES_CCM_8 = 14 "ESP_AES-CCM_8",
        AES_CCM_12 = 15 "ESP_AES-CCM_12",
        AES_CCM_16 = 16 "ESP_AES-CCM_16",
        AES_GCM_8 = 18 "ESP_AES-GCM_8",
        AES_GCM_12 = 19 "ESP_AES-GCM_12",
        AES_GCM_16 = 20 "ESP_AES-GCM_16",
        NULL_AUTH_AES_GMAC = 23 "ESP_NULL_AUTH_AES-GMAC",
    }

    /// Transforms of AH (RFC 2407, section 4.4.3; RFC 4868).
    AhTransform(u8) {
        MD5 = 2 "AH_MD5",
        SHA1 = 3 "AH_SHA",
        DES = 4 "AH_DES",
        SHA2_256 = 5 "AH_SHA2-256",
        SHA2_384 = 6 "AH_SHA2-384",
        SHA2_512 = 7 "AH_SHA2-512",
    }

    /// Values of the attribute Authentication Algorithm (RFC 2407, section 4.5; RFC 4868).
    Phase2Auth(u16) {
        HMAC_MD5 = 1 "HMAC-MD5",
        HMAC_SHA1 = 2 "HMAC-SHA",
        DES_MAC = 3 "DES-MAC",
        KPDK = 4 "KPDK",
        HMAC_SHA2_256 = 5 "HMAC-SHA2-256",
        HMAC_SHA2_384 = 6 "HMAC-SHA2-384",
        HMAC_SHA2_512 = 7 "HMAC-SHA2-512",
    }

    /// Values of the attribute Encapsulation Mode (RFC 2407, section 4.5; RFC 3947, section 5.1, and
    /// the drafts before it).
    Encapsulation(u16) {
        TUNNEL = 1 "Tunnel",
        TRANSPORT = 2 "Transport",
        UDP_TUNNEL = 3 "UDP-Encapsulated-Tunnel",
        UDP_TRANSPORT = 4 "UDP-Encapsulated-Transport",
        UDP_TUNNEL_DRAFT = 61443 "UDP-Encapsulated-Tunnel (draft)",
        UDP_TRANSPORT_DRAFT = 61444 "UDP-Encapsulated-Transport (draft)",
    }

    /// Identities, of hosts in phase 1 and of traffic in phase 2 (RFC 2407, section 4.6.2.1).
    IdKind(u8) {
        IPV4_ADDR = 1 "ID_IPV4_ADDR",
        FQDN = 2 "ID_FQDN",
        USER_FQDN = 3 "ID_USER_FQDN",
        IPV4_ADDR_SUBNET = 4 "ID_IPV4_ADDR_SUBNET",
        IPV6_ADDR = 5 "ID_IPV6_ADDR",
        IPV6_ADDR_SUBNET = 6 "ID_IPV6_ADDR_SUBNET",
        IPV4_ADDR_RANGE = 7 "ID_IPV4_ADDR_RANGE",
        IPV6_ADDR_RANGE = 8 "ID_IPV6_ADDR_RANGE",
        DER_ASN1_DN = 9 "ID_DER_ASN1_DN",
        DER_ASN1_GN = 10 "ID_DER_ASN1_GN",
        KEY_ID = 11 "ID_KEY_ID",
    }

    /// Attributes of mode-config and XAUTH (the drafts ipsec-isakmp-mode-cfg and ipsec-isakmp-xauth).
    ConfigAttr(u16) {
        INTERNAL_IP4_ADDRESS = 1 "INTERNAL_IP4_ADDRESS",
        INTERNAL_IP4_NETMASK = 2 "INTERNAL_IP4_NETMASK",
        INTERNAL_IP4_DNS = 3 "INTERNAL_IP4_DNS",
        INTERNAL_IP4_NBNS = 4 "INTERNAL_IP4_NBNS",
        INTERNAL_ADDRESS_EXPIRY = 5 "INTERNAL_ADDRESS_EXPIRY",
        INTERNAL_IP4_DHCP = 6 "INTERNAL_IP4_DHCP",
        APPLICATION_VERSION = 7 "APPLICATION_VERSION",
        INTERNAL_IP6_ADDRESS = 8 "INTERNAL_IP6_ADDRESS",
        XAUTH_TYPE = 16520 "XAUTH-TYPE",
        XAUTH_USER_NAME = 16521 "XAUTH-USER-NAME",
        XAUTH_USER_PASSWORD = 16522 "XAUTH-USER-PASSWORD",
        XAUTH_PASSCODE = 16523 "XAUTH-PASSCODE",
        XAUTH_MESSAGE = 16524 "XAUTH-MESSAGE",
        XAUTH_CHALLENGE = 16525 "XAUTH-CHALLENGE",
        XAUTH_DOMAIN = 16526 "XAUTH-DOMAIN",
        XAUTH_STATUS = 16527 "XAUTH-STATUS",
        XAUTH_NEXT_PIN = 16528 "XAUTH-NEXT-PIN",
        XAUTH_ANSWER = 16529 "XAUTH-ANSWER",
    }
}

impl PayloadKind {
    /// The number as chains carry it, whichever version they are of.
    pub const fn raw(self) -> PayloadType {
        PayloadType(self.0)
    }
}

impl Phase1Auth {
    /// How the ends authenticate in phase 1 itself, without what XAUTH adds behind it.
    ///
    /// Hybrid authentication is left as it is: there only one end proves itself in phase 1.
    pub const fn without_xauth(self) -> Self {
        match self {
            Self::XAUTH_INIT_PRE_SHARED | Self::XAUTH_RESP_PRE_SHARED => Self::PRE_SHARED_KEY,
            Self::XAUTH_INIT_RSA | Self::XAUTH_RESP_RSA => Self::RSA_SIGNATURES,
            other => other,
        }
    }

    /// The same with a login of the initiator's user by XAUTH behind it, if that has a number
    /// (draft-beaulieu-ike-xauth-02, section 7.2).
    pub const fn with_xauth(self) -> Option<Self> {
        match self {
            Self::PRE_SHARED_KEY => Some(Self::XAUTH_INIT_PRE_SHARED),
            Self::RSA_SIGNATURES => Some(Self::XAUTH_INIT_RSA),
            _ => None,
        }
    }

    /// Whether the user of phase 1's initiator has to log in by XAUTH.
    pub const fn is_xauth_of_initiator(self) -> bool {
        matches!(self, Self::XAUTH_INIT_PRE_SHARED | Self::XAUTH_INIT_RSA | Self::HYBRID_INIT_RSA)
    }
}

impl ConfigAttr {
    /// Whether the attribute is one of XAUTH, and not of mode-config.
    pub const fn is_xauth(self) -> bool {
        Self::XAUTH_TYPE.0 <= self.0 && self.0 <= Self::XAUTH_ANSWER.0
    }
}

impl NotifyKind {
    /// Whether the type reports an error (RFC 2408, section 3.14.1).
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_with_xauth_is_one_without_it_and_a_login() {
        for (plain, with) in
            [(Phase1Auth::PRE_SHARED_KEY, 65001), (Phase1Auth::RSA_SIGNATURES, 65005)]
        {
            let xauth = plain.with_xauth().unwrap();
            assert_eq!(xauth, Phase1Auth(with));
            assert_eq!(xauth.without_xauth(), plain);
            assert!(xauth.is_xauth_of_initiator() && !plain.is_xauth_of_initiator());
            // The next number is that of the responder's login.
            let responder = Phase1Auth(with + 1);
            assert_eq!(responder.without_xauth(), plain);
            assert!(!responder.is_xauth_of_initiator());
            assert_eq!(xauth.with_xauth(), None);
        }
        let ours = ConfigAttr::KNOWN.iter().filter(|attribute| attribute.is_xauth());
        assert_eq!(ours.count(), 10);
        assert!(!ConfigAttr::INTERNAL_IP4_ADDRESS.is_xauth() && !ConfigAttr(16530).is_xauth());
    }

    #[test]
    fn names_are_told_apart_and_unknown_numbers_print_as_hex() {
        fn check<T: Copy + core::fmt::Display>(known: &[T]) {
            let names: std::collections::BTreeSet<_> = known.iter().map(T::to_string).collect();
            assert_eq!(names.len(), known.len());
            assert!(names.iter().all(|name| !name.starts_with("0x")));
        }
        check(PayloadKind::KNOWN);
        check(NotifyKind::KNOWN);
        check(Phase1Attr::KNOWN);
        check(Phase1Auth::KNOWN);
        check(Phase2Attr::KNOWN);
        check(EspTransform::KNOWN);
        check(Encapsulation::KNOWN);
        check(IdKind::KNOWN);
        check(ConfigAttr::KNOWN);
        assert_eq!(PayloadKind(99).to_string(), "0x63");
        assert_eq!(NotifyKind(40_000).to_string(), "0x9c40");
        assert!(NotifyKind::INVALID_ID_INFORMATION.is_error());
        assert!(!NotifyKind::INITIAL_CONTACT.is_error());
    }
}
