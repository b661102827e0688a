//! Building images through the engine's API, in parallel where they do not depend on each other.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::try_join_all};
use testcontainers::bollard::{
    Docker, body_full,
    query_parameters::{BuildImageOptionsBuilder, BuilderVersion},
};
use tokio::time::timeout;

use super::{base, context::Image, tags::Tags};
use crate::{Error, Result, docker::LABEL};

/// Something to show while images are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step began.
    Step {
        /// Which image; `base` for the base image.
        image: &'a str,
        /// What.
        text: &'a str,
    },
    /// A line of a tool's output.
    Line {
        /// Which image.
        image: &'a str,
        /// The line.
        line: &'a str,
    },
    /// An image was there already.
    Present {
        /// Which image.
        image: &'a str,
        /// Its full tag.
        tag: &'a str,
    },
    /// An older tag was removed.
    Removed {
        /// Which image.
        image: &'a str,
        /// The tag.
        tag: &'a str,
    },
    /// An older tag stays, because a container uses it.
    InUse {
        /// Which image.
        image: &'a str,
        /// The tag.
        tag: &'a str,
    },
    /// An image was built.
    Built {
        /// Which image.
        image: &'a str,
        /// Its full tag.
        tag: &'a str,
        /// How long it took.
        took: Duration,
    },
}

/// Who is told.
pub trait Progress: Send + Sync {
    /// Takes an event; must not block.
    fn event(&self, event: Event<'_>);
}

impl<F: Fn(Event<'_>) + Send + Sync> Progress for F {
    fn event(&self, event: Event<'_>) {
        self(event);
    }
}

const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// The images of `wanted` that this engine does not have, parents included.
pub async fn missing(docker: &Docker, wanted: &[Image]) -> Result<Vec<Image>> {
    missing_of(docker, wanted, &Tags::of(docker).await?).await
}

async fn missing_of(docker: &Docker, wanted: &[Image], tags: &Tags) -> Result<Vec<Image>> {
    let with_parents: BTreeSet<_> =
        wanted.iter().flat_map(|image| [Some(*image), image.parent()]).flatten().collect();
    let mut missing = Vec::new();
    for image in with_parents {
        let tag = tags.tag(image);
        match docker.inspect_image(&tag).await {
            Ok(_) => {}
            Err(error) if crate::error::status(&error) == Some(404) => missing.push(image),
            Err(error) => {
                return Err(Error::docker(format!("looking for {tag}"))(error));
            }
        }
    }
    Ok(missing)
}

/// Makes sure that `wanted` (and what they are built from) exist; returns what was built.
pub async fn ensure(
    docker: &Docker,
    wanted: &[Image],
    progress: &dyn Progress,
) -> Result<Vec<Image>> {
    let mut tags = Tags::of(docker).await?;
    let mut missing = missing_of(docker, wanted, &tags).await?;
    let mut base = None;
    if !missing.is_empty() {
        // A base that is only made now decides the tags.
        let made = base::ensure(docker, progress).await?;
        tags = Tags::on(&made);
        missing = missing_of(docker, wanted, &tags).await?;
        base = Some(made);
    }
    for image in wanted.iter().filter(|image| !missing.contains(image)) {
        progress.event(Event::Present { image: image.name(), tag: &tags.tag(*image) });
    }
    let Some(base) = base else { return Ok(missing) };
    let builder = Builder { docker, base: base.name, tags: &tags, progress };
    let (parents, children): (Vec<_>, Vec<_>) =
        missing.iter().copied().partition(|image| image.parent().is_none());
    // The compilation needs nothing of the shared layer: its stage is built meanwhile and found in
    // the engine's cache afterwards.
    let ahead = async {
        if children.contains(&Image::LibreswanSrc) {
            builder.build(Image::LibreswanSrc, Some("build")).await
        } else {
            Ok(())
        }
    };
    let first = async {
        let parents = parents.iter().map(|image| builder.build(*image, None));
        try_join_all(parents).await?;
        let quick = children.iter().filter(|image| **image != Image::LibreswanSrc);
        try_join_all(quick.map(|image| builder.build(*image, None))).await
    };
    tokio::try_join!(ahead, first)?;
    if children.contains(&Image::LibreswanSrc) {
        builder.build(Image::LibreswanSrc, None).await?;
    }
    Ok(missing)
}

/// What all builds have in common.
struct Builder<'a> {
    docker: &'a Docker,
    base: &'a str,
    tags: &'a Tags,
    progress: &'a dyn Progress,
}

impl Builder<'_> {
    async fn build(&self, image: Image, stage: Option<&str>) -> Result<()> {
        let Self { docker, base, tags, progress } = self;
        let began = Instant::now();
        let tag = tags.tag(image);
        let step =
            stage.map_or_else(|| format!("building {tag}"), |stage| format!("stage {stage}"));
        progress.event(Event::Step { image: image.name(), text: &step });
        let mut arguments = HashMap::from([("BASE", (*base).to_owned())]);
        if let Some(parent) = image.parent() {
            arguments.insert("GUEST", tags.tag(parent));
        }
        let labels = HashMap::from([(LABEL, "1")]);
        let options = BuildImageOptionsBuilder::new()
            .dockerfile("Dockerfile")
            .buildargs(&arguments)
            .labels(&labels)
            .rm(true)
            .forcerm(true)
            .version(BuilderVersion::BuilderV1);
        let options = match stage {
            Some(stage) => options.target(stage),
            None => options.t(&tag),
        };
        let archive = image.archive()?;
        let mut stream = docker.build_image(options.build(), None, Some(body_full(archive.into())));
        let mut tail = VecDeque::new();
        let follow = async {
            while let Some(step) = stream.next().await {
                let info = step.map_err(|error| error.to_string())?;
                if let Some(line) =
                    info.stream.as_deref().map(str::trim_end).filter(|l| !l.is_empty())
                {
                    progress.event(Event::Line { image: image.name(), line });
                    tail.push_back(line.to_owned());
                    if tail.len() > 20 {
                        tail.pop_front();
                    }
                }
                if let Some(error) = info.error_detail.and_then(|detail| detail.message) {
                    return Err(error);
                }
            }
            Ok(())
        };
        let result = timeout(BUILD_LIMIT, follow).await;
        let why = match result {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(format!("more than {BUILD_LIMIT:?}")),
        };
        if let Some(why) = why {
            return Err(Error::Build { tag, why, tail: Vec::from(tail).join("\n") });
        }
        if stage.is_none() {
            docker
                .inspect_image(&tag)
                .await
                .map_err(Error::docker(format!("looking for {tag}")))?;
            progress.event(Event::Built { image: image.name(), tag: &tag, took: began.elapsed() });
        }
        Ok(())
    }
}

impl std::fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step { image, text } => write!(f, "image {image}: {text}"),
            Self::Line { image, line } => write!(f, "image {image}: {line}"),
            Self::Present { image, tag } => write!(f, "image {image}: {tag} is there"),
            Self::Removed { image, tag } => write!(f, "image {image}: {tag} removed"),
            Self::InUse { image, tag } => {
                write!(f, "image {image}: {tag} stays, a container uses it")
            }
            Self::Built { image, tag, took } => {
                write!(f, "image {image}: {tag} built in {:.0} s", took.as_secs_f64())
            }
        }
    }
}
