//! The octets under the ICV, made with a decoder of its own: neither that of the data plane nor its
//! list of mutable fields.

use etherparse::{IpDscp, IpEcn, IpFragOffset, Ipv4Header, Ipv6FlowLabel, Ipv6Header};
use ikeproof_proto::wire::ah::AH_FIXED_LEN;

/// The packet as the ICV counts it (RFC 4302, section 3.3.3.1), for AH at `at`. `None` if there are
/// options or extension headers, or no packet.
pub(super) fn covered(packet: &[u8], at: usize, icv_len: usize) -> Option<Vec<u8>> {
    let mut octets = match packet.first()? >> 4 {
        4 => {
            let (header, _) = Ipv4Header::from_slice(packet).ok()?;
            if !header.options.is_empty() {
                return None;
            }
            let counted = Ipv4Header {
                dscp: IpDscp::ZERO,
                ecn: IpEcn::ZERO,
                dont_fragment: false,
                more_fragments: false,
                fragment_offset: IpFragOffset::ZERO,
                time_to_live: 0,
                header_checksum: 0,
                ..header
            };
            counted.to_bytes().to_vec()
        }
        6 => {
            let (header, _) = Ipv6Header::from_slice(packet).ok()?;
            let flow_label = Ipv6FlowLabel::ZERO;
            Ipv6Header { traffic_class: 0, flow_label, hop_limit: 0, ..header }.to_bytes().to_vec()
        }
        _ => return None,
    };
    if octets.len() != at {
        return None;
    }
    octets.extend_from_slice(packet.get(at..)?);
    let icv_at = at + AH_FIXED_LEN;
    octets.get_mut(icv_at..icv_at + icv_len)?.fill(0);
    Some(octets)
}
