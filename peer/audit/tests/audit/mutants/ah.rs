//! Mutants of AH packets. All but the last are authentic.

use super::{Mutant, mutant};
use crate::support::lab::AH;

pub fn mutants() -> Vec<Mutant> {
    vec![
        mutant("ah-next-header-of-ipv6", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.next = 41);
        }),
        mutant("ah-payload-length-9", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.ah.2 = Some(9));
        }),
        mutant("ah-reserved-set", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.ah.1 = 0x8000);
        }),
        mutant("ah-spi-zero", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.spi = 0);
        }),
        mutant("ah-sequence-from-zero", AH, |lab| {
            lab.edit_esp("esp-peer-1", |draft| draft.seq = 0);
        }),
        mutant("ah-sequence-repeated", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.seq = 1);
        }),
        mutant("ah-sequence-wraps", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.seq = u32::MAX);
            lab.edit_esp("esp-peer-3", |draft| draft.seq = 0);
        }),
        mutant("ah-padded-to-eight", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| draft.ah.0 = 4);
        }),
        mutant("ah-content-flipped", AH, |lab| {
            lab.edit_esp("esp-peer-2", |draft| {
                draft.on_wire(|packet| *packet.last_mut().unwrap() ^= 1);
            });
        }),
    ]
}
