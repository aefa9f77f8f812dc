// A list of any length of which only what is seen is drawn. All rows are of one height.

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  ids: string[];
  height: number;
  label: string;
  draw: (id: string) => ComponentChildren;
  /** The row that is to be in sight. */
  current: string | undefined;
  /** The end is near. */
  onEnd: () => void;
}

const SPARE = 8;

export function Virtual({ ids, height, label, draw, current, onEnd }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [[top, tall], setSight] = useState<[number, number]>([0, 900]);
  useLayoutEffect(() => {
    const element = box.current!;
    const look = (): void => setSight([Math.floor(element.scrollTop / height) * height, element.clientHeight]);
    const watch = new ResizeObserver(look);
    watch.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      watch.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [height]);
  useLayoutEffect(() => {
    const at = current === undefined ? -1 : ids.indexOf(current);
    const element = box.current!;
    if (at < 0) return;
    if (at * height < element.scrollTop) element.scrollTop = at * height;
    else if ((at + 1) * height > element.scrollTop + element.clientHeight) element.scrollTop = (at + 1) * height - element.clientHeight;
  }, [current]);
  const from = Math.max(0, Math.floor(top / height) - SPARE);
  const to = Math.min(ids.length, Math.ceil((top + tall) / height) + SPARE);
  useLayoutEffect(() => {
    if (to >= ids.length - SPARE) onEnd();
  }, [to, ids.length]);
  return (
    <div class="virtual" ref={box}>
      <ul aria-label={label} style={{ height: `${ids.length * height}px` }}>
        {ids.slice(from, to).map((id, n) => (
          <li key={id} aria-setsize={ids.length} aria-posinset={from + n + 1} style={{ transform: `translateY(${(from + n) * height}px)`, height: `${height}px` }}>
            {draw(id)}
          </li>
        ))}
      </ul>
    </div>
  );
}
