//! Names and versions of the formats that this package writes, and their JSON schemas.
//!
//! Every file begins with its schema name. The JSON schemas under `schema/` are generated from the
//! types and committed; a test keeps them current (`IKEPROOF_BLESS=1` rewrites them). Within a
//! version only optional fields are added; a change of meaning gets the next number, and readers
//! keep the old one.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    coverage::Coverage,
    model::{Case, Report},
    timeline::CaseTimeline,
};

/// The schema of `report.json`.
pub const REPORT_SCHEMA: &str = "ikeproof.report/1";
/// The schema of `timeline.json`, and the first line of `timeline.txt`.
pub const TIMELINE_SCHEMA: &str = "ikeproof.timeline/1";
/// The schema of `verdict.json`.
pub const VERDICT_SCHEMA: &str = "ikeproof.verdict/1";
/// The schema of `environment.json`.
pub const ENVIRONMENT_SCHEMA: &str = "ikeproof.environment/1";

/// The schema of `coverage.json`.
pub const COVERAGE_SCHEMA: &str = "ikeproof.coverage/1";

/// `verdict.json`: one case, beside its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictFile {
    /// Always [`VERDICT_SCHEMA`].
    pub schema: String,
    /// The id of the run.
    pub run: String,
    /// The case, as in `report.json`.
    pub case: Case,
}

/// `environment.json`: what the run ran on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentFile {
    /// Always [`ENVIRONMENT_SCHEMA`].
    pub schema: String,
    /// The id of the run.
    pub run: String,
    /// The version of ikeproof.
    pub ikeproof_version: String,
    /// The facts, as in `report.json`.
    pub environment: BTreeMap<String, String>,
}

/// The JSON schemas by file name, as they are committed under `schema/`.
pub fn json_schemas() -> Vec<(&'static str, String)> {
    [
        ("report-1.json", schema_for!(Report)),
        ("timeline-1.json", schema_for!(CaseTimeline)),
        ("verdict-1.json", schema_for!(VerdictFile)),
        ("environment-1.json", schema_for!(EnvironmentFile)),
        ("coverage-1.json", schema_for!(Coverage)),
    ]
    .into_iter()
    .map(|(name, schema)| (name, format!("{:#}\n", sorted(schema.to_value()))))
    .collect()
}

/// Keys in order, whichever map another package's features make serde_json use.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<_, _> = map.into_iter().map(|(key, v)| (key, sorted(v))).collect();
            Value::Object(map.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}
