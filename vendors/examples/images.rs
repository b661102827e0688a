//! Builds the images and shows the progress: `cargo run -p ikeproof-vendors --example images`.

use std::time::Instant;

use ikeproof_vendors::{
    docker,
    images::{self, Event, Image},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let verbose = std::env::args().any(|argument| argument == "-v");
    let show = move |event: Event<'_>| match event {
        Event::Line { image, line } if verbose => println!("{image}: {line}"),
        Event::Line { .. } => {}
        other => println!("{:5.1} s {other:?}", began.elapsed().as_secs_f32()),
    };
    let built = images::ensure(&docker::connect().await?, &Image::ALL, &show).await?;
    println!("{:5.1} s, {} images built", began.elapsed().as_secs_f32(), built.len());
    Ok(())
}
