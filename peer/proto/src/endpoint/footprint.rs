//! How much an endpoint keeps: what strangers and a long life must not make grow.

/// Labels that an IKE SA draws randomness for, at most.
const LABELS: usize = 9;

/// The number of entries in each table of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// IKE SAs, half-open ones included.
    pub ike_sas: usize,
    /// Half-open IKE SAs as a responder.
    pub half_open: usize,
    /// IKE SAs by their own SPI.
    pub by_spi: usize,
    /// Answered IKE_SA_INIT requests.
    pub by_request: usize,
    /// Sources of half-open IKE SAs.
    pub sources: usize,
    /// Timers.
    pub timers: usize,
    /// Timers by IKE SA.
    pub deadlines: usize,
    /// SPIs of Child SAs that are taken.
    pub child_spis: usize,
    /// Tunnels that one IKE SA has taken over from another.
    pub tunnels: usize,
    /// Ends of established IKE SAs.
    pub peers: usize,
    /// Counters of random draws.
    pub entropy: usize,
    /// IKE SAs that send fragments.
    pub fragmenting: usize,
    /// Messages of which some fragments are there.
    pub incomplete: usize,
}

impl Footprint {
    /// Checks that every table follows the IKE SAs that there are.
    ///
    /// # Panics
    /// If one of them holds more.
    pub fn check(&self) {
        let Self { ike_sas, half_open, .. } = *self;
        assert_eq!(self.by_spi, ike_sas, "{self:?}");
        assert_eq!(self.sources, half_open, "{self:?}");
        assert!(half_open <= ike_sas && self.by_request <= ike_sas, "{self:?}");
        assert!(self.timers == self.deadlines && self.timers <= ike_sas, "{self:?}");
        // One Child SA for each IKE SA, as CREATE_CHILD_SA is refused.
        assert!(self.child_spis <= ike_sas, "{self:?}");
        assert!(self.tunnels <= ike_sas, "{self:?}");
        assert!(self.peers <= ike_sas, "{self:?}");
        assert!(self.fragmenting <= ike_sas, "{self:?}");
        // The secrets of cookies belong to no IKE SA, nor do the message IDs of refusals in IKEv1 and the
        // SPIs of what is said in clear about ESP.
        assert!(self.entropy <= LABELS * ike_sas + 3, "{self:?}");
    }
}
