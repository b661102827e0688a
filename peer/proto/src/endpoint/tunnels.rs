//! Which IKE SA a tunnel belongs to.
//!
//! A tunnel is made for an IKE SA and has its number, until another IKE SA takes it over: the two then
//! exchange the numbers of their tunnels, so that neither number names two.

use std::collections::BTreeMap;

use crate::io::IkeHandle;
use crate::sa::TunnelId;

/// The tunnels that no longer belong to the IKE SA of their number.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    of: BTreeMap<IkeHandle, TunnelId>,
    owners: BTreeMap<TunnelId, IkeHandle>,
}

impl Tunnels {
    /// The tunnel of an IKE SA.
    pub(crate) fn of(&self, ike: IkeHandle) -> TunnelId {
        self.of.get(&ike).copied().unwrap_or(TunnelId(ike.0))
    }

    /// The IKE SA of a tunnel, which may be gone.
    pub(crate) fn owner(&self, tunnel: TunnelId) -> IkeHandle {
        self.owners.get(&tunnel).copied().unwrap_or(IkeHandle(tunnel.0))
    }

    /// Each gets the other's.
    pub(crate) fn exchange(&mut self, one: IkeHandle, other: IkeHandle) {
        for (ike, tunnel) in [(one, self.of(other)), (other, self.of(one))] {
            self.of.insert(ike, tunnel);
            self.owners.insert(tunnel, ike);
        }
    }

    /// The IKE SA is gone.
    pub(crate) fn forget(&mut self, ike: IkeHandle) {
        if let Some(tunnel) = self.of.remove(&ike) {
            self.owners.remove(&tunnel);
        }
    }

    /// How many there are.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn len(&self) -> usize {
        self.of.len().max(self.owners.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_goes_from_one_ike_sa_to_the_next() {
        let ikes = [1, 2, 3].map(IkeHandle);
        let mut tunnels = Tunnels::default();
        assert_eq!(ikes.map(|ike| tunnels.of(ike)), [1, 2, 3].map(TunnelId));
        tunnels.exchange(ikes[0], ikes[1]);
        tunnels.exchange(ikes[1], ikes[2]);
        assert_eq!(ikes.map(|ike| tunnels.of(ike)), [2, 3, 1].map(TunnelId));
        assert_eq!(
            [1, 2, 3].map(|tunnel| tunnels.owner(TunnelId(tunnel))),
            [ikes[2], ikes[0], ikes[1]]
        );
        tunnels.forget(ikes[0]);
        tunnels.forget(ikes[1]);
        assert_eq!(tunnels.owner(TunnelId(1)), ikes[2]);
        tunnels.forget(ikes[2]);
        assert_eq!(tunnels.len(), 0);
    }
}
