//! Every rendering of a small report, as snapshots, and what must hold of each of them.

#[path = "fixture/demo.rs"]
mod demo;
#[path = "fixture/small.rs"]
mod small;
#[path = "fixture/talk.rs"]
mod talk;

use ikeproof_reports::{
    Applied, Blame, Case, CaseTimeline, Coverage, HtmlOptions, Report, Subject, TerminalOptions,
    Totals, Verdict, coverage_html, html, junit, summary_md, terminal, timeline_txt,
};
use small::small;

#[test]
fn junit_of_every_verdict() {
    let (report, _) = small();
    let xml = junit(&report).unwrap();
    assert!(!xml.contains("<script>") && !xml.contains('\u{1b}') && !xml.contains('\0'));
    insta::assert_snapshot!(xml);
}

#[test]
fn summary_of_every_verdict() {
    let (report, _) = small();
    let text = summary_md(&report);
    assert!(!text.contains("<script>"));
    for verdict in Verdict::ALL {
        assert!(text.contains(verdict.word()), "{verdict} is missing");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_the_scenario_asked_for_is_nobodys_mistake() {
    let (mut report, _) = small();
    report.cases.retain(|case| case.verdict == Verdict::Pass);
    let told = |report: &_| summary_md(report).contains("with broken requirements");
    assert!(told(&report), "a peer's mistake is told");
    for violation in report.cases.iter_mut().flat_map(|case| &mut case.violations) {
        violation.by = Blame::Scenario;
    }
    assert!(!told(&report));
    let text = terminal(&report, &TerminalOptions { width: 100, colour: false });
    assert!(text.contains("0 broken by peers, 0 by the edge, 1 on purpose"));
}

#[test]
fn summary_stays_small_however_much_failed() {
    let (mut report, _) = small();
    let case = report.cases[1].clone();
    for n in 0..5_000 {
        let mut case = case.clone();
        case.scenario = format!("v2/{n}");
        case.reason = "x".repeat(100_000);
        report.cases.push(case);
    }
    let text = summary_md(&report);
    assert!(text.len() < 300_000, "{} bytes", text.len());
    assert!(text.contains("more, in `index.html`"));
}

#[test]
fn terminal_of_every_verdict() {
    let (report, _) = small();
    let text = terminal(&report, &TerminalOptions { width: 100, colour: false });
    assert!(!text.contains('\u{1b}'), "no escapes unless asked for, none of a peer's ever");
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_inconclusive_for_one_reason_is_told_once() {
    let (mut report, _) = small();
    report.cases.retain(|case| case.verdict == Verdict::Inconclusive);
    let case = report.cases[0].clone();
    for n in 0..60 {
        report.cases.push(Case { scenario: format!("v2/{n}"), ..case.clone() });
    }
    let text = terminal(&report, &TerminalOptions { width: 100, colour: false });
    assert!(text.contains("and 60 cases more for the same reason"), "{text}");
    assert!(!text.contains("more to look at"), "{text}");
    report.cases[5].reason = "another".to_owned();
    let text = terminal(&report, &TerminalOptions { width: 100, colour: false });
    assert!(text.contains("another") && text.contains("and 59 cases more"), "{text}");
}

#[test]
fn terminal_adapts_to_its_width_and_colours_only_if_asked() {
    let (report, _) = demo::demo();
    for width in [20, 40, 60, 80, 100, 160] {
        let text = terminal(&report, &TerminalOptions { width, colour: false });
        let copied = |line: &str| line.starts_with("  again: ") || line.contains("rfc");
        let heading = |line: &str| line.contains(" with ") || line.contains("  ");
        for line in text.lines().take_while(|line| !line.starts_with("interoperability")) {
            let fits = line.chars().count() <= width.max(40);
            assert!(fits || copied(line) || heading(line), "width {width}: {line}");
        }
    }
    let coloured = terminal(&report, &TerminalOptions { width: 100, colour: true });
    assert!(coloured.contains("\u{1b}[1;31m"));
}

#[test]
fn timeline_of_every_fate() {
    let (report, timelines) = small();
    insta::assert_snapshot!(timeline_txt(&report.cases[1], &timelines[1]));
}

#[test]
fn panel_of_a_failed_case() {
    let (report, timelines) = small();
    let page = html(&report, &timelines, &HtmlOptions::default()).unwrap();
    let start = page.find("<article class=\"case fail\"").unwrap();
    let end = start + page[start..].find("</article>").unwrap();
    insta::assert_snapshot!(page[start..end].replace("><", ">\n<"));
}

#[test]
fn matrix_and_header_of_every_verdict() {
    let (report, _) = small();
    let page = html(&report, &[], &HtmlOptions::default()).unwrap();
    let body = page.find("<header class=\"top\"").unwrap();
    let panel = page.find("<div class=\"panel\"").unwrap();
    let (head, matrix) = (&page[body..panel], page.find("<table>").unwrap());
    for verdict in Verdict::ALL {
        assert!(page[matrix..panel].contains(&format!("data-v=\"{verdict}\"")), "{verdict}");
        assert!(page[matrix..panel].contains(&format!("{}</span>", verdict.short())), "{verdict}");
    }
    insta::assert_snapshot!(head.replace("><", ">\n<"));
}

#[test]
fn page_escapes_what_peers_say() {
    let (mut report, timelines) = small();
    let hostile = small::HOSTILE;
    let case = &mut report.cases[0];
    for text in [&mut case.title, &mut case.variant, &mut case.rerun, &mut case.peer.name] {
        hostile.clone_into(text);
    }
    case.artifacts.capture = Some("javascript:alert(1)".to_owned());
    case.scenario = "\" onmouseover=\"alert(1)".to_owned();
    report.run.id = hostile.to_owned();
    let page = html(&report, &timelines, &HtmlOptions::default()).unwrap();
    assert_eq!(page.matches("<script>").count(), 1, "the page's own only");
    assert!(!page.contains("\" onmouseover="), "attributes cannot be left");
    assert!(!page.contains("href=\"javascript:"), "links are relative");
    assert!(!page.contains(['\u{1b}', '\0', '\u{202e}']));
    well_formed(&page);
}

#[test]
fn page_is_one_well_formed_file_without_outside_resources() {
    let (report, timelines) = demo::demo();
    let page = html(&report, &timelines, &HtmlOptions::default()).unwrap();
    well_formed(&page);
    for outside in ["src=", "url(", "@import", "http-equiv=\"refresh", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for link in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || link.starts_with("./") || link == "data:,", "{link}");
    }
    for link in page.split("href=\"#case=").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let id = format!("id=\"case={}\"", link.replace("%5B", "[").replace("%5D", "]"));
        assert!(page.contains(&id), "{link} leads nowhere");
    }
}

/// A catalogue for the small report: judged and held, judged and broken, shown, not met, not covered.
fn catalogue() -> Vec<Subject> {
    let subject = |id: &str, mutant: Option<&str>, scenarios: &[&str]| Subject {
        id: id.to_owned(),
        document: "RFC 7296".to_owned(),
        section: "2.7".to_owned(),
        level: "MUST".to_owned(),
        text: format!("What {id} says {}", small::HOSTILE),
        mutant: mutant.map(str::to_owned),
        scenarios: scenarios.iter().map(|id| (*id).to_owned()).collect(),
        uncovered: None,
    };
    let mut all = vec![
        subject("held", Some("mutant-of-held"), &[]),
        subject("broken", Some("mutant-of-broken"), &[]),
        subject("rfc7296-2.7-one-suite", None, &["v2/pass"]),
        subject("unmet", Some("mutant-of-unmet"), &[]),
        subject("open", None, &[]),
    ];
    all[4].uncovered = Some("Nobody has looked.".to_owned());
    all
}

/// The small report, in which the first case broke one requirement and kept another.
fn judged() -> (Report, Vec<CaseTimeline>) {
    let (mut report, mut timelines) = small();
    let applied = |id: &str, peer| Applied { requirement: id.to_owned(), edge: 1, peer };
    timelines[0].applied = vec![applied("held", 3), applied("broken", 1), applied("unmet", 0)];
    let mut violation = report.cases[0].violations[0].clone();
    violation.requirement = "broken".to_owned();
    violation.by = Blame::Peer;
    report.cases[0].violations.push(violation);
    (report, timelines)
}

#[test]
fn the_coverage_page_says_what_held_what_broke_and_what_nothing_met() {
    let (report, timelines) = judged();
    let coverage = Coverage::of(&report, &timelines, &catalogue());
    let page = coverage_html(&report, &coverage).unwrap();
    let row = |id: &str| {
        let start = page.find(&format!("<tr class=\"subject\" id=\"{id}\"")).unwrap();
        &page[start..start + page[start..].find("</tr>").unwrap()]
    };
    assert!(row("held").contains("judged 3 times in 1 case"), "{}", row("held"));
    assert!(row("held").contains("<code>mutant-of-held</code>"));
    assert!(row("broken").contains("broken in 1 of 1 case"), "{}", row("broken"));
    assert!(row("broken").contains("href=\"./index.html#case=v2/pass/acme\""));
    assert!(row("rfc7296-2.7-one-suite").contains("shown in 1 case"));
    assert!(
        row("unmet").contains("data-status=\"unsupported\"") && !row("unmet").contains("judged")
    );
    assert!(row("open").contains("<b>not covered</b> Nobody has looked."));
    assert!(page.contains("1 broken, 2 held, 1 not exercised, 1 not covered"));
    let own = Coverage::of(&report, &timelines, &[]).totals(false);
    assert_eq!(own, Totals::default());
}

#[test]
fn the_coverage_page_is_one_file_and_escapes_what_peers_say() {
    let (mut report, timelines) = judged();
    report.run.id = small::HOSTILE.to_owned();
    report.cases[0].peer.version = small::HOSTILE.to_owned();
    let coverage = Coverage::of(&report, &timelines, &catalogue());
    let page = coverage_html(&report, &coverage).unwrap();
    well_formed(&page);
    assert_eq!(page.matches("<script>").count(), 1, "the page's own only");
    assert!(!page.contains(['\u{1b}', '\0', '\u{202e}']));
    for outside in ["src=", "url(", "@import", "http-equiv=\"refresh", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for link in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || link.starts_with("./") || link == "data:,", "{link}");
    }
    let (mut empty, _) = small();
    empty.cases.clear();
    empty.run.complete = false;
    let coverage = Coverage::of(&empty, &[], &catalogue());
    well_formed(&coverage_html(&empty, &coverage).unwrap());
}

#[test]
fn the_page_of_the_run_tells_its_coverage() {
    let (report, timelines) = judged();
    let coverage = Coverage::of(&report, &timelines, &catalogue());
    let totals = [coverage.totals(false), coverage.totals(true)];
    let options = HtmlOptions { coverage: Some(totals), ..HtmlOptions::default() };
    let page = html(&report, &timelines, &options).unwrap();
    well_formed(&page);
    let says = "<a href=\"./coverage.html\">Coverage of requirements</a>: 2 of 5 held with real peers, 1 \
                broken, 1 not exercised, 1 not covered";
    assert!(page.contains(says), "{:?}", coverage.totals(false));
    let without = html(&report, &timelines, &HtmlOptions::default()).unwrap();
    assert!(!without.contains("coverage.html"));
}

#[test]
fn fields_beyond_the_budget_are_left_out_and_the_page_says_so() {
    let (report, timelines) = small();
    let page =
        html(&report, &timelines, &HtmlOptions { field_budget: 0, ..HtmlOptions::default() })
            .unwrap();
    assert!(page.contains("Decoded fields are left out here"));
    assert!(!page.contains("class=\"fields\""));
    let whole = html(&report, &timelines, &HtmlOptions::default()).unwrap();
    assert!(!whole.contains("Decoded fields are left out here"));
}

#[test]
fn ladders_beyond_the_budget_are_left_out_and_what_failed_is_served_first() {
    let (report, timelines) = small();
    let rows = timelines[1].items.len();
    let options = HtmlOptions { row_budget: rows, ..HtmlOptions::default() };
    let page = html(&report, &timelines, &options).unwrap();
    assert_eq!(page.matches("The diagram is left out here").count(), 2);
    assert!(page.contains("proposal_refused"), "the failed case keeps its ladder");
    well_formed(&page);
}

#[test]
fn an_empty_and_interrupted_run_renders() {
    let (mut report, _) = small();
    report.cases.clear();
    report.run.complete = false;
    report.run.finished = None;
    let page = html(&report, &[], &HtmlOptions::default()).unwrap();
    assert!(page.contains("This run was interrupted") && page.contains("No case was run."));
    well_formed(&page);
    assert!(summary_md(&report).contains("the run was interrupted"));
    assert!(terminal(&report, &TerminalOptions::default()).contains("no cases"));
    junit(&report).unwrap();
}

#[test]
fn self_checks_are_never_counted_as_interoperability() {
    let (mut report, _) = small();
    report.cases.retain(|case| case.self_check);
    let page = html(&report, &[], &HtmlOptions::default()).unwrap();
    let interop = page.find("Interoperability <small>").unwrap();
    assert!(page[interop..].starts_with(
        "Interoperability <small>with real peers</small></h2>\n      <p class=\"none\">"
    ));
    assert!(terminal(&report, &TerminalOptions::default()).contains("interoperability  no cases"));
    assert!(junit(&report).unwrap().contains("<testsuite name=\"self-check: embedded 1.0\""));
}

/// Every element that is opened is closed in its place, and every attribute is quoted.
fn well_formed(page: &str) {
    const VOID: [&str; 4] = ["meta", "link", "input", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a document type");
    while let Some(at) = rest.find('<') {
        let end = at + tag_end(&rest[at..]);
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of place, before {:.80}", rest);
            continue;
        }
        let name = tag.split_whitespace().next().unwrap_or_default();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "not a tag: {tag}");
        if name == "script" || name == "style" {
            let close = format!("</{name}>");
            rest = &rest[rest.find(&close).expect("an end") + close.len()..];
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// Where a tag ends, quotes respected.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            '<' if at > 0 && !quoted => panic!("a tag inside a tag: {text:.80}"),
            _ => {}
        }
    }
    panic!("a tag without an end: {text:.80}")
}
