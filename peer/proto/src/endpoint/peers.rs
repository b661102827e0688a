//! Who is at the other end of the established IKE SAs, and which of these a peer says it has no more.

use std::collections::BTreeMap;

use crate::io::IkeHandle;
use crate::wire::v2::Id;

/// The authenticated ends of IKE SAs of both versions.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    established: BTreeMap<IkeHandle, Known>,
    /// The newest IKE SA, half-open ones included.
    newest: Option<IkeHandle>,
    /// Those whose peers have said that they have no other.
    alone: Vec<IkeHandle>,
}

#[derive(Debug)]
struct Known {
    /// Who the ends are, this one first.
    ids: [Id; 2],
    /// The newest IKE SA when this one was established.
    newest: Option<IkeHandle>,
}

impl Peers {
    /// An IKE SA is begun, by either end.
    pub(crate) fn begun(&mut self, ike: IkeHandle) {
        self.newest = self.newest.max(Some(ike));
    }

    /// Both ends of an IKE SA have authenticated, this one first.
    pub(crate) fn authenticated(&mut self, ike: IkeHandle, ids: [Id; 2]) {
        let newest = self.newest;
        self.established.insert(ike, Known { ids, newest });
    }

    /// INITIAL_CONTACT has come in an IKE SA, under its protection.
    pub(crate) fn says_alone(&mut self, ike: IkeHandle) {
        self.alone.push(ike);
    }

    /// The IKE SAs that are no more at their peers, by what these have said since this was last asked:
    /// between the same identities, wherever they are (RFC 3947, section 6), and up before the other was
    /// begun. Where both ends begin at once, either may say that there is no other and be right.
    pub(crate) fn lost(&mut self) -> Vec<IkeHandle> {
        let mut lost = Vec::new();
        for alone in core::mem::take(&mut self.alone) {
            let Some(one) = self.established.get(&alone) else { continue };
            let is_lost = |known: &Known| known.ids == one.ids && known.newest < Some(alone);
            let found = self.established.iter().filter(|(_, known)| is_lost(known));
            lost.extend(found.map(|(ike, _)| *ike));
        }
        lost
    }

    /// An IKE SA has ended.
    pub(crate) fn forget(&mut self, ike: IkeHandle) {
        self.established.remove(&ike);
    }

    /// How many there are.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn len(&self) -> usize {
        self.established.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(peer: &str) -> [Id; 2] {
        ["fqdn:edge.example.com", peer]
            .map(|id| id.parse::<crate::policy::Identity>().unwrap().to_id())
    }

    fn up(peers: &mut Peers, ike: u64, peer: &str) -> IkeHandle {
        let ike = IkeHandle(ike);
        peers.begun(ike);
        peers.authenticated(ike, ids(peer));
        ike
    }

    #[test]
    fn who_is_alone_has_lost_what_it_had_before() {
        let mut peers = Peers::default();
        let older = [1, 2].map(|ike| up(&mut peers, ike, "fqdn:a.example.com"));
        let neighbour = up(&mut peers, 3, "fqdn:b.example.com");
        let newer = up(&mut peers, 4, "fqdn:a.example.com");
        assert_eq!(peers.lost(), []);
        peers.says_alone(newer);
        assert_eq!(peers.lost(), older);
        assert_eq!(peers.lost(), [], "it is said once");
        peers.says_alone(neighbour);
        assert_eq!(peers.lost(), [], "nobody speaks for another, nor about what came later");
        assert_eq!(peers.len(), 4);
        older.into_iter().for_each(|ike| peers.forget(ike));
        peers.says_alone(newer);
        assert_eq!(peers.lost(), []);
    }

    #[test]
    fn whoever_begins_at_the_same_time_is_not_alone() {
        let mut peers = Peers::default();
        let [ours, theirs] = [1, 2].map(IkeHandle);
        peers.begun(ours);
        peers.begun(theirs);
        peers.authenticated(ours, ids("fqdn:a.example.com"));
        peers.authenticated(theirs, ids("fqdn:a.example.com"));
        peers.says_alone(theirs);
        assert_eq!(peers.lost(), []);
    }

    #[test]
    fn who_has_not_authenticated_ends_nothing() {
        let mut peers = Peers::default();
        up(&mut peers, 1, "fqdn:a.example.com");
        peers.begun(IkeHandle(2));
        peers.says_alone(IkeHandle(2));
        assert_eq!(peers.lost(), []);
    }
}
