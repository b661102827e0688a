//! Outer sizes: the numbers that the design computed by hand, and the formula against the SA.

use super::{packet, pair, providers, seal, suites};
use crate::crypto::ChildSuite;
use crate::sa::sizes::{Layout, MAX_HEADROOM, MAX_TAILROOM, Outer, max_inner_len, outer_len};

const NAT_T: Outer = Outer { v6: false, udp: true };

fn suite(name: &str) -> ChildSuite {
    name.parse().unwrap()
}

/// R27 of the design: IPv4 and NAT traversal.
#[test]
fn outer_sizes_of_an_inner_packet_of_1400_octets() {
    for (name, size) in [
        ("aes128gcm16", 1464),
        ("aes256gcm16", 1464),
        ("aes256-sha1", 1472),
        ("aes256-sha256", 1476),
        ("aes256-sha512", 1492),
        ("null-md5", 1452),
    ] {
        assert_eq!(outer_len(&suite(name), NAT_T, 1400), size, "{name}");
    }
    for (name, size) in [("aes128gcm16", 1500), ("aes256-sha1", 1504), ("aes256-sha512", 1524)] {
        assert_eq!(outer_len(&suite(name), NAT_T, 1436), size, "{name}");
    }
    let raw = Outer { v6: false, udp: false };
    assert_eq!(outer_len(&suite("aes128gcm16"), raw, 1400), 1456);
    let v6 = Outer { v6: true, udp: true };
    assert_eq!(outer_len(&suite("aes128gcm16"), v6, 1400), 1484);
}

#[test]
fn the_longest_inner_packet_fits_and_one_more_octet_does_not() {
    for suite in suites() {
        for outer in [NAT_T, Outer { v6: true, udp: false }] {
            for mtu in 1280..1520 {
                let inner = max_inner_len(&suite, outer, mtu);
                assert!(outer_len(&suite, outer, inner) <= mtu, "{suite} {mtu}");
                assert!(outer_len(&suite, outer, inner + 1) > mtu, "{suite} {mtu}");
            }
        }
    }
    assert_eq!(max_inner_len(&suite("aes128gcm16"), NAT_T, 20), 0);
}

#[test]
fn what_is_sealed_has_the_length_that_was_promised() {
    for provider in providers() {
        for suite in suites() {
            let (mut outbound, _) = pair(&*provider, suite);
            let layout = Layout::of(&suite);
            for len in 28..100 {
                assert_eq!(seal(&mut outbound, &packet(len)).len(), layout.sealed_len(len));
                assert!(layout.headroom() <= MAX_HEADROOM);
                assert!(layout.tailroom(len) <= MAX_TAILROOM);
            }
        }
    }
}
