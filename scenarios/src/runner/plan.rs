//! Which cases are run against whom.

use ikeproof_vendors::peer::Capability;

use super::stage::{Image, Plane, Tested};
use crate::catalogue::Catalogue;
use crate::patterns;
use crate::scenario::{Case, Need, Scenario, Tier};

/// A peer that was asked for on the command line, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerChoice {
    /// Our own initiator.
    Embedded,
    /// strongSwan.
    StrongSwan,
    /// libreswan.
    Libreswan,
    /// strongSwan with its own ESP in user space: always in UDP, no guest to boot.
    StrongSwanUserspace,
    /// strongSwan with the ESP of the host's kernel.
    StrongSwanHost,
    /// libreswan with the ESP of the host's kernel.
    LibreswanHost,
}

impl PeerChoice {
    /// Those that a run is against unless others are named, the fastest first.
    pub const USUAL: [Self; 3] = [Self::Embedded, Self::StrongSwan, Self::Libreswan];
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Embedded,
        Self::StrongSwan,
        Self::Libreswan,
        Self::StrongSwanUserspace,
        Self::StrongSwanHost,
        Self::LibreswanHost,
    ];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::StrongSwan => "strongswan",
            Self::Libreswan => "libreswan",
            Self::StrongSwanUserspace => "strongswan-userspace",
            Self::StrongSwanHost => "strongswan-host",
            Self::LibreswanHost => "libreswan-host",
        }
    }

    /// The peer of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Whether it needs containers.
    pub const fn needs_containers(self) -> bool {
        !matches!(self, Self::Embedded)
    }

    /// The name and who does ESP, where that is somebody else: `strongswan (guest)`.
    pub(super) fn with_plane(self, tested: Tested) -> String {
        match tested {
            Tested::Embedded => self.name().to_owned(),
            Tested::Container(..) => format!("{} ({})", self.name(), tested.data_plane()),
        }
    }

    /// Who stands for it in a scenario. libreswan of Debian lacks what the source build has.
    fn tested(self, scenario: &Scenario, case: &Case) -> Tested {
        let control = case.control.as_ref().map_or(&[][..], |control| &control.needs);
        let mut needs = scenario.needs.iter().chain(control);
        match self {
            Self::Embedded => Tested::Embedded,
            Self::StrongSwan => Tested::Container(Image::StrongSwan, Plane::Guest),
            Self::StrongSwanUserspace => Tested::Container(Image::StrongSwan, Plane::Userspace),
            Self::StrongSwanHost => Tested::Container(Image::StrongSwan, Plane::Host),
            Self::Libreswan | Self::LibreswanHost => {
                let image = if needs.any(|need| *need == Need::Capability(Capability::Group2)) {
                    Image::LibreswanSource
                } else {
                    Image::Libreswan
                };
                let host = self == Self::LibreswanHost;
                Tested::Container(image, if host { Plane::Host } else { Plane::Guest })
            }
        }
    }
}

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Patterns of scenarios and cases, see [`patterns`](crate::patterns); all if there is none.
    pub patterns: Vec<String>,
    /// Whether cases of the full tier are run as well.
    pub full: bool,
    /// Part I of N of the cases, from 1; each with all its peers.
    pub shard: Option<(usize, usize)>,
    /// Only these, of either tier, and none if it is empty.
    pub only: Option<Vec<Named>>,
}

/// A case against a peer, by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The scenario's id.
    pub scenario: String,
    /// The case's name.
    pub case: String,
    /// The peer's name.
    pub peer: String,
}

/// A case against a peer.
#[derive(Clone, Debug)]
pub struct Planned<'a> {
    /// Its number, which orders the report.
    pub number: usize,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The case.
    pub case: &'a Case,
    /// Against whom.
    pub peer: PeerChoice,
    /// Which repetition this is, from 2; 0 is the first.
    pub repetition: u32,
    pub(super) tested: Tested,
}

/// The cases that the filter lets through, against each of the peers.
pub fn plan<'a>(
    catalogue: &'a Catalogue,
    filter: &Filter,
    peers: &[PeerChoice],
) -> Vec<Planned<'a>> {
    let mut planned = Vec::new();
    let mut cases = 0;
    for scenario in catalogue.select(&filter.patterns) {
        for case in &scenario.cases {
            if case.tier == Tier::Full && !filter.full && filter.only.is_none() {
                continue;
            }
            let name = case.name();
            if !patterns::any_means_case(&filter.patterns, &scenario.id, &name) {
                continue;
            }
            let wanted = |peer: &PeerChoice| {
                let is = |one: &Named| {
                    one.scenario == scenario.id && one.case == name && one.peer == peer.name()
                };
                filter.only.as_ref().is_none_or(|only| only.iter().any(is))
            };
            let peers: Vec<_> = peers.iter().copied().filter(wanted).collect();
            if peers.is_empty() {
                continue;
            }
            // A part has a case with all its peers, so that every part has every peer.
            let here = filter.shard.is_none_or(|(index, of)| cases % of + 1 == index);
            cases += 1;
            for peer in peers.into_iter().filter(|_| here) {
                let tested = peer.tested(scenario, case);
                let number = planned.len();
                planned.push(Planned { number, scenario, case, peer, repetition: 0, tested });
            }
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(filter: &Filter, peers: &[PeerChoice]) -> Vec<(String, String, &'static str)> {
        let catalogue = Catalogue::builtin().unwrap();
        let planned = plan(&catalogue, filter, peers);
        let names = |one: &Planned<'_>| (one.scenario.id.clone(), one.case.name(), one.peer.name());
        planned.iter().map(names).collect()
    }

    #[test]
    fn no_cases_are_not_every_case() {
        let filter = Filter { only: Some(Vec::new()), ..Filter::default() };
        assert!(names(&filter, &PeerChoice::USUAL).is_empty());
        assert!(!names(&Filter::default(), &PeerChoice::USUAL).is_empty());
    }

    #[test]
    fn a_named_case_is_run_with_its_peer_alone() {
        let named = Named {
            scenario: "v2/connect".to_owned(),
            case: "peer".to_owned(),
            peer: "libreswan".to_owned(),
        };
        let filter = Filter { only: Some(vec![named]), ..Filter::default() };
        let planned = names(&filter, &PeerChoice::ALL);
        assert_eq!(planned, [("v2/connect".to_owned(), "peer".to_owned(), "libreswan")]);
    }

    #[test]
    fn a_named_case_is_run_whatever_its_tier() {
        let all = Filter { full: true, ..Filter::default() };
        let catalogue = Catalogue::builtin().unwrap();
        let all = plan(&catalogue, &all, &[PeerChoice::Embedded]);
        let full = all.iter().find(|one| one.case.tier == Tier::Full).unwrap();
        let named = Named {
            scenario: full.scenario.id.clone(),
            case: full.case.name(),
            peer: "embedded".to_owned(),
        };
        let filter = Filter { only: Some(vec![named]), ..Filter::default() };
        assert_eq!(names(&filter, &[PeerChoice::Embedded]).len(), 1);
    }

    #[test]
    fn a_peer_is_recorded_by_its_name_and_data_plane() {
        let catalogue = Catalogue::builtin().unwrap();
        let patterns = vec!["v2/connect [peer]".to_owned()];
        let filter = Filter { patterns, ..Filter::default() };
        let recorded: Vec<_> = plan(&catalogue, &filter, &PeerChoice::ALL)
            .iter()
            .map(|one| one.peer.with_plane(one.tested))
            .collect();
        assert_eq!(
            recorded,
            [
                "embedded",
                "strongswan (guest)",
                "libreswan (guest)",
                "strongswan-userspace (userspace)",
                "strongswan-host (host)",
                "libreswan-host (host)"
            ]
        );
    }

    #[test]
    fn a_case_can_be_named_by_a_pattern() {
        let patterns = vec!["v2/connect [edge]".to_owned()];
        let filter = Filter { patterns, ..Filter::default() };
        let planned = names(&filter, &[PeerChoice::Embedded]);
        assert_eq!(planned, [("v2/connect".to_owned(), "edge".to_owned(), "embedded")]);
    }

    #[test]
    fn the_parts_are_the_whole_and_each_has_every_peer() {
        let whole = names(&Filter::default(), &PeerChoice::USUAL);
        let mut parts = Vec::new();
        for index in 1..=3 {
            let part = Filter { shard: Some((index, 3)), ..Filter::default() };
            let part = names(&part, &PeerChoice::USUAL);
            for peer in PeerChoice::USUAL {
                let of_peer = part.iter().filter(|(_, _, name)| *name == peer.name()).count();
                assert_eq!(of_peer * PeerChoice::USUAL.len(), part.len(), "{}", peer.name());
            }
            assert!(part.len().abs_diff(whole.len() / 3) <= PeerChoice::USUAL.len());
            parts.extend(part);
        }
        let sorted = |mut names: Vec<_>| {
            names.sort();
            names
        };
        assert_eq!(sorted(parts), sorted(whole));
    }
}
