//! (1) From a UDP payload to IKE, ESP or a keepalive (RFC 3948 §2, RFC 7296 §3.1).
//!
//! On port 500 everything is IKE. On port 4500 IKE stands behind four octets of zero, ESP stands
//! there with its SPI, which is never zero, and a single octet of 0xff keeps a NAT mapping open.

use crate::io::Channel;

/// The octets in front of an IKE message on UDP 4500 (RFC 3948 §2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The payload of a NAT keepalive (RFC 3948 §2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];

/// What a UDP payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// An IKE message, without the marker.
    Ike(&'a [u8]),
    /// An ESP packet.
    Esp(&'a [u8]),
    /// A NAT keepalive: to be ignored (RFC 3948 §4).
    Keepalive,
    /// Too short to be any of these.
    Runt,
}

/// Says what `payload`, received on `channel`, is.
pub fn classify(channel: Channel, payload: &[u8]) -> Datagram<'_> {
    match channel {
        Channel::Ike => Datagram::Ike(payload),
        Channel::Nat => match payload {
            [0xff] => Datagram::Keepalive,
            [0, 0, 0, 0, ike @ ..] => Datagram::Ike(ike),
            [_, _, _, _, _, _, _, _, ..] => Datagram::Esp(payload),
            _ => Datagram::Runt,
        },
    }
}

/// Puts an IKE message into the form that `channel` carries.
pub fn frame(channel: Channel, message: &[u8]) -> Vec<u8> {
    match channel {
        Channel::Ike => message.to_vec(),
        Channel::Nat => [&NON_ESP_MARKER, message].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_500_carries_only_ike() {
        assert_eq!(classify(Channel::Ike, &[0xff]), Datagram::Ike(&[0xff]));
        assert_eq!(classify(Channel::Ike, &[0; 8]), Datagram::Ike(&[0; 8]));
    }

    #[test]
    fn port_4500_tells_marker_spi_and_keepalive_apart() {
        assert_eq!(classify(Channel::Nat, &[0xff]), Datagram::Keepalive);
        assert_eq!(classify(Channel::Nat, &[0, 0, 0, 0, 9]), Datagram::Ike(&[9]));
        assert_eq!(classify(Channel::Nat, &[0, 0, 0]), Datagram::Runt);
        assert_eq!(classify(Channel::Nat, &[]), Datagram::Runt);
        let esp = [0, 0, 1, 0, 0, 0, 0, 1];
        assert_eq!(classify(Channel::Nat, &esp), Datagram::Esp(&esp));
    }

    #[test]
    fn framing_is_undone_by_classifying() {
        for channel in [Channel::Ike, Channel::Nat] {
            assert_eq!(classify(channel, &frame(channel, b"ike")), Datagram::Ike(b"ike"));
        }
    }
}
