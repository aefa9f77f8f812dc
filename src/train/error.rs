//! What can go wrong with models, adapters and rows.

/// A fault of the trainer's numeric part; names the file, the field or the row.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file that does not say what it should.
    #[error("{file}: {what}")]
    File { file: String, what: String },
    /// A tensor that is absent, of another shape or of another type than the model needs.
    #[error("{file}: tensor `{tensor}`: {what}")]
    Tensor { file: String, tensor: String, what: String },
    /// A row that cannot be trained on; rows are counted from 0 in the call.
    #[error("row {row}: {what}")]
    Row { row: u64, what: String },
    /// A loss that is not a number: the step must not be taken.
    #[error("row {row}: the loss is {loss}; lower train.lr or look at the row")]
    NonFinite { row: u64, loss: f64 },
    /// Gradients that are not numbers although the losses were.
    #[error("the gradient of `{module}` is not finite; lower train.lr")]
    Gradient { module: String },
    #[error("tensors: {0}")]
    Tensors(#[from] candle_core::Error),
    #[error("threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl TrainError {
    /// The stable code a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "train_file",
            Self::Tensor { .. } => "train_tensor",
            Self::Row { .. } => "train_row",
            Self::NonFinite { .. } => "loss_not_finite",
            Self::Gradient { .. } => "gradient_not_finite",
            Self::Tensors(_) => "train_tensors",
            Self::Threads(_) => "train_threads",
            Self::Io(_) => "io",
        }
    }
}
