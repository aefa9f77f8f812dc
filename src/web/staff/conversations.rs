//! The list and single conversations over HTTP; who is blocked.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Asker, Body, nothing, ok, on_disk};
use crate::domain::{ConvId, Owner, Page, Refusal, Seq, Shopper, ShopperId, Thumb};
use crate::prompt::orders::{Order, OrderStatus};
use crate::staff::board::{Counts, Gathered, MAX_PAGE, Query, Row, Standing, Tab};
use crate::web::auth::{Action, Resource};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;
use crate::web::wire::{Viewer, WireEvent};
use crate::web::{origin, shopper};

/// Orders that are shown of one shopper.
const ORDERS: usize = 20;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ListQuery {
    #[param(value_type = Option<String>)]
    tab: Option<Tab>,
    /// `ai`, `queue` or `staff`.
    #[param(value_type = Option<String>)]
    owner: Option<Owner>,
    /// `open` or `resolved`.
    #[param(value_type = Option<String>)]
    status: Option<Standing>,
    staff: Option<String>,
    tag: Option<String>,
    /// `up` or `down`.
    #[param(value_type = Option<String>)]
    rating: Option<Thumb>,
    /// `positive`, `neutral` or `negative`.
    mood: Option<String>,
    /// True for those with messages that no colleague has seen.
    #[serde(default)]
    unread: bool,
    /// Of the last change, in milliseconds since the Unix epoch.
    from: Option<u64>,
    to: Option<u64>,
    /// The last page's `next`.
    after: Option<String>,
    /// At most 200; 100 if left out.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct ListPage {
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    counts: Counts,
}

/// A page of the list.
#[utoipa::path(
    get, path = "/v1/staff/conversations", tag = "staff", params(ListQuery),
    responses((status = 200, body = ListPage), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)),
)]
pub(in crate::web) async fn list(
    request: HttpRequest,
    state: web::Data<State>,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Browse)?;
    let me = asker.name();
    let asked = query.into_inner();
    let query = Query {
        tab: asked.tab,
        owner: asked.owner,
        status: asked.status,
        staff: asked.staff,
        tag: asked.tag,
        rating: asked.rating,
        mood: asked.mood,
        unread: asked.unread,
        from: asked.from,
        to: asked.to,
        after: asked.after,
        limit: asked.limit.unwrap_or(100).min(MAX_PAGE),
    };
    let page = state.staff.board.page(&query, &me);
    Ok(ok().json(ListPage { rows: page.rows, next: page.next, counts: state.staff.board.counts(&me) }))
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct ShopperView {
    #[schema(value_type = String, format = "uuid")]
    id: ShopperId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// An address they gave in the chat; nobody vouched for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    /// The shop's own number of this customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    external: Option<String>,
    verified: bool,
    blocked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<u64>,
    conversations: usize,
    /// Where they were last, as their browser said.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<PageView>,
    /// The newest first, at most 20; only of a shopper whom the shop vouched for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orders: Vec<OrderView>,
}

/// An order as the shop's own systems have it.
#[derive(Serialize, ToSchema)]
pub(in crate::web) struct OrderView {
    id: String,
    /// The day, `YYYY-MM-DD`.
    placed: String,
    /// `received`, `packed`, `shipped`, `delivered`, `returned` or `cancelled`.
    #[schema(value_type = String)]
    status: OrderStatus,
    items: Vec<ItemView>,
    total: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct ItemView {
    /// The product's name, or its id if it is not sold any more.
    name: String,
    quantity: u32,
}

/// The orders of a shopper. Who only says that they are a customer has none: the id has to come with the shop's signature.
fn orders_of(known: Option<&Shopper>, state: &State) -> Vec<OrderView> {
    let Some(customer) = known.filter(|known| known.verified).and_then(|known| known.external.as_deref())
    else {
        return Vec::new();
    };
    let playbook = state.desk.playbook();
    let products = &playbook.shop().products;
    let name = |id: String| products.iter().find(|one| one.id == id).map_or(id, |one| one.name.clone());
    let view = |order: Order| OrderView {
        id: order.id,
        placed: order.placed,
        status: order.status,
        items: order
            .items
            .into_iter()
            .map(|item| ItemView { name: name(item.product), quantity: item.quantity })
            .collect(),
        total: order.total,
        tracking: order.tracking,
    };
    playbook.orders().of(customer).into_iter().take(ORDERS).map(view).collect()
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct PageView {
    /// `http` or `https`, without a login and without what is behind `#`.
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Since when.
    at: u64,
    /// True for a page of the shop's own origins: only that may become a link.
    own: bool,
}

impl PageView {
    fn of(page: Page, request: &HttpRequest, state: &State) -> Self {
        let own = page.origin().is_some_and(|origin| origin::is_shops(request, state, &origin));
        let Page { address, title, at } = page;
        Self { address, title, at, own }
    }
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Conversation {
    row: Row,
    shopper: ShopperView,
    /// The same shopper's other conversations, the newest first.
    others: Vec<Row>,
}

/// One conversation, and whose it is.
#[utoipa::path(
    get, path = "/v1/staff/conversations/{conv}", tag = "staff", params(("conv" = String, Path)),
    responses((status = 200, body = Conversation), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn one(
    request: HttpRequest,
    state: web::Data<State>,
    conv: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Browse)?;
    let conv = readable(&asker, &state, &conv)?;
    let row = state.staff.board.any_row(conv).ok_or_else(unknown)?;
    let id = row.shopper.id.ok_or_else(unknown)?;
    let mut others = state.staff.board.of_shopper(id)?;
    let conversations = others.len();
    others.retain(|other| other.conv != conv);
    others.reverse();
    others.truncate(MAX_PAGE);
    let known = state.desk.shopper(id)?;
    let page = known.as_ref().and_then(|known| known.page.clone());
    let shopper = ShopperView {
        id,
        name: row.shopper.name.clone(),
        email: row.shopper.email.clone(),
        contact: row.shopper.contact.clone(),
        external: known.as_ref().and_then(|known| known.external.clone()),
        verified: row.shopper.verified,
        blocked: row.shopper.blocked,
        created_at: known.as_ref().map(|known| known.created_at),
        conversations,
        orders: orders_of(known.as_ref(), &state),
        page: page.map(|page| PageView::of(page, &request, &state)),
    };
    Ok(ok().json(Conversation { row, shopper, others }))
}

/// The conversation of a path, if there is one and `asker` may read it.
pub(super) fn readable(asker: &Asker, state: &State, conv: &str) -> Result<ConvId, ApiError> {
    asker.caller.may(Action::Read, Resource::OtherConversation)?;
    let conv: ConvId = conv.parse().map_err(|_| unknown())?;
    state.desk.head(conv)?.map(|_| conv).ok_or_else(unknown)
}

fn unknown() -> ApiError {
    crate::chat::DeskError::Refused(Refusal::Unknown).into()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct EventsQuery {
    /// Only events before this number.
    before: Option<Seq>,
    /// At most 200, which is also the default.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Events {
    #[schema(value_type = Vec<Object>)]
    events: Vec<WireEvent>,
    /// True if there are older ones.
    more: bool,
}

/// Events of a conversation, the oldest first.
#[utoipa::path(
    get, path = "/v1/staff/conversations/{conv}/events", tag = "staff",
    params(("conv" = String, Path), EventsQuery),
    responses((status = 200, body = Events), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn events(
    request: HttpRequest,
    state: web::Data<State>,
    conv: web::Path<String>,
    query: web::Query<EventsQuery>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Browse)?;
    let conv = readable(&asker, &state, &conv)?;
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let newest = state.desk.head(conv)?.map_or(0, |head| head.seq);
    let end = query.before.unwrap_or(newest + 1).clamp(1, newest + 1);
    let start = end.saturating_sub(1 + limit as u64);
    let mut found = state.desk.history(conv, start, limit)?;
    found.retain(|event| event.seq < end);
    let events = found.iter().map(|event| WireEvent::of(event, Viewer::Staff)).collect();
    Ok(ok().json(Events { events, more: start > 0 }))
}

/// What the team has gathered to learn from.
#[utoipa::path(get, path = "/v1/staff/gathered", tag = "staff", responses((status = 200, body = Gathered)))]
pub(in crate::web) async fn gathered(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Browse)?;
    Ok(ok().json(state.staff.board.gathered()))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::web) struct Block {
    reason: Option<String>,
}

/// Refuses a shopper's messages from now on.
#[utoipa::path(
    post, path = "/v1/staff/shoppers/{shopper}/block", tag = "staff", request_body = Block,
    params(("shopper" = String, Path)), responses((status = 204), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn block(
    request: HttpRequest,
    state: web::Data<State>,
    shopper: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Arrange)?;
    let body = shopper::body(body)?;
    let Block { reason } = if body.is_empty() { Block::default() } else { shopper::parse(&body)? };
    let shopper: ShopperId = shopper.parse().map_err(|_| unknown())?;
    let (staff, by) = (state.staff.clone(), asker.name());
    let entry = asker.did("shopper_blocked").on(&shopper.to_string());
    on_disk(move || {
        staff.team.block(shopper, &by.0, reason.as_deref())?;
        staff.audit.note(entry)
    })
    .await?;
    changed(&state, shopper)
}

/// Takes a shopper's messages again.
#[utoipa::path(
    delete, path = "/v1/staff/shoppers/{shopper}/block", tag = "staff", params(("shopper" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn unblock(
    request: HttpRequest,
    state: web::Data<State>,
    shopper: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Arrange)?;
    let shopper: ShopperId = shopper.parse().map_err(|_| unknown())?;
    let (staff, entry) = (state.staff.clone(), asker.did("shopper_unblocked").on(&shopper.to_string()));
    on_disk(move || {
        staff.team.unblock(shopper)?;
        staff.audit.note(entry)
    })
    .await?;
    changed(&state, shopper)
}

/// The desk and the list know of it before the answer is given.
fn changed(state: &State, shopper: ShopperId) -> Result<HttpResponse, ApiError> {
    super::upkeep::block(state);
    for row in state.staff.board.of_shopper(shopper)? {
        state.staff.board.touch(row.conv);
    }
    Ok(nothing())
}
