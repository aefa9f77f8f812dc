// A field for a number. It keeps what is being written ("0.00" on the way to "0.001", or nothing) through every drawing of the
// page, says each number as soon as there is one, and shows another only if that came from elsewhere.

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

interface Props {
  value: number;
  min: number;
  max: number;
  step?: number | "any";
  required?: boolean;
  class?: string;
  id?: string;
  "aria-label"?: string;
  "aria-describedby"?: string | undefined;
  "aria-invalid"?: "true" | undefined;
  onNumber: (value: number) => void;
}

export function NumberInput({ value, onNumber, ...rest }: Props): JSX.Element {
  const [text, setText] = useState(String(value));
  const said = useRef(value);
  if (value !== said.current) {
    said.current = value;
    setText(String(value));
  }
  const write = (input: HTMLInputElement): void => {
    setText(input.value);
    if (input.value === "" || Number.isNaN(input.valueAsNumber)) return;
    said.current = input.valueAsNumber;
    onNumber(input.valueAsNumber);
  };
  return <input {...rest} type="number" value={text} onInput={(event) => write(event.currentTarget)} />;
}
