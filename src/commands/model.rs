//! `shopclerk model`.

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[expect(clippy::unused_async, reason = "in the making")]
pub(super) async fn run(_args: Args, _config: Config) -> anyhow::Result<()> {
    anyhow::bail!("in the making")
}
