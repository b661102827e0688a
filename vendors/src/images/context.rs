//! What each image is made from, embedded in the binary, and the tag that follows from it.

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// An image of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Image {
    /// The layer the IKE images share: tools, guest kernel, agent.
    Guest,
    /// strongSwan as Debian packages it.
    StrongSwan,
    /// libreswan as Debian packages it.
    Libreswan,
    /// libreswan from source, with group 2 and all algorithms.
    LibreswanSrc,
    /// The NAT router.
    Router,
    /// The holder of the edge's network namespace, and the helper that opens sockets in one.
    Edge,
}

impl Image {
    /// All images, in an order in which each comes after what it is built from.
    pub const ALL: [Self; 6] = [
        Self::Guest,
        Self::StrongSwan,
        Self::Libreswan,
        Self::LibreswanSrc,
        Self::Router,
        Self::Edge,
    ];

    /// The short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::StrongSwan => "strongswan",
            Self::Libreswan => "libreswan",
            Self::LibreswanSrc => "libreswan-src",
            Self::Router => "router",
            Self::Edge => "edge",
        }
    }

    /// The image this one is built from, when that is one of ours.
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::StrongSwan | Self::Libreswan | Self::LibreswanSrc => Some(Self::Guest),
            Self::Guest | Self::Router | Self::Edge => None,
        }
    }

    /// The name without a tag.
    pub(super) fn repository(self) -> String {
        format!("{PREFIX}{}", self.name())
    }

    /// The full tag on this base, with a hash of the context and of the parent's.
    pub(super) fn tag_on(self, base: &str) -> String {
        format!("{}:{}-{base}", self.repository(), self.hash())
    }

    /// The base of a tag, if it is of this image and of this context.
    pub(super) fn base_of(self, tag: &str) -> Option<&str> {
        tag.strip_prefix(&self.tag_on(""))
    }

    /// The files of the build context: (name, contents).
    pub(super) fn files(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Guest => vec![
                ("Dockerfile", include_str!("../../images/guest/Dockerfile")),
                APT_INSTALL,
                FETCH_FROM,
                AGENT,
                ("guest-start", include_str!("../../images/guest/guest-start")),
                ("guest-init", include_str!("../../images/guest/guest-init")),
                ("wakeup.c", include_str!("../../images/guest/wakeup.c")),
                ("xstate.c", include_str!("../../images/guest/xstate.c")),
            ],
            Self::StrongSwan => {
                vec![("Dockerfile", include_str!("../../images/strongswan/Dockerfile"))]
            }
            Self::Libreswan => {
                vec![("Dockerfile", include_str!("../../images/libreswan/Dockerfile"))]
            }
            Self::LibreswanSrc => vec![
                ("Dockerfile", include_str!("../../images/libreswan-src/Dockerfile")),
                APT_INSTALL,
                FETCH_FROM,
            ],
            Self::Router => vec![
                ("Dockerfile", include_str!("../../images/router/Dockerfile")),
                APT_INSTALL,
                AGENT,
            ],
            Self::Edge => vec![
                ("Dockerfile", include_str!("../../images/edge/Dockerfile")),
                APT_INSTALL,
                ("hand-over.c", include_str!("../../images/edge/hand-over.c")),
            ],
        }
    }

    /// The build context as a tar archive.
    pub(super) fn archive(self) -> Result<Vec<u8>> {
        let packing = || Error::io(format!("packing the build context of {}", self.name()));
        let mut archive = tar::Builder::new(Vec::new());
        for (name, contents) in self.files() {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            header.set_mode(0o755);
            header.set_mtime(0);
            archive.append_data(&mut header, name, contents.as_bytes()).map_err(packing())?;
        }
        archive.into_inner().map_err(packing())
    }

    fn hash(self) -> String {
        let mut hash = Sha256::new();
        if let Some(parent) = self.parent() {
            hash.update(parent.hash().as_bytes());
        }
        for (name, contents) in self.files() {
            hash.update((name.len() as u64).to_be_bytes());
            hash.update(name.as_bytes());
            hash.update((contents.len() as u64).to_be_bytes());
            hash.update(contents.as_bytes());
        }
        hash.finalize().iter().take(6).map(|octet| format!("{octet:02x}")).collect()
    }
}

/// What the names of our images begin with.
pub(super) const PREFIX: &str = "ikeproof/";
const APT_INSTALL: (&str, &str) = ("apt-install", include_str!("../../images/guest/apt-install"));
const FETCH_FROM: (&str, &str) = ("fetch-from", include_str!("../../images/guest/fetch-from"));
const AGENT: (&str, &str) = ("agent", include_str!("../../images/guest/agent"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_stable_and_distinct() {
        let mut tags = Image::ALL.map(|image| image.tag_on("abc")).to_vec();
        assert_eq!(tags, Image::ALL.map(|image| image.tag_on("abc")));
        tags.extend(Image::ALL.map(|image| image.tag_on("def")));
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 2 * Image::ALL.len());
    }

    #[test]
    fn a_tag_tells_its_base_unless_it_is_another_image_or_context() {
        let tag = Image::Edge.tag_on("abc");
        assert_eq!(Image::Edge.base_of(&tag), Some("abc"));
        assert_eq!(Image::Router.base_of(&tag), None);
        assert_eq!(Image::Edge.base_of("ikeproof/edge:000000000000-abc"), None);
    }

    #[test]
    fn contexts_hold_every_file_their_dockerfile_copies() {
        for image in Image::ALL {
            let files = image.files();
            let dockerfile = files.iter().find(|(name, _)| *name == "Dockerfile").unwrap().1;
            for line in dockerfile.lines().filter(|line| line.starts_with("COPY ")) {
                let words: Vec<_> = line.split_whitespace().skip(1).collect();
                if words[0].starts_with("--from") {
                    continue;
                }
                for word in &words[..words.len() - 1] {
                    assert!(files.iter().any(|(name, _)| name == word), "{}: {word}", image.name());
                }
            }
        }
    }

    #[test]
    fn no_context_names_a_registry_or_mirror() {
        for image in Image::ALL {
            for (name, contents) in image.files() {
                assert!(!contents.contains("http://"), "{}: {name}", image.name());
                assert!(!contents.contains("https://"), "{}: {name}", image.name());
            }
        }
    }
}
