//! `shopclerk bench chat`.

use super::Figure;
use crate::config::Config;

#[expect(clippy::unused_async, reason = "in the making")]
pub(super) async fn measure(_config: Config) -> anyhow::Result<Vec<Figure>> {
    anyhow::bail!("in the making")
}
