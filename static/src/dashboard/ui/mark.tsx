import type { JSX } from "preact";

/** The product's sign. */
export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="var(--accent)" />
      <path d="M8.5 12.5a3 3 0 0 1 3-3h9a3 3 0 0 1 3 3v5a3 3 0 0 1-3 3h-5l-4.5 3.6v-3.6a2.9 2.9 0 0 1-2.5-3z" fill="var(--on-accent)" />
      <path d="M12.8 15.2l2.2 2.1 4.2-4.2" fill="none" stroke="var(--accent)" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
