// Texts in the reader's language: one dictionary a language, both with the same keys.
import { kept } from "./lib.js";
import en from "../lang/en.js";
import zh from "../lang/zh.js";

const DICTIONARIES = { en, zh };
export const LANGUAGES = { en: "English", zh: "中文" };

export const language = kept("language", navigator.language.startsWith("zh") ? "zh" : "en");

// The text of a key; `{name}` in it is taken from `values`.
export function t(key, values = {}) {
  const text = (DICTIONARIES[language.get()] ?? en)[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
