//! Thousands of sessions of IKEv2 over a wire that loses, doubles and reorders, as there are of IKEv1: in the end
//! both ends have the same SAs or none, and nothing is half open.
//!
//! A session is disturbed for half a minute. Every request has its response and is repeated for longer than
//! that, so what both ends have is alike once the wire has been quiet for as long. That an end has given up
//! what was half open the other one finds out by its probes.

use core::time::Duration;

use rstest::rstest;

use crate::config::{Connection, EndpointConfig};
use crate::crypto::suite::Group;
use crate::event::Event;
use crate::io::{Command, IkeHandle};
use crate::middlebox::NatSide;
use crate::policy::ProbeMode;
use crate::testing::session::{Seen, Session, Total};
use crate::testing::{Side, connection, endpoint_config};

/// How long messages are repeated.
const REPEATED: Duration = Duration::from_secs(100);
/// How long it takes at most until a peer that is silent is taken for dead.
const QUIET: Duration = Duration::from_secs(600);

/// What a session does while the wire is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// It comes up.
    Establish,
    /// One end deletes the Child SA.
    DeleteChild(Side),
    /// One end deletes all.
    DeleteIke(Side),
    /// Both ends delete the Child SA at once, so that two exchanges cross.
    DeleteChildBoth,
    /// Both ends delete all at once.
    DeleteIkeBoth,
    /// Both ends begin at the same time.
    Both,
}

/// What the responder wants before it agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// Nothing.
    Nothing,
    /// A cookie.
    Cookie,
    /// The second group of the offer.
    Group,
    /// Both.
    CookieAndGroup,
}

/// A cell of the grid.
#[derive(Clone, Copy, Debug)]
struct Cell {
    wants: Wants,
    nat: bool,
    initiator: Side,
    course: Course,
}

impl Wants {
    fn a_cookie(self) -> bool {
        matches!(self, Self::Cookie | Self::CookieAndGroup)
    }
}

impl Cell {
    /// Other numbers for each cell, so that no two of them meet the same wire.
    fn seed(&self, nth: u64) -> u64 {
        let wants = match self.wants {
            Wants::Nothing => 0,
            Wants::Cookie => 1,
            Wants::Group => 2,
            Wants::CookieAndGroup => 3,
        };
        let course = match self.course {
            Course::Establish => 0,
            Course::DeleteChild(by) => 1 + u64::from(by == self.initiator),
            Course::DeleteIke(by) => 3 + u64::from(by == self.initiator),
            Course::DeleteChildBoth => 5,
            Course::DeleteIkeBoth => 6,
            Course::Both => 7,
        };
        let bits = [self.nat, self.initiator == Side::Initiator];
        let bits =
            bits.into_iter().fold(course << 2 | wants, |seed, bit| seed << 1 | u64::from(bit));
        1 << 62 | bits << 32 | nth
    }
}

fn end() -> EndpointConfig {
    let mut end = endpoint_config();
    let profile = &mut end.profile;
    (profile.timers.dpd_interval, profile.timers.dpd_retries) = (60, 6);
    profile.readings.r23 = ProbeMode::Periodic;
    end
}

fn ends(cell: &Cell) -> [EndpointConfig; 2] {
    [Side::Initiator, Side::Responder].map(|side| {
        let mut end = end();
        let answers = side != cell.initiator || cell.course == Course::Both;
        if answers && cell.wants.a_cookie() {
            end.profile.limits.cookie_threshold = 0;
        }
        if answers && matches!(cell.wants, Wants::Group | Wants::CookieAndGroup) {
            end.profile.ike.groups.accept = vec![Group::Curve25519];
        }
        end
    })
}

fn offer(initiator: Side) -> Box<Connection> {
    let mut offer = connection("aes128-sha256-ecp256-curve25519", "aes128gcm16");
    if initiator == Side::Responder {
        core::mem::swap(&mut offer.local, &mut offer.remote);
        core::mem::swap(&mut offer.ts_local, &mut offer.ts_remote);
    }
    Box::new(offer)
}

/// Runs one session, with the two ends as they are given.
fn run(cell: &Cell, ends: [EndpointConfig; 2], seed: u64) -> (Seen, Result<(), String>) {
    let nat = match cell.initiator {
        Side::Initiator => NatSide::Peer,
        Side::Responder => NatSide::Edge,
    };
    let mut session = Session::new(ends, cell.nat.then_some(nat), seed);
    let begin = |session: &mut Session, side| {
        session.command(side, Command::Initiate(offer(side)));
    };
    let seconds = Duration::from_secs;
    begin(&mut session, cell.initiator);
    if cell.course == Course::Both {
        begin(&mut session, cell.initiator.other());
    }
    session.advance(seconds(15));
    let both = &[Side::Initiator, Side::Responder][..];
    let delete_child = |session: &mut Session, side| {
        for event in session.pair.node(side).events.clone() {
            if let Event::ChildEstablished(up) = event {
                session.command(side, Command::DeleteChild { ike: up.ike, spi: up.spi_in });
            }
        }
    };
    let delete_ike = |session: &mut Session, side| {
        session.command(side, Command::DeleteIke { ike: IkeHandle(1) });
    };
    match cell.course {
        Course::Establish | Course::Both => {}
        Course::DeleteChild(side) => delete_child(&mut session, side),
        Course::DeleteChildBoth => both.iter().for_each(|side| delete_child(&mut session, *side)),
        Course::DeleteIke(side) => delete_ike(&mut session, side),
        Course::DeleteIkeBoth => both.iter().for_each(|side| delete_ike(&mut session, *side)),
    }
    session.advance(seconds(15));
    session.seen.pairs = session.pairs_so_far();
    session.wire.calm(session.pair.now);
    session.advance(REPEATED);
    // An initiator that ends what is half open says so to nobody, and the other end finds out by its probes.
    let alike = match cell.course {
        Course::DeleteIke(_) | Course::DeleteIkeBoth => Ok(()),
        _ => session.other_pairs(),
    };
    session.advance(QUIET);
    let agree = alike.and_then(|()| session.disagreement()).and_then(|()| {
        let nodes = [&session.pair.initiator, &session.pair.responder];
        let accepted = |event: &Event| matches!(event, Event::CookieAccepted { .. });
        let paid = nodes.iter().any(|node| node.events.iter().any(accepted));
        match (session.seen.up, paid == cell.wants.a_cookie()) {
            (true, false) => Err(format!("it came up, and a cookie was accepted: {paid}")),
            _ => Ok(()),
        }
    });
    (session.seen, agree)
}

/// Runs a cell with many seeds; a failure names the seed. Says what was seen in all.
fn sweep(cell: &Cell, seeds: u64) -> Total {
    let mut total = Total::default();
    for seed in 0..seeds {
        let seed = cell.seed(seed);
        let (seen, agree) = run(cell, ends(cell), seed);
        if let Err(why) = agree {
            panic!("{cell:?}, seed {seed}: {why}");
        }
        total.add(&seen);
    }
    println!("{cell:?}: {total:?}");
    let Total { lost, doubled, reordered, disturbed, .. } = total;
    // The control: the wire was bad in most of them, in all three ways.
    assert!(lost > seeds as usize && doubled > 0 && reordered > 0, "{cell:?}: {total:?}");
    assert!(disturbed * 2 >= seeds as usize, "{cell:?}: {total:?}");
    total
}

#[rstest]
fn both_ends_come_up_alike(
    #[values(Wants::Nothing, Wants::Cookie, Wants::Group, Wants::CookieAndGroup)] wants: Wants,
    #[values(false, true)] nat: bool,
    #[values(Side::Initiator, Side::Responder)] initiator: Side,
) {
    let cell = Cell { wants, nat, initiator, course: Course::Establish };
    let total = sweep(&cell, 250);
    assert!(total.up >= 240, "{cell:?}: {total:?}");
}

#[rstest]
fn two_that_begin_at_the_same_time_come_up_alike(
    #[values(Wants::Nothing, Wants::CookieAndGroup)] wants: Wants,
) {
    let cell = Cell { wants, nat: false, initiator: Side::Initiator, course: Course::Both };
    let total = sweep(&cell, 250);
    assert!(total.up >= 240, "{cell:?}: {total:?}");
}

#[rstest]
fn a_deleted_child_sa_ends_alike(
    #[values(false, true)] nat: bool,
    #[values(Side::Initiator, Side::Responder)] initiator: Side,
    #[values(
        Course::DeleteChild(Side::Initiator),
        Course::DeleteChild(Side::Responder),
        Course::DeleteChildBoth
    )]
    course: Course,
) {
    let cell = Cell { wants: Wants::Nothing, nat, initiator, course };
    let total = sweep(&cell, 150);
    // Who has not got to know of the SA in time deletes none; the other end has then.
    assert!(total.up <= 30, "{cell:?}: {total:?}");
}

#[rstest]
fn a_deleted_ike_sa_ends_alike(
    #[values(false, true)] nat: bool,
    #[values(Side::Initiator, Side::Responder)] initiator: Side,
    #[values(
        Course::DeleteIke(Side::Initiator),
        Course::DeleteIke(Side::Responder),
        Course::DeleteIkeBoth
    )]
    course: Course,
) {
    let cell = Cell { wants: Wants::Nothing, nat, initiator, course };
    let total = sweep(&cell, 150);
    assert!(total.up <= 30, "{cell:?}: {total:?}");
}

/// The control of the grid: with rules broken, it fails.
#[rstest]
fn an_end_that_repeats_nothing_is_found(#[values(false, true)] probes: bool) {
    let course = Course::DeleteIke(Side::Initiator);
    let cell = Cell { wants: Wants::Nothing, nat: false, initiator: Side::Initiator, course };
    let (mut deaf, mut other) = (end(), end());
    deaf.timers.retransmit_tries = 0;
    other.profile.timers.dpd = probes;
    let (mut unlike, mut come_up) = (0, 0);
    for nth in 0..60 {
        let ends = [deaf.clone(), other.clone()];
        let (seen, agree) = run(&cell, ends, cell.seed(nth));
        unlike += usize::from(agree.is_err());
        come_up += usize::from(seen.pairs > 0);
    }
    println!("probes {probes}: {unlike} unlike, {come_up} came up");
    // Little comes up where nothing is asked for again. What one end has forgotten the other one keeps, unless
    // it asks.
    assert!(come_up < 30, "{come_up}");
    assert_eq!(unlike > 0, !probes, "{unlike}");
}
