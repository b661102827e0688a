//! What the shared header says in IKEv1 (RFC 2408, section 3.1).
//!
//! The SPIs are the cookies, the exchange types are those of IKEv1 in
//! [`ExchangeType`](crate::wire::ExchangeType), and the flags are other ones than in IKEv2. The
//! payload numbers are others too, so a message of this version must not be decoded by `v2`.

use crate::wire::header::{Flags, Header};

/// The payloads after the header are encrypted.
pub const FLAG_ENCRYPTION: Flags = Flags(0x01);
/// The sender waits for the other side before it uses the SA.
pub const FLAG_COMMIT: Flags = Flags(0x02);
/// The content is authenticated but not encrypted.
pub const FLAG_AUTH_ONLY: Flags = Flags(0x04);

/// Whether the message is one of IKEv1. Version 0 is not.
pub const fn is_v1(header: &Header) -> bool {
    header.version.major == 1
}

/// Whether the message is one of IKEv1 with an encrypted body.
pub const fn is_encrypted(header: &Header) -> bool {
    is_v1(header) && header.flags.contains(FLAG_ENCRYPTION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex;
    use crate::wire::num::{ExchangeType, PayloadType};
    use crate::wire::raw::RawMessage;
    use crate::wire::v1::num::Phase1Attr;
    use crate::wire::v1::{Message, vendor};

    /// A FortiGate's answer to the first message of main mode, from the debug output in its
    /// vendor's public knowledge base (article 198232).
    const FORTIGATE: &str = "\
12f2cbed073d6dba21c98f93c506f4660110020000000000000000a00d000034000000010000000100000028\
010100010000002001010000800b0001800c7080800100058003000180020002800400050d0000144a131c81\
070358455c5728f20e95452f0d000014afcad71368a1f1c96b8696fc775701000d0000148299031757a36082\
c6a621de0005013e000000144048b7d56ebce88525e7de7f00d6c2d3";

    #[test]
    fn a_captured_message_of_main_mode_is_recognised() {
        let bytes = hex::decode(FORTIGATE).unwrap();
        let raw = RawMessage::decode(&bytes).unwrap();
        assert!(is_v1(&raw.header) && !is_encrypted(&raw.header));
        assert_eq!(raw.header.exchange, ExchangeType::IDENTITY_PROTECTION);
        assert_eq!(raw.header.exchange.to_string(), "Identity Protection");
        let kinds: Vec<u8> = raw.payloads.iter().map(|payload| payload.kind.0).collect();
        assert_eq!(kinds, [1, 13, 13, 13, 13]);
        assert_eq!(raw.encode(), bytes);
    }

    #[test]
    fn a_captured_message_is_typed_and_written_again() {
        let raw = RawMessage::decode(&hex::decode(FORTIGATE).unwrap()).unwrap();
        let message = Message::decode(&raw).unwrap();
        let [proposal] = message.sa().unwrap().proposals.as_slice() else { panic!("not one") };
        let [transform] = proposal.transforms.as_slice() else { panic!("not one") };
        let attribute = |kind: Phase1Attr| transform.attribute(kind.0);
        assert_eq!(attribute(Phase1Attr::LIFE_DURATION), Some(28_800));
        assert_eq!(attribute(Phase1Attr::GROUP), Some(5));
        assert_eq!(attribute(Phase1Attr::ENCRYPTION), Some(5));
        let known = [vendor::NAT_T_RFC, vendor::DPD, vendor::FRAGMENTATION];
        assert!(known.iter().all(|id| message.vendor_ids().any(|sent| sent == id)));
        for (payload, raw) in message.iter().zip(&raw.payloads) {
            assert_eq!(payload.body(), raw.body);
        }
    }

    #[test]
    fn an_encrypted_body_is_kept_whole() {
        let mut bytes = hex::decode(FORTIGATE).unwrap();
        bytes[19] = FLAG_ENCRYPTION.0;
        let raw = RawMessage::decode(&bytes).unwrap();
        assert!(is_encrypted(&raw.header) && raw.payloads.is_empty());
        assert_eq!(raw.header.next_payload, PayloadType(1));
        assert_eq!(raw.trailing, bytes[28..]);
        assert_eq!(raw.encode(), bytes);
    }

    #[test]
    fn the_flag_of_ikev1_means_nothing_in_ikev2() {
        let mut bytes = hex::decode(FORTIGATE).unwrap();
        bytes[17] = 0x20;
        bytes[19] = FLAG_ENCRYPTION.0;
        let raw = RawMessage::decode(&bytes).unwrap();
        assert!(!is_v1(&raw.header) && !is_encrypted(&raw.header));
    }
}
