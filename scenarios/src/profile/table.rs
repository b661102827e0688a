//! The parameter tables of an edge's document, cell by cell, and how a scenario shows a cell.

use ikeproof_proto::policy::Ikev1Mode;
use serde::Deserialize;

use crate::scenario::{Ikev1Auth, Version};

/// A parameter table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The heading that it stands under.
    pub heading: String,
    /// The version of IKE that it is about.
    pub version: Version,
    /// Its rows, in the order of the document.
    pub rows: Vec<TableRow>,
}

/// A row of a table: a parameter in either phase.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRow {
    /// The parameter.
    pub component: String,
    /// The fact that states it.
    pub fact: String,
    /// Its values for the IKE SA.
    #[serde(default)]
    pub phase1: Vec<Cell>,
    /// Its values for what the IKE SA negotiates.
    #[serde(default)]
    pub phase2: Vec<Cell>,
}

/// A value in a table, and what shows it: a word of a suite that some case expects to be negotiated, or
/// scenarios by name where no suite has a word for it. Neither leaves the cell open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The value, as the document writes it.
    pub says: String,
    /// A word of the suite of the IKE SA.
    pub ike: Option<String>,
    /// A word of the suite of the Child SA.
    pub child: Option<String>,
    /// The mode of phase 1.
    pub mode: Option<Ikev1Mode>,
    /// How both sides authenticate in phase 1 of IKEv1.
    pub auth: Option<Ikev1Auth>,
    /// Scenarios.
    #[serde(default)]
    pub shown: Vec<String>,
}
