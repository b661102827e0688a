//! A scenario shows something only if it can fail: whichever expectation is flipped, the run turns red.
//!
//! Cases are taken from the shipped scenarios and run against the embedded peer twice, as they are and
//! with one expectation turned into its opposite. Where the opposite cannot be written, what makes the
//! expectation hold is taken away instead.

use std::time::Duration;

use ikeproof_proto::crypto::suite::{ChildSuite, IkeSuite};
use ikeproof_proto::wire::num::NotifyType;
use ikeproof_reports::model::{Case as Row, Run as RunFacts};
use ikeproof_reports::verdict::{ExitStatus, Verdict};
use ikeproof_scenarios::catalogue::Catalogue;
use ikeproof_scenarios::expected::ExpectedFailures;
use ikeproof_scenarios::runner::{Filter, Observer, PeerChoice, RunOptions, plan, run};
use ikeproof_scenarios::scenario::{
    Action, Case, CheckName, Expect, Known, Notify, OnWire, Policies, Scenario, Span, Step,
    Traffic, Which,
};
use rstest::rstest;
use tokio::sync::watch;

/// How long is waited for what will not come.
const NOT_LONG: Span = Span(Duration::from_secs(1));

struct Quiet;

impl Observer for Quiet {
    fn planned(&self, _: usize) {}
    fn note(&self, _: &str) {}
    fn started(&self, _: &Row) {}
    fn finished(&self, _: &Row) {}
}

/// The scenario, with only its first real case that `pick` takes.
fn scenario(id: &str, pick: impl Fn(&Case) -> bool) -> Scenario {
    let catalogue = Catalogue::builtin().unwrap();
    let mut scenario = catalogue.scenarios.into_iter().find(|it| it.id == id).unwrap();
    let case = scenario.cases.iter().find(|case| case.control.is_none() && pick(case)).cloned();
    scenario.cases = vec![case.unwrap_or_else(|| panic!("{id} has no such case"))];
    scenario
}

/// Runs the one case of a scenario: its verdict, why, and the exit status of the run.
async fn verdict(scenario: Scenario) -> (Verdict, String, ExitStatus) {
    let folder = tempfile::tempdir().unwrap();
    let mut catalogue = Catalogue::builtin().unwrap();
    catalogue.scenarios = vec![scenario];
    let filter = Filter { full: true, ..Filter::default() };
    let planned = plan(&catalogue, &filter, &[PeerChoice::Embedded]);
    let options = RunOptions {
        facts: RunFacts::started("flipped", jiff::Timestamp::UNIX_EPOCH, "0", 7),
        folder: folder.path().to_owned(),
        seed: 7,
        jobs: 1,
        retries: 0,
        repeat: 1,
        fail_fast: false,
        keep: false,
        required: Vec::new(),
        rerun: Vec::new(),
        expected: ExpectedFailures::default(),
        catalogue: Vec::new(),
    };
    let (_stop, stopped) = watch::channel(false);
    let report = run(planned, options, &Quiet, stopped).await.unwrap().report;
    let [case] = report.cases.as_slice() else { panic!("{} cases", report.cases.len()) };
    (case.verdict, case.reason.clone(), report.run.exit_status)
}

/// Turns the first expectation of this kind into its opposite, or takes away what makes it hold. Says
/// whether there was one.
fn flip(case: &mut Case, check: CheckName) -> bool {
    take_away(case, check).unwrap_or_else(|| flip_step(&mut case.steps, check))
}

/// The same for what can only be expected to be so; `None` for all else.
fn take_away(case: &mut Case, check: CheckName) -> Option<bool> {
    let is_expected = |step: &Step| match &step.action {
        Action::Expect(expect) => expect.checks().contains(&check),
        Action::Traffic(traffic) => traffic.checks().contains(&check),
        _ => false,
    };
    let place = case.steps.iter().position(is_expected);
    Some(match check {
        // A peer without its policies sends in clear, and what is too large in fragments. That nothing of
        // it arrives is not what is looked at here, and not waited for.
        CheckName::NoClear | CheckName::NoFragments => {
            case.peers[0].policies = Policies::Removed;
            for step in &mut case.steps {
                if let Action::Traffic(traffic) = &mut step.action {
                    traffic.must_fail = true;
                    if check == CheckName::NoFragments {
                        (traffic.size, traffic.df) = (Some(3000), false);
                        traffic.no_clear = false;
                    }
                }
            }
            place.is_some()
        }
        CheckName::SasMatch => place.is_some_and(|place| {
            let forget = Action::Forget(Which { peer: None });
            let line = case.steps[place].line;
            case.steps.insert(place, Step { line, action: forget });
            true
        }),
        CheckName::Leftover => place.is_some_and(|place| {
            if let Action::Expect(expect) = &mut case.steps[place].action {
                expect.within = Some(NOT_LONG);
            }
            let before = case.steps.len();
            case.steps.retain(|step| !matches!(step.action, Action::Delete(_)));
            case.steps.len() < before
        }),
        _ => return None,
    })
}

fn flip_step(steps: &mut [Step], check: CheckName) -> bool {
    steps.iter_mut().any(|step| match &mut step.action {
        Action::Expect(expect) => {
            let flipped = flip_expect(expect, check);
            if flipped {
                expect.within = Some(NOT_LONG);
            }
            flipped
        }
        Action::Traffic(traffic) => flip_traffic(traffic, check),
        _ => false,
    })
}

fn flip_expect(expect: &mut Expect, check: CheckName) -> bool {
    let other_ike: IkeSuite = "3des-sha1-modp1024".parse().unwrap();
    let other_child: ChildSuite = "3des-md5".parse().unwrap();
    match check {
        CheckName::Established => expect.established.as_mut().is_some_and(|established| {
            match (&mut established.ike, &mut established.child, &mut established.retried) {
                (Some(ike), _, _) => *ike = other_ike,
                (_, Some(child), _) => *child = other_child,
                (_, _, Some(retried)) => retried.clear(),
                _ => established.children = Some(2),
            }
            true
        }),
        CheckName::Refused => expect.refused.as_mut().is_some_and(|refused| {
            let refused = refused.get_mut();
            let other = Some(Notify(NotifyType::INVALID_SYNTAX.into()));
            match (&mut refused.rule, refused.notify, refused.child) {
                (Some(rule), _, _) => "F99".clone_into(rule),
                (_, Some(_), _) => refused.notify = other,
                (_, _, Some(_)) => refused.child = other,
                _ => return false,
            }
            true
        }),
        CheckName::Event => expect.event.as_mut().is_some_and(|event| {
            event.count = Some(event.count.or(event.at_least).unwrap_or(1) + 100);
            true
        }),
        CheckName::Message => expect.message.as_mut().is_some_and(|message| {
            message.count = Some(message.count.or(message.at_least).unwrap_or(1) + 100);
            true
        }),
        CheckName::Finding => expect.finding.as_mut().is_some_and(|finding| {
            "rfc7296-2.5-reply-same-major".clone_into(finding.get_mut());
            true
        }),
        _ => expect.on_wire.as_mut().is_some_and(|wire| flip_wire(wire, check)),
    }
}

fn flip_wire(wire: &mut OnWire, check: CheckName) -> bool {
    let turn = |said: &mut Option<bool>| {
        said.as_mut().is_some_and(|said| {
            *said = !*said;
            true
        })
    };
    match check {
        CheckName::RawEsp => turn(&mut wire.raw_esp),
        CheckName::RawAh => turn(&mut wire.raw_ah),
        CheckName::UdpEncap => turn(&mut wire.udp_encap),
        CheckName::PortsRewritten => turn(&mut wire.ports_rewritten),
        CheckName::StaysOn500 => turn(&mut wire.stays_on_500),
        CheckName::OuterExactly => wire.outer_exactly.as_mut().is_some_and(|size| {
            *size += 1;
            true
        }),
        CheckName::Retransmissions => wire.retransmissions.as_mut().is_some_and(|count| {
            *count += 100;
            true
        }),
        CheckName::Repeated => wire.repeated.as_mut().is_some_and(|count| {
            *count += 100;
            true
        }),
        CheckName::Overtaken => wire.overtaken.as_mut().is_some_and(|count| {
            *count += 100;
            true
        }),
        CheckName::OuterMax => wire.outer_max.as_mut().is_some_and(|size| {
            *size = 100;
            true
        }),
        CheckName::IkeFragments => wire
            .ike_fragments
            .as_mut()
            .is_some_and(|fragments| turn(&mut fragments.peer) || turn(&mut fragments.edge)),
        CheckName::Keepalives => wire.keepalives.as_mut().is_some_and(|count| {
            *count += 100;
            true
        }),
        _ => false,
    }
}

fn flip_traffic(traffic: &mut Traffic, check: CheckName) -> bool {
    let tcp = traffic.tcp.as_mut();
    match check {
        CheckName::Ping if traffic.ping.is_some() => {
            traffic.must_fail = !traffic.must_fail;
            true
        }
        CheckName::Tcp if tcp.is_some() && traffic.ping.is_none() => {
            traffic.must_fail = !traffic.must_fail;
            true
        }
        CheckName::MssAtMost => tcp.and_then(|tcp| tcp.mss_at_most.as_mut()).is_some_and(|mss| {
            *mss -= 1;
            true
        }),
        CheckName::MssExactly => tcp.and_then(|tcp| tcp.mss_exactly.as_mut()).is_some_and(|mss| {
            *mss -= 1;
            true
        }),
        _ => false,
    }
}

#[rstest]
#[case("v2/connect", CheckName::Established)]
#[case("v2/connect", CheckName::Ping)]
#[case("v2/connect", CheckName::SasMatch)]
#[case("v2/connect", CheckName::NoClear)]
#[case("v2/delete", CheckName::Leftover)]
#[case("v2/cookie", CheckName::Established)]
#[case("v2/psk-wrong", CheckName::Refused)]
#[case("edge/unlisted", CheckName::Refused)]
#[case("edge/phase1-matrix", CheckName::Established)]
#[case("edge/phase1-matrix", CheckName::Refused)]
#[case("edge/phase2-matrix", CheckName::Established)]
#[case("edge/identity-matrix", CheckName::Refused)]
#[case("edge/mss", CheckName::MssAtMost)]
#[case("edge/mss", CheckName::Event)]
#[case("edge/mss-off", CheckName::MssExactly)]
#[case("v1/rsa-main", CheckName::Established)]
#[case("v1/rsa-aggressive", CheckName::Established)]
#[case("v2/dead-peer", CheckName::Event)]
#[case("natt/none", CheckName::RawEsp)]
#[case("ah/connect", CheckName::RawAh)]
#[case("natt/router", CheckName::PortsRewritten)]
#[case("natt/router", CheckName::Tcp)]
#[case("natt/keepalives", CheckName::Keepalives)]
#[case("esp/outer-sizes", CheckName::OuterExactly)]
#[case("esp/outer-sizes", CheckName::NoFragments)]
#[case("v2/disturbed", CheckName::Repeated)]
#[case("v2/disturbed", CheckName::Overtaken)]
#[case("v1/fragmentation", CheckName::IkeFragments)]
#[case("v1/fragmentation", CheckName::OuterMax)]
#[case("edge/ikev1/phase1-matrix", CheckName::Established)]
#[case("edge/ikev1/phase1-matrix", CheckName::Refused)]
#[case("edge/ikev1/phase2-matrix", CheckName::Established)]
#[case("robustness/corrupted-response", CheckName::Retransmissions)]
#[case("robustness/reserved-bits", CheckName::Finding)]
#[case("robustness/unknown-critical-request", CheckName::Message)]
#[tokio::test]
async fn a_flipped_expectation_turns_the_run_red(#[case] id: &str, #[case] check: CheckName) {
    let real = scenario(id, |case| flip(&mut case.clone(), check));
    let mut flipped = real.clone();
    assert!(flip(&mut flipped.cases[0], check));

    // Most of their time is waiting, and they share nothing.
    let ((found, why, status), flipped) = tokio::join!(verdict(real), verdict(flipped));
    assert_eq!((found, status), (Verdict::Pass, ExitStatus::Held), "{why}");
    let (found, why, status) = flipped;
    assert_eq!((found, status), (Verdict::Fail, ExitStatus::Failed), "{why}");
    assert!(why.contains(&check.to_string()), "{check} is not among what failed: {why}");
}

/// The cell of a matrix says which outcome a combination has: the outcome of another cell is red. Where
/// all cells of a matrix have the same, it is that of its neighbour.
#[rstest]
#[case("edge/phase1-matrix", "edge/phase1-matrix")]
#[case("edge/long-hash-group", "edge/long-hash-group")]
#[case("edge/identity-matrix", "edge/identity-matrix")]
#[case("edge/ikev1/phase1-matrix", "edge/ikev1/phase1-matrix")]
#[case("edge/ikev1/phase2-matrix", "edge/ikev1/phase2-unlisted")]
#[tokio::test]
async fn a_cell_with_another_outcome_turns_the_run_red(
    #[case] up: &str,
    #[case] refused: &str,
    #[values(true, false)] connects: bool,
) {
    let is_up = |case: &Case| {
        let up =
            |step: &Step| matches!(&step.action, Action::Expect(it) if it.established.is_some());
        case.steps.iter().any(up)
    };
    let (id, other) = if connects { (up, refused) } else { (refused, up) };
    let real = scenario(id, |case| is_up(case) == connects);
    let other = scenario(other, |case| is_up(case) != connects);
    let mut flipped = real.clone();
    flipped.cases[0].steps.clone_from(&other.cases[0].steps);
    for step in &mut flipped.cases[0].steps {
        if let Action::Expect(expect) = &mut step.action {
            expect.within = Some(NOT_LONG);
        }
    }

    let ((found, why, _), flipped) = tokio::join!(verdict(real), verdict(flipped));
    assert_eq!(found, Verdict::Pass, "{why}");
    let (found, why, status) = flipped;
    assert_eq!((found, status), (Verdict::Fail, ExitStatus::Failed), "{why}");
}

const UNKNOWN: &str = "{ name = 'add-payload', exchange = 'INFORMATIONAL', direction = 'request', \
    payload = 200, critical = true, body = 'c0ffee' }";
const CORRUPTED: &str = "{ name = 'flip-wire', exchange = 'INFORMATIONAL', direction = 'request', \
    at = -1, mask = 1 }";

/// What must never happen turns the run red if it does, here by a fault, and not without it.
#[rstest]
#[case::notify("notify = 'UNSUPPORTED_CRITICAL_PAYLOAD'", UNKNOWN)]
#[case::finding("finding = true", CORRUPTED)]
#[case::event("event = 'fault-applied'", UNKNOWN)]
#[tokio::test]
async fn never_sees_what_happens(
    #[case] what: &str,
    #[case] fault: &str,
    #[values(true, false)] happens: bool,
) {
    let faults = if happens { format!("[[step]]\nfault = {fault}\n") } else { String::new() };
    let text = format!(
        "id = 't'\ntitle = 't'\ncovers = ['F01']\n[[step]]\nconnect = {{}}\n{faults}\
         [[step]]\nparallel = [{{ never = {{ {what}, for = '2s' }} }}, \
         {{ initiate = {{ by = 'edge', what = 'liveness' }} }}]\n"
    );
    let scenario = Scenario::parse("t.toml", &text, &Known::builtin().unwrap()).unwrap();
    let wanted = if happens { Verdict::Fail } else { Verdict::Pass };
    let (found, why, _) = verdict(scenario).await;
    assert_eq!(found, wanted, "{why}");
    assert!(!happens || why.contains("never"), "{why}");
}

/// A control passes if exactly the checks fail that it names.
#[rstest]
#[case("v1/rsa-main", "stranger")]
#[case("v1/rsa-main", "main-for-known-addresses")]
#[case("v1/rsa-main", "psk")]
#[case("v1/rsa-aggressive", "stranger")]
#[case("v1/rsa-aggressive", "psk")]
#[tokio::test]
async fn a_control_fails_in_what_it_names(#[case] id: &str, #[case] control: &str) {
    let mut scenario =
        Catalogue::builtin().unwrap().scenarios.into_iter().find(|it| it.id == id).unwrap();
    let named = |case: &Case| case.control.as_ref().is_some_and(|it| it.name == control);
    scenario.cases.retain(named);
    for case in scenario.cases.clone() {
        let (found, why, status) =
            verdict(Scenario { cases: vec![case], ..scenario.clone() }).await;
        assert_eq!((found, status), (Verdict::Pass, ExitStatus::Held), "{why}");
    }
    assert!(!scenario.cases.is_empty(), "{id} has no control {control}");
}
