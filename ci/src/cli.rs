//! The command line as types. What each option means for whom is in `--help`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use ikeproof_driver::capture::Cidr;

/// Conformance and interop test harness for IPsec VPNs.
#[derive(Debug, Parser)]
#[command(name = "ikeproof", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// More of what goes on, on standard error; twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  ikeproof run                                  the gate tier, against the peers that are here
  ikeproof run 'v2/psk-*' --peer strongswan     some scenarios, one peer
  ikeproof run --require strongswan,libreswan   exit with 3 if a peer cannot be had
  ikeproof serve --profile zscaler --psk fqdn:branch.example.com=@psk.txt --listen 0.0.0.0
  ikeproof explain edge/long-hash-group         what a scenario does, and which rules it covers
  ikeproof replay                               recorded sessions, no peer and no Docker needed
  ikeproof doctor                               what works on this host, and how to get the rest

Exit status: 0 everything required held; 1 a verdict failed; 2 usage or configuration error;
3 infrastructure (inconclusive, a required peer missing); 130 a second Ctrl-C ended a run at once.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios against peers and write a report.
    Run(RunArgs),
    /// List scenarios.
    List(ListArgs),
    /// Explain a scenario or a requirement.
    Explain(ExplainArgs),
    /// Be the edge, for a device on a bench, until interrupted.
    Serve(Box<ServeArgs>),
    /// Replay recorded sessions and compare what comes out.
    Replay(ReplayArgs),
    /// Decode and audit a capture.
    Decode(DecodeArgs),
    /// Compare a run with what it must come to: exact counts for each peer and scenario.
    Gate(GateArgs),
    /// Measure throughput as ratios.
    ///
    /// The ESP data plane and the bare cipher of the same provider take turns. The command fails (1) if
    /// AES-256-GCM at 1400 octets, sealed or opened, has less than 0.80 of the bare cipher's throughput, by the
    /// least times and by the median of the rounds, in a run that is not noisy and was built with --release. From
    /// 0.85 on, which is the goal, it passes. What else is measured is for information and fails nothing.
    Bench(BenchArgs),
    /// Say what works on this host and how to get the rest.
    Doctor,
    /// Peer images.
    Images(ImagesArgs),
}

/// `ikeproof run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenario ids or parts of them, with `*` for any text, or cases as the report names them,
    /// `ID [CASE]`; all of them if there is none.
    pub patterns: Vec<String>,
    /// A peer to run against: embedded, strongswan, libreswan, strongswan-userspace,
    /// strongswan-host or libreswan-host; the first three if none is named. Repeat for several.
    #[arg(long, value_name = "NAME")]
    pub peer: Vec<String>,
    /// Peers that must have been run against; exit with 3 if one could not be, or has no case.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub require: Vec<String>,
    /// How much to run.
    #[arg(long, value_enum, default_value_t = Tier::Gate)]
    pub tier: Tier,
    /// The seed of everything that is random; drawn and printed if absent.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many lanes with containers run at a time, and as many of the embedded peer beside them; four for
    /// each processor if absent.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub jobs: Option<usize>,
    /// Part I of N of the cases, each with all its peers.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Where the run's folder is made.
    #[arg(long, default_value = "ikeproof-out", value_name = "DIR")]
    pub out: PathBuf,
    /// How often a failed case is tried again; one that then holds is flaky, never a pass.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub retries: u32,
    /// How often everything is run.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Only what did not hold in the last run under the same folder, of either tier and with the
    /// peers of then unless some are named.
    #[arg(long)]
    pub last_failed: bool,
    /// Stop at the first case that fails.
    #[arg(long)]
    pub fail_fast: bool,
    /// Leave containers and networks standing at the end, and say how to enter and to remove them. An
    /// interrupted run keeps nothing.
    #[arg(long)]
    pub keep: bool,
    /// The edge profile of every edge that names none: a built-in name or a file.
    #[arg(long, value_name = "P")]
    pub profile: Option<String>,
    /// More scenarios, from this folder.
    #[arg(long, value_name = "DIR")]
    pub scenarios: Vec<PathBuf>,
    /// More failures that are known, of the form of scenarios/expected-fail.toml. Repeat for several.
    #[arg(long, value_name = "FILE")]
    pub expected_fail: Vec<PathBuf>,
}

/// How much to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Minutes: what a merge has to hold.
    Gate,
    /// Everything.
    Full,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not of the form I/N with 1 <= I <= N, such as 1/4");
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let index = index.parse().map_err(|_| wrong())?;
        let of = of.parse().map_err(|_| wrong())?;
        if index == 0 || index > of {
            return Err(wrong());
        }
        Ok(Self { index, of })
    }
}

/// `ikeproof gate`
#[derive(Debug, Args)]
pub struct GateArgs {
    /// A run's folder or its report.json; of a folder with several runs, the newest.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// What a run must come to, such as ci/required.toml.
    #[arg(long, value_name = "FILE")]
    pub required: PathBuf,
    /// Look at these peers only. Repeat for several.
    #[arg(long, value_name = "NAME")]
    pub peer: Vec<String>,
    /// Write what the run came to into the file, in place of what it said of the run's peers. A run
    /// that failed its gate is refused.
    #[arg(long)]
    pub update: bool,
}

/// `ikeproof list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Scenario ids or parts of them, with `*` for any text; all of them if there is none.
    pub patterns: Vec<String>,
    /// As JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// The parameter tables of the edges' documents instead, with the scenarios that show each cell, as
    /// Markdown.
    #[arg(long, conflicts_with_all = ["json", "patterns"])]
    pub tables: bool,
    /// All requirements, facts, readings and patterns instead, with the mutant of the rule that judges
    /// each, the scenarios that show it, or why nothing does, as Markdown.
    #[arg(long, conflicts_with_all = ["json", "patterns", "tables"])]
    pub coverage: bool,
    /// More scenarios, from this folder.
    #[arg(long, value_name = "DIR")]
    pub scenarios: Vec<PathBuf>,
}

/// `ikeproof explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The id of a scenario or of a requirement.
    pub id: String,
    /// More scenarios, from this folder.
    #[arg(long, value_name = "DIR")]
    pub scenarios: Vec<PathBuf>,
}

/// `ikeproof serve`
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeArgs {
    /// The edge profile: a built-in name or a file.
    #[arg(long, default_value = "zscaler", value_name = "NAME|FILE")]
    pub profile: String,
    /// The bundle of readings of the profile's ambiguities.
    #[arg(long, value_name = "NAME")]
    pub bundle: Option<String>,
    /// Who may connect: ID=SECRET, split at the first '='. ID is ip:, fqdn:, email:, keyid: or
    /// bare; SECRET may be @FILE, 0xHEX or 0sBASE64. Repeat for several.
    #[arg(long, required = true, value_name = "ID=SECRET")]
    pub psk: Vec<String>,
    /// A user who logs in by XAUTH: USER=SECRET, with SECRET as in --psk. Repeat for several. This
    /// turns IKEv1 and reading R32 on, and peers of IKEv1 without a login are refused.
    #[arg(long, value_name = "USER=SECRET")]
    pub xauth: Vec<String>,
    /// Addresses that peers of IKEv1 get by mode-config if they ask: FIRST-LAST.
    #[arg(long, value_name = "FIRST-LAST")]
    pub pool: Option<String>,
    /// Speaks IKEv1 as well, even if the profile has it off.
    #[arg(long)]
    pub ikev1: bool,
    /// The address to listen on; 0.0.0.0 or :: for all that this host has; repeat for several.
    #[arg(long, required = true, value_name = "ADDR")]
    pub listen: Vec<IpAddr>,
    /// The UDP port of IKE.
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub port: u16,
    /// The UDP port of IKE and ESP behind NAT.
    #[arg(long, default_value_t = 4500, value_name = "N")]
    pub nat_port: u16,
    /// The identity of the edge; its address if absent.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// How events are printed on standard output.
    #[arg(long, value_enum, default_value_t = EventFormat::Text)]
    pub events: EventFormat,
    /// Write what is sent and received to this file (pcapng).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Write keys for Wireshark into this folder. They decrypt the whole session.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// A network inside the edge, every address of which answers ping; repeat for several.
    #[arg(long, default_value = "10.255.0.0/16", value_name = "CIDR")]
    pub inner: Vec<Cidr>,
    /// Demand a cookie of every initiator.
    #[arg(long)]
    pub cookies: bool,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  ikeproof serve --profile zscaler --psk fqdn:client.example.com=secret --listen 192.0.2.1
  ikeproof serve --psk ip:198.51.100.7=@psk.txt --listen 0.0.0.0 --events json --pcap bench.pcapng
  ikeproof serve --psk email:branch@example.com=0x0123abcd --listen 127.0.0.1 --port 5500 --nat-port 5501
  ikeproof serve --psk fqdn:client.example.com=secret --ikev1 --listen 192.0.2.1
  ikeproof serve --psk fqdn:client.example.com=secret --xauth alice=@alice.txt --listen 192.0.2.1

Ports under 1024 and raw ESP need root or CAP_NET_BIND_SERVICE and CAP_NET_RAW. Without raw ESP only
clients behind a NAT, or with forced UDP encapsulation, can send traffic.
SIGINT and SIGTERM delete all SAs and end with exit status 0.";

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventFormat {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
}

/// `ikeproof replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Transcripts, or folders of them; scenarios/transcripts if there is none.
    pub paths: Vec<PathBuf>,
    /// Write the new outputs into the files, and print what changed.
    #[arg(long)]
    pub bless: bool,
}

/// `ikeproof decode`
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// A pcap or pcapng file, or a transcript; with --against-tshark also the folder of a run.
    pub file: PathBuf,
    /// A folder with key tables, as a run leaves them beside its captures.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Compare what is decoded with what tshark decodes, field by field, and print what differs: of
    /// the file, or of every capture of a run. Exit with 1 if anything differs.
    #[arg(long)]
    pub against_tshark: bool,
    /// The address of the side that is judged as the edge; whoever answers first, if there is none.
    #[arg(long, value_name = "ADDR")]
    pub edge: Vec<IpAddr>,
    /// A UDP port of IKE in the capture; repeat for several.
    #[arg(long, default_value = "500", value_name = "N")]
    pub port: Vec<u16>,
    /// A UDP port of IKE and ESP behind NAT in the capture; repeat for several.
    #[arg(long, default_value = "4500", value_name = "N")]
    pub nat_port: Vec<u16>,
}

/// `ikeproof bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Which benchmarks; all if there is none: esp.
    pub names: Vec<String>,
    /// Rounds of each contestant.
    #[arg(long, default_value_t = 15, value_name = "N")]
    pub rounds: u32,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `ikeproof images`
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ImagesCommand,
}

/// What to do with peer images.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ImagesCommand {
    /// Build those that are missing or out of date.
    Build,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use ikeproof_scenarios::runner::PeerChoice;

    use super::*;
    use crate::library;
    use crate::run::planned;

    /// The command lines among the lines of examples; what follows two spaces says what they do.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
        let commands = lines.map(|line| line.split("  ").next().unwrap_or_default());
        let words = |command: &str| -> Vec<String> {
            command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
        };
        commands.filter(|command| command.starts_with("ikeproof ")).map(words).collect()
    }

    #[test]
    fn every_example_of_the_help_means_something() {
        let catalogue = library::load(&[]).unwrap();
        let command = Cli::command();
        let helps = std::iter::once(&command).chain(command.get_subcommands());
        let helps: Vec<_> =
            helps.filter_map(|it| it.get_after_help()).map(ToString::to_string).collect();
        let examples: Vec<_> = helps.iter().flat_map(|help| examples(help)).collect();
        assert!(helps.len() >= 2 && examples.len() > 10, "{examples:?}");
        for words in examples {
            match Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{error}")).command {
                Command::Run(args) => {
                    let peers = PeerChoice::USUAL;
                    assert!(!planned(&catalogue, &args, &peers).unwrap().is_empty(), "{words:?}");
                }
                Command::Explain(args) => {
                    assert!(catalogue.explain(&args.id).is_some(), "{words:?}");
                }
                Command::List(args) => {
                    assert!(!catalogue.list(&args.patterns).is_empty(), "{words:?}");
                }
                _ => {}
            }
        }
    }
}
