import { element } from "./lines.js";
import { howLong, sentence } from "./words.js";

const $ = (id) => document.getElementById(id);
const held = new Map(); // forms that wait until the server would accept them

export function busy(form, yes) {
  for (const button of $(form).querySelectorAll("button")) button.disabled = yes;
  for (const input of $(form).querySelectorAll("input")) input.readOnly = yes;
}

const submits = (form) => $(form).querySelectorAll("button[type=submit]");

export const waits = (form) => held.has(form);

// hold shows why a form was refused and, if it was sent too often, blocks it until the
// server would accept it. The message does not change; the button shows the time left.
export function hold(form, field, why) {
  refuse(field, why);
  if (why?.code !== "rate_limited" || !why.retryAfterMs) return;
  const buttons = submits(form);
  const text = held.get(form)?.text ?? buttons[0].textContent;
  for (const button of buttons) button.disabled = true;
  held.set(form, { until: Date.now() + why.retryAfterMs, field, text });
  tick();
}

// release unblocks a form.
export function release(form) {
  if (!held.has(form)) return;
  const buttons = submits(form);
  buttons[0].textContent = held.get(form).text;
  for (const button of buttons) button.disabled = false;
  held.delete(form);
}

// tick updates the seconds on the buttons; it is called often.
export function tick() {
  for (const [form, { until, field }] of held) {
    const left = until - Date.now();
    if (left > 0) {
      submits(form)[0].textContent = `Wait ${howLong(left)}`;
    } else {
      release(form);
      refuse(field);
    }
  }
}

// refuse shows why a field was refused, or that it no longer is.
export function refuse(field, why) {
  $(field).setAttribute("aria-invalid", String(Boolean(why)));
  explain($(`${field}-error`), why, field);
}

// explain shows a refusal in words, and its code for the curious.
export function explain(where, why, field) {
  where.replaceChildren();
  if (!why) return;
  where.append(sentence(why, field));
  if (why.code) where.append(" ", element("code", "", why.code));
}
