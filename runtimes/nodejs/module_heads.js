'use strict';
// The head of an ES module: its imports, up to the first statement of another kind. What comes later is not looked at,
// since telling a regular expression from a division there would take a parser.

// Longer than anybody's imports are, in bytes.
const LONGEST = 64 * 1024;
const BOM = '\xef\xbb\xbf';
// Bytes are read as Latin-1: what is beyond ASCII has no meaning between tokens, but for line ends in comments.
const LINE_END = '(?:[\\n\\r]|\\xe2\\x80[\\xa8\\xa9])';
const COMMENT = '//(?:(?!' + LINE_END + ')[^])*(?=' + LINE_END + '|$)|/\\*(?:[^*]|\\*(?!/))*\\*/';
const GAP = '(?:\\s|' + COMMENT + ')*';
const STRING = '(?:"([^"\\n\\\\]*)"|\'([^\'\\n\\\\]*)\')';
const BRACES = '\\{(?:[^}"\'/]|"[^"\\n]*"|\'[^\'\\n]*\'|' + COMMENT + ')*\\}';
const LETTER = '[\\w$\\x80-\\xff]';
const WORD = LETTER + '+(?!' + LETTER + ')';
const ATTRIBUTES = '(?:' + GAP + 'with' + GAP + BRACES + '|[ \\t]+assert' + GAP + BRACES + ')?';
const CLAUSE = '(?:' + WORD + '|\\*|,|' + BRACES + ')';
const FROM = '(?:' + GAP + CLAUSE + ')+' + GAP + STRING;
const IMPORT = new RegExp('import(?![\\w$])(?:' + GAP + STRING + '|' + FROM + ')' + ATTRIBUTES, 'y');
const EXPORT = new RegExp(
  'export(?![\\w$])' + GAP + '(?:\\*(?:' + GAP + 'as' + GAP + '(?:' + WORD + '|"[^"\\n]*"|\'[^\'\\n]*\'))?|' + BRACES + ')' +
  '(?:' + GAP + 'from' + GAP + STRING + ATTRIBUTES + ')?', 'y');
const DIRECTIVE = new RegExp(STRING + '[ \\t]*(?:;|(?=' + LINE_END + '))', 'y');
const SPACE = new RegExp(GAP, 'y');
const HASHBANG = /^#!.*(?:\r?\n)?/;

function matched(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/**
 * Of a text as bytes: `imports`, what it imports and passes on, in this order; `end`, the place behind the last of
 * these; `closes`, whether what is added at the end has to stand on a line of its own, for a comment on the last.
 */
exports.read = function (source) {
  const text = source.toString('latin1', 0, LONGEST);
  const imports = [];
  let end = text.startsWith(BOM) ? BOM.length : 0;
  const hashbang = HASHBANG.exec(text.slice(end));
  if (hashbang) end += hashbang[0].length;
  for (let at = end; ;) {
    at += matched(SPACE, text, at)[0].length;
    at += (matched(DIRECTIVE, text, at) || [''])[0].length;
    at += matched(SPACE, text, at)[0].length;
    const found = matched(IMPORT, text, at) || matched(EXPORT, text, at);
    if (!found) break;
    const name = found.slice(1).find((it) => it !== undefined);
    if (name) imports.push(Buffer.from(name, 'latin1').toString());
    end = at = at + found[0].length;
    if (text[at] === ';') at += 1;
  }
  const line = source.lastIndexOf(10) + 1;
  return { imports: imports, end: end, closes: line < source.length && source.indexOf('//', line) >= 0 };
};
