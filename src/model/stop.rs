//! Stop texts, the same for every model: an answer ends before the first of them, wherever tokens begin and end.

use futures_util::{StreamExt, stream};

use super::{Answer, ModelError};
use crate::domain::prompt::{Finish, Piece, Usage};

struct Watching {
    answer: Answer,
    stops: Vec<String>,
    held: String,
    prompt_tokens: u32,
    said: u32,
    ended: bool,
}

/// `answer` up to the first of `stops`. An answer that is cut there reports `prompt_tokens` as what was asked.
pub(super) fn stop_at(answer: Answer, mut stops: Vec<String>, prompt_tokens: u32) -> Answer {
    stops.retain(|stop| !stop.is_empty());
    let start = Watching { answer, stops, held: String::new(), prompt_tokens, said: 0, ended: false };
    stream::unfold(start, next).flat_map(stream::iter).boxed()
}

async fn next(mut state: Watching) -> Option<(Vec<Result<Piece, ModelError>>, Watching)> {
    if state.ended {
        return None;
    }
    let pieces = match state.answer.next().await? {
        Ok(Piece::Text { text, logprob }) => {
            state.said += 1;
            state.held.push_str(&text);
            if let Some(at) = state.stops.iter().filter_map(|stop| state.held.find(stop)).min() {
                state.ended = true;
                state.held.truncate(at);
                let usage = Usage {
                    prompt_tokens: state.prompt_tokens,
                    completion_tokens: state.said,
                    finish: Finish::Stop,
                };
                vec![Ok(plain(&mut state.held)), Ok(Piece::End(usage))]
            } else {
                let keep = state.stops.iter().map(|stop| overlap(&state.held, stop)).max().unwrap_or(0);
                let mut out: String = state.held.drain(..state.held.len() - keep).collect();
                let Piece::Text { text, .. } = plain(&mut out) else { return None };
                vec![Ok(Piece::Text { text, logprob })]
            }
        }
        // A call is no text: what came before it cannot be the beginning of a stop any more.
        Ok(Piece::ToolCall(call)) => vec![Ok(plain(&mut state.held)), Ok(Piece::ToolCall(call))],
        Ok(Piece::End(usage)) => {
            state.ended = true;
            vec![Ok(plain(&mut state.held)), Ok(Piece::End(usage))]
        }
        Err(fault) => {
            state.ended = true;
            vec![Err(fault)]
        }
    };
    Some((pieces, state))
}

fn plain(text: &mut String) -> Piece {
    Piece::Text { text: std::mem::take(text), logprob: None }
}

/// The length in bytes of the longest end of `text` that is a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    (1..stop.len())
        .rev()
        .filter(|n| stop.is_char_boundary(*n))
        .find(|n| text.ends_with(&stop[..*n]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(pieces: &[&str], stops: &[&str]) -> String {
        let end = Piece::End(Usage { prompt_tokens: 1, completion_tokens: 9, finish: Finish::Stop });
        let answer: Vec<Result<Piece, ModelError>> = pieces
            .iter()
            .map(|text| Ok(Piece::Text { text: (*text).to_owned(), logprob: None }))
            .chain([Ok(end)])
            .collect();
        let stops = stops.iter().map(|s| (*s).to_owned()).collect();
        let mut said = String::new();
        let mut ends = 0;
        let mut answer = stop_at(stream::iter(answer).boxed(), stops, 1);
        while let Some(piece) = answer.next().await {
            match piece.expect("no fault") {
                Piece::Text { text, .. } => said.push_str(&text),
                Piece::ToolCall(_) => {}
                Piece::End(_) => ends += 1,
            }
        }
        assert_eq!(ends, 1);
        said
    }

    #[tokio::test]
    async fn an_answer_ends_before_the_first_stop_text() {
        assert_eq!(run(&["one", " tw", "o three"], &["three", " two"]).await, "one");
        assert_eq!(run(&["a#", "#b"], &["##"]).await, "a");
        assert_eq!(run(&["a#", "b"], &["##"]).await, "a#b");
        assert_eq!(run(&["a#"], &["##"]).await, "a#");
        assert_eq!(run(&["käse", "n"], &["ß"]).await, "käsen");
    }
}
