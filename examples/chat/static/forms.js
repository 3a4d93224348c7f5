import { element } from "./lines.js";
import { howLong, sentence } from "./words.js";

const $ = (id) => document.getElementById(id);
const held = new Map(); // forms that wait until the server would take them

export function busy(form, yes) {
  for (const button of $(form).querySelectorAll("button")) button.disabled = yes;
  for (const input of $(form).querySelectorAll("input")) input.readOnly = yes;
}

const submits = (form) => $(form).querySelectorAll("button[type=submit]");

export const waits = (form) => held.has(form);

// hold shows why a form was refused, and if that was too often, keeps it until the
// server would take it. What it says is said once, what is left stands on the button.
export function hold(form, field, why) {
  refuse(field, why);
  if (why?.code !== "rate_limited" || !why.retryAfterMs) return;
  const buttons = submits(form);
  const text = held.get(form)?.text ?? buttons[0].textContent;
  for (const button of buttons) button.disabled = true;
  held.set(form, { until: Date.now() + why.retryAfterMs, field, text });
  tick();
}

// release lets a form go.
export function release(form) {
  if (!held.has(form)) return;
  const buttons = submits(form);
  buttons[0].textContent = held.get(form).text;
  for (const button of buttons) button.disabled = false;
  held.delete(form);
}

// tick counts the seconds on the buttons; it is called often.
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
