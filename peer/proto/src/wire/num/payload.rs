//! Numbers of the header and of the payloads (RFC 7296, sections 3.1 to 3.15).

use super::registry;

registry! {
    /// What a payload holds, as the payload before it says (RFC 7296, section 3.2).
    ///
    /// The names are the notation of RFC 7296, section 1.2. IKEv1 numbers its payloads otherwise.
    PayloadType(u8) {
        NONE = 0 "NONE",
        SA = 33 "SA",
        KE = 34 "KE",
        IDI = 35 "IDi",
        IDR = 36 "IDr",
        CERT = 37 "CERT",
        CERTREQ = 38 "CERTREQ",
        AUTH = 39 "AUTH",
        NONCE = 40 "NONCE",
        NOTIFY = 41 "N",
        DELETE = 42 "D",
        VENDOR_ID = 43 "V",
        TSI = 44 "TSi",
        TSR = 45 "TSr",
        SK = 46 "SK",
        CP = 47 "CP",
        EAP = 48 "EAP",
        GSPM = 49 "GSPM",
        IDG = 50 "IDg",
        GSA = 51 "GSA",
        KD = 52 "KD",
        SKF = 53 "SKF",
        PS = 54 "PS",
    }

    /// The exchange that a message belongs to, of both versions of IKE.
    ExchangeType(u8) {
        IDENTITY_PROTECTION = 2 "Identity Protection",
        AGGRESSIVE = 4 "Aggressive",
        INFORMATIONAL_V1 = 5 "Informational",
        TRANSACTION = 6 "Transaction",
        QUICK_MODE = 32 "Quick Mode",
        NEW_GROUP_MODE = 33 "New Group Mode",
        IKE_SA_INIT = 34 "IKE_SA_INIT",
        IKE_AUTH = 35 "IKE_AUTH",
        CREATE_CHILD_SA = 36 "CREATE_CHILD_SA",
        INFORMATIONAL = 37 "INFORMATIONAL",
        IKE_SESSION_RESUME = 38 "IKE_SESSION_RESUME",
        GSA_AUTH = 39 "GSA_AUTH",
        GSA_REGISTRATION = 40 "GSA_REGISTRATION",
        GSA_REKEY = 41 "GSA_REKEY",
        GSA_INBAND_REKEY = 42 "GSA_INBAND_REKEY",
        IKE_INTERMEDIATE = 43 "IKE_INTERMEDIATE",
        IKE_FOLLOWUP_KE = 44 "IKE_FOLLOWUP_KE",
    }

    /// The protocol that a proposal, a notify or a delete is about (RFC 7296, section 3.3.1).
    ProtocolId(u8) {
        NONE = 0 "NONE",
        IKE = 1 "IKE",
        AH = 2 "AH",
        ESP = 3 "ESP",
        FC_ESP_HEADER = 4 "FC_ESP_HEADER",
        FC_CT_AUTHENTICATION = 5 "FC_CT_AUTHENTICATION",
        GIKE_UPDATE = 6 "GIKE_UPDATE",
    }

    /// How AUTH was made (RFC 7296, section 3.8; RFC 7427; RFC 7619).
    AuthMethod(u8) {
        RSA_SIGNATURE = 1 "RSA Digital Signature",
        SHARED_KEY = 2 "Shared Key Message Integrity Code",
        DSS_SIGNATURE = 3 "DSS Digital Signature",
        ECDSA_256 = 9 "ECDSA with SHA-256 on the P-256 curve",
        ECDSA_384 = 10 "ECDSA with SHA-384 on the P-384 curve",
        ECDSA_521 = 11 "ECDSA with SHA-512 on the P-521 curve",
        SECURE_PASSWORD = 12 "Generic Secure Password Authentication Method",
        NULL = 13 "NULL Authentication",
        DIGITAL_SIGNATURE = 14 "Digital Signature",
    }

    /// The kind of an identity (RFC 7296, section 3.5).
    IdType(u8) {
        IPV4_ADDR = 1 "ID_IPV4_ADDR",
        FQDN = 2 "ID_FQDN",
        RFC822_ADDR = 3 "ID_RFC822_ADDR",
        IPV6_ADDR = 5 "ID_IPV6_ADDR",
        DER_ASN1_DN = 9 "ID_DER_ASN1_DN",
        DER_ASN1_GN = 10 "ID_DER_ASN1_GN",
        KEY_ID = 11 "ID_KEY_ID",
        FC_NAME = 12 "ID_FC_NAME",
        NULL = 13 "ID_NULL",
    }

    /// The format of a certificate or of what stands for one (RFC 7296, section 3.6).
    CertEncoding(u8) {
        PKCS7_X509 = 1 "PKCS #7 wrapped X.509 certificate",
        PGP = 2 "PGP Certificate",
        DNS_SIGNED_KEY = 3 "DNS Signed Key",
        X509_SIGNATURE = 4 "X.509 Certificate - Signature",
        KERBEROS_TOKEN = 6 "Kerberos Token",
        CRL = 7 "Certificate Revocation List",
        ARL = 8 "Authority Revocation List",
        SPKI = 9 "SPKI Certificate",
        X509_ATTRIBUTE = 10 "X.509 Certificate - Attribute",
        RAW_RSA_KEY = 11 "Raw RSA Key",
        HASH_URL_X509 = 12 "Hash and URL of X.509 certificate",
        HASH_URL_BUNDLE = 13 "Hash and URL of X.509 bundle",
        OCSP = 14 "OCSP Content",
        RAW_PUBLIC_KEY = 15 "Raw Public Key",
    }

    /// The kind of a traffic selector (RFC 7296, section 3.13.1).
    TsType(u8) {
        IPV4_ADDR_RANGE = 7 "TS_IPV4_ADDR_RANGE",
        IPV6_ADDR_RANGE = 8 "TS_IPV6_ADDR_RANGE",
        FC_ADDR_RANGE = 9 "TS_FC_ADDR_RANGE",
        SECLABEL = 10 "TS_SECLABEL",
    }

    /// What a Configuration payload does (RFC 7296, section 3.15).
    CfgType(u8) {
        REQUEST = 1 "CFG_REQUEST",
        REPLY = 2 "CFG_REPLY",
        SET = 3 "CFG_SET",
        ACK = 4 "CFG_ACK",
    }

    /// Configuration attributes (RFC 7296, section 3.15.1, and the registry).
    CfgAttr(u16) {
        INTERNAL_IP4_ADDRESS = 1 "INTERNAL_IP4_ADDRESS",
        INTERNAL_IP4_NETMASK = 2 "INTERNAL_IP4_NETMASK",
        INTERNAL_IP4_DNS = 3 "INTERNAL_IP4_DNS",
        INTERNAL_IP4_NBNS = 4 "INTERNAL_IP4_NBNS",
        INTERNAL_IP4_DHCP = 6 "INTERNAL_IP4_DHCP",
        APPLICATION_VERSION = 7 "APPLICATION_VERSION",
        INTERNAL_IP6_ADDRESS = 8 "INTERNAL_IP6_ADDRESS",
        INTERNAL_IP6_DNS = 10 "INTERNAL_IP6_DNS",
        INTERNAL_IP6_DHCP = 12 "INTERNAL_IP6_DHCP",
        INTERNAL_IP4_SUBNET = 13 "INTERNAL_IP4_SUBNET",
        SUPPORTED_ATTRIBUTES = 14 "SUPPORTED_ATTRIBUTES",
        INTERNAL_IP6_SUBNET = 15 "INTERNAL_IP6_SUBNET",
        MIP6_HOME_PREFIX = 16 "MIP6_HOME_PREFIX",
        INTERNAL_IP6_LINK = 17 "INTERNAL_IP6_LINK",
        INTERNAL_IP6_PREFIX = 18 "INTERNAL_IP6_PREFIX",
        HOME_AGENT_ADDRESS = 19 "HOME_AGENT_ADDRESS",
        P_CSCF_IP4_ADDRESS = 20 "P_CSCF_IP4_ADDRESS",
        P_CSCF_IP6_ADDRESS = 21 "P_CSCF_IP6_ADDRESS",
        FTT_KAT = 22 "FTT_KAT",
        EXTERNAL_SOURCE_IP4_NAT_INFO = 23 "EXTERNAL_SOURCE_IP4_NAT_INFO",
        TIMEOUT_PERIOD_FOR_LIVENESS_CHECK = 24 "TIMEOUT_PERIOD_FOR_LIVENESS_CHECK",
        INTERNAL_DNS_DOMAIN = 25 "INTERNAL_DNS_DOMAIN",
        INTERNAL_DNSSEC_TA = 26 "INTERNAL_DNSSEC_TA",
        ENCDNS_IP4 = 27 "ENCDNS_IP4",
        ENCDNS_IP6 = 28 "ENCDNS_IP6",
        ENCDNS_DIGEST_INFO = 29 "ENCDNS_DIGEST_INFO",
    }
}
