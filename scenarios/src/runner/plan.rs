//! Which cases are run against whom.

use super::stage::{Image, Plane, Tested};
use crate::catalogue::Catalogue;
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
                let image = if needs.any(|need| matches!(need, Need::Group2)) {
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
    /// Scenario ids with `*` for any text; all if there is none.
    pub patterns: Vec<String>,
    /// Whether scenarios of the full tier are run as well.
    pub full: bool,
    /// Part I of N, from 1.
    pub shard: Option<(usize, usize)>,
    /// Only these cases, by scenario and name, if any are named.
    pub only: Vec<(String, String)>,
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
    pub(super) tested: Tested,
}

/// The cases that the filter lets through, against each of the peers.
pub fn plan<'a>(
    catalogue: &'a Catalogue,
    filter: &Filter,
    peers: &[PeerChoice],
) -> Vec<Planned<'a>> {
    let mut planned = Vec::new();
    for scenario in catalogue.select(&filter.patterns) {
        if scenario.tier == Tier::Full && !filter.full {
            continue;
        }
        for case in &scenario.cases {
            let name = case.name();
            let wanted = filter.only.is_empty()
                || filter.only.iter().any(|(id, of)| *id == scenario.id && *of == name);
            if !wanted {
                continue;
            }
            for peer in peers {
                let tested = peer.tested(scenario, case);
                let number = planned.len();
                planned.push(Planned { number, scenario, case, peer: *peer, tested });
            }
        }
    }
    if let Some((index, of)) = filter.shard {
        planned.retain(|one| one.number % of == index - 1);
    }
    planned
}
