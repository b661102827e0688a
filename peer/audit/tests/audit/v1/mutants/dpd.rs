//! Mutants of dead peer detection.

use ikeproof_audit::Sender::{Edge, Peer};
use ikeproof_proto::wire::ExchangeType;
use ikeproof_proto::wire::v1::num::NotifyKind;
use ikeproof_proto::wire::v1::{Notify, vendor};

use super::super::lab::{Lab, MAIN};
use super::super::script::notify;
use super::{Mutant, mutant, with};

const COOKIES: &str = "rfc3706-6.1-cookies-checked";

pub fn mutants() -> Vec<Mutant> {
    [announcement(), form(), numbers()].into_iter().flatten().collect()
}

/// Changes the notification of a step.
fn edit(lab: &mut Lab, step: &'static str, change: fn(&mut Notify)) {
    lab.edit(step, move |draft| draft.notify(change));
}

fn announcement() -> Vec<Mutant> {
    vec![
        mutant("v1-r-u-there-not-announced", MAIN, |lab| {
            lab.edit("main-2", |draft| draft.drop_body(&vendor::DPD));
        }),
        mutant("v1-dpd-version-two", MAIN, |lab| {
            lab.edit("main-2", |draft| {
                let mut other = vendor::DPD.to_vec();
                other[14] = 2;
                let id = ikeproof_proto::wire::v1::VendorId(other);
                draft.add(ikeproof_proto::wire::v1::Payload::VendorId(id));
            });
        }),
        mutant("v1-r-u-there-not-answered", MAIN, |lab| {
            lab.skip.push("more-2");
            lab.edit("more-1", |draft| draft.copies = vec![10, 1000, 2000, 4000]);
        }),
    ]
}

fn form() -> Vec<Mutant> {
    vec![
        mutant("v1-r-u-there-of-another-number", MAIN, |lab| {
            edit(lab, "probe-2", |notify| notify.kind = NotifyKind(36138));
        }),
        mutant("v1-r-u-there-of-doi-0", MAIN, |lab| edit(lab, "dpd-1", |notify| notify.doi = 0)),
        with("v1-r-u-there-with-swapped-cookies", MAIN, &[COOKIES], |lab| {
            edit(lab, "dpd-1", |notify| notify.spi.rotate_left(8));
        }),
        with("v1-swapped-cookies-answered", MAIN, &["rfc3706-5.3-spi-is-cookies"], |lab| {
            edit(lab, "probe-1", |notify| notify.spi.rotate_left(8));
        }),
        mutant("v1-r-u-there-of-three-octets", MAIN, |lab| {
            edit(lab, "more-2", |notify| notify.data.truncate(3));
        }),
        with("v1-r-u-there-in-clear", MAIN, &["rfc2408-4.8-informational-protected"], |lab| {
            lab.after("more-2", |lab| {
                let ask = notify(lab, NotifyKind::R_U_THERE, &[0, 0, 3, 0xea]);
                let id = lab.new_id();
                let kind = ExchangeType::INFORMATIONAL_V1;
                let draft = lab.draft(Peer, kind, id, vec![ask]);
                lab.send("clear", draft);
            });
        }),
        mutant("v1-r-u-there-without-number", MAIN, |lab| {
            edit(lab, "more-2", |notify| notify.data.clear());
        }),
    ]
}

fn numbers() -> Vec<Mutant> {
    vec![
        mutant("v1-ack-of-another-number", MAIN, |lab| {
            edit(lab, "dpd-2", |notify| notify.data[3] ^= 1);
        }),
        mutant("v1-first-number-with-high-bit", MAIN, |lab| {
            for step in ["probe-1", "probe-2"] {
                edit(lab, step, |notify| notify.data[0] |= 0x80);
            }
        }),
        mutant("v1-number-far-above", MAIN, |lab| {
            for step in ["more-1", "more-2"] {
                edit(lab, step, |notify| notify.data[2] += 1);
            }
        }),
        with("v1-old-number-answered", MAIN, &["rfc3706-6.2-increment-one"], |lab| {
            lab.after("more-2", |lab| {
                let data = [0, 0, 3, 0xc0];
                let ask = notify(lab, NotifyKind::R_U_THERE, &data);
                lab.inform("old-1", Peer, vec![ask]);
                let answer = notify(lab, NotifyKind::R_U_THERE_ACK, &data);
                lab.inform("old-2", Edge, vec![answer]);
            });
        }),
    ]
}
