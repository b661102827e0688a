//! Removing the older tags of our images, which nothing is started from any more.
//!
//! Only whoever builds images by hand asks for this. A run never does: on one engine another checkout
//! may be at work, with tags of its own.

use std::collections::{HashMap, HashSet};

use testcontainers::bollard::{
    Docker,
    models::{ContainerSummary, ImageSummary},
    query_parameters::{
        ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
    },
};

use super::{
    build::{Event, Progress},
    context::{Image, PREFIX},
    tags::Tags,
};
use crate::{Error, Result, docker::LABEL};

/// Removes the tags of our images that are not the current ones and that no container uses; the image
/// goes with its last tag. Each is told as an event. Returns how many were removed.
///
/// # Errors
///
/// If the engine does not answer, or refuses a removal for another reason than its use.
pub async fn prune(docker: &Docker, progress: &dyn Progress) -> Result<usize> {
    let tags = Tags::of(docker).await?;
    let current: Vec<_> = Image::ALL.iter().map(|image| tags.tag(*image)).collect();
    prune_named(docker, PREFIX, &current, progress).await
}

async fn prune_named(
    docker: &Docker,
    prefix: &str,
    current: &[String],
    progress: &dyn Progress,
) -> Result<usize> {
    let filters = HashMap::from([("label", vec![format!("{LABEL}=1")])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images =
        docker.list_images(Some(options)).await.map_err(Error::docker("listing our images"))?;
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let containers =
        docker.list_containers(Some(options)).await.map_err(Error::docker("listing containers"))?;
    let mut removed = 0;
    for old in superseded(&images, &containers, prefix, current) {
        let (image, tag) = (old.image.name(), old.tag.as_str());
        if old.used {
            progress.event(Event::InUse { image, tag });
            continue;
        }
        match docker.remove_image(tag, None::<RemoveImageOptions>, None).await {
            Ok(_) => {
                removed += 1;
                progress.event(Event::Removed { image, tag });
            }
            // Somebody else was quicker.
            Err(error) if crate::error::status(&error) == Some(404) => {}
            Err(error) if crate::error::status(&error) == Some(409) => {
                progress.event(Event::InUse { image, tag });
            }
            Err(error) => return Err(Error::docker(format!("removing {tag}"))(error)),
        }
    }
    Ok(removed)
}

/// A tag that is not the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Old {
    image: Image,
    tag: String,
    /// Whether a container uses it, running or not.
    used: bool,
}

fn superseded(
    images: &[ImageSummary],
    containers: &[ContainerSummary],
    prefix: &str,
    current: &[String],
) -> Vec<Old> {
    let used: HashSet<_> = containers
        .iter()
        .flat_map(|container| [container.image_id.as_deref(), container.image.as_deref()])
        .flatten()
        .collect();
    let mut old = Vec::new();
    for summary in images {
        for tag in summary.repo_tags.iter().filter(|tag| !current.contains(tag)) {
            let name = tag.strip_prefix(prefix).and_then(|rest| rest.split_once(':'));
            let image =
                name.and_then(|(name, _)| Image::ALL.into_iter().find(|i| i.name() == name));
            if let Some(image) = image {
                let used = used.contains(summary.id.as_str()) || used.contains(tag.as_str());
                old.push(Old { image, tag: tag.clone(), used });
            }
        }
    }
    old
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use testcontainers::bollard::{
        body_full,
        models::ContainerCreateBody,
        query_parameters::{
            CreateContainerOptions, CreateImageOptionsBuilder, RemoveContainerOptions,
        },
    };

    use super::*;

    fn image(id: &str, tags: &[&str]) -> ImageSummary {
        let repo_tags = tags.iter().map(ToString::to_string).collect();
        ImageSummary { id: id.to_owned(), repo_tags, ..Default::default() }
    }

    #[test]
    fn only_older_tags_of_our_images_are_superseded() {
        let images = [
            image("sha256:1", &["ikeproof/edge:new", "ikeproof/edge:old"]),
            image("sha256:2", &["ikeproof/router:old"]),
            image("sha256:3", &["ikeproof/base:bookworm", "ikeproof/edgeling:old", "edge:old"]),
            image("sha256:4", &["ikeproof/guest:old"]),
        ];
        let by_id =
            ContainerSummary { image_id: Some(String::from("sha256:2")), ..Default::default() };
        let by_tag = ContainerSummary {
            image: Some(String::from("ikeproof/guest:old")),
            ..Default::default()
        };
        let found = superseded(&images, &[by_id, by_tag], PREFIX, &["ikeproof/edge:new".into()]);
        let found: Vec<_> = found.iter().map(|old| (old.tag.as_str(), old.used)).collect();
        assert_eq!(
            found,
            [
                ("ikeproof/edge:old", false),
                ("ikeproof/router:old", true),
                ("ikeproof/guest:old", true)
            ]
        );
    }

    /// Makes an image of nothing, as the base image is made.
    async fn import(docker: &Docker, repo: &str, tag: &str) {
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repo)
            .tag(tag)
            .changes(vec![format!("LABEL {LABEL}=1 made={tag}")])
            .build();
        let archive = tar::Builder::new(Vec::new()).into_inner().unwrap();
        let mut steps = docker.create_image(Some(options), Some(body_full(archive.into())), None);
        while let Some(step) = futures_util::StreamExt::next(&mut steps).await {
            step.unwrap();
        }
    }

    #[tokio::test]
    async fn what_a_container_uses_stays_until_the_container_is_gone() {
        let docker = match crate::docker::connect().await {
            Ok(docker) if docker.ping().await.is_ok() => docker,
            _ => {
                assert!(
                    std::env::var_os("IKEPROOF_REQUIRE_DOCKER").is_none_or(|value| value != "1"),
                    "what_a_container_uses_stays needs a Docker engine"
                );
                return println!("SKIP what_a_container_uses_stays: no Docker engine");
            }
        };
        // A prefix of its own: other tags on this engine are others' business.
        let prefix = format!("ikeproof-test-{}/", crate::run::unique());
        let repo = format!("{prefix}edge");
        for tag in ["now", "idle", "used"] {
            import(&docker, &repo, tag).await;
        }
        let body = ContainerCreateBody {
            image: Some(format!("{repo}:used")),
            cmd: Some(vec![String::from("/nothing")]),
            ..Default::default()
        };
        let created = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap();

        let told = Mutex::new(Vec::new());
        let tell = |event: Event<'_>| told.lock().unwrap().push(event.to_string());
        let current = [format!("{repo}:now")];
        assert_eq!(prune_named(&docker, &prefix, &current, &tell).await.unwrap(), 1);
        docker.remove_container(&created.id, None::<RemoveContainerOptions>).await.unwrap();
        assert_eq!(prune_named(&docker, &prefix, &current, &tell).await.unwrap(), 1);
        docker.inspect_image(&current[0]).await.unwrap();
        assert_eq!(prune_named(&docker, &prefix, &[], &tell).await.unwrap(), 1);

        let mut told = told.into_inner().unwrap();
        // The engine lists images in an order of its own.
        told[..2].sort();
        assert_eq!(
            told,
            [
                format!("image edge: {repo}:idle removed"),
                format!("image edge: {repo}:used stays, a container uses it"),
                format!("image edge: {repo}:used removed"),
                format!("image edge: {repo}:now removed"),
            ]
        );
    }
}
