//! Mutants of ESP packets.

use super::{Mutant, mutant};
use crate::support::esp::{Carrier, EspDraft};
use crate::support::lab::{CBC, GCM, MODP, Profile};

const NAT: Profile = Profile { nat: true, ..CBC };
const TRIPLE_DES: Profile = Profile { esp: "3des-sha1", ..CBC };

fn flip_last(draft: &mut EspDraft) {
    draft.on_wire(|packet| *packet.last_mut().unwrap() ^= 1);
}

fn same_iv(draft: &mut EspDraft) {
    draft.iv.fill(9);
}

pub fn mutants() -> Vec<Mutant> {
    vec![
        mutant("esp-in-udp-500", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.carrier = Carrier::Udp500);
        }),
        mutant("plain-esp-behind-nat", NAT, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.carrier = Carrier::Raw);
        }),
        mutant("esp-spi-zero", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.spi = 0);
        }),
        mutant("esp-spi-unknown", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.spi = 0x1234_5678);
        }),
        mutant("esp-of-six-octets", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.on_wire(|packet| packet.truncate(6)));
        }),
        mutant("esp-sequence-from-zero", CBC, |lab| {
            lab.edit_esp("esp-peer-1", |draft| draft.seq = 0);
        }),
        mutant("esp-sequence-repeated", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.seq = 1);
        }),
        mutant("esp-sequence-wraps", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.seq = u32::MAX);
            lab.edit_esp("esp-peer-3", |draft| draft.seq = 0);
        }),
        mutant("esp-icv-flipped-cbc", CBC, |lab| lab.edit_esp("esp-peer-2", flip_last)),
        mutant("esp-icv-flipped-gcm", GCM, |lab| lab.edit_esp("esp-peer-2", flip_last)),
        mutant("esp-partial-block", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.padding = Some(vec![1, 2, 2]));
        }),
        // 84 octets, these 7 and the next header are 4 more than whole blocks of 8.
        mutant("esp-partial-block-3des", TRIPLE_DES, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.padding = Some(vec![1, 2, 3, 4, 5, 6, 6]));
        }),
        mutant("esp-not-aligned", GCM, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.padding = Some(vec![1, 1]));
        }),
        mutant("esp-padding-of-zeros", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| {
                draft.padding = Some([vec![0; 10], vec![10]].concat());
            });
        }),
        mutant("esp-pad-length-too-long", GCM, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.padding = Some(vec![1, 2, 200]));
        }),
        mutant("esp-next-header-of-ipv6", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.next = 41);
        }),
        mutant("esp-inner-packet-cut", CBC, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.content.truncate(80));
        }),
        mutant("esp-iv-repeated-cbc", CBC, |lab| {
            lab.edit_esp("esp-peer-1", same_iv);
            lab.edit_esp("esp-peer-2", same_iv);
        }),
        mutant("esp-iv-repeated-3des", TRIPLE_DES, |lab| {
            lab.edit_esp("esp-peer-1", same_iv);
            lab.edit_esp("esp-peer-2", same_iv);
        }),
        mutant("esp-iv-repeated-gcm", GCM, |lab| {
            lab.edit_esp("esp-peer-1", same_iv);
            lab.edit_esp("esp-peer-2", same_iv);
        }),
        mutant("esp-iv-repeated-chacha20", MODP, |lab| {
            lab.edit_esp("esp-peer-1", same_iv);
            lab.edit_esp("esp-peer-2", same_iv);
        }),
    ]
}
