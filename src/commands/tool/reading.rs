//! How the model is loaded for a file of which it only reads.

use crate::config::Config;
use crate::model::library;
use crate::model::settings::Quantise;

/// MiB of a model's files up to which a copy in float32 fits beside everything else: 300 million weights of two bytes.
const SMALL_MIB: u64 = 600;

/// Has a small model keep float32 weights, unless the configuration says how they are quantised. On a CPU a prompt goes through
/// 8-bit weights token by token, and through these all at once: a third more reviews a second (decision 3). Writing, a token at a time,
/// is three times slower with them, so this is for what reads prompts and writes nothing. On a GPU `auto` keeps them anyway.
/// The same text gets slightly different scores then, so how weights are kept is part of who made a file of answers.
pub(in crate::commands) fn keep_whole(config: &mut Config) {
    let model = &config.model;
    if model.quantise != Quantise::Auto || model.name == "scripted" {
        return;
    }
    let small = library::find(&config.models_dir(), &model.name)
        .is_ok_and(|folder| library::bytes_of(&folder.path) <= SMALL_MIB * 1024 * 1024);
    if small {
        config.model.quantise = Quantise::None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of `quantise` beside a model of so many MiB.
    fn kept(quantise: Quantise, mib: u64) -> Quantise {
        let data = tempfile::tempdir().expect("a folder");
        let mut config = Config { data: data.path().to_owned(), ..Config::default() };
        config.model.quantise = quantise;
        let folder = config.models_dir().join(&config.model.name);
        fs_err::create_dir_all(&folder).expect("made");
        fs_err::write(folder.join("config.json"), "{}").expect("written");
        for part in ["model-1.safetensors", "model-2.safetensors"] {
            let file = fs_err::File::create(folder.join(part)).expect("made");
            file.set_len(mib * 1024 * 1024 / 2).expect("sized");
        }
        keep_whole(&mut config);
        config.model.quantise
    }

    #[test]
    fn a_small_model_reads_with_whole_weights_unless_somebody_chose() {
        assert_eq!(kept(Quantise::Auto, 514), Quantise::None);
        assert_eq!(kept(Quantise::Auto, 724), Quantise::Auto);
        assert_eq!(kept(Quantise::Q8_0, 514), Quantise::Q8_0);
        assert_eq!(kept(Quantise::None, 514), Quantise::None);
    }
}
