use proptest::prelude::*;

use super::*;
use crate::wire::hex;
use crate::wire::num::{EncrId, ExchangeType, GroupId, ProtocolId, TransformType};
use crate::wire::v2::presence::{Content, check};
use crate::wire::{Flags, IkeSpi, Version};

/// An IKE_SA_INIT request of a FortiGate, from the debug output in the vendor's public handbook
/// ("IPSec IKEv2 Debug").
const FORTIGATE: &str = "\
0640897749c185200000000000000000212022080000000000000278220000f0020000340101000503\
00000c0100000c800e00800300000802000005030000080300000c0300000804000005000000080400\
000e02000034020100050300000c0100000c800e01000300000802000005030000080300000c030000\
0804000005000000080400000e0200002c030100040300000c01000014800e00800300000802000005\
0300000804000005000000080400000e0200002c040100040300000c01000014800e01000300000802\
0000060300000804000005000000080400000e0000002c050100040300000c0100001c800e01000300\
0008020000050300000804000005000000080400000e28000108000e0000d7b68b7ef380848d233ff0\
8cd57789166a356e53e982392a157953ae8939c833d28c94436514956b08e168503b92d5b09e97fba3\
6cbcc3b3cbcb5dc9640c6e6f073ffc88b01dc668d8af3b61ac2d46b71524b91ecd8ce68f1529986a43\
bb2e357cfdee972ffbfcb2b5bc92a38be6b9e8beb47a923216aa3753346bb764cf7760e526b1fd010a\
8fb51e7b1bb7f80782d53b8c6690852f4d03969ce4cfe8f2252360a4f5672a5c76ba16e45053259bf8\
e0a154e9bff1709b7a72ecf15ed1936e512288d639935cf8096d9f4b8527444ce4c13657f6b751371b\
6e183b688870c466d5e439dd1aa319306dbc2c6f5edc76a1f4ef5223f306e09b3f990fdff6675b1d29\
0000242941faf7f9bcfbfa6a308624d8327bb7bdba4c72baaa79e27f5fe76580056be82900001c0000\
40046248fdd09a0e5b87efee4ebe51267efaa176c9692900001c00004005b85dcdb85885019864a547\
d5db8e60946f538368000000080000402e";

fn fortigate() -> Vec<u8> {
    hex::decode(FORTIGATE).unwrap()
}

#[test]
fn a_captured_ike_sa_init_request_is_understood() {
    let bytes = fortigate();
    let raw = RawMessage::decode(&bytes).unwrap();
    assert_eq!(raw.encode(), bytes);
    let message = Message::decode(&raw).unwrap();
    assert_eq!(message.header.exchange, ExchangeType::IKE_SA_INIT);
    assert_eq!(message.header.spi_i.to_string(), "0640897749c18520");

    let sa = message.sa().unwrap();
    let texts: Vec<String> = sa
        .proposals
        .iter()
        .map(|proposal| {
            assert_eq!(proposal.protocol, ProtocolId::IKE);
            proposal.transforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let sha2 = "PRF_HMAC_SHA2_256 INTEG=AUTH_HMAC_SHA2_256_128 MODP_1536 MODP_2048";
    assert_eq!(
        texts,
        [
            format!("ENCR_AES_CBC(128) {sha2}"),
            format!("ENCR_AES_CBC(256) {sha2}"),
            "ENCR_AES_GCM_16(128) PRF_HMAC_SHA2_256 MODP_1536 MODP_2048".to_owned(),
            "ENCR_AES_GCM_16(256) PRF_HMAC_SHA2_384 MODP_1536 MODP_2048".to_owned(),
            "ENCR_CHACHA20_POLY1305(256) PRF_HMAC_SHA2_256 MODP_1536 MODP_2048".to_owned(),
        ]
    );
    assert_eq!(
        sa.proposals[4].of_kind(TransformType::ENCR).next().unwrap().id,
        EncrId::CHACHA20_POLY1305.0
    );
    assert_eq!(message.ke().unwrap().group, GroupId::MODP_2048);
    assert_eq!(message.ke().unwrap().data.len(), 256);
    assert_eq!(message.nonce().unwrap().0.len(), 32);
    let notifies: Vec<NotifyType> = message.notifies().map(|notify| notify.kind).collect();
    assert_eq!(
        notifies,
        [
            NotifyType::NAT_DETECTION_SOURCE_IP,
            NotifyType::NAT_DETECTION_DESTINATION_IP,
            NotifyType::IKEV2_FRAGMENTATION_SUPPORTED,
        ]
    );
    assert_eq!(message.notify(NotifyType::NAT_DETECTION_SOURCE_IP).unwrap().data.len(), 20);
    assert!(message.notify(NotifyType::COOKIE).is_none());

    assert_eq!(message.encode(), bytes);
    assert_eq!(check(&Content::new(&message.header, &message.payloads, None)), []);
}

#[test]
fn every_cut_of_a_captured_message_is_refused() {
    let bytes = fortigate();
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert!(RawMessage::decode(cut).is_err(), "{length}");
        // With a length that fits, the cut is somewhere in the chain or in a body.
        let mut cut = cut.to_vec();
        if length >= Header::LEN {
            cut[24..28].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
            assert!(RawMessage::decode(&cut).and_then(|raw| Message::decode(&raw)).is_err());
        }
    }
}

#[test]
fn no_single_spoilt_octet_of_a_captured_message_panics() {
    let bytes = fortigate();
    for at in 0..bytes.len() {
        for octet in [0, 1, 2, 3, 4, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = octet;
            if let Ok(raw) = RawMessage::decode(&bytes) {
                assert_eq!(raw.encode(), bytes);
                if let Ok(message) = Message::decode(&raw) {
                    check(&Content::new(&message.header, &message.payloads, None));
                }
            }
        }
    }
}

#[test]
fn the_minor_version_is_ignored_and_the_major_version_is_not() {
    let mut bytes = fortigate();
    bytes[17] = 0x2f;
    let raw = RawMessage::decode(&bytes).unwrap();
    assert!(Message::decode(&raw).is_ok());
    for major in [0x00, 0x10, 0x30, 0xf0] {
        bytes[17] = major;
        let raw = RawMessage::decode(&bytes).unwrap();
        let error = Message::decode(&raw).unwrap_err();
        let kind = DecodeErrorKind::BadValue("major version", u64::from(major >> 4));
        assert_eq!(error.kind, kind);
    }
}

#[test]
fn octets_in_the_message_that_belong_to_no_payload_are_refused() {
    let mut bytes = fortigate();
    bytes.push(0);
    assert!(RawMessage::decode(&bytes).and_then(|raw| Message::decode(&raw)).is_ok());
    bytes[24..28].copy_from_slice(&(0x279u32).to_be_bytes());
    let error = RawMessage::decode(&bytes).and_then(|raw| Message::decode(&raw)).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::TrailingBytes);
    assert_eq!((error.offset, error.available), (0x278, 1));
}

#[test]
fn encoding_makes_chain_and_lengths_right() {
    let header = Header {
        spi_i: IkeSpi([1; 8]),
        spi_r: IkeSpi::ZERO,
        next_payload: PayloadType(99),
        version: Version::V2_0,
        exchange: ExchangeType::IKE_SA_INIT,
        flags: Flags::new(false, true),
        message_id: 0,
        length: 12345,
    };
    let cookie = Notify::new(NotifyType::COOKIE, vec![7; 20]);
    let message = Message { header, payloads: vec![Payload::Notify(cookie)] };
    let bytes = message.encode();
    let decoded = Message::decode(&RawMessage::decode(&bytes).unwrap()).unwrap();
    assert_eq!(decoded.header.next_payload, PayloadType::NOTIFY);
    assert_eq!(decoded.header.length, 28 + 28);
    assert_eq!(decoded.payloads, message.payloads);
    let empty = Message { header, payloads: Vec::new() }.encode();
    assert_eq!((empty.len(), empty[16]), (28, 0));
}

proptest! {
    #[test]
    fn a_captured_message_with_many_spoilt_octets_never_panics(
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let mut bytes = fortigate();
        for (index, octet) in spoilt {
            let at = index.index(bytes.len());
            bytes[at] = octet;
        }
        if let Ok(raw) = RawMessage::decode(&bytes)
            && let Ok(message) = Message::decode(&raw)
        {
            let again = Message::decode(&RawMessage::decode(&message.encode()).unwrap()).unwrap();
            prop_assert_eq!(again.payloads, message.payloads);
        }
    }
}
