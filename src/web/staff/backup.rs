//! A backup as a download. For admins: accounts and secrets are in it.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use jiff::Timestamp;
use tokio::io::AsyncReadExt;

use super::{Asker, note, ok};
use crate::keep::KeepError;
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

/// Bytes sent at once.
const PIECE: usize = 256 * 1024;

/// Everything that cannot be made again, as one tar file; see `docs/backup.md`.
#[utoipa::path(
    get, path = "/v1/staff/backup", tag = "staff",
    responses((status = 200, description = "A tar file"), (status = 503, body = ErrorBody)),
)]
pub(in crate::web) async fn backup(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let io = |fault: std::io::Error| KeepError::Io {
        place: state.keep.data().to_owned(),
        fault: fault.to_string(),
    };
    // Gone with the answer, however that ends; hidden, so that no backup has one in it.
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let folder = tempfile::Builder::new()
        .prefix(".download-")
        .permissions(own)
        .tempdir_in(state.keep.data())
        .map_err(io)?;
    let path = folder.path().join("backup.tar");
    let contents = state.keep.backup(path.clone()).await?;
    let words = format!("{} conversations", contents.conversations);
    note(&state, asker.did("backup_made").detail(&words)).await?;
    let file = tokio::fs::File::open(&path).await.map_err(io)?;
    let length = file.metadata().await.map_err(io)?.len();
    let at = Timestamp::from_millisecond(i64::try_from(contents.made_at).unwrap_or(0)).unwrap_or_default();
    let name = at.strftime("shopclerk-%Y-%m-%d-%H%M.tar").to_string();
    let body = stream::try_unfold((file, folder), |(mut file, folder)| async move {
        let mut piece = web::BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (piece.freeze(), (file, folder))))
    });
    Ok(ok()
        .insert_header((CONTENT_TYPE, "application/x-tar"))
        .insert_header((CONTENT_LENGTH, length))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(body))
}
