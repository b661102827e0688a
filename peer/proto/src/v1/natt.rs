//! NAT traversal of IKEv1 (RFC 3947, and the drafts before it that are still spoken): vendor IDs, NAT
//! discovery, and the encapsulation that follows.

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
        let natd = |address: core::net::SocketAddr| {
            natd_hash(hash, spis.0.0, spis.1.0, address.ip(), address.port())
        };
        let mut source = natd(path.local);
        if pretend && let Some(first) = source.first_mut() {
            *first ^= 0xff;
        }
        [Payload::NatD { hash: natd(path.remote), draft }, Payload::NatD { hash: source, draft }]
    }

    /// What the NAT-D payloads of a received message say: the first is about its destination, all
    /// others about its source (RFC 3947, section 3.2).
    pub(crate) fn detect(
        hash: Hash,
        spis: (IkeSpi, IkeSpi),
        message: &Message,
        path: Path,
    ) -> NatStatus {
        let natd = |address: core::net::SocketAddr| {
            natd_hash(hash, spis.0.0, spis.1.0, address.ip(), address.port())
        };
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
            local: destination != natd(path.local),
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
