//! The tags of our images on an engine: what they are made from, and on which base.
//!
//! An image of the same context on another base is another image, so an updated base leads to a new
//! build. Where the base is gone but the images are there (they were loaded, or the base was removed),
//! the newest edge tells which base they are on.

use std::collections::HashMap;

use testcontainers::bollard::{Docker, query_parameters::ListImagesOptionsBuilder};

use super::{
    base::{Base, base_present},
    context::Image,
};
use crate::{Error, Result};

/// The tags of our images on one base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    base: String,
}

impl Tags {
    /// The tags on this base.
    pub(super) fn on(base: &Base) -> Self {
        Self { base: base.short().to_owned() }
    }

    /// The tags on the base that this engine has.
    ///
    /// # Errors
    ///
    /// If the engine does not answer.
    pub async fn of(docker: &Docker) -> Result<Self> {
        if let Some(base) = base_present(docker).await {
            return Ok(Self::on(&base));
        }
        let repository = Image::Edge.repository();
        let filters = HashMap::from([("reference", vec![repository])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let mut edges =
            docker.list_images(Some(options)).await.map_err(Error::docker("listing our images"))?;
        edges.sort_by_key(|image| image.created);
        let tags = edges.iter().flat_map(|image| &image.repo_tags);
        let base = tags.filter_map(|tag| Image::Edge.base_of(tag)).next_back();
        Ok(Self { base: base.unwrap_or("none").to_owned() })
    }

    /// The full tag of an image.
    pub fn tag(&self, image: Image) -> String {
        image.tag_on(&self.base)
    }
}
