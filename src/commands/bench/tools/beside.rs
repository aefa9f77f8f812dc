//! What a batch of the tools costs a shopper: the first token, alone and while the batch runs, in turns.

use std::path::Path;

use anyhow::bail;
use serde_json::json;

use super::super::chat::small_talk;
use super::super::child::{Child, Model};
use super::Item;

/// Questions with and without a batch.
const ROUNDS: usize = 7;
/// Tokens of an answer.
const LONG: usize = 48;

/// Seconds to the first token, question by question.
pub(super) struct Waits {
    pub(super) alone: Vec<f64>,
    pub(super) batch: Vec<f64>,
}

pub(super) async fn measure(model: &Path, titles: &[Item]) -> anyhow::Result<Waits> {
    let server = Child::start(&Model::Folder(model.to_owned(), LONG)).await?;
    let mut waits = Waits { alone: Vec::new(), batch: Vec::new() };
    // The tool's adapter is loaded, and both have been asked once.
    work(&server, &titles[..1]).await?;
    first(&server, 0).await?;
    for n in 0..ROUNDS {
        waits.alone.push(first(&server, 2 * n + 1).await?);
        let batch = work(&server, titles);
        tokio::pin!(batch);
        // The batch is in the middle of its work when the shopper comes.
        let head_start = tokio::time::sleep(std::time::Duration::from_millis(700));
        tokio::select! {
            done = &mut batch => {
                done?;
                bail!("the batch was over too soon; give more titles")
            }
            () = head_start => {}
        }
        let asked = first(&server, 2 * n + 2);
        tokio::pin!(asked);
        let wait = tokio::select! {
            wait = &mut asked => wait?,
            done = &mut batch => {
                done?;
                asked.await?
            }
        };
        waits.batch.push(wait);
    }
    Ok(waits)
}

async fn first(server: &Child, n: usize) -> anyhow::Result<f64> {
    let shopper = server.shopper().await?;
    let (_, first) = server.greeted(&shopper).await?.ask(&small_talk(n)).await?;
    Ok(first.as_secs_f64())
}

async fn work(server: &Child, titles: &[Item]) -> anyhow::Result<()> {
    let items: Vec<_> =
        titles.iter().map(|item| json!({"text": item.text, "category": item.category})).collect();
    let answer = server.work("/v1/tools/extract", &json!({"items": items}).to_string()).await?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "the batch was refused: {answer}");
    Ok(())
}
