'use strict';
// The head of an ES module: its imports, up to the first statement of another kind. What comes later is not looked at,
// since telling a regular expression from a division there would take a parser.

// Longer than anybody's imports are.
const LONGEST = 64 * 1024;
const LINE_END = '[\\n\\r\\u2028\\u2029]';
// No text fits these in two ways, or looking for what is not there could take for ever.
const COMMENT = '//[^\\n\\r\\u2028\\u2029]*(?=' + LINE_END + '|$)|/\\*(?:[^*]|\\*(?!/))*\\*/';
const GAP = '(?:\\s|' + COMMENT + ')*';
const STRING = '(?:"([^"\\n\\\\]*)"|\'([^\'\\n\\\\]*)\')';
const BRACES = '\\{(?:[^}"\'/]|"[^"\\n]*"|\'[^\'\\n]*\'|' + COMMENT + ')*\\}';
const LETTER = '[\\w$\\u0080-\\uffff]';
const WORD = LETTER + '+(?!' + LETTER + ')';
const ATTRIBUTES = '(?:' + GAP + 'with' + GAP + BRACES + '|[ \\t]+assert' + GAP + BRACES + ')?';
const CLAUSE = '(?:' + WORD + '|\\*|,|' + BRACES + ')';
const FROM = '(?:' + GAP + CLAUSE + ')+' + GAP + STRING;
const IMPORT = new RegExp('import(?!' + LETTER + ')(?:' + GAP + STRING + '|' + FROM + ')' + ATTRIBUTES, 'y');
const EXPORT = new RegExp(
  'export(?!' + LETTER + ')' + GAP + '(?:\\*(?:' + GAP + 'as' + GAP + '(?:' + WORD + '|"[^"\\n]*"|\'[^\'\\n]*\'))?|' + BRACES +
  ')(?:' + GAP + 'from' + GAP + STRING + ATTRIBUTES + ')?', 'y');
const DIRECTIVE = new RegExp(STRING + '[ \\t]*(?:;|(?=' + LINE_END + '))', 'y');
const SPACE = new RegExp(GAP, 'y');
const HASHBANG = /^#!.*(?:\r?\n)?/;
const BY_LETTER = { i: IMPORT, e: EXPORT, '"': DIRECTIVE, "'": DIRECTIVE };

function matched(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/**
 * Of a text: `imports`, what it imports and passes on, in this order; `end`, the place behind the last of these;
 * `closes`, whether what is added at the end has to stand on a line of its own, for a comment on the last.
 */
exports.read = function (source) {
  const text = source.slice(0, LONGEST);
  const hashbang = HASHBANG.exec(text);
  const imports = [];
  let end = hashbang ? hashbang[0].length : 0;
  for (let at = end; ;) {
    at += matched(SPACE, text, at)[0].length;
    const pattern = BY_LETTER[text[at]];
    const found = pattern && matched(pattern, text, at);
    if (!found) break;
    at += found[0].length;
    if (pattern === DIRECTIVE) continue;
    const name = found.slice(1).find((it) => it !== undefined);
    if (name) imports.push(name);
    end = at;
    if (text[at] === ';') at += 1;
  }
  const line = source.lastIndexOf('\n') + 1;
  return { imports: imports, end: end, closes: line < source.length && source.indexOf('//', line) >= 0 };
};
