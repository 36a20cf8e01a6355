//! Starts the Google Cloud emulator, prints its endpoint, and serves until its standard input closes.
//!
//! ```sh
//! cargo run -p faast-testkit --features emulator-google --example google_emulator [port]
//! ```

use std::io::{self, Read as _, Write as _};

use faast_testkit::emulator_google::GoogleEmulator;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).map(|it| it.parse().map_err(io::Error::other)).transpose()?;
    let google = GoogleEmulator::builder().port(port.unwrap_or(0)).start();
    let mut out = io::stdout();
    writeln!(out, "{}", google.endpoint())?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
