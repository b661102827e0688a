use rstest::rstest;

use super::*;
use crate::format::FileErrors;

mod decided;

/// `[[step]]` and the like around a body, with the rest of a minimal file.
fn file(body: &str) -> String {
    format!("id = \"t\"\ntitle = \"t\"\ncovers = [\"F01\"]\n{body}")
}

fn parse(body: &str) -> Result<Scenario, FileErrors> {
    let known = Known { facts: vec!["F01".to_owned()], ..Known::default() };
    Scenario::parse("t.toml", &file(body), &known)
}

#[test]
fn the_shipped_scenarios_are_valid() {
    let known = Known::builtin().unwrap();
    if let Err(errors) = builtin(&known) {
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", texts.join("\n"));
    }
}

#[rstest]
#[case::no_expectation("[[step]]\ninitiate = {}", "expects nothing")]
#[case::no_step("", "expects nothing")]
#[case::empty_expectation("[[step]]\nexpect = {}", "t.toml:4:1: this expects nothing")]
#[case::empty_traffic("[[step]]\ntraffic = { df = true }", "traffic needs ping or tcp")]
#[case::empty_never("[[step]]\nnever = { for = \"5s\" }", "must not happen")]
#[case::word("[[step]]\nconect = {}", "t.toml:5:1: unknown word `conect`; did you mean `connect`?")]
#[case::key(
    "[[step]]\nexpect = { estabished = {} }",
    "t.toml:5:12: unknown key `estabished`; did you mean `established`?"
)]
#[case::algorithm(
    "[[step]]\nconnect = { ike = \"aes256-sha265-modp2048\" }",
    "did you mean `sha256`?"
)]
#[case::offer("[[peer]]\nike = \"aes256-sha256-modp204\"\n[[step]]\nconnect = {}", "modp2048")]
#[case::notify(
    "[[step]]\nexpect = { refused = { notify = \"NO_PROPOSAL_CHOOSEN\" } }",
    "did you mean `NO_PROPOSAL_CHOSEN`?"
)]
#[case::two_ways(
    "[[step]]\nexpect = { refused = { silence = true, delete = true } }",
    "a refusal is one of"
)]
#[case::two_edges(
    "[[edge]]\n[[edge]]\nname = \"b\"\n[[step]]\nconnect = {}",
    "t.toml:6:8: only one edge takes part"
)]
#[case::mode_of_ikev2("[[peer]]\nmode = \"main\"\n[[step]]\nconnect = {}", "only IKEv1 has modes")]
#[case::nets_of_ikev2(
    "[[peer]]\nnets = 2\n[[step]]\nconnect = {}",
    "t.toml:5:8: only IKEv1 gets more"
)]
#[case::too_many_nets(
    "[[peer]]\nversion = 1\nnets = 65\n[[step]]\nconnect = {}",
    "t.toml:6:8: a peer has 1 to 64 networks"
)]
#[case::nets_with_selectors(
    "[[peer]]\nversion = 1\nnets = 2\nts = { local = \"10.7.0.0/16\" }\n[[step]]\nconnect = {}",
    "leave ts.local out"
)]
#[case::net_that_is_not_there(
    "[[peer]]\nversion = 1\nnets = 2\n[[step]]\nconnect = { net = \"1-3\" }",
    "t.toml:8:19: peer `a` has no network 3 behind it: nets = 2"
)]
#[case::no_net("[[step]]\nconnect = { net = 0 }", "names no networks")]
#[case::kept_without_a_refused_child(
    "[[step]]\nexpect = { refused = { notify = \"NO_PROPOSAL_CHOSEN\", children = 1 } }",
    "children goes with child"
)]
#[case::volume_of_ikev2(
    "[[peer]]\nlife = { child_bytes = \"1MiB\" }\n[[step]]\nconnect = {}",
    "t.toml:5:8: IKEv2 negotiates no lifetime"
)]
#[case::fragments_of_ikev2(
    "[[peer]]\nfragmentation = \"force\"\n[[step]]\nconnect = {}",
    "t.toml:5:17: these fragments are IKEv1's"
)]
#[case::nothing_to_remap(
    "[[peer]]\nnat = \"router\"\n[[step]]\nconnect = {}\n[[step]]\nremap = {}",
    "only a NAT of our own can be remapped"
)]
#[case::payload_word(
    "[[peer]]\nversion = 1\n[[step]]\nexpect = { message = { exchange = \"AGGRESSIVE\", payload = \"HAHS\" } }",
    "did you mean `HASH`?"
)]
#[case::fragments_word(
    "[[peer]]\nversion = 1\nfragmentation = \"forced\"\n[[step]]\nconnect = {}",
    "did you mean `force`?"
)]
#[case::nobodys_fragments(
    "[[step]]\nexpect = { on_wire = { ike_fragments = {} } }",
    "t.toml:4:1: ike_fragments says who sends them or not"
)]
#[case::mode_config_of_ikev2(
    "[[peer]]\nmode_config = \"pull\"\n[[step]]\nconnect = {}",
    "mode_config belongs to IKEv1"
)]
#[case::mode_config_word(
    "[[peer]]\nversion = 1\nmode_config = \"pul\"\n[[step]]\nconnect = {}",
    "did you mean `pull`?"
)]
#[case::pool(
    "[[edge]]\npool = { first = \"10.7.0.1\", lst = \"10.7.0.9\" }\n[[step]]\nconnect = {}",
    "did you mean `last`?"
)]
#[case::probing_peer(
    "[[step]]\nconnect = {}\n[[step]]\ninitiate = { what = \"liveness\" }",
    "only the edge is told to probe"
)]
#[case::sas_match(
    "[[step]]\nexpect = { sas_match = false }",
    "t.toml:4:1: sas_match can only be true"
)]
#[case::no_fragments(
    "[[step]]\nexpect = { on_wire = { no_fragments = false } }",
    "t.toml:4:1: no_fragments can only be true"
)]
#[case::silence_with_a_rule(
    "[[step]]\nexpect = { refused = { silence = true, rule = \"F13\" } }",
    "rule and by do not go with silence or delete"
)]
#[case::event_of_a_peer(
    "[[step]]\nexpect = { peer = \"a\", event = { name = \"ike-established\" } }",
    "event, message and finding are about everybody"
)]
#[case::too_many_combinations(
    "[matrix.axis]\na = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]\n\
     b = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]\n\
     c = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]\n\
     [[matrix.cell]]\noutcome = \"o\"\n[[matrix.outcome.o]]\nconnect = {}",
    "729 combinations, at most 512 are allowed"
)]
#[case::pool_of_a_peer_of_ikev2(
    "[[peer]]\npool = { first = \"10.8.0.1\", last = \"10.8.0.9\" }\n[[step]]\nconnect = {}",
    "a pool belongs to IKEv1"
)]
#[case::no_way("[[step]]\nexpect = { refused = { rule = \"F13\" } }", "a refusal is one of")]
#[case::peer(
    "[[step]]\nconnect = { peer = \"c\" }",
    "t.toml:5:20: unknown peer `c`; did you mean `a`?"
)]
#[case::two_peers("[[peer]]\n[[peer]]\n[[step]]\nconnect = {}", "two peers are called `a`")]
#[case::profile(
    "[[edge]]\nprofile = \"zscalar\"\n[[step]]\nconnect = {}",
    "did you mean `zscaler`?"
)]
#[case::bundle(
    "[[edge]]\nbundle = \"zs-tabel\"\n[[step]]\nconnect = {}",
    "did you mean `zs-table`?"
)]
#[case::reading(
    "[[edge]]\nreadings = { R44 = \"literal\" }\n[[step]]\nconnect = {}",
    "unknown reading `R44`"
)]
#[case::value(
    "[[edge]]\nreadings = { R04 = \"literaly\" }\n[[step]]\nconnect = {}",
    "did you mean `literal`?"
)]
#[case::value_of_r24(
    "[[edge]]\nreadings = { R24 = \"overlaps\" }\n[[step]]\nconnect = {}",
    "did you mean `overlap`?"
)]
#[case::needs("needs = [\"raw-epa\"]\n[[step]]\nconnect = {}", "did you mean `raw-esp`?")]
#[case::time("[[step]]\nconnect = { within = \"5\" }", "no amount of time")]
#[case::life_of_an_edge(
    "[[edge]]\nlife = { child = \"0s\" }\n[[step]]\nconnect = {}",
    "t.toml:5:18: no SA lives for `0s`; write 1s or more"
)]
#[case::life_of_a_peer(
    "[[peer]]\nversion = 1\nlife = { ike = \"999ms\" }\n[[step]]\nconnect = {}",
    "t.toml:6:16: no SA lives for `999ms`; write 1s or more"
)]
#[case::subnet(
    "[[peer]]\ninner = \"10.0.0.0/33\"\n[[step]]\nconnect = {}",
    "t.toml:5:9: `10.0.0.0/33` is no subnet"
)]
#[case::directions("directions = []\n[[step]]\nconnect = {}", "directions are")]
#[case::two_words("[[step]]\nconnect = {}\ndelete = {}", "t.toml:")]
#[case::control_check(
    "[[step]]\nconnect = {}\n[[control]]\nname = \"x\"\nfails = \"keepalives\"\npeer = { nat = \"none\" }",
    "unknown check of this scenario `keepalives`"
)]
#[case::control_change(
    "[[step]]\nconnect = {}\n[[control]]\nname = \"x\"\nfails = \"ping\"",
    "a control changes"
)]
#[case::control_skip(
    "[[step]]\nconnect = {}\n[[control]]\nname = \"x\"\nfails = \"ping\"\nskip = [\"conect\"]",
    "did you mean `connect`?"
)]
#[case::syntax("[[step]\nconnect = {}", "t.toml:4:")]
fn what_is_wrong_is_named_with_its_place(#[case] body: &str, #[case] expected: &str) {
    let error = parse(body).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn all_errors_of_a_file_are_found_at_once() {
    let body = "[[peer]]\nnatt = \"none\"\n[[step]]\nconect = {}\n[[step]]\nexpect = { leftovers = \"none\" }\n";
    let text = format!("titel = \"t\"\n{}", file(body).replacen("F01", "F10", 1));
    let known = Known { facts: vec!["F01".to_owned()], ..Known::default() };
    let error = Scenario::parse("u.toml", &text, &known).unwrap_err();
    let found: Vec<_> =
        error.problems().map(|(line, _, it)| (line, it.nearest.as_deref())).collect();
    for expected in
        [(1, Some("title")), (6, Some("nat")), (8, Some("connect")), (10, Some("leftover"))]
    {
        assert!(found.contains(&expected), "{expected:?} in {error}");
    }
}

#[test]
fn ids_are_unique_and_name_their_file() {
    let known = Known { facts: vec!["F01".to_owned()], ..Known::default() };
    let text = file("[[step]]\nconnect = {}");
    let errors = load_files(&[("t.toml", &text), ("u.toml", &text)], &known).unwrap_err();
    let error = errors[0].to_string();
    assert!(error.contains("the id of this file is `u`"), "{error}");
    assert!(error.contains("is that of t.toml, too"), "{error}");
}

const MATRIX: &str = "[[peer]]\nesp = \"{esp}\"\n[matrix.axis]\nesp = [\"aes128gcm16\", \"null-md5\"]\n\
    nat = [\"none\", \"router\"]\n[[matrix.outcome.up]]\nconnect = { child = \"{esp}\" }\n";

#[rstest]
#[case::unmatched(
    "[[matrix.cell]]\nwhen = { esp = \"null-md5\" }\noutcome = \"up\"",
    "no cell says what happens with esp=aes128gcm16,nat=none"
)]
#[case::twice(
    "[[matrix.cell]]\noutcome = \"up\"\n[[matrix.cell]]\nwhen = { nat = \"none\" }\noutcome = \"up\"",
    "another cell already says what happens with esp=aes128gcm16,nat=none"
)]
#[case::value(
    "[[matrix.cell]]\nwhen = { nat = \"rooter\" }\noutcome = \"up\"",
    "did you mean `router`?"
)]
#[case::axis(
    "[[matrix.cell]]\nwhen = { natt = \"none\" }\noutcome = \"up\"",
    "did you mean `nat`?"
)]
#[case::outcome("[[matrix.cell]]\noutcome = \"pu\"", "did you mean `up`?")]
#[case::placeholder(
    "[[matrix.cell]]\noutcome = \"up\"\n[[control]]\nname = \"c\"\nfails = \"ping\"\npeer = { psk = \"{naat}\" }",
    "did you mean `nat`?"
)]
#[case::steps(
    "[[step]]\nconnect = {}\n[[matrix.cell]]\noutcome = \"up\"",
    "[[matrix.outcome.NAME]]"
)]
fn matrices_are_complete_and_unambiguous(#[case] cells: &str, #[case] expected: &str) {
    let error = parse(&format!("{MATRIX}{cells}")).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_file_is_spelt_out_into_cases() {
    let body = format!(
        "directions = [\"peer\", \"edge\"]\n{MATRIX}[[matrix.cell]]\noutcome = \"up\"\n\
         [[control]]\nname = \"bare\"\nfails = [\"ping\", \"no_clear\"]\nwhen = {{ nat = \"none\" }}\n\
         peer = {{ policies = \"removed\" }}\n"
    );
    let scenario = parse(&body).unwrap();
    let names: Vec<_> = scenario.cases.iter().map(Case::name).collect();
    assert_eq!(names.len(), 2 * 2 * 2 + 2);
    assert_eq!(names[0], "esp=aes128gcm16,nat=none/peer");
    assert_eq!(names[9], "esp=null-md5,nat=none/peer#bare");
    let case = &scenario.cases[9];
    assert_eq!(case.peers[0].policies, Policies::Removed);
    assert_eq!(case.peers[0].esp[0].to_string(), "null-md5");
    assert!(!matches!(case.steps.last().unwrap().action, Action::Delete(_)));
    let real: Vec<_> = scenario.cases[0].steps.iter().map(|step| step.line).collect();
    assert_eq!(real.len(), 4 + 2, "connect is four steps, the end is two: {real:?}");
    assert_eq!(real[4..], [0, 0]);
}

#[test]
fn an_edge_is_resolved_into_a_policy() {
    let body = "[[edge]]\nbundle = \"zs-lenient\"\nreadings = { R06 = \"strict\" }\nmss = \"off\"\n\
        mtu = 1436\ncookie = \"always\"\norder = \"own\"\nts = { remote = \"10.7.0.0/24\" }\n\
        [[step]]\nconnect = {}";
    let scenario = parse(body).unwrap();
    let policy = scenario.cases[0].edges[0].policy().unwrap();
    assert_eq!(policy.readings.value("R06"), Some("strict"));
    assert_eq!(policy.readings.value("R04"), Some("at-least-14"));
    let forwarding = policy.forwarding;
    assert_eq!((forwarding.mtu, forwarding.mss, forwarding.mss_v6), (Some(1436), None, None));
    assert_eq!(policy.limits.cookie_threshold, 0);
    assert_eq!((policy.ts.remote.len(), policy.ts.local.len()), (1, 2));
}

#[test]
fn networks_come_up_one_after_the_other_and_are_used_together() {
    let nets = "[[peer]]\nversion = 1\nnets = 3\n";
    let scenario = parse(&format!("{nets}[[step]]\nconnect = {{ net = \"1-3\" }}")).unwrap();
    let steps = &scenario.cases[0].steps;
    let begun = steps.iter().filter_map(|step| match &step.action {
        Action::Initiate(it) => it.net.as_ref().map(|net| net.get_ref().last),
        _ => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), [1, 2, 3]);
    let up = steps.iter().filter_map(|step| match &step.action {
        Action::Expect(it) => it.established.as_ref().and_then(|it| it.children),
        _ => None,
    });
    assert_eq!(up.collect::<Vec<_>>(), [1, 2, 3]);
    let used = steps.iter().find_map(|step| match &step.action {
        Action::Traffic(it) => it.net.as_ref().map(|net| *net.get_ref()),
        _ => None,
    });
    assert_eq!(used, Some(Nets { first: 1, last: 3 }));
}
