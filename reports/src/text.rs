//! Strings from outside made fit for a renderer, and numbers made fit for people.
//!
//! Reasons, log lines and decoded values come from peers and may hold anything: terminal escapes,
//! direction overrides, line breaks, markup. Every renderer passes them through [`visible`] or
//! [`one_line`] first and then through the escaping of its own format.

use std::fmt::Write as _;

/// Shows control characters and direction overrides as escapes; keeps line breaks and tabs.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {}
            c if c.is_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c if overrides_direction(c) || is_noncharacter(c) => {
                _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// [`visible`], with every run of white space made one space.
pub fn one_line(text: &str) -> String {
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `width` characters, the last one an ellipsis if something was cut.
pub fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        out.push('…');
    }
    out
}

/// Breaks a line at spaces so that no line is longer than `width`, where words allow.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A time since the start of a case: `0.012`, `75.000`, `7:50:00.012`.
pub fn clock(us: u64) -> String {
    let (s, ms) = (us / 1_000_000, us / 1_000 % 1_000);
    match s {
        0..100 => format!("{s}.{ms:03}"),
        100..3600 => format!("{}:{:02}.{ms:03}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60),
    }
}

/// A length of time in its two largest units: `12 ms`, `1.2 s`, `7 h 50 min`.
pub fn span_us(us: u64) -> String {
    let (ms, s) = (us / 1_000, us / 1_000_000);
    let pair = |large: u64, a: &str, small: u64, b: &str| match small {
        0 => format!("{large} {a}"),
        small => format!("{large} {a} {small} {b}"),
    };
    match s {
        0 if ms == 0 => format!("{us} µs"),
        0 => format!("{ms} ms"),
        1..60 if ms % 1_000 < 100 => format!("{s} s"),
        1..60 => format!("{s}.{} s", ms % 1_000 / 100),
        60..3600 => pair(s / 60, "min", s % 60, "s"),
        3600..86_400 => pair(s / 3600, "h", s / 60 % 60, "min"),
        _ => pair(s / 86_400, "d", s / 3600 % 24, "h"),
    }
}

/// `1 case`, `2 cases`.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A string as one component of a path: safe everywhere, distinct for distinct strings.
pub fn slug(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._+=@,-".contains(c);
    let mut out: String =
        text.chars().map(|c| if safe(c) { c } else { '_' }).take(MAX_COMPONENT).collect();
    if out != text || matches!(text, "" | "." | "..") {
        _ = write!(out, "-{:08x}", fnv(text));
    }
    out
}

/// A path inside the report's folder as the target of a link: relative whatever it holds.
pub fn href(path: &str) -> String {
    let mut out = String::from("./");
    for part in path.split('/').filter(|part| !matches!(*part, "" | "." | "..")) {
        if !out.ends_with('/') {
            out.push('/');
        }
        out.push_str(&percent(part));
    }
    out
}

/// Percent-encodes everything that is not safe in a component of a URL.
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-~@=+,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// One line with Markdown's own characters escaped, good inside a table too.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// One line as Markdown code, fenced by more backticks than it holds.
pub fn markdown_code(text: &str) -> String {
    let text = one_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest > 0 { format!("{fence} {text} {fence}") } else { format!("{fence}{text}{fence}") }
}

/// Words as a line for a shell, each quoted where it has to be.
pub fn shell_line(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    let quoted = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            return word.clone();
        }
        format!("'{}'", word.replace('\'', "'\\''"))
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

fn is_noncharacter(c: char) -> bool {
    u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Longest name that is left as it is; file systems allow 255 bytes.
const MAX_COMPONENT: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_shown() {
        assert_eq!(visible("a\x1b[31mb\u{202e}c\0\r\n\td"), "a\\x1b[31mb\\u{202e}c\\x00\n\td");
        assert_eq!(one_line("  a\n\tb  "), "a b");
    }

    #[test]
    fn times_are_short_and_exact() {
        assert_eq!(
            [clock(0), clock(12_345), clock(75_000_000), clock(28_200_012_000)],
            ["0.000", "0.012", "75.000", "7:50:00.012"]
        );
        assert_eq!(
            [span_us(12), span_us(12_000), span_us(1_250_000), span_us(28_200_000_000)],
            ["12 µs", "12 ms", "1.2 s", "7 h 50 min"]
        );
    }

    #[test]
    fn slugs_are_safe_and_distinct() {
        assert_eq!(slug("ike=aes128-sha1,esp=null"), "ike=aes128-sha1,esp=null");
        assert_ne!(slug("a/b"), slug("a:b"));
        assert!(!slug("../../etc").contains('/'));
        assert_ne!(slug(".."), "..");
        assert_ne!(slug(&"x".repeat(300)), slug(&"x".repeat(301)));
    }

    #[test]
    fn links_stay_inside_the_folder() {
        assert_eq!(href("cases/a b/../c#d.txt"), "./cases/a%20b/c%23d.txt");
        assert_eq!(href("javascript:alert(1)"), "./javascript%3Aalert%281%29");
        assert_eq!(href("//evil/x"), "./evil/x");
    }

    #[test]
    fn markdown_cannot_be_broken_out_of() {
        assert_eq!(markdown("a|b\n<script>`*"), "a\\|b &lt;script&gt;\\`\\*");
        assert_eq!(markdown_code("x `y` ``"), "``` x `y` `` ```");
    }

    #[test]
    fn a_shell_takes_every_word_as_it_is() {
        let words = ["run", "a [b]", "it's", "", "x/y=1", "edge/*"].map(str::to_owned);
        assert_eq!(shell_line(&words), r"run 'a [b]' 'it'\''s' '' x/y=1 'edge/*'");
    }

    #[test]
    fn lines_are_wrapped_and_cut() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(ellipsis("abcdef", 4), "abc…");
        assert_eq!(ellipsis("abcd", 4), "abcd");
    }
}
