use proptest::prelude::*;

use super::*;
use crate::wire::error::{DecodeErrorKind, Limit};
use crate::wire::num::{
    AuthMethod, CertEncoding, CfgAttr, CfgType, GroupId, IdType, NotifyType, ProtocolId,
    TransformType, TsType,
};
use crate::wire::v2::{
    Attribute, CfgAttribute, Proposal, TrafficSelector, Transform, UnknownSelector,
};

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most)
}

fn transforms() -> impl Strategy<Value = Vec<Transform>> {
    let attribute = prop_oneof![
        (0u16..0x8000, any::<u16>()).prop_map(|(kind, value)| Attribute::Tv { kind, value }),
        (0u16..0x8000, octets(5)).prop_map(|(kind, value)| Attribute::Tlv { kind, value }),
    ];
    let transform = (any::<u8>(), any::<u16>(), prop::collection::vec(attribute, 0..3));
    let transform = transform.prop_map(|(kind, id, attributes)| Transform {
        kind: TransformType(kind),
        id,
        attributes,
    });
    prop::collection::vec(transform, 0..5)
}

fn sa() -> impl Strategy<Value = Sa> {
    let proposal = (any::<u8>(), any::<u8>(), octets(9), transforms());
    let proposal = proposal.prop_map(|(number, protocol, spi, transforms)| {
        Proposal::new(number, ProtocolId(protocol), spi, transforms)
    });
    prop::collection::vec(proposal, 1..4).prop_map(|proposals| Sa { proposals })
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        any::<std::net::IpAddr>().prop_map(Id::ip),
        (6u8..=255, octets(30)).prop_map(|(kind, data)| Id { kind: IdType(kind), data }),
    ]
}

fn ts() -> impl Strategy<Value = Ts> {
    let selector = (any::<std::net::IpAddr>(), 0u8..=128, any::<(u8, u16, u16)>()).prop_map(
        |(address, prefix, (protocol, start, end))| {
            TrafficSelector::subnet(address, prefix).with_ports(protocol, start, end)
        },
    );
    let unknown = (9u8..=255, any::<u8>(), octets(9));
    // One after the other: known ones and unknown ones in any order.
    let item = prop_oneof![selector.prop_map(Ok), unknown.prop_map(Err)];
    prop::collection::vec(item, 1..6).prop_map(|items| {
        let mut ts = Ts::default();
        for (position, item) in items.into_iter().enumerate() {
            match item {
                Ok(selector) => ts.selectors.push(selector),
                Err((kind, ip_protocol, body)) => {
                    let kind = TsType(kind);
                    ts.unknown.push(UnknownSelector { position, kind, ip_protocol, body });
                }
            }
        }
        ts
    })
}

fn cp() -> impl Strategy<Value = Cp> {
    let attribute = (0u16..0x8000, octets(9));
    let attribute = attribute.prop_map(|(kind, value)| CfgAttribute { kind: CfgAttr(kind), value });
    (any::<u8>(), prop::collection::vec(attribute, 0..4))
        .prop_map(|(kind, attributes)| Cp { kind: CfgType(kind), attributes })
}

fn payloads() -> impl Strategy<Value = Payload> {
    let eap = octets(9).prop_map(|data| {
        let length = u8::try_from(data.len() + 4).unwrap();
        Payload::Eap(Eap([&[1, 2, 0, length], data.as_slice()].concat()))
    });
    let notify = (any::<u8>(), octets(9), any::<u16>(), octets(9));
    let delete = (any::<u8>(), prop::collection::vec(any::<u32>(), 0..4));
    let skf = (any::<u8>(), 1u16..9, 0u16..9, octets(40));
    let unknown = (55u8..=255, any::<bool>(), octets(20));
    prop_oneof![
        sa().prop_map(Payload::Sa),
        (any::<u16>(), octets(70))
            .prop_map(|(group, data)| Payload::Ke(Ke { group: GroupId(group), data })),
        id().prop_map(Payload::IdI),
        id().prop_map(Payload::IdR),
        (any::<u8>(), octets(40)).prop_map(|(encoding, data)| {
            Payload::Cert(Cert { encoding: CertEncoding(encoding), data })
        }),
        (any::<u8>(), octets(40)).prop_map(|(encoding, data)| {
            Payload::CertReq(CertReq { encoding: CertEncoding(encoding), data })
        }),
        (any::<u8>(), octets(40))
            .prop_map(|(method, data)| Payload::Auth(Auth { method: AuthMethod(method), data })),
        prop::collection::vec(any::<u8>(), 16..=256).prop_map(|data| Payload::Nonce(Nonce(data))),
        notify.prop_map(|(protocol, spi, kind, data)| {
            let (protocol, kind) = (ProtocolId(protocol), NotifyType(kind));
            Payload::Notify(Notify { protocol, spi, kind, data })
        }),
        delete.prop_map(|(protocol, spis)| {
            Payload::Delete(Delete::child(ProtocolId(protocol), &spis))
        }),
        octets(20).prop_map(|data| Payload::VendorId(VendorId(data))),
        ts().prop_map(Payload::TsI),
        ts().prop_map(Payload::TsR),
        (any::<u8>(), octets(40))
            .prop_map(|(first, body)| Payload::Sk(Sk { first: PayloadType(first), body })),
        skf.prop_map(|(first, fragment, more, body)| {
            let first = PayloadType(first);
            Payload::Skf(Skf { first, fragment, total: fragment + more, body })
        }),
        cp().prop_map(Payload::Cp),
        eap,
        unknown.prop_map(|(kind, critical, body)| {
            Payload::Unknown { kind: PayloadType(kind), critical, body }
        }),
    ]
}

/// A payload of any type with any body.
fn raw_payloads() -> impl Strategy<Value = RawPayload> {
    let kind = prop_oneof![4 => 33u8..=54, 1 => any::<u8>()];
    let small = prop::collection::vec(prop_oneof![0u8..10, any::<u8>()], 0..80);
    (kind, any::<u8>(), small).prop_map(|(kind, next, body)| RawPayload {
        next: PayloadType(next),
        ..RawPayload::new(PayloadType(kind), body)
    })
}

proptest! {
    #[test]
    fn every_payload_comes_back(payload in payloads()) {
        let raw = payload.encode();
        prop_assert_eq!(raw.kind, payload.kind());
        prop_assert_eq!(usize::from(raw.declared_length), raw.encoded_len());
        prop_assert_eq!(Payload::decode(&raw), Ok(payload));
    }

    #[test]
    fn every_chain_comes_back(mut payloads in prop::collection::vec(payloads(), 0..6)) {
        // What is encrypted ends a chain, so such a payload can only be the last one.
        let encrypted = |payload: &Payload| matches!(payload, Payload::Sk(_) | Payload::Skf(_));
        if let Some(position) = payloads.iter().position(encrypted) {
            payloads.truncate(position + 1);
        }
        let (first, bytes) = Payload::encode_chain(&payloads);
        prop_assert_eq!(Payload::decode_chain(first, &bytes, 0), Ok(payloads));
    }

    #[test]
    fn no_body_panics_and_what_decodes_comes_back(raw in raw_payloads()) {
        match Payload::decode(&raw) {
            Ok(payload) => prop_assert_eq!(Payload::decode(&payload.encode()), Ok(payload)),
            Err(error) => {
                prop_assert!(error.offset >= 4 && error.offset <= 4 + raw.body.len());
                prop_assert!(error.limit != Limit::Datagram);
            }
        }
    }
}

#[test]
fn critical_bits_are_kept_of_unknown_payloads_only() {
    let mut raw = RawPayload::new(PayloadType(200), vec![1]);
    raw.critical = true;
    let payload = Payload::decode(&raw).unwrap();
    assert_eq!(payload, Payload::Unknown { kind: PayloadType(200), critical: true, body: vec![1] });
    assert!(payload.encode().critical);
    raw.kind = PayloadType::VENDOR_ID;
    assert!(!Payload::decode(&raw).unwrap().encode().critical);
}

#[test]
fn payload_types_of_group_keys_and_puzzles_are_unknown() {
    for kind in [PayloadType::GSPM, PayloadType::IDG, PayloadType::GSA, PayloadType::PS] {
        let payload = Payload::decode(&RawPayload::new(kind, vec![1])).unwrap();
        assert!(matches!(payload, Payload::Unknown { .. }));
        assert_eq!(payload.kind(), kind);
    }
}

#[test]
fn an_error_in_a_body_has_its_place_in_the_datagram() {
    let mut raw = RawPayload::new(PayloadType::NOTIFY, vec![3, 4, 0x40, 9, 1]);
    raw.offset = 60;
    let error = Payload::decode(&raw).unwrap_err();
    assert_eq!((error.item, error.offset), ("notify SPI", 68));
    assert_eq!((error.needed, error.available), (4, 1));
    assert_eq!((error.limit, error.kind), (Limit::PayloadLength, DecodeErrorKind::Truncated));
}
