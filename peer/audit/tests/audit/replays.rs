//! Datagrams that come again after they were forgotten are nobody's mistake.

use ikeproof_audit::Sender;
use ikeproof_audit::limits::{ESP_PACKETS, EXCHANGES};
use ikeproof_proto::wire::NotifyType;

use crate::support::Lab;
use crate::support::lab::{CBC, GCM};

#[test]
fn a_request_of_long_ago_is_no_second_use_of_its_vector() {
    for window in [1, 4] {
        let mut lab = Lab::new(CBC);
        lab.edit("live-response", move |draft| {
            draft.add_notify(NotifyType::SET_WINDOW_SIZE, &[0, 0, 0, window]);
        });
        lab.after("live-response", |lab| {
            for _ in 0..=EXCHANGES {
                lab.exchange("more-request", "more-response", Sender::Edge, vec![], vec![]);
            }
            let first = lab.seen.len() - 2 * (EXCHANGES + 1) - 2;
            let old: Vec<_> = lab.seen[first..first + 4].to_vec();
            lab.seen.extend(old);
        });
        assert_eq!(lab.run().findings(), [], "{window}");
    }
}

#[test]
fn a_packet_of_long_ago_is_no_second_use_of_its_vector() {
    for profile in [CBC, GCM] {
        let mut lab = Lab::new(profile);
        lab.after("esp-peer-3", |lab| {
            let first = lab.seen.len() - 3;
            for _ in 0..=ESP_PACKETS {
                lab.send_esp("esp-more", Sender::Peer);
            }
            let old: Vec<_> = lab.seen[first..first + 3].to_vec();
            lab.seen.extend(old);
        });
        assert_eq!(lab.run().findings(), []);
    }
}

/// The control: a sender that begins anew with number and vector, and says something else.
#[test]
fn a_counter_that_begins_anew_is_found_also_after_long() {
    let mut lab = Lab::new(GCM);
    lab.edit_esp("esp-peer-1", |draft| draft.iv.fill(9));
    lab.edit_esp("esp-again", |draft| {
        draft.seq = 1;
        draft.iv.fill(9);
        *draft.content.last_mut().unwrap() ^= 1;
    });
    lab.after("esp-peer-3", |lab| {
        for _ in 0..=ESP_PACKETS {
            lab.send_esp("esp-more", Sender::Peer);
        }
        lab.send_esp("esp-again", Sender::Peer);
    });
    let findings = lab.run().findings();
    let found: Vec<_> = findings.iter().map(|finding| finding.requirement).collect();
    assert_eq!(found, ["rfc4106-3.1-iv-unique"]);
}
