//! Parse, run one command, exit.

fn main() -> std::process::ExitCode {
    shopclerk::commands::run()
}
