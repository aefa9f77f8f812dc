// What a shopper has bought, where the shop vouches for who they are.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Order } from "../../contract";
import { t, wholeDay } from "../../i18n";

/** Orders that are shown at once. */
const FEW = 3;
const LOOKS: Record<Order["status"], string> = { received: "", packed: "", shipped: "wait", delivered: "good", returned: "", cancelled: "bad" };

export function Orders({ orders }: { orders: Order[] }): JSX.Element {
  const [all, setAll] = useState(false);
  return (
    <>
      <ul class="orders">
        {(all ? orders : orders.slice(0, FEW)).map((order) => (
          <li key={order.id}>
            <p class="row"><span class="mono strong cut grow">{order.id}</span><span class={`tag ${LOOKS[order.status]}`}>{t(`order.${order.status}`)}</span></p>
            <p dir="auto">{order.items.map(({ name, quantity }) => (quantity > 1 ? `${quantity} × ${name}` : name)).join(", ")}</p>
            <p class="small dim row"><span class="num grow">{wholeDay(Date.parse(order.placed))}</span><span class="num">{order.total}</span></p>
            {order.tracking && <p class="small dim row"><span>{t("order.tracking")}</span><span class="mono cut">{order.tracking}</span></p>}
          </li>
        ))}
      </ul>
      {orders.length > FEW && !all && <div><button type="button" class="linkish" onClick={() => setAll(true)}>{t("ui.more")}</button></div>}
    </>
  );
}
