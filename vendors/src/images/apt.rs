//! The host's apt sources, as the mirrors a base image is made from.
//!
//! Only archives that carry the wanted Debian release are taken; third-party archives are left out.
//! On a host of another Debian release its own suites are renamed, since the archive carries both.

use std::{fs, path::Path};

/// The host's sources for `release`, in deb822 form; empty when it has none.
pub(super) fn sources(release: &str) -> String {
    let mut entries = Vec::new();
    for path in source_files(Path::new("/etc/apt")) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "sources") {
            entries.extend(deb822(&text));
        } else {
            entries.extend(one_line(&text));
        }
    }
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    select(&entries, release, debian_codename(&os).as_deref())
}

/// One archive: its address, suites and components.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
}

fn source_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = vec![directory.join("sources.list")];
    if let Ok(entries) = fs::read_dir(directory.join("sources.list.d")) {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| {
            path.extension().is_some_and(|extension| extension == "list" || extension == "sources")
        }));
    }
    files.sort();
    files
}

fn select(entries: &[Entry], release: &str, own: Option<&str>) -> String {
    let belongs = |suite: &str, name: &str| {
        suite == name || suite.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '/']))
    };
    let mut text = String::new();
    for entry in entries.iter().filter(|entry| entry.components.iter().any(|name| name == "main")) {
        let mut suites: Vec<_> =
            entry.suites.iter().filter(|suite| belongs(suite, release)).cloned().collect();
        if suites.is_empty()
            && let Some(own) = own
        {
            let of_host = entry.suites.iter().filter(|suite| belongs(suite, own));
            suites = of_host.map(|suite| suite.replacen(own, release, 1)).collect();
        }
        suites.retain(|suite| !suite.contains("backports"));
        if !suites.is_empty() {
            text.push_str(&format!(
                "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n\n",
                entry.uri,
                suites.join(" ")
            ));
        }
    }
    text
}

fn deb822(text: &str) -> Vec<Entry> {
    let uncommented: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    uncommented
        .split(|line| line.trim().is_empty())
        .flat_map(|stanza| {
            let mut fields: Vec<(String, String)> = Vec::new();
            for line in stanza {
                match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
                    (true, Some((_, value)), _) => {
                        value.push(' ');
                        value.push_str(line.trim());
                    }
                    (false, _, Some((name, value))) => {
                        fields.push((name.trim().to_lowercase(), value.trim().to_owned()));
                    }
                    _ => {}
                }
            }
            let words = |name: &str| -> Vec<String> {
                let value = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
                value
                    .map(|value| value.split_whitespace().map(str::to_owned).collect())
                    .unwrap_or_default()
            };
            let enabled = words("enabled").first().is_none_or(|value| value != "no");
            let binary = words("types").iter().any(|kind| kind == "deb");
            let uris = if enabled && binary { words("uris") } else { Vec::new() };
            let (suites, components) = (words("suites"), words("components"));
            uris.into_iter()
                .map(|uri| Entry { uri, suites: suites.clone(), components: components.clone() })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn one_line(text: &str) -> Vec<Entry> {
    text.lines()
        .filter_map(|line| {
            let rest = line.trim().strip_prefix("deb ")?.trim_start();
            let rest = match rest.strip_prefix('[') {
                Some(options) => options.split_once(']')?.1,
                None => rest,
            };
            let mut words = rest.split_whitespace().take_while(|word| !word.starts_with('#'));
            Some(Entry {
                uri: words.next()?.to_owned(),
                suites: vec![words.next()?.to_owned()],
                components: words.map(str::to_owned).collect(),
            })
        })
        .collect()
}

fn debian_codename(os_release: &str) -> Option<String> {
    let field = |name: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
    };
    field("ID").filter(|id| id == "debian").and_then(|_| field("VERSION_CODENAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &str = "Types: deb\n# a comment\nURIs: mirror://a/debian\nSuites: bookworm bookworm-updates\n\
        Components: main contrib\nSigned-By: /x\n\nTypes: deb\nURIs: mirror://b/node\nSuites: nodistro\nComponents: main\n";

    #[test]
    fn only_the_release_is_taken() {
        let text = select(&deb822(MODERN), "bookworm", Some("bookworm"));
        assert_eq!(
            text,
            "Types: deb\nURIs: mirror://a/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
        );
    }

    #[test]
    fn another_debian_release_lends_its_archive() {
        let list = "deb [arch=amd64 signed-by=/x] mirror://a/debian trixie main # ours\n\
            deb mirror://a/security trixie-security main\n# deb mirror://c/x bookworm main\n";
        let text = select(&one_line(list), "bookworm", Some("trixie"));
        assert!(text.contains("URIs: mirror://a/debian\nSuites: bookworm\n"));
        assert!(text.contains("Suites: bookworm-security\n"));
        assert!(!text.contains("mirror://c"));
    }

    #[test]
    fn a_foreign_distribution_gives_nothing() {
        let list = "deb mirror://a/ubuntu noble main universe\n";
        assert_eq!(select(&one_line(list), "bookworm", None), "");
        assert_eq!(debian_codename("ID=ubuntu\nVERSION_CODENAME=noble\n"), None);
    }
}
