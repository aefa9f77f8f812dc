//! What admins do: agents, keys, the audit log.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Asker, Body, fresh, json, nothing, ok, on_disk};
use crate::staff::audit::Page;
use crate::staff::{KeyView, NewLink, Profile, Role, Scope};
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct AgentView {
    name: String,
    display: String,
    role: Role,
    /// `active`, or `invited` until they have chosen a password.
    state: &'static str,
    totp: bool,
    created_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_at: Option<u64>,
}

impl AgentView {
    fn of(profile: Profile) -> Self {
        Self {
            name: profile.name,
            display: profile.display,
            role: profile.role,
            state: if profile.active { "active" } else { "invited" },
            totp: profile.totp,
            created_at: profile.created_at,
            login_at: profile.login_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Agents {
    agents: Vec<AgentView>,
}

/// Everybody of the staff.
#[utoipa::path(get, path = "/v1/staff/agents", tag = "staff", responses((status = 200, body = Agents)))]
pub(in crate::web) async fn agents(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Browse)?;
    let agents = state.staff.accounts.profiles().into_iter().map(AgentView::of).collect();
    Ok(ok().json(Agents { agents }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Invite {
    name: String,
    display: String,
    role: Role,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Invited {
    agent: Option<AgentView>,
    /// Shown once; to be given to the colleague by other means.
    link: String,
    expires_at: u64,
}

fn invited(state: &State, name: &str, link: &NewLink) -> Invited {
    Invited {
        agent: state.staff.accounts.profile(name).map(AgentView::of),
        link: format!("{}/dashboard/#invite={}", state.settings.public_url, link.token),
        expires_at: link.expires_at,
    }
}

/// Invites a colleague.
#[utoipa::path(
    post, path = "/v1/staff/agents", tag = "staff", request_body = Invite,
    responses((status = 201, body = Invited), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)),
)]
pub(in crate::web) async fn invite(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let Invite { name, display, role } = json(body)?;
    let (staff, entry, account) = (state.staff.clone(), asker.did("agent_invited").on(&name), name.clone());
    let link = on_disk(move || {
        let link = staff.accounts.invite(&account, &display, role)?;
        staff.audit.note(entry.detail(role_name(role)))?;
        Ok(link)
    })
    .await?;
    Ok(fresh(HttpResponse::Created()).json(invited(&state, &name, &link)))
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Agent => "agent",
        Role::Admin => "admin",
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Edit {
    #[serde(default)]
    display: Option<String>,
    #[serde(default)]
    role: Option<Role>,
}

/// Changes a colleague's display name or role.
#[utoipa::path(
    patch, path = "/v1/staff/agents/{name}", tag = "staff", request_body = Edit, params(("name" = String, Path)),
    responses((status = 200, body = AgentView), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)),
)]
pub(in crate::web) async fn edit(
    request: HttpRequest,
    state: web::Data<State>,
    name: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let Edit { display, role } = json(body)?;
    let (staff, entry) = (state.staff.clone(), asker.did("agent_changed").on(&name));
    let profile = on_disk(move || {
        let profile = staff.accounts.edit(&name, display.as_deref(), role)?;
        staff.audit.note(entry.detail(role_name(profile.role)))?;
        Ok(profile)
    })
    .await?;
    Ok(ok().json(AgentView::of(profile)))
}

/// Removes a colleague; their sessions and sockets end at once.
#[utoipa::path(
    delete, path = "/v1/staff/agents/{name}", tag = "staff", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)),
)]
pub(in crate::web) async fn remove(
    request: HttpRequest,
    state: web::Data<State>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let (staff, entry) = (state.staff.clone(), asker.did("agent_removed").on(&name));
    on_disk(move || {
        staff.accounts.remove(&name)?;
        staff.audit.note(entry)
    })
    .await?;
    Ok(nothing())
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct ResetLink {
    link: String,
    expires_at: u64,
}

/// Takes a colleague's password and second factor, and makes a link to choose a new one.
#[utoipa::path(
    post, path = "/v1/staff/agents/{name}/reset", tag = "staff", params(("name" = String, Path)),
    responses((status = 200, body = ResetLink), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn reset(
    request: HttpRequest,
    state: web::Data<State>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let (staff, entry, account) = (state.staff.clone(), asker.did("agent_reset").on(&name), name.clone());
    let link = on_disk(move || {
        let link = staff.accounts.reset(&account)?;
        staff.audit.note(entry)?;
        Ok(link)
    })
    .await?;
    let Invited { link, expires_at, .. } = invited(&state, &name, &link);
    Ok(ok().json(ResetLink { link, expires_at }))
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Keys {
    keys: Vec<KeyView>,
}

/// The keys of programs.
#[utoipa::path(get, path = "/v1/staff/keys", tag = "staff", responses((status = 200, body = Keys)))]
pub(in crate::web) async fn keys(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Administer)?;
    Ok(ok().json(Keys { keys: state.staff.accounts.keys() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewKey {
    name: String,
    scopes: Vec<Scope>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct MadeKey {
    key: KeyView,
    /// Shown once.
    secret: String,
}

/// Makes a key.
#[utoipa::path(
    post, path = "/v1/staff/keys", tag = "staff", request_body = NewKey,
    responses((status = 201, body = MadeKey), (status = 400, body = ErrorBody)),
)]
pub(in crate::web) async fn make_key(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let NewKey { name, scopes } = json(body)?;
    let (staff, entry, by) = (state.staff.clone(), asker.did("key_made"), asker.name());
    let (key, secret) = on_disk(move || {
        let (key, secret) = staff.accounts.make_key(&name, &scopes, &by.0)?;
        let scopes: Vec<String> =
            key.scopes.iter().map(|scope| format!("{scope:?}").to_lowercase()).collect();
        staff.audit.note(entry.on(&key.name).detail(&scopes.join(" ")))?;
        Ok((key, secret))
    })
    .await?;
    Ok(fresh(HttpResponse::Created()).json(MadeKey { key, secret }))
}

/// Ends a key; its sockets end at once.
#[utoipa::path(
    delete, path = "/v1/staff/keys/{id}", tag = "staff", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn drop_key(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let (staff, entry) = (state.staff.clone(), asker.did("key_ended"));
    on_disk(move || {
        let key = staff.accounts.drop_key(&id)?;
        staff.audit.note(entry.on(&key.name))
    })
    .await?;
    Ok(nothing())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct AuditQuery {
    /// The last page's `next`.
    before: Option<u64>,
    /// At most 200; 50 if left out.
    limit: Option<usize>,
}

/// Who did what, the newest first.
#[utoipa::path(get, path = "/v1/staff/audit", tag = "staff", params(AuditQuery), responses((status = 200, body = Page)))]
pub(in crate::web) async fn audit(
    request: HttpRequest,
    state: web::Data<State>,
    query: web::Query<AuditQuery>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Administer)?;
    let (audit, before, limit) =
        (state.staff.audit.clone(), query.before, query.limit.unwrap_or(50).clamp(1, 200));
    let page = on_disk(move || audit.page(before, limit)).await?;
    Ok(ok().json(page))
}
