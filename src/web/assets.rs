//! The built pages, out of the binary: the loader, the widget's frame, the demo shop, the dashboard.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex};

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, Encoding, EntityTag, Header,
    IfNoneMatch, LOCATION, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;

/// `static/dist` as it was at build time; a debug build reads it from disk. A missing folder is an empty one.
#[derive(RustEmbed)]
#[folder = "static/dist"]
#[allow_missing = true]
struct Dist;

/// `/` shows the demo shop.
pub(super) async fn root() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/demo/")).finish()
}

/// `GET /widget.js`, `/widget/...`, `/demo/...`, `/dashboard/...`.
pub(super) async fn page(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = request.path().trim_start_matches('/');
    if path.split('/').any(|part| part == "..") {
        return Err(not_found());
    }
    let (name, file) = find(path)?;
    let kind = content_type(&file);
    let packed = if takes_gzip(&request) && is_text(&kind) { packed(&file) } else { None };
    let hash = hex::encode(&file.metadata.sha256_hash()[..16]);
    let tag = EntityTag::new_strong(if packed.is_some() { format!("{hash}-gzip") } else { hash });
    let cache = if is_hashed(&name) { "public, max-age=31536000, immutable" } else { "public, max-age=60" };
    if IfNoneMatch::parse(&request).is_ok_and(|known| matches(&known, &tag)) {
        return Ok(HttpResponse::NotModified()
            .insert_header((ETAG, tag.to_string()))
            .insert_header((CACHE_CONTROL, cache))
            .insert_header((VARY, "Accept-Encoding"))
            .finish());
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, cache))
        .insert_header((VARY, "Accept-Encoding"));
    if name == "widget.js" {
        // The loader runs in the shop's own pages.
        response.insert_header(("Cross-Origin-Resource-Policy", "cross-origin"));
    }
    Ok(match packed {
        Some(packed) => response.insert_header((CONTENT_ENCODING, "gzip")).body(packed),
        None => response.body(file.data.into_owned()),
    })
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request)
        .is_ok_and(|asked| asked.negotiate(offered.iter()) == Some(Encoding::gzip()))
}

/// The file as small as gzip makes it, once: what is compressed for each answer anew is compressed in a hurry, and a third larger. Kept
/// by the content, which changes under a debug build.
fn packed(file: &EmbeddedFile) -> Option<Bytes> {
    static PACKED: LazyLock<Mutex<HashMap<[u8; 32], Bytes>>> = LazyLock::new(Mutex::default);
    let mut all = PACKED.lock().ok()?;
    if let Some(known) = all.get(&file.metadata.sha256_hash()) {
        return Some(known.clone());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&file.data).ok()?;
    let packed = Bytes::from(encoder.finish().ok()?);
    all.insert(file.metadata.sha256_hash(), packed.clone());
    Some(packed)
}

/// The file of a path; a folder is its `index.html`, and so is a page of the demo shop without an extension.
fn find(path: &str) -> Result<(String, EmbeddedFile), ApiError> {
    let mut names = vec![path.to_owned(), format!("{}/index.html", path.trim_end_matches('/'))];
    if path.starts_with("demo/") && !path.rsplit('/').next().unwrap_or("").contains('.') {
        names.push(format!("{}.html", path.trim_end_matches('/')));
    }
    names.into_iter().find_map(|name| Dist::get(&name).map(|file| (name, file))).ok_or_else(|| {
        if Dist::iter().next().is_none() {
            ApiError::new(
                actix_web::http::StatusCode::NOT_FOUND,
                "pages_not_built",
                "the pages are not in this binary; run `npm run build` in static/ and build again",
            )
        } else {
            not_found()
        }
    })
}

pub(super) fn not_found() -> ApiError {
    ApiError::new(actix_web::http::StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
}

fn content_type(file: &EmbeddedFile) -> String {
    let mime = file.metadata.mimetype();
    if mime.starts_with("text/") || mime == "application/javascript" || mime == "application/json" {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_owned()
    }
}

fn is_text(kind: &str) -> bool {
    kind.ends_with("; charset=utf-8") || kind == "image/svg+xml"
}

/// True for names like `assets/index-B3xk91Qz.js`, whose content never changes.
fn is_hashed(name: &str) -> bool {
    let stem = name.rsplit('/').next().and_then(|file| file.split('.').next()).unwrap_or("");
    name.contains("assets/")
        && stem.rsplit_once('-').is_some_and(|(_, hash)| {
            hash.len() >= 8 && hash.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
}

fn matches(known: &IfNoneMatch, tag: &EntityTag) -> bool {
    match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|other| other.weak_eq(tag)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_hashed;

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        assert!(is_hashed("widget/assets/main-B3xk91Qz.js"));
        assert!(!is_hashed("widget/index.html"));
        assert!(!is_hashed("widget.js"));
        assert!(!is_hashed("demo/assets/shoe-red.svg"));
    }
}
