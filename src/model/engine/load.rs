//! From a folder to a running engine, with settings by hardware; and again with an adapter merged into the weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mistralrs::core::{AddModelConfig, MistralRs, MistralRsBuilder, Pipeline, SchedulerConfig};
use mistralrs::{
    AnyModelBuilder, IsqType, ModelDType, PagedAttentionMetaBuilder, TextModelBuilder, paged_attn_supported,
};
use tokenizers::Tokenizer;
use tokio::sync::{Mutex, oneshot};

use super::super::adapters::Bundle;
use super::super::library::ToolUse;
use super::super::settings::Quantise;
use super::super::{Facts, ModelError, Settings};
use super::generation::{Generations, Plan, fresh_name};
use super::merge;

pub(super) struct Loaded {
    pub(super) facts: Facts,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) base: Arc<Generations>,
    pub(super) source: Source,
}

type Built = (Arc<Mutex<dyn Pipeline>>, SchedulerConfig, AddModelConfig);

/// What it takes to load the same model once more.
pub(super) struct Source {
    folder: PathBuf,
    settings: Settings,
    parallel: usize,
    on_gpu: bool,
    bytes_per_token: u64,
    runner: Arc<MistralRs>,
}

pub(super) async fn load(folder: &Path, name: &str, settings: &Settings) -> Result<Loaded, ModelError> {
    let shape = Shape::read(folder)?;
    let on_gpu = paged_attn_supported();
    let parallel = match (settings.parallel, on_gpu) {
        (0, true) => 32,
        // Sequences of different lengths are not batched on a CPU: a second one only halves the speed of the first.
        (0, false) => 1,
        (n, _) => n,
    };
    let context = settings.context_of(shape.context);
    if !on_gpu && std::env::var_os("RAYON_NUM_THREADS").is_none() {
        set_threads(settings.threads);
    }
    let built = build_apart(builder(folder, settings, parallel, on_gpu)?, None).await?;
    let tokenizer = built
        .0
        .lock()
        .await
        .tokenizer()
        .ok_or_else(|| ModelError::Engine(format!("{}: the model has no tokenizer", folder.display())))?;
    let first = fresh_name(name);
    let runner = MistralRsBuilder::new(built.0.clone(), built.1.clone(), false, None)
        .with_model_id(first.clone())
        .with_no_kv_cache(false)
        .with_no_prefix_cache(false)
        .with_prefix_cache_n(built.2.engine_config.prefix_cache_n)
        .build()
        .await;
    let tool_use = ToolUse::of(folder);
    let facts = Facts {
        name: name.to_owned(),
        context,
        control_tokens: control_tokens(&tokenizer, &tool_use),
        parallel,
        small: is_small(folder),
        tools: tool_use.tools,
    };
    let source = Source {
        folder: folder.to_owned(),
        settings: settings.clone(),
        parallel,
        on_gpu,
        bytes_per_token: shape.kv_bytes_per_token(),
        runner,
    };
    let base = Arc::new(Generations::new(source.plan(name, first, built)));
    Ok(Loaded { facts, tokenizer, base, source })
}

impl Source {
    /// The same model with an adapter merged into its weights, as an engine of its own that nobody addresses yet.
    pub(super) async fn variant(&self, adapter: Bundle) -> Result<Arc<Generations>, ModelError> {
        let name = adapter.id.to_string();
        let builder = builder(&self.folder, &self.settings, self.parallel, self.on_gpu)?;
        let built = build_apart(builder, Some(merge::Adapter::of(adapter, self.on_gpu)?)).await?;
        let first = fresh_name(&name);
        let (pipeline, scheduler, config) = (built.0.clone(), built.1.clone(), built.2.clone());
        self.runner.add_model(first.clone(), pipeline, scheduler, config).await.map_err(engine)?;
        Ok(Arc::new(Generations::new(self.plan(&name, first, built))))
    }

    fn plan(&self, variant: &str, first: String, (pipeline, scheduler, config): Built) -> Plan {
        Plan {
            runner: self.runner.clone(),
            variant: variant.to_owned(),
            first,
            pipeline,
            scheduler,
            config,
            bytes_per_token: self.bytes_per_token,
            // Paged attention has a bounded cache of its own.
            on_gpu: self.on_gpu,
            budget: if self.on_gpu { u64::MAX } else { self.settings.cache_mib * 1024 * 1024 },
        }
    }
}

fn builder(
    folder: &Path,
    settings: &Settings,
    parallel: usize,
    on_gpu: bool,
) -> Result<TextModelBuilder, ModelError> {
    let mut builder = TextModelBuilder::new(folder.display())
        .with_max_num_seqs(parallel)
        .with_prefix_cache_n(Some(16))
        .with_dtype(if on_gpu { ModelDType::BF16 } else { ModelDType::F32 });
    builder = match (settings.quantise, on_gpu) {
        (Quantise::None, _) | (Quantise::Auto, true) => builder,
        (Quantise::Auto | Quantise::Q8_0, _) => builder.with_isq(IsqType::Q8_0),
        (Quantise::Q4_0, _) => builder.with_isq(IsqType::Q4_0),
    };
    if on_gpu {
        let paged = PagedAttentionMetaBuilder::default().build().map_err(engine)?;
        builder = builder.with_paged_attn(paged);
    }
    Ok(builder)
}

/// Loads on a thread of its own: adapters to merge and quantisation settings live in thread-locals that are never cleared, and
/// loading blocks.
async fn build_apart(
    builder: TextModelBuilder,
    adapter: Option<merge::Adapter>,
) -> Result<Built, ModelError> {
    let (done, built) = oneshot::channel();
    std::thread::Builder::new()
        .name("model-load".to_owned())
        .spawn(move || {
            if let Some(adapter) = adapter {
                adapter.apply_to_this_thread();
            }
            let outcome = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(anyhow::Error::from)
                .and_then(|rt| rt.block_on(AnyModelBuilder::Text(builder).build_pipeline()));
            // The caller may be gone; then nobody wants the model.
            let _ = done.send(outcome);
        })
        .map_err(engine)?;
    built
        .await
        .map_err(|_| {
            ModelError::Engine("the loader stopped without a word; the log above says why".to_owned())
        })?
        .map_err(|fault| ModelError::Engine(format!("{fault:#}")))
}

fn engine(fault: impl std::fmt::Display) -> ModelError {
    ModelError::Engine(fault.to_string())
}

/// mistralrs and candle take their threads from rayon's global pool, which can be sized once.
fn set_threads(wanted: usize) {
    let threads = if wanted == 0 {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    } else {
        wanted
    };
    // A pool that exists already (a second load in one process) keeps its size.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}

/// The tokenizer's special tokens; of a model that calls tools also those that only look like markup, `<tool_call>` and the like,
/// and the tags of its template: whoever writes them could pass a text off as a call or as what one found.
fn control_tokens(tokenizer: &Tokenizer, tool_use: &ToolUse) -> Vec<String> {
    let is_markup = |text: &str| text.starts_with('<') && text.ends_with('>') && text.len() > 2;
    let mut tokens: Vec<String> = tokenizer
        .get_added_tokens_decoder()
        .into_values()
        .filter(|token| token.special || (tool_use.tools && is_markup(&token.content)))
        .map(|token| token.content)
        .chain(tool_use.tags.iter().cloned())
        .collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

/// Weights under 1 GB: half a billion parameters in 16 bits, a quarter of a billion in float32.
fn is_small(folder: &Path) -> bool {
    let Ok(entries) = fs_err::read_dir(folder) else { return false };
    let weights =
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "safetensors"));
    let bytes: u64 = weights.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
    bytes < 1_000_000_000
}

/// What `config.json` says about sizes.
#[derive(Debug, PartialEq)]
struct Shape {
    context: Option<usize>,
    layers: u64,
    kv_heads: u64,
    head_dim: u64,
}

impl Shape {
    fn read(folder: &Path) -> Result<Self, ModelError> {
        let path: PathBuf = folder.join("config.json");
        let text = fs_err::read_to_string(&path).map_err(engine)?;
        let config: serde_json::Value = serde_json::from_str(&text)
            .map_err(|f| ModelError::Engine(format!("{}: {f}", path.display())))?;
        let number = |key: &str| config.get(key).and_then(serde_json::Value::as_u64);
        let need = |key: &str| {
            number(key).ok_or_else(|| ModelError::Engine(format!("{}: no `{key}`", path.display())))
        };
        let heads = need("num_attention_heads")?;
        Ok(Self {
            context: number("max_position_embeddings").map(|own| own as usize),
            layers: need("num_hidden_layers")?,
            kv_heads: number("num_key_value_heads").unwrap_or(heads),
            head_dim: match number("head_dim") {
                Some(dim) => dim,
                None => need("hidden_size")? / heads.max(1),
            },
        })
    }

    /// Keys and values of one token in all layers, as float32.
    fn kv_bytes_per_token(&self) -> u64 {
        self.layers * 2 * self.kv_heads * self.head_dim * 4
    }
}
