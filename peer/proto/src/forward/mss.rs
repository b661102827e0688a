//! Rewriting the MSS option of TCP SYN and SYN-ACK segments in transit.
//!
//! Done in both directions, since an edge that clamps only one of them lets the other side send
//! full-sized segments. A segment without the option is left alone: the default of RFC 9293
//! (536, or 1220 over IPv6) is below any sensible clamp, and adding one would change the length.

use serde::{Deserialize, Serialize};

use super::packet::{AH, ESP, IpVersion, TCP, Upper, adjusted_checksum, be16, put16, upper_layer};

/// The largest MSS left in a SYN, per IP version; `None` rewrites nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MssLimits {
    /// Over IPv4.
    pub v4: Option<u16>,
    /// Over IPv6.
    pub v6: Option<u16>,
}

/// The MSS option of a SYN or SYN-ACK, before and after the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MssSeen {
    /// Version of the packet that carries the segment.
    pub version: IpVersion,
    /// Whether ACK was set: the answer of the two.
    pub syn_ack: bool,
    /// Value that the sender announced.
    pub seen: u16,
    /// Value that went on; equal to `seen` when it was within the limit or there is none.
    pub after: u16,
}

/// Why a packet has no MSS to speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Untouched {
    /// Neither IPv4 nor IPv6, or cut off within its headers.
    Malformed,
    /// Another protocol than TCP.
    NotTcp,
    /// Inner AH or ESP: what follows is protected end to end.
    Protected,
    /// A fragment other than the first has no TCP header.
    LaterFragment,
    /// A TCP segment without SYN.
    NotSyn,
    /// A SYN without the option.
    NoMssOption,
    /// The options contradict their own lengths before an MSS option came.
    MalformedOptions,
}

/// Lowers the MSS option of a SYN or SYN-ACK in place, fixing the TCP checksum incrementally.
///
/// If a segment carries the option more than once, all of them are lowered and the largest is reported.
///
/// # Errors
///
/// Says why there is nothing to clamp; the packet is then unchanged.
pub fn clamp_mss(packet: &mut [u8], limits: &MssLimits) -> Result<MssSeen, Untouched> {
    let version = IpVersion::of(packet).ok_or(Untouched::Malformed)?;
    let limit = match version {
        IpVersion::V4 => limits.v4,
        IpVersion::V6 => limits.v6,
    };
    let tcp_at = match upper_layer(packet) {
        Upper::At { protocol: TCP, offset } => offset,
        Upper::At { protocol: AH | ESP, .. } => return Err(Untouched::Protected),
        Upper::At { .. } => return Err(Untouched::NotTcp),
        Upper::LaterFragment => return Err(Untouched::LaterFragment),
        Upper::Malformed => return Err(Untouched::Malformed),
    };
    let tcp = packet.get_mut(tcp_at..).ok_or(Untouched::Malformed)?;
    clamp_segment(tcp, version, limit)
}

fn clamp_segment(
    tcp: &mut [u8],
    version: IpVersion,
    limit: Option<u16>,
) -> Result<MssSeen, Untouched> {
    let flags = *tcp.get(13).ok_or(Untouched::Malformed)?;
    if flags & SYN == 0 {
        return Err(Untouched::NotSyn);
    }
    let header_len = usize::from(tcp.get(12).ok_or(Untouched::Malformed)? >> 4) * 4;
    if header_len < 20 || tcp.len() < header_len {
        return Err(Untouched::Malformed);
    }
    let mut largest: Option<(u16, u16)> = None;
    let mut malformed = false;
    let mut at = 20;
    while at < header_len {
        match option_at(tcp, at, header_len) {
            Some(Opt::End) => break,
            Some(Opt::Mss { value }) => {
                let after = limit.map_or(value, |limit| value.min(limit));
                if after != value {
                    rewrite(tcp, at + 2, value, after);
                }
                if largest.is_none_or(|(seen, _)| value > seen) {
                    largest = Some((value, after));
                }
                at += 4;
            }
            Some(Opt::Other { len }) => at += len,
            None => {
                malformed = true;
                break;
            }
        }
    }
    match largest {
        Some((seen, after)) => Ok(MssSeen { version, syn_ack: flags & ACK != 0, seen, after }),
        None if malformed => Err(Untouched::MalformedOptions),
        None => Err(Untouched::NoMssOption),
    }
}

enum Opt {
    End,
    Mss { value: u16 },
    Other { len: usize },
}

/// The option at `at`, `None` if its length is impossible or passes the end of the header.
fn option_at(tcp: &[u8], at: usize, end: usize) -> Option<Opt> {
    let kind = *tcp.get(at)?;
    match kind {
        0 => return Some(Opt::End),
        1 => return Some(Opt::Other { len: 1 }),
        _ => {}
    }
    let len = usize::from(*tcp.get(at + 1)?);
    if len < 2 || at + len > end || at + 1 >= end {
        return None;
    }
    match (kind, len) {
        (MSS, 4) => Some(Opt::Mss { value: be16(tcp, at + 2)? }),
        (MSS, _) => None,
        _ => Some(Opt::Other { len }),
    }
}

/// Writes `new` over `old` at `at`, and the checksum that goes with it.
fn rewrite(tcp: &mut [u8], at: usize, old: u16, new: u16) {
    put16(tcp, at, new);
    if let Some(checksum) = be16(tcp, CHECKSUM) {
        // At an odd offset the value straddles two words; one's complement sums are indifferent to
        // a swap of the octets of every word (RFC 1071 section 2), so swapping the value is enough.
        let (old, new) =
            if at.is_multiple_of(2) { (old, new) } else { (old.swap_bytes(), new.swap_bytes()) };
        put16(tcp, CHECKSUM, adjusted_checksum(checksum, old, new));
    }
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const MSS: u8 = 2;
const CHECKSUM: usize = 16;

#[cfg(test)]
mod tests;
