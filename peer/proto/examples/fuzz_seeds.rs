//! Writes the seeds of the fuzz targets into `peer/fuzz/corpus`, over the files of the same names.
//!
//! `cargo run -p ikeproof-proto --example fuzz_seeds`

use std::fs;
use std::path::Path;

#[path = "../tests/support/seeds.rs"]
mod seeds;

fn main() {
    for (target, seeds) in seeds::all() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).expect("a folder for the corpus");
        for seed in &seeds {
            fs::write(corpus.join(&seed.name), &seed.input).expect("a seed is written");
        }
        println!("{target}: {} seeds", seeds.len());
    }
}
