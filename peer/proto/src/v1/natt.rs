//! NAT traversal of IKEv1 (RFC 3947, and the drafts before it that are still spoken): vendor IDs, NAT
//! discovery, and the encapsulation that follows.
//!
//! The drafts 00 and 01 stay on port 500 and number payloads in yet another way. Whoever knows no more
//! than these gets no NAT traversal, as with strongSwan and libreswan.

use core::net::SocketAddr;

use crate::config::NatTraversal;
use crate::crypto::Hash;
use crate::crypto::ikev1::natd_hash;
use crate::event::NatStatus;
use crate::io::{Channel, Path};
use crate::wire::IkeSpi;
use crate::wire::v1::num::Encapsulation;
use crate::wire::v1::{Message, Payload, VendorId, vendor};

/// A form of NAT traversal that both ends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NatT {
    /// RFC 3947.
    Rfc,
    /// The drafts 02 and 03, which number payloads and encapsulations otherwise.
    Draft([u8; 16]),
}

/// The forms, from most to least preferred.
const FORMS: [NatT; 4] = [
    NatT::Rfc,
    NatT::Draft(vendor::NAT_T_DRAFT_03),
    NatT::Draft(vendor::NAT_T_DRAFT_02_LF),
    NatT::Draft(vendor::NAT_T_DRAFT_02),
];

impl NatT {
    /// The best form that the vendor IDs of a message announce.
    pub(crate) fn announced(message: &Message) -> Option<Self> {
        FORMS.into_iter().find(|form| message.vendor_ids().any(|id| id == form.vendor_id()))
    }

    fn vendor_id(&self) -> [u8; 16] {
        match self {
            Self::Rfc => vendor::NAT_T_RFC,
            Self::Draft(id) => *id,
        }
    }

    /// The vendor ID that announces this form.
    pub(crate) fn payload(&self) -> Payload {
        Payload::VendorId(VendorId(self.vendor_id().to_vec()))
    }

    /// The two NAT-D payloads of a message sent on `path`: where it goes, and where it comes from.
    ///
    /// `pretend` names a source that is not ours, so that the peer finds a NAT where none is.
    pub(crate) fn discovery(
        &self,
        hash: Hash,
        spis: (IkeSpi, IkeSpi),
        path: Path,
        pretend: bool,
    ) -> [Payload; 2] {
        let draft = *self != Self::Rfc;
        let natd =
            |address: SocketAddr| natd_hash(hash, spis.0.0, spis.1.0, address.ip(), address.port());
        let mut source = natd(path.local);
        if pretend && let Some(first) = source.first_mut() {
            *first ^= 0xff;
        }
        [Payload::NatD { hash: natd(path.remote), draft }, Payload::NatD { hash: source, draft }]
    }

    /// What the NAT-D payloads of a received message say: the first is about its destination, all
    /// others about its source (RFC 3947, section 3.2).
    ///
    /// `reached` is the own address that the peer's first message came to: libreswan still means that one
    /// in the third message of aggressive mode, which it sends to another port.
    pub(crate) fn detect(
        hash: Hash,
        spis: (IkeSpi, IkeSpi),
        message: &Message,
        path: Path,
        reached: SocketAddr,
    ) -> NatStatus {
        let natd =
            |address: SocketAddr| natd_hash(hash, spis.0.0, spis.1.0, address.ip(), address.port());
        let mut hashes = message.iter().filter_map(|payload| match payload {
            Payload::NatD { hash, .. } => Some(hash.as_slice()),
            _ => None,
        });
        let Some(destination) = hashes.next() else { return NatStatus::default() };
        let sources: Vec<_> = hashes.collect();
        if sources.is_empty() {
            return NatStatus::default();
        }
        NatStatus {
            supported: true,
            local: ![path.local, reached].into_iter().any(|own| destination == natd(own)),
            peer: !sources.contains(&natd(path.remote).as_slice()),
        }
    }
}

/// The vendor IDs that an initiator announces NAT traversal with.
pub(crate) fn announcement(which: NatTraversal) -> Vec<Payload> {
    FORMS
        .iter()
        .filter(|form| match which {
            NatTraversal::All => true,
            NatTraversal::Drafts => **form != NatT::Rfc,
            NatTraversal::Off => false,
        })
        .map(NatT::payload)
        .collect()
}

/// The encapsulation of SAs of tunnel mode (RFC 3947, section 5.1).
pub(crate) fn encapsulation(form: Option<NatT>, nat: NatStatus) -> Encapsulation {
    match form {
        Some(NatT::Rfc) if nat.found() => Encapsulation::UDP_TUNNEL,
        Some(NatT::Draft(_)) if nat.found() => Encapsulation::UDP_TUNNEL_DRAFT,
        _ => Encapsulation::TUNNEL,
    }
}

/// The path after a NAT was found: both ports change (RFC 3947, section 4).
pub(crate) fn float(path: Path, ports: crate::config::NatPorts) -> Path {
    if path.channel == Channel::Nat {
        return path;
    }
    Path {
        channel: Channel::Nat,
        local: (path.local.ip(), ports.local).into(),
        remote: (path.remote.ip(), ports.remote).into(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::wire::v1::num::PayloadKind;
    use crate::wire::{ExchangeType, Flags, Header, PayloadType, Version};

    /// The vendor ID of draft-ietf-ipsec-nat-t-ike-00.
    const DRAFT_00: [u8; 16] = [
        0x44, 0x85, 0x15, 0x2d, 0x18, 0xb6, 0xbb, 0xcd, 0x0b, 0xe8, 0xa8, 0x46, 0x95, 0x79, 0xdd,
        0xcc,
    ];

    fn message(ids: &[[u8; 16]]) -> Message {
        let header = Header {
            spi_i: IkeSpi([1; 8]),
            spi_r: IkeSpi::ZERO,
            next_payload: PayloadType::NONE,
            version: Version::V1_0,
            exchange: ExchangeType::IDENTITY_PROTECTION,
            flags: Flags(0),
            message_id: 0,
            length: 0,
        };
        let payload = |id: &[u8; 16]| (Payload::VendorId(VendorId(id.to_vec())), id.to_vec());
        Message { header, payloads: ids.iter().map(payload).collect() }
    }

    #[rstest]
    #[case(&[DRAFT_00, vendor::NAT_T_DRAFT_02, vendor::NAT_T_RFC, vendor::DPD], Some(NatT::Rfc))]
    #[case(
        &[vendor::NAT_T_DRAFT_02_LF, vendor::NAT_T_DRAFT_02, vendor::NAT_T_DRAFT_03],
        Some(NatT::Draft(vendor::NAT_T_DRAFT_03))
    )]
    #[case(
        &[vendor::NAT_T_DRAFT_02, vendor::NAT_T_DRAFT_02_LF],
        Some(NatT::Draft(vendor::NAT_T_DRAFT_02_LF))
    )]
    #[case(&[vendor::NAT_T_DRAFT_02], Some(NatT::Draft(vendor::NAT_T_DRAFT_02)))]
    #[case(&[DRAFT_00], None)]
    #[case(&[], None)]
    fn the_best_form_is_chosen_whatever_its_place(
        #[case] ids: &[[u8; 16]],
        #[case] chosen: Option<NatT>,
    ) {
        assert_eq!(NatT::announced(&message(ids)), chosen);
    }

    #[test]
    fn the_drafts_have_numbers_of_their_own() {
        let nat = NatStatus { supported: true, local: false, peer: true };
        let draft = NatT::Draft(vendor::NAT_T_DRAFT_02);
        for (form, number, kind) in
            [(NatT::Rfc, 3, PayloadKind::NAT_D), (draft, 61_443, PayloadKind::NAT_D_DRAFT)]
        {
            assert_eq!(encapsulation(Some(form), nat).0, number);
            let none = NatStatus { peer: false, ..nat };
            assert_eq!(encapsulation(Some(form), none), Encapsulation::TUNNEL);
            let here = ([192, 0, 2, 1], 500).into();
            let path = Path { channel: Channel::Ike, local: here, remote: here };
            let spis = (IkeSpi([1; 8]), IkeSpi([2; 8]));
            let payloads = form.discovery(Hash::Sha1, spis, path, false);
            assert_eq!(payloads.map(|payload| payload.kind()), [kind; 2]);
        }
        assert_eq!((PayloadKind::NAT_D.0, PayloadKind::NAT_D_DRAFT.0), (20, 130));
        assert_eq!(encapsulation(None, nat), Encapsulation::TUNNEL);
    }

    #[test]
    fn one_source_of_several_that_fits_means_no_nat() {
        let (hash, spis) = (Hash::Sha1, (IkeSpi([1; 8]), IkeSpi([2; 8])));
        let path = |port| Path {
            channel: Channel::Ike,
            local: ([192, 0, 2, 1], 500).into(),
            remote: ([192, 0, 2, 2], port).into(),
        };
        let [to, from] = NatT::Rfc.discovery(hash, spis, path(500), false);
        let with = |payloads: Vec<Payload>| {
            let payloads = payloads.into_iter().map(|it| (it.clone(), it.body())).collect();
            let message = Message { payloads, ..message(&[]) };
            // As the other end sees it.
            let Path { channel, local, remote } = path(500);
            NatT::detect(
                hash,
                spis,
                &message,
                Path { channel, local: remote, remote: local },
                remote,
            )
        };
        let [_, other] = NatT::Rfc.discovery(hash, spis, path(500), true);
        let found = |status: NatStatus| (status.supported, status.local, status.peer);
        let all = vec![to.clone(), other.clone(), from.clone()];
        assert_eq!(found(with(all)), (true, false, false));
        assert_eq!(found(with(vec![to.clone(), other.clone()])), (true, false, true));
        assert_eq!(found(with(vec![other, from])), (true, true, false));
        assert_eq!(found(with(vec![to])), (false, false, false));
    }

    #[test]
    fn a_destination_where_the_first_message_went_means_no_nat_either() {
        let (hash, spis) = (Hash::Sha1, (IkeSpi([1; 8]), IkeSpi([2; 8])));
        let at = |port| SocketAddr::from(([192, 0, 2, 2], port));
        let peer = ([192, 0, 2, 1], 4500).into();
        let sent = Path { channel: Channel::Ike, local: peer, remote: at(500) };
        let payloads = NatT::Rfc.discovery(hash, spis, sent, false);
        let payloads = payloads.into_iter().map(|it| (it.clone(), it.body())).collect();
        let message = Message { payloads, ..message(&[]) };
        let arrived = Path { channel: Channel::Nat, local: at(4500), remote: peer };
        for (reached, local) in [(at(500), false), (at(4500), true)] {
            let status = NatT::detect(hash, spis, &message, arrived, reached);
            assert_eq!((status.local, status.peer), (local, false), "{reached}");
        }
    }
}
