use core::net::SocketAddr;

use super::*;

fn at(seconds: u64) -> Time {
    Time::from_start(Duration::from_secs(seconds))
}

fn part(id: u16, number: u8, last: bool, data: &[u8]) -> Fragment {
    Fragment { id, number, last, data: data.to_vec() }
}

const SA: Whose = Whose::Sa(IkeHandle(1));

fn stranger(host: u8, port: u16) -> Whose {
    let remote = SocketAddr::from(([192, 0, 2, host], port));
    Whose::Stranger(remote, IkeSpi([1; 8]))
}

#[test]
fn fragments_make_a_message_in_any_order() {
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let mut reassembly = Reassembly::default();
        let mut whole = None;
        for number in order {
            let added = reassembly.add(at(0), SA, part(7, number, number == 3, &[number]));
            match added {
                Added::Whole(bytes) => whole = Some(bytes),
                added => assert_eq!((added, whole.is_none()), (Added::Kept, true)),
            }
        }
        assert_eq!(whole, Some(vec![1, 2, 3]));
        assert_eq!(reassembly.len(), 0);
    }
}

#[test]
fn a_fragment_that_is_there_is_told_and_a_changed_one_takes_its_place() {
    let mut reassembly = Reassembly::default();
    assert_eq!(reassembly.add(at(0), SA, part(1, 1, false, b"old")), Added::Kept);
    let again = reassembly.add(at(0), SA, part(1, 1, false, b"old"));
    assert!(matches!(again, Added::Useless(_)));
    assert_eq!(reassembly.add(at(0), SA, part(1, 1, false, b"new")), Added::Kept);
    assert_eq!(reassembly.add(at(0), SA, part(1, 2, true, b"er")), Added::Whole(b"newer".to_vec()));
}

#[test]
fn another_number_makes_what_was_there_forgotten() {
    let mut reassembly = Reassembly::default();
    assert_eq!(reassembly.add(at(0), SA, part(1, 1, false, b"a")), Added::Kept);
    assert_eq!(reassembly.add(at(0), SA, part(2, 2, true, b"b")), Added::Kept);
    assert_eq!(reassembly.len(), 1);
    assert_eq!(reassembly.add(at(0), SA, part(2, 1, false, b"a")), Added::Whole(b"ab".to_vec()));
}

#[test]
fn the_end_is_where_the_latest_fragments_say() {
    let mut reassembly = Reassembly::default();
    // Of a message of three the last was late, then one of two comes under the same number.
    assert_eq!(reassembly.add(at(0), SA, part(1, 3, true, b"x")), Added::Kept);
    assert_eq!(reassembly.add(at(0), SA, part(1, 1, false, b"a")), Added::Kept);
    assert_eq!(reassembly.add(at(0), SA, part(1, 2, true, b"b")), Added::Whole(b"ab".to_vec()));
    // And the other way round.
    assert_eq!(reassembly.add(at(0), SA, part(1, 2, true, b"x")), Added::Kept);
    assert_eq!(reassembly.add(at(0), SA, part(1, 3, true, b"c")), Added::Kept);
    assert_eq!(reassembly.add(at(0), SA, part(1, 1, false, b"a")), Added::Kept);
    assert_eq!(reassembly.add(at(0), SA, part(1, 2, false, b"b")), Added::Whole(b"abc".to_vec()));
}

#[test]
fn numbers_octets_time_and_strangers_are_bounded() {
    let mut reassembly = Reassembly::default();
    let useless = |added: Added| matches!(added, Added::Useless(_));
    for number in [0, MAX_FRAGMENTS + 1] {
        assert!(useless(reassembly.add(at(0), SA, part(1, number, true, b"a"))));
    }
    assert!(useless(reassembly.add(at(0), SA, part(1, 1, true, b""))));
    assert_eq!(reassembly.len(), 0);
    let half = vec![0; MAX_UNPROVEN / 2 + 1];
    for (whose, is_refused) in [(SA, false), (stranger(1, 500), true)] {
        assert_eq!(reassembly.add(at(0), whose, part(1, 1, false, &half)), Added::Kept);
        assert_eq!(useless(reassembly.add(at(0), whose, part(1, 2, false, &half))), is_refused);
    }
    reassembly.forget(IkeHandle(1));
    assert_eq!(reassembly.len(), 0);
    assert_eq!(reassembly.add(at(0), SA, part(1, 1, false, b"a")), Added::Kept);
    let late = at(0) + PATIENCE;
    assert_eq!(reassembly.add(late, SA, part(1, 2, true, b"b")), Added::Kept);
    assert_eq!(reassembly.add(late, SA, part(1, 1, false, b"a")), Added::Whole(b"ab".to_vec()));
    let mut kept = 0;
    for host in 0..=255 {
        for port in 0..8 {
            let added = reassembly.add(late, stranger(host, port), part(1, 1, false, b"a"));
            kept += usize::from(added == Added::Kept);
            if (host, port) == (0, 7) {
                assert_eq!(kept, MAX_OF_SOURCE);
            }
        }
    }
    assert_eq!((kept, reassembly.len()), (MAX_STRANGERS, MAX_STRANGERS));
}
