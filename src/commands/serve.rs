//! `shopclerk serve`: wires the rooms together and runs them until a signal.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::chat::{self, Desk, Guard};
use crate::clock::Clock;
use crate::config::Config;
use crate::hooks::{self, Hooks};
use crate::keep::{self, Keep};
use crate::model::adapters::{self, Adapters};
use crate::model::{Recall, Scripted, SharedModel, library};
use crate::prompt::{Playbook, ToolPrompts};
use crate::runs::Runs;
use crate::staff::Staff;
use crate::store::Store;
use crate::telemetry::metric;
use crate::tools::{self, Tool, Toolbox, Workers};
use crate::web;

/// How long answers that are being made may take to finish when the server stops.
const FINISH: Duration = Duration::from_secs(10);

#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Examples:\n  shopclerk serve --listen 0.0.0.0:8080\n  shopclerk serve --model scripted   # no model file needed"
)]
pub(super) struct Args {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

pub(super) async fn run(args: Args, mut config: Config) -> anyhow::Result<()> {
    let started = Instant::now();
    if let Some(listen) = args.listen {
        config.web.listen = listen;
    }
    config.check()?;
    let metrics = metrics_recorder()?;
    let listener = TcpListener::bind(&config.web.listen).with_context(|| {
        format!("cannot listen on {}; is another server there? Try --listen 127.0.0.1:0", config.web.listen)
    })?;
    let address = listener.local_addr()?;
    let shop = Rooms::open(&config).await?;
    let runs = runs(&config, &shop.store)?;
    let staff = Staff::open(&config.staff_dir(), &shop.store, shop.clock.clone())?;
    shop.desk.put_in_force(shop.desk.worded(&staff.shop.get().words)?);
    let first = staff.accounts.setup_link()?;
    let keep = open_keep(&config, &shop, &staff)?;
    keep.finish().await?;
    let parts = web::Parts {
        desk: shop.desk.clone(),
        tools: shop.tools.clone(),
        staff,
        keep: keep.clone(),
        hooks: open_hooks(&config, &shop)?,
        settings: config.web.clone(),
        clock: shop.clock.clone(),
        secret: web::auth::secret::load_or_create(&config.data)?,
        api_key: std::env::var("SHOPCLERK_API_KEY").ok().filter(|key| !key.is_empty()),
        metrics: Some(metrics),
        runs: runs.clone(),
    };
    let backups = tokio::spawn(keep.clone().answer_backups(config.staff_dir()));
    let retention = tokio::spawn(keep.keep_to_retention());
    let mut server = web::serve(parts, listener)?;
    let address = address.to_string();
    let base = super::staff::base_url(&config, &address);
    announce(&address, first.map(|link| format!("{base}/dashboard/#setup={}", link.token)).as_deref());
    let warming = tokio::spawn({
        let desk = shop.desk.clone();
        async move {
            match desk.warm().await {
                Ok(()) => tracing::info!(seconds = started.elapsed().as_secs_f64(), "ready"),
                Err(fault) => {
                    tracing::error!(code = fault.code(), %fault, "the model could not be warmed up")
                }
            }
        }
    });
    tokio::select! {
        () = stop_signal() => tracing::info!("stopping: finishing the answers being made"),
        ended = server.ended() => ended.context("the server ended by itself")?,
    }
    warming.abort();
    retention.abort();
    backups.abort();
    let store = shop.store.clone();
    tokio::select! {
        () = shut_down(server, shop, runs) => {}
        () = stop_signal() => {
            tracing::warn!("stopping at once");
            store.close().await;
        }
    }
    Ok(())
}

/// Says on the output, for people and scripts, where the server is; logs go to the error output.
/// Whoever started the server may have stopped reading: that ends no server.
fn announce(address: &str, setup: Option<&str>) {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "listening on http://{address}").and_then(|()| match setup {
        Some(link) => writeln!(out, "make the first account within 24 hours: {link}"),
        None => out.flush(),
    });
    if let Err(fault) = said {
        tracing::warn!(%fault, %address, "nobody reads the output; the server goes on");
    }
}

fn open_keep(config: &Config, shop: &Rooms, staff: &Staff) -> anyhow::Result<Keep> {
    let desk = shop.desk.clone();
    let parts = keep::Parts {
        data: config.data.clone(),
        store: shop.store.clone(),
        staff: staff.clone(),
        clock: shop.clock.clone(),
        retention_days: config.store.retention_days,
        gone: Arc::new(move |conv| desk.gone(conv)),
    };
    Ok(Keep::open(&config.staff_dir(), parts)?)
}

fn open_hooks(config: &Config, shop: &Rooms) -> anyhow::Result<Hooks> {
    Ok(Hooks::open(hooks::Parts {
        folder: config.staff_dir(),
        store: shop.store.clone(),
        clock: shop.clock.clone(),
        settings: config.webhooks.clone(),
    })?)
}

/// First nobody new is sent here, and who only waits may go; then the answers, so that shoppers see them end; then goodbye to
/// all; then the disk.
async fn shut_down(server: web::Running, shop: Rooms, runs: Option<Runs>) {
    server.leave();
    let trainer = async {
        if let Some(runs) = runs {
            runs.shut_down().await;
        }
    };
    tokio::join!(shop.desk.drain(FINISH), trainer);
    server.drain().await;
    server.stop().await;
    shop.store.close().await;
}

/// Fine-tuning; runs that a stop interrupted go on now.
#[cfg(feature = "train")]
fn runs(config: &Config, store: &Store) -> anyhow::Result<Option<Runs>> {
    Ok(Some(super::training::open(config, store)?))
}

#[cfg(not(feature = "train"))]
fn runs(_config: &Config, _store: &Store) -> anyhow::Result<Option<Runs>> {
    Ok(None)
}

/// Resolves at Ctrl-C or SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// The rooms behind the web, put together.
pub(super) struct Rooms {
    pub(super) desk: Desk,
    pub(super) tools: Toolbox,
    pub(super) store: Store,
    pub(super) clock: Clock,
}

impl Rooms {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let clock = Clock::System;
        let store = Store::open(&config.store_dir(), &config.store, clock.clone())?;
        let model = load_model(config).await?;
        let guard = Guard::new(&model.facts().control_tokens);
        let playbook = Playbook::load(&config.shop, &|text| guard.strip(text))?;
        let adapters = open_adapters(config, &model).await?;
        adapters.watch();
        let desk = Desk::open_with(chat::Parts {
            store: store.clone(),
            model: model.clone(),
            adapters: adapters.clone(),
            playbook,
            settings: config.chat.clone(),
            clock: clock.clone(),
            runtime: tokio::runtime::Handle::current(),
        })?;
        name_tools(&adapters).await;
        let tools = Toolbox::new(tools::Parts {
            model,
            workers: Workers::Serving(adapters),
            prompts: ToolPrompts::load(&config.shop)?,
            settings: config.tools.clone(),
            busy: Some(desk.busy()),
        });
        desk.watch_mood(tools.clone());
        desk.watch_handovers(tools.clone());
        Ok(Self { desk, tools, store, clock })
    }
}

/// Says who does the work of each tool, so that a missing adapter is noticed before a shopper is.
async fn name_tools(adapters: &Adapters) {
    for tool in Tool::ALL {
        let tool = tool.name();
        match adapters.tool_version(tool).await {
            Ok(Some(id)) => tracing::info!(tool, adapter = %id, "a tool has an adapter of its own"),
            Ok(None) => {
                tracing::info!(tool, adapter = "base", "a tool has no adapter; the base model does its work")
            }
            Err(fault) => tracing::warn!(
                tool, adapter = "base", code = fault.code(), %fault,
                "the adapter of a tool cannot be used; the base model does its work"
            ),
        }
    }
}

/// The adapters beside the data, over `model`.
pub(super) async fn open_adapters(config: &Config, model: &SharedModel) -> anyhow::Result<Adapters> {
    Ok(Adapters::open(adapters::Parts {
        registry: config.adapters(),
        base: super::adapter::base(config)?,
        model: model.clone(),
        chat: config.chat.adapter.clone(),
        room: config.model.variants,
    })
    .await)
}

/// The model that the configuration names.
pub(super) async fn load_model(config: &Config) -> anyhow::Result<SharedModel> {
    if config.model.name == "scripted" {
        return Ok(Arc::new(Scripted::default()));
    }
    let folder = library::resolve(&config.models_dir(), &config.model.name)?;
    Ok(Recall::over(load_engine(&folder, config).await?, config.model.recall))
}

#[cfg(feature = "llm")]
pub(super) async fn load_engine(
    folder: &library::ModelFolder,
    config: &Config,
) -> anyhow::Result<SharedModel> {
    let engine = crate::model::engine::Engine::load(&folder.path, &folder.name, &config.model)
        .await
        .with_context(|| {
            format!(
                "{}: cannot be loaded; try `shopclerk model check {}`",
                folder.path.display(),
                folder.name
            )
        })?;
    Ok(Arc::new(engine))
}

#[cfg(not(feature = "llm"))]
pub(super) async fn load_engine(
    folder: &library::ModelFolder,
    _config: &Config,
) -> anyhow::Result<SharedModel> {
    anyhow::bail!(
        "{}: this shopclerk was built without the feature `llm`; use --model scripted",
        folder.path.display()
    )
}

fn metrics_recorder() -> anyhow::Result<PrometheusHandle> {
    const SECONDS: [f64; 12] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.7, 1.5, 3.0, 10.0, 30.0];
    const RATES: [f64; 9] = [5.0, 10.0, 20.0, 30.0, 40.0, 55.0, 80.0, 150.0, 500.0];
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(metric::FIRST_TOKEN.to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Full(metric::COMMIT.to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Full(metric::TOKEN_RATE.to_owned()), &RATES)?
        .install_recorder()?)
}
