//! Both ends of a tunnel in one place, and a batch of packets on the way between them.
//!
//! It is what sealing and opening are measured with: tables, framing, replay window and cipher at
//! work, and nothing around them. Its keys are constants, so nothing secret may go through it.

use core::net::SocketAddr;
use core::ops::Range;

use super::{
    Command, CommandError, DataPlane, Encap, InboundParams, InboundSa, Layout, Limits, OpenError,
    OutboundParams, OutboundSa, PlainPacket, Received, ReplayWindow, SaError, SealError, Sealed,
    Selectors, TunnelId,
};
use crate::crypto::{ChildSuite, DirectionKeys, Provider, Secret, SecretBytes};
use crate::time::Time;

const TUNNEL: TunnelId = TunnelId(1);
const SPI: u32 = 0x1234_5678;
const WINDOW: u32 = 1024;

/// A sender, a receiver, and a batch of equal packets that is sealed and opened in place.
#[derive(Debug)]
pub struct Loopback {
    inner: Range<usize>,
    stride: usize,
    encap: Encap,
    sender: DataPlane,
    receiver: DataPlane,
    arena: Vec<u8>,
    sealed: Vec<Result<Sealed, SealError>>,
    opened: Vec<Result<Received, OpenError>>,
}

/// Why a loopback could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoopbackError {
    /// An SA could not be made: the suite cannot be run.
    #[error(transparent)]
    Sa(#[from] SaError),
    /// A data plane did not take an SA.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Loopback {
    /// A tunnel of `suite`, and `batch` UDP packets of `len` octets (at least 28) each.
    ///
    /// # Errors
    /// If the data plane cannot run the suite.
    pub fn new(
        provider: &dyn Provider,
        suite: ChildSuite,
        len: usize,
        batch: usize,
    ) -> Result<Self, LoopbackError> {
        let key = |len| SecretBytes::new(vec![7; len]);
        let keys = || DirectionKeys {
            encr: key(suite.encr.key_len()),
            salt: key(suite.encr.salt_len()),
            integ: key(suite.integ.key_len()),
        };
        let at = |last| SocketAddr::from(([192, 0, 2, last], 4500));
        let encap = Encap::Udp { src: at(1), dst: at(2) };
        let (spi, limits) = (SPI, Limits::default());
        let outbound = OutboundParams {
            spi,
            suite,
            keys: keys(),
            iv_key: Secret::new([9; 16]),
            encap,
            selectors: Selectors::any(),
            limits,
        };
        let inbound = InboundParams {
            spi,
            suite,
            keys: keys(),
            replay: ReplayWindow::new(WINDOW)?,
            selectors: Selectors::any(),
            limits,
        };
        let (mut sender, mut receiver) = (DataPlane::new(), DataPlane::new());
        let sa = Box::new(OutboundSa::new(provider, outbound)?);
        sender.apply(Command::InstallOutbound { tunnel: TUNNEL, sa })?;
        sender.apply(Command::SwitchOutbound { tunnel: TUNNEL, spi, replaces: None })?;
        let sa = Box::new(InboundSa::new(provider, inbound)?);
        receiver.apply(Command::InstallInbound { tunnel: TUNNEL, sa })?;

        let layout = Layout::of(&suite);
        let stride = layout.sealed_len(len);
        let inner = layout.headroom()..layout.headroom() + len;
        let mut arena = vec![0; stride * batch];
        let packet = udp_packet(len);
        for slot in arena.chunks_mut(stride) {
            if let Some(room) = slot.get_mut(inner.clone()) {
                room.copy_from_slice(&packet);
            }
        }
        let (sealed, opened) = (Vec::with_capacity(batch), Vec::with_capacity(batch));
        Ok(Self { inner, stride, encap, sender, receiver, arena, sealed, opened })
    }

    /// Seals the batch. The inner packets must be there: at first, or after [`Self::open`].
    pub fn seal(&mut self) {
        let inner = self.inner.clone();
        let packets =
            self.arena.chunks_mut(self.stride).map(|buf| PlainPacket { buf, inner: inner.clone() });
        self.sender.seal_batch(Time::ZERO, TUNNEL, packets, &mut self.sealed);
    }

    /// Opens the batch that was sealed, which puts the inner packets back where they were.
    pub fn open(&mut self) {
        let packets = self.arena.chunks_mut(self.stride);
        self.receiver.open_batch(Time::ZERO, self.encap, packets, &mut self.opened);
    }

    /// How many packets there are in the batch.
    pub fn packets(&self) -> usize {
        self.arena.len() / self.stride
    }

    /// Whether everything that was sealed and opened last was so without loss.
    pub fn is_whole(&self) -> bool {
        let batch = self.packets();
        self.sealed.len() == batch
            && self.opened.len() == batch
            && self.sealed.iter().all(Result::is_ok)
            && self.opened.iter().all(Result::is_ok)
    }
}

/// A UDP packet of `len` octets, from 10.0.0.1 to 10.0.0.2.
fn udp_packet(len: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend_from_slice(&[0x12, 0x34, 0, 53]);
    packet.resize(len, 0x55);
    packet
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::crypto::RustCrypto;

    #[rstest]
    #[case("aes256gcm16")]
    #[case("aes256-sha256")]
    #[case("null-md5")]
    fn batches_go_round_again_and_again(#[case] suite: &str) {
        let mut link = Loopback::new(&RustCrypto, suite.parse().unwrap(), 64, 3).unwrap();
        assert!(!link.is_whole(), "nothing was sealed yet");
        let plain = link.arena.clone();
        for _ in 0..3 {
            link.seal();
            link.open();
            assert!(link.is_whole());
        }
        let inner = |arena: &[u8], slot: usize| {
            let at = slot * link.stride;
            arena[at + link.inner.start..at + link.inner.end].to_vec()
        };
        for slot in 0..link.packets() {
            assert_eq!(inner(&link.arena, slot), inner(&plain, slot));
        }
    }

    #[test]
    fn a_batch_that_is_opened_twice_is_not_whole() {
        let suite = "null-md5".parse().unwrap();
        let mut link = Loopback::new(&RustCrypto, suite, 64, 2).unwrap();
        link.seal();
        link.open();
        link.open();
        assert!(!link.is_whole());
    }

    #[test]
    fn a_suite_that_cannot_be_run_is_refused() {
        let suite = "aes256gcm16-esn".parse().unwrap();
        let refused = Loopback::new(&RustCrypto, suite, 64, 1).unwrap_err();
        assert_eq!(refused, LoopbackError::Sa(SaError::ExtendedSequenceNumbers));
    }
}
