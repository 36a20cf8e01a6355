//! Starts the AWS emulator, prints its endpoint, and serves until its standard input closes.
//!
//! ```sh
//! cargo run -p faast-testkit --features emulator-aws --example aws_emulator [port]
//! ```

use std::io::{self, Read as _, Write as _};

use faast_testkit::emulator_aws::AwsEmulator;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).map(|it| it.parse().map_err(io::Error::other)).transpose()?;
    let aws = AwsEmulator::builder().port(port.unwrap_or(0)).start();
    let mut out = io::stdout();
    writeln!(out, "{}", aws.endpoint())?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
