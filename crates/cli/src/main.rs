//! The binary `feedspine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    feedspine_cli::App::new().run()
}
