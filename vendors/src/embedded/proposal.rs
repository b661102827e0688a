//! Proposals, identities and selectors of a peer's configuration as payloads of the core.
//!
//! Every algorithm with an IANA number can be offered, whether or not the core can run it: what is
//! offered only to be refused has to be offered. One proposal becomes one proposal, numbered from 1.

use ikeproof_proto::{
    crypto::suite,
    policy,
    wire::{
        EncrId, EsnId, GroupId, IntegId, PrfId, ProtocolId,
        v2::{Proposal, TrafficSelector, Transform},
    },
};

use crate::peer::{
    Child, ChildProposal, Encr, Esn, Identity, IkeProposal, Integ, Prf, Protocol, Selector, Version,
};

/// The proposals for an IKE SA, in order.
pub(super) fn ike(proposals: &[IkeProposal]) -> Vec<Proposal> {
    numbered(proposals, |number, proposal| {
        let encr = proposal.encr.iter().map(|encr| encr_transform(*encr));
        let prf = proposal.prfs().into_iter().map(|prf| Transform::prf(prf_id(prf)));
        let integ = proposal.integ.iter().map(|integ| Transform::integ(integ_id(*integ)));
        let groups = proposal.groups.iter().map(|group| Transform::ke(GroupId(group.0)));
        let transforms = encr.chain(prf).chain(integ).chain(groups);
        Proposal::new(number, ProtocolId::IKE, Vec::new(), unique(transforms))
    })
}

/// The proposals for the first child SA, in order, with an SPI that the core fills in. IKE_AUTH has no
/// key exchange for it, so there are no groups in IKEv2. What is used together has one number.
pub(super) fn child(child: &Child, version: Version) -> Vec<Proposal> {
    let protocol = match child.protocol {
        Protocol::Esp => ProtocolId::ESP,
        Protocol::Ah => ProtocolId::AH,
    };
    let alone = numbered(&child.proposals, |number, proposal| {
        child_proposal(number, protocol, proposal, version)
    });
    let with_over = alone.into_iter().flat_map(|proposal| {
        let number = proposal.number;
        let over =
            child.over.as_ref().map(|over| child_proposal(number, ProtocolId::AH, over, version));
        [Some(proposal), over].into_iter().flatten()
    });
    with_over.collect()
}

fn child_proposal(
    number: u8,
    protocol: ProtocolId,
    proposal: &ChildProposal,
    version: Version,
) -> Proposal {
    let encr = proposal.encr.iter().map(|encr| encr_transform(*encr));
    let integ = proposal.integ.iter().map(|integ| Transform::integ(integ_id(*integ)));
    let esn: &[EsnId] = match proposal.esn {
        Esn::No => &[EsnId::NO_ESN],
        Esn::Yes => &[EsnId::ESN],
        Esn::Either => &[EsnId::ESN, EsnId::NO_ESN],
    };
    let groups = proposal.groups.iter().filter(|_| version != Version::V2);
    let groups = groups.map(|group| Transform::ke(GroupId(group.0)));
    let esn = esn.iter().map(|esn| Transform::esn(*esn));
    let transforms = encr.chain(integ).chain(groups).chain(esn);
    Proposal::new(number, protocol, vec![0; 4], unique(transforms))
}

fn numbered<T>(proposals: &[T], build: impl Fn(u8, &T) -> Proposal) -> Vec<Proposal> {
    (1..=u8::MAX).zip(proposals).map(|(number, proposal)| build(number, proposal)).collect()
}

fn unique(transforms: impl Iterator<Item = Transform>) -> Vec<Transform> {
    let mut kept = Vec::new();
    for transform in transforms {
        if !kept.contains(&transform) {
            kept.push(transform);
        }
    }
    kept
}

fn encr_transform(encr: Encr) -> Transform {
    let (id, bits) = encr_id(encr);
    Transform::encr(id, bits)
}

fn encr_id(encr: Encr) -> (EncrId, Option<u16>) {
    match encr {
        Encr::Null => (EncrId::NULL, None),
        Encr::Des => (EncrId::DES, None),
        Encr::TripleDes => (EncrId::TRIPLE_DES, None),
        Encr::AesCbc(bits) => (EncrId::AES_CBC, Some(bits)),
        Encr::AesCtr(bits) => (EncrId::AES_CTR, Some(bits)),
        Encr::AesGcm(bits, 8) => (EncrId::AES_GCM_8, Some(bits)),
        Encr::AesGcm(bits, 12) => (EncrId::AES_GCM_12, Some(bits)),
        Encr::AesGcm(bits, _) => (EncrId::AES_GCM_16, Some(bits)),
        Encr::AesCcm(bits, 8) => (EncrId::AES_CCM_8, Some(bits)),
        Encr::AesCcm(bits, 12) => (EncrId::AES_CCM_12, Some(bits)),
        Encr::AesCcm(bits, _) => (EncrId::AES_CCM_16, Some(bits)),
        Encr::AesGmac(bits) => (EncrId::NULL_AUTH_AES_GMAC, Some(bits)),
        Encr::CamelliaCbc(bits) => (EncrId::CAMELLIA_CBC, Some(bits)),
        Encr::ChaCha20Poly1305 => (EncrId::CHACHA20_POLY1305, None),
    }
}

fn integ_id(integ: Integ) -> IntegId {
    match integ {
        Integ::Md5 => IntegId::HMAC_MD5_96,
        Integ::Sha1 => IntegId::HMAC_SHA1_96,
        Integ::Sha256 => IntegId::HMAC_SHA2_256_128,
        Integ::Sha384 => IntegId::HMAC_SHA2_384_192,
        Integ::Sha512 => IntegId::HMAC_SHA2_512_256,
        Integ::AesXcbc => IntegId::AES_XCBC_96,
        Integ::AesCmac => IntegId::AES_CMAC_96,
    }
}

fn prf_id(prf: Prf) -> PrfId {
    match prf {
        Prf::Md5 => PrfId::HMAC_MD5,
        Prf::Sha1 => PrfId::HMAC_SHA1,
        Prf::Sha256 => PrfId::HMAC_SHA2_256,
        Prf::Sha384 => PrfId::HMAC_SHA2_384,
        Prf::Sha512 => PrfId::HMAC_SHA2_512,
        Prf::AesXcbc => PrfId::AES128_XCBC,
        Prf::AesCmac => PrfId::AES128_CMAC,
    }
}

/// The cipher as the core runs it, if it does.
pub(super) fn known_encr(encr: Encr) -> Option<suite::Encr> {
    let (id, bits) = encr_id(encr);
    suite::Encr::from_iana(id.0, bits).filter(|encr| encr.is_offered())
}

/// The integrity algorithm as the core runs it, if it does.
pub(super) fn known_integ(integ: Integ) -> Option<suite::Integ> {
    suite::Integ::from_iana(integ_id(integ).0)
}

/// The pseudorandom function as the core runs it, if it does.
pub(super) fn known_prf(prf: Prf) -> Option<suite::Prf> {
    suite::Prf::from_iana(prf_id(prf).0)
}

/// An identity as credentials are named.
pub(super) fn identity(identity: &Identity) -> policy::Identity {
    match identity {
        Identity::Ip(address) => policy::Identity::Ip(*address),
        Identity::Fqdn(name) => policy::Identity::Fqdn(name.clone()),
        Identity::Email(name) => policy::Identity::Email(name.clone()),
        Identity::KeyId(octets) => policy::Identity::KeyId(octets.clone()),
    }
}

/// A selector as it is negotiated.
pub(super) fn selector(selector: &Selector) -> TrafficSelector {
    let Selector { address, prefix, protocol, port } = *selector;
    let (first, last) = port.map_or((0, u16::MAX), |port| (port, port));
    TrafficSelector::subnet(address, prefix).with_ports(protocol.unwrap_or(0), first, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Group, Mode, Start};

    #[test]
    fn each_proposal_is_one_proposal_with_all_its_alternatives() {
        let wide = IkeProposal {
            encr: vec![Encr::AesCbc(256), Encr::TripleDes],
            integ: vec![Integ::Sha256, Integ::Md5],
            prf: Vec::new(),
            groups: vec![Group(2), Group(99)],
        };
        let proposals = ike(&[wide, IkeProposal::default()]);
        let numbers: Vec<_> = proposals.iter().map(|proposal| proposal.number).collect();
        assert_eq!(numbers, [1, 2]);
        let words: Vec<_> = proposals[0].transforms.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), 8);
        assert_eq!(words[2..4], ["PRF_HMAC_SHA2_256", "PRF_HMAC_MD5"]);
    }

    #[test]
    fn gcm_with_an_hmac_and_either_kind_of_sequence_numbers_can_be_offered() {
        let odd = ChildProposal {
            encr: vec![Encr::AesGcm(256, 16), Encr::Des],
            integ: vec![Integ::Sha1],
            groups: vec![Group(14)],
            esn: Esn::Either,
        };
        let proposals = child(&of(Protocol::Esp, odd), Version::V2);
        let words: Vec<_> = proposals[0].transforms.iter().map(ToString::to_string).collect();
        let expected =
            ["ENCR_AES_GCM_16(256)", "ENCR_DES", "INTEG=AUTH_HMAC_SHA1_96", "ESN", "NO_ESN"];
        assert_eq!(words, expected);
    }

    fn of(protocol: Protocol, proposal: ChildProposal) -> Child {
        Child {
            name: String::from("net"),
            protocol,
            mode: Mode::Tunnel,
            proposals: vec![proposal],
            over: None,
            local: Vec::new(),
            remote: Vec::new(),
            start: Start::default(),
            rekey: None,
            life_bytes: None,
            replay_window: None,
        }
    }

    #[test]
    fn ah_has_integrity_alone_and_its_own_number_unless_it_is_around_esp() {
        let integ = vec![Integ::Sha256];
        let ah = ChildProposal { integ, groups: vec![Group(14)], ..ChildProposal::default() };
        let proposals = child(&of(Protocol::Ah, ah.clone()), Version::V1Main);
        assert_eq!(proposals[0].protocol, ProtocolId::AH);
        let words: Vec<_> = proposals[0].transforms.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), 3, "{words:?}");
        assert!(words[0].starts_with("INTEG="), "{words:?}");
        let esp = ChildProposal { encr: vec![Encr::Null], ..ah.clone() };
        let both = Child { over: Some(ah), ..of(Protocol::Esp, esp) };
        let proposals = child(&both, Version::V1Main);
        let protocols: Vec<_> = proposals.iter().map(|one| (one.number, one.protocol)).collect();
        assert_eq!(protocols, [(1, ProtocolId::ESP), (1, ProtocolId::AH)]);
    }

    #[test]
    fn what_the_core_cannot_run_has_no_value_there() {
        assert_eq!(known_encr(Encr::Des), None);
        assert_eq!(known_encr(Encr::AesGmac(128)), None);
        assert!(known_encr(Encr::AesGcm(192, 8)).is_some());
        assert_eq!(known_integ(Integ::AesXcbc), None);
        assert_eq!(known_prf(Prf::Sha1), Some(suite::Prf::HmacSha1));
    }

    #[test]
    fn a_selector_keeps_protocol_and_port() {
        let one =
            Selector { protocol: Some(6), port: Some(80), ..Selector::network([10, 1, 0, 9], 16) };
        let found = selector(&one);
        assert_eq!((found.ip_protocol, found.start_port, found.end_port), (6, 80, 80));
        assert_eq!(found.start.to_string(), "10.1.0.0");
    }
}
