//! What may change on the way, in the headers in front of AH: it counts as zero under the ICV (RFC
//! 4302, section 3.3.3.1 and appendix A).
//!
//! A receiver sees what is mutable but predictable in its last form, which is the one that counts:
//! such fields are left as they are.

use super::OpenError;
use crate::wire::ah::{DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING};

/// Sets what may have changed on the way to zero, in the headers in front of AH.
pub(super) fn clear(headers: &mut [u8]) -> Result<(), OpenError> {
    match headers.first().map(|first| first >> 4) {
        Some(4) => clear_v4(headers),
        Some(6) => clear_v6(headers),
        _ => Err(OpenError::OuterHeader),
    }
}

fn clear_v4(headers: &mut [u8]) -> Result<(), OpenError> {
    let (header, options) = headers.split_first_chunk_mut::<20>().ok_or(OpenError::OuterHeader)?;
    let [_, tos, _, _, _, _, f0, f1, ttl, _, c0, c1, ..] = header;
    let (fragment, more) = (u16::from_be_bytes([*f0, *f1]) & 0x1fff, *f0 & 0x20 != 0);
    if fragment != 0 || more {
        return Err(OpenError::Fragment);
    }
    for mutable in [tos, f0, f1, ttl, c0, c1] {
        *mutable = 0;
    }
    clear_v4_options(options)
}

/// An option is a unit: if it may change, its type and length count as zero, too.
fn clear_v4_options(mut options: &mut [u8]) -> Result<(), OpenError> {
    while let [kind, ..] = options {
        let (kind, there) = (*kind, options.len());
        let len = match kind {
            END_OF_OPTIONS => return Ok(()),
            NO_OPERATION => 1,
            _ => options.get(1).copied().map_or(0, usize::from),
        };
        if len == 0 || len > there || (len == 1 && kind != NO_OPERATION) {
            return Err(OpenError::OuterHeader);
        }
        let (option, rest) = options.split_at_mut_checked(len).ok_or(OpenError::OuterHeader)?;
        if !IMMUTABLE_OPTIONS.contains(&kind) {
            option.fill(0);
        }
        options = rest;
    }
    Ok(())
}

fn clear_v6(headers: &mut [u8]) -> Result<(), OpenError> {
    let (header, mut extensions) =
        headers.split_first_chunk_mut::<40>().ok_or(OpenError::OuterHeader)?;
    let [version, class, flow0, flow1, _, _, next, hop_limit, ..] = header;
    *version &= 0xf0;
    for mutable in [class, flow0, flow1, hop_limit] {
        *mutable = 0;
    }
    let mut kind = *next;
    while let [next, len, ..] = extensions {
        let (following, len) = (*next, usize::from(*len) * 8 + 8);
        if kind == FRAGMENT {
            return Err(OpenError::Fragment);
        }
        let (extension, rest) =
            extensions.split_at_mut_checked(len).ok_or(OpenError::OuterHeader)?;
        match kind {
            HOP_BY_HOP | DESTINATION => {
                clear_v6_options(extension.get_mut(2..).unwrap_or_default())?;
            }
            // Addresses that are still to be visited: this is not the last form.
            ROUTING if extension.get(3).is_some_and(|left| *left != 0) => {
                return Err(OpenError::OuterHeader);
            }
            ROUTING => {}
            _ => return Err(OpenError::OuterHeader),
        }
        (kind, extensions) = (following, rest);
    }
    if extensions.is_empty() { Ok(()) } else { Err(OpenError::OuterHeader) }
}

/// The third bit of an option's type says whether its data may change. Type and length may not.
fn clear_v6_options(mut options: &mut [u8]) -> Result<(), OpenError> {
    while let [kind, tail @ ..] = options {
        if *kind == PAD1 {
            options = tail;
            continue;
        }
        let mutable = *kind & 0x20 != 0;
        let (len, data) = tail.split_first_mut().ok_or(OpenError::OuterHeader)?;
        let (data, rest) =
            data.split_at_mut_checked(usize::from(*len)).ok_or(OpenError::OuterHeader)?;
        if mutable {
            data.fill(0);
        }
        options = rest;
    }
    Ok(())
}

const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
/// NOP, security, extended security, commercial security, router alert, and multi-destination
/// delivery. All others are mutable, and so are those that the list does not know.
const IMMUTABLE_OPTIONS: [u8; 6] = [NO_OPERATION, 130, 133, 134, 148, 149];
/// One octet of padding in IPv6, without a length.
const PAD1: u8 = 0;
