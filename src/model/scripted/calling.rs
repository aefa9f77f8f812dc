//! The scripted model's calls: what the shopper's message says, round by round.

use super::{Script, split};
use crate::domain::prompt::{Prompt, Role, ToolCall};

/// What is said and called in the round that `prompt` stands at: as many as calls since the question have been answered.
pub(super) fn script(prompt: &Prompt, asked: &str) -> Script {
    let since = prompt.messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
    let later = &prompt.messages[since..];
    let round = later.iter().filter(|message| !message.calls.is_empty()).count();
    let rounds = rounds(asked);
    let wanted = rounds.get(round).or_else(|| rounds.last().filter(|_| asked.contains("[[calls ")));
    if let Some(wanted) = wanted {
        let first = if round == 0 { inside(asked, "[[first ") } else { None };
        let calls = wanted.iter().enumerate().map(|(n, (name, arguments))| ToolCall {
            id: format!("call-{}-{}", round + 1, n + 1),
            name: name.clone(),
            arguments: arguments.clone(),
        });
        return Script { words: split(first.unwrap_or("")), calls: calls.collect(), ..Script::default() };
    }
    let found: Vec<&str> = later
        .iter()
        .filter(|message| message.role == Role::Tool)
        .map(|message| message.content.as_str())
        .collect();
    Script { words: split(&format!("The tools say: {}", found.join(" "))), ..Script::default() }
}

type Called = (String, String);

fn rounds(asked: &str) -> Vec<Vec<Called>> {
    let mut rounds: Vec<Vec<Called>> = Vec::new();
    for piece in asked.split("[[").skip(1) {
        let Some((piece, _)) = piece.split_once("]]") else { continue };
        let Some((word, call)) = piece.split_once(' ') else { continue };
        let (name, arguments) = call.split_once(' ').unwrap_or((call, ""));
        let call = (name.to_owned(), arguments.to_owned());
        match (word, rounds.last_mut()) {
            ("also", Some(round)) => round.push(call),
            ("call" | "calls", _) => rounds.push(vec![call]),
            _ => {}
        }
    }
    rounds
}

fn inside<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_once(name)?.1.split_once("]]").map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::Message;

    #[test]
    fn rounds_follow_the_message_and_end_with_what_was_found() {
        let asked =
            r#"[[first Let me look.]] [[call product {"id":"a"}]] [[also policy {}]] [[call hand_off]]"#;
        let mut prompt = Prompt { messages: vec![Message::new(Role::User, asked)], ..Prompt::default() };
        let one = script(&prompt, asked);
        let names: Vec<&str> = one.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!((one.words.concat(), names), ("Let me look.".to_owned(), vec!["product", "policy"]));
        assert_eq!(one.calls[0].arguments, r#"{"id":"a"}"#);
        let call = one.calls[0].clone();
        prompt.messages.push(Message::calling("", one.calls));
        prompt.messages.push(Message::found(&call, "price 3"));
        let two = script(&prompt, asked);
        assert_eq!((two.calls[0].name.as_str(), two.calls[0].id.as_str()), ("hand_off", "call-2-1"));
        prompt.messages.push(Message::calling("", two.calls));
        let three = script(&prompt, asked);
        assert_eq!((three.words.concat(), three.calls.len()), ("The tools say: price 3".to_owned(), 0));
    }
}
